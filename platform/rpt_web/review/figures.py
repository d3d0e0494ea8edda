"""The numbers of a queue's agreement, kept: with ten thousand items they take seconds, and a page must not.

In: a queue, its questions and the reviews that a reader may see. Out: counts, kappa and alpha by question, and the
items that reviewers disagree about. They are computed when somebody first asks for exactly these reviews, and kept
until others are asked for; readers who are blind for different items have figures of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from django.db.models import BigIntegerField, Count, F, Func, Max, QuerySet, Sum

from rpt_core.statistics.agreement import (
    Measure,
    Rating,
    agreement_by_reviewer,
    alpha_by_label,
    kappa_of_pairs,
    krippendorff_alpha,
)
from rpt_web.review.agreement import (
    MOST_PAIRS,
    PairOfReviewers,
    QuestionAgreement,
    SharedLabels,
    SubmittedReview,
    compared,
    disagreements,
    of_question,
    submitted_of,
)
from rpt_web.review.models import AgreementFigures, Review, ReviewQueue
from rpt_web.review.questions import ReviewQuestion

MEASURES: Mapping[str, Measure] = {"one": "nominal", "scale": "ordinal", "several": "sets"}
"""How far two answers are apart, by the kind of the question."""
KEPT = 5
"""Sets of figures of one queue."""
MANY_ITEMS, FEWER_DRAWS, DRAWS = 2000, 200, 1000
"""A bootstrap over many items needs fewer draws for an interval that is narrow anyway."""


@dataclass(frozen=True)
class QuestionFigures:
    """All numbers of one question; coefficients are as `asdict` gives them."""

    counts: QuestionAgreement
    alpha: Mapping[str, Any]
    labels: Sequence[tuple[SharedLabels, Mapping[str, Any] | None]]
    """Each with its own alpha."""
    people: Sequence[tuple[PairOfReviewers, Mapping[str, Any] | None]]
    """Each pair with its kappa."""
    reviewers: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class QueueFigures:
    """What the page of agreement says."""

    reviews: int
    disputed: Mapping[int, int]
    """Items that reviewers disagree about, in the order of the queue -> their numbers in it."""
    questions: Sequence[QuestionFigures]


def of_queue(queue: ReviewQueue, questions: Sequence[ReviewQuestion], seen: QuerySet[Review]) -> QueueFigures:
    """The figures of these reviews (2 queries where they are kept)."""
    key = _key(seen)
    kept = AgreementFigures.objects.filter(queue=queue, key=key).first()
    figures = kept.figures if kept is not None else _computed(queue, key, questions, submitted_of(seen))
    by_name = figures["questions"]
    return QueueFigures(
        figures["reviews"],
        dict(map(tuple, figures["disputed"])),
        [_read(question, by_name[question.name]) for question in compared(questions)],
    )


def _computed(
    queue: ReviewQueue, key: str, questions: Sequence[ReviewQuestion], rows: Sequence[SubmittedReview]
) -> dict[str, Any]:
    numbers = {row.item: row.number for row in rows}
    figures = {
        "reviews": len(rows),
        "disputed": [(item, numbers[item]) for item in disagreements(questions, rows)],
        "questions": {question.name: _of_question(question, rows) for question in compared(questions)},
    }
    AgreementFigures.objects.update_or_create(queue=queue, key=key, defaults={"figures": figures})
    old = list(AgreementFigures.objects.filter(queue=queue).order_by("-id").values_list("pk", flat=True)[KEPT:])
    AgreementFigures.objects.filter(pk__in=old).delete()
    return figures


def _of_question(question: ReviewQuestion, rows: Sequence[SubmittedReview]) -> dict[str, Any]:
    said = [row for row in rows if question.name in row.answers]
    ratings = [Rating(row.item, row.reviewer, _value(row.answers[question.name])) for row in said]
    draws = FEWER_DRAWS if len(rows) > 2 * MANY_ITEMS else DRAWS
    values = [label.value for label in question.labels]
    people = {rating.reviewer for rating in ratings}
    by_pair = kappa_of_pairs(ratings) if question.kind == "one" and len(people) <= MOST_PAIRS else {}
    counts = of_question(question, rows)
    return {
        "counts": {name: getattr(counts, name) for name in ("items", "pairs", "agreed", "confusion")},
        "shared": [asdict(label) for label in counts.labels],
        "people": [asdict(pair) for pair in counts.people],
        "alpha": asdict(krippendorff_alpha(ratings, MEASURES[question.kind], draws=draws)),
        "labels": {name: asdict(found) for name, found in alpha_by_label(ratings, values, draws=draws).items()},
        "pairs": {_pair(*names): asdict(found) for names, found in by_pair.items()},
        "reviewers": {name: asdict(found) for name, found in agreement_by_reviewer(ratings).items()},
    }


def _read(question: ReviewQuestion, stored: Mapping[str, Any]) -> QuestionFigures:
    labels = [SharedLabels(**label) for label in stored["shared"]]
    people = [PairOfReviewers(**pair) for pair in stored["people"]]
    return QuestionFigures(
        counts=QuestionAgreement(question=question, labels=labels, people=people, **stored["counts"]),
        alpha=stored["alpha"],
        labels=[(label, stored["labels"].get(str(label.value))) for label in labels],
        people=[(pair, stored["pairs"].get(_pair(pair.first, pair.second))) for pair in people],
        reviewers=stored["reviewers"],
    )


def _pair(one: str, other: str) -> str:
    return f"{one} and {other}"


def _value(answer: Any) -> Any:
    return frozenset(answer) if isinstance(answer, list) else answer


def _key(seen: QuerySet[Review]) -> str:
    """What tells these reviews, each in its version, from others (1 query)."""
    hashed = Func(F("id"), F("version"), function="hashint8extended", output_field=BigIntegerField())
    found = seen.order_by().aggregate(count=Count("id"), last=Max("id"), sum=Sum(hashed))
    return f"{found['count']}-{found['last']}-{(found['sum'] or 0) % 2**64:x}"[:32]
