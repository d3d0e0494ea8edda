"""Kappa and alpha of a queue, kept: with ten thousand items a bootstrap takes seconds, and a page must not.

In: a queue, its questions and the reviews that a reader may see. Out: numbers by question. They are computed when
somebody first asks for exactly these reviews, and kept until others are asked for; readers who are blind for different
items have figures of their own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rpt_core.statistics.agreement import (
    Coefficient,
    Measure,
    Rating,
    agreement_by_reviewer,
    alpha_by_label,
    kappa_of_pairs,
    krippendorff_alpha,
)
from rpt_web.review.agreement import MOST_PAIRS, SubmittedReview
from rpt_web.review.models import AgreementFigures, ReviewQueue
from rpt_web.review.questions import ReviewQuestion

MEASURES: Mapping[str, Measure] = {"one": "nominal", "scale": "ordinal", "several": "sets"}
"""How far two answers are apart, by the kind of the question."""
KEPT = 5
"""Sets of figures of one queue."""
MANY_ITEMS, FEWER_DRAWS = 2000, 200
"""A bootstrap over many items needs fewer draws for an interval that is narrow anyway."""


def of_queue(
    queue: ReviewQueue, questions: Sequence[ReviewQuestion], rows: Sequence[SubmittedReview]
) -> dict[str, Any]:
    """By the question's name: `alpha`, `labels`, `pairs`, `reviewers` (1 query where they are kept)."""
    key = _key(rows)
    kept = AgreementFigures.objects.filter(queue=queue, key=key).first()
    if kept is not None:
        return dict(kept.figures)
    figures = {question.name: _of_question(question, rows) for question in questions}
    AgreementFigures.objects.update_or_create(queue=queue, key=key, defaults={"figures": figures})
    old = list(AgreementFigures.objects.filter(queue=queue).order_by("-id").values_list("pk", flat=True)[KEPT:])
    AgreementFigures.objects.filter(pk__in=old).delete()
    return figures


def _of_question(question: ReviewQuestion, rows: Sequence[SubmittedReview]) -> dict[str, Any]:
    ratings = [
        Rating(row.item, row.reviewer, _value(row.answers[question.name]))
        for row in rows
        if question.name in row.answers
    ]
    draws = FEWER_DRAWS if len(rows) > 2 * MANY_ITEMS else 1000
    values = [label.value for label in question.labels]
    people = sorted({rating.reviewer for rating in ratings})
    by_pair = kappa_of_pairs(ratings) if question.kind == "one" and len(people) <= MOST_PAIRS else {}
    return {
        "alpha": asdict(krippendorff_alpha(ratings, MEASURES[question.kind], draws=draws)),
        "labels": {name: asdict(found) for name, found in alpha_by_label(ratings, values, draws=draws).items()},
        "pairs": {f"{one} and {other}": asdict(found) for (one, other), found in by_pair.items()},
        "reviewers": {name: asdict(found) for name, found in agreement_by_reviewer(ratings).items()},
    }


def coefficient(stored: Mapping[str, Any] | None) -> Coefficient | None:
    """One of the numbers as it was computed; None for one that was not."""
    return None if stored is None else Coefficient(**stored)


def _value(answer: Any) -> Any:
    return frozenset(answer) if isinstance(answer, list) else answer


def _key(rows: Sequence[SubmittedReview]) -> str:
    """A digest of exactly these answers."""
    digest = hashlib.blake2b(digest_size=16)
    for row in rows:
        digest.update(f"{row.item}\x00{row.reviewer}\x00{sorted(row.answers.items())}\x01".encode())
    return digest.hexdigest()
