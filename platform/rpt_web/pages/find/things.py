"""Runs, experiments, corpora, models, wordings, documents and positions by name or number, of what a user may see.

In: a user, words. Out: a few of each kind, newest first: each is one query with a limit. Documents are looked for by
their whole name, in the newest filter runs alone: their names stand in files.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import reduce
from operator import and_, or_
from typing import Any

from django.db.models import Case, Q, QuerySet, When
from django.urls import reverse

from rpt_web import access
from rpt_web.corpora import token_maps
from rpt_web.pages.find.places import FoundLine
from rpt_web.runs.models import Run

EACH = 6
FILTER_RUNS_LOOKED_AT = 5
MOST_DOCUMENTS = 150_000
"""So many names are looked through at most, the newest runs first: a few tens of milliseconds."""
SHORTEST_DOCUMENT = 3
_POSITION = re.compile(r"(?P<document>\S+):(?P<token>\d{1,9})")
_NUMBER = re.compile(r"#?(\d{1,18})")


def runs(user: access.Actor, words: Sequence[str]) -> list[FoundLine]:
    """Runs by name, title, experiment or number."""
    found = _matching(access.runs_for(user), words, "name", "title", "experiment__name")
    rows = found.only("name", "title", "stage", "status", "experiment__name").select_related(None)
    return [
        FoundLine("list-details", run.name, reverse("runs:run_detail", args=[run.pk]), _of_run(run))
        for run in _exact_first(rows.select_related("experiment"), words)
    ]


def experiments(user: access.Actor, words: Sequence[str]) -> list[FoundLine]:
    """Experiments by name, description or number."""
    found = _matching(access.experiments_for(user), words, "name", "description")
    return [
        FoundLine("flask", one.name, reverse("experiments:experiment_detail", args=[one.pk]), f"experiment, {one.team}")
        for one in _exact_first(found, words)
    ]


def corpora(user: access.Actor, words: Sequence[str]) -> list[FoundLine]:
    """Corpora by name, source or number."""
    found = _matching(access.corpora_for(user), words, "name", "source")
    return [
        FoundLine("database", one.name, reverse("corpora:corpus_detail", args=[one.pk]), f"corpus, {one.team}")
        for one in _exact_first(found, words)
    ]


def models(user: access.Actor, words: Sequence[str]) -> list[FoundLine]:
    """Registered models by name, path or number."""
    found = _matching(access.models_for(user), words, "name", "path")
    return [
        FoundLine("brain", one.name, reverse("models:model_detail", args=[one.pk]), f"model, {one.team}")
        for one in _exact_first(found, words)
    ]


def queues(user: access.Actor, words: Sequence[str]) -> list[FoundLine]:
    """Queues to review by name or number."""
    found = _matching(access.queues_for(user), words, "name")
    return [
        FoundLine("messages", one.name, reverse("review:queue_detail", args=[one.pk]), f"queue to review, {one.team}")
        for one in _exact_first(found, words)
    ]


def wordings(user: access.Actor, words: Sequence[str]) -> list[FoundLine]:
    """Prompt templates and pattern lists by name."""
    found = _matching(access.wordings_for(user), words, "name")
    return [
        FoundLine(
            "file-text", one.name, reverse("wordings:wording_detail", args=[one.pk]), one.get_kind_display().lower()
        )
        for one in _exact_first(found, words)
    ]


def documents(user: access.Actor, text: str) -> list[FoundLine]:
    """A document by its whole name, and a position of it as DOCUMENT:TOKEN."""
    if len(text) < SHORTEST_DOCUMENT or len(text.split()) != 1:
        return []
    filtered = access.runs_for(user).filter(stage="filter", splits__isnull=False).distinct().order_by("-id")
    rows = list(filtered.defer("plan", "result", "log_tail", "error")[:FILTER_RUNS_LOOKED_AT])
    if position := _POSITION.fullmatch(text):
        name, token = position["document"], position["token"]
        return list(_in_runs(rows, name, f"?token={token}", f"position {token} of "))
    return list(_in_runs(rows, text, "", ""))


KINDS: dict[str, Callable[[access.Actor, Sequence[str]], list[FoundLine]]] = {
    "Runs": runs,
    "Experiments": experiments,
    "Corpora": corpora,
    "Models": models,
    "Queues to review": queues,
    "Prompt templates and pattern lists": wordings,
}


def _in_runs(rows: Iterable[Run], name: str, query: str, what: str) -> Iterator[FoundLine]:
    left = MOST_DOCUMENTS
    for run in rows:
        for split, scored in token_maps.splits_of(run).items():
            left -= scored.documents
            row = _row_of(run, split, name) if left >= 0 else None
            if row is not None:
                place = reverse("token_maps:document_detail", args=[run.pk, split, row])
                hint = f"{split}, {run.name} of {run.experiment.name}"
                yield FoundLine("file-text", f"{what}{name}", place + query, hint)


def _row_of(run: Run, split: str, name: str) -> int | None:
    """Where a document stands; None where it is not, and where the file is gone or damaged."""
    try:
        return token_maps.positions_file(run, split).row_of(name)
    except (OSError, ValueError):
        return None


def _matching(rows: QuerySet[Any], words: Sequence[str], *fields: str) -> QuerySet[Any]:
    """Rows that have each of the words in one of the fields; a number alone is also a key."""
    has_all = reduce(and_, (reduce(or_, (Q(**{f"{field}__icontains": word}) for field in fields)) for word in words))
    number = _NUMBER.fullmatch(words[0]) if len(words) == 1 else None
    return rows.filter(has_all | Q(pk=int(number[1])) if number else has_all)


def _exact_first(rows: QuerySet[Any], words: Sequence[str]) -> QuerySet[Any]:
    """The first few: what is named exactly so, then the newest."""
    is_exact = Case(When(name__iexact=" ".join(words), then=0), default=1)
    return rows.order_by(is_exact, "-id")[:EACH]


def _of_run(run: Run) -> str:
    return f"{run.stage}, {run.status}, {run.experiment.name}"
