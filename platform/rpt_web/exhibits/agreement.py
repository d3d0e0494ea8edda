"""The tables of how far reviewers agree: `QUESTION/labels`, `QUESTION/confusion`, `QUESTION/reviewers`.

In: a queue and the reviews that the reader may see. Out: an `Exhibit`. Each has what its page shows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from django.db.models import QuerySet

from rpt_web.exhibits.data import file_name
from rpt_web.exhibits.exhibit import Exhibit
from rpt_web.exports import PlainColumn, PlainTable, estimate_cells, estimate_columns
from rpt_web.exports.tables import PlainValue
from rpt_web.review import figures
from rpt_web.review.figures import QuestionFigures
from rpt_web.review.models import Review, ReviewQueue
from rpt_web.review.questions import from_stored

Rows = list[Mapping[str, PlainValue]]
Columns = list[PlainColumn]


def exhibit(queue: ReviewQueue, rest: str, seen: QuerySet[Review]) -> Exhibit | None:
    """One of the tables; None for what is not there."""
    name, _, which = rest.rpartition("/")
    found = figures.of_queue(queue, from_stored(queue.version.questions), seen)
    part = next((part for part in found.questions if part.counts.question.name == name), None)
    if part is None or which not in _TABLES:
        return None
    words, make = _TABLES[which]
    columns, rows = make(part)
    title = f"{words}: {part.counts.question.title}"
    caption = _caption(queue, part)
    table = PlainTable(file_name("queue", queue.pk, name, which), title, columns, rows, caption)
    return Exhibit(f"queue/{queue.pk}/agreement/{rest}", title, caption, table, None, ())


def _caption(queue: ReviewQueue, part: QuestionFigures) -> str:
    alpha, counts = part.alpha, part.counts
    words = f"Queue {queue.name}: {counts.items:,} items with two reviews or more, {counts.pairs:,} pairs of reviews."
    if alpha["value"] is None:
        return words
    interval = "" if alpha["low"] is None else f" [{alpha['low']:.2f}, {alpha['high']:.2f}]"
    return f"{words} Krippendorff's alpha {alpha['value']:.2f}{interval}."


def _labels(part: QuestionFigures) -> tuple[Columns, Rows]:
    columns = [
        *(PlainColumn("label", "Label"), PlainColumn("given", "Given", "count")),
        *(PlainColumn("both_agree", "Both agree", "share"), PlainColumn("pairs", "Pairs with it", "count")),
        *estimate_columns("alpha", "Alpha", "number"),
        *estimate_columns("of_rewarded", "Of rewarded"),
        *(PlainColumn("of_others", "Of the others", "share"), PlainColumn("others", "Others", "count")),
    ]
    rows: Rows = []
    for label, alpha in part.labels:
        low, high = label.interval_of_rewarded if label.of_rewarded else (None, None)
        own = [alpha.get(name) for name in ("value", "low", "high")] if alpha else [None]
        cells: dict[str, PlainValue] = {"label": label.title, "given": label.given, "pairs": label.pairs}
        cells |= {"both_agree": label.share_agreed, "of_others": label.share_of_others, "others": label.of_others}
        cells |= estimate_cells("alpha", *own)
        cells |= estimate_cells("of_rewarded", label.share_of_rewarded, low, high, label.of_rewarded)
        rows.append(cells)
    return columns, rows


def _confusion(part: QuestionFigures) -> tuple[Columns, Rows]:
    answers = part.counts.answers
    columns = [
        PlainColumn("answer", "One says"),
        *(PlainColumn(f"other_{n}", a, "count") for n, a in enumerate(answers)),
    ]
    rows: Rows = [
        {"answer": answer, **{f"other_{number}": count for number, count in enumerate(counts)}}
        for answer, counts in part.counts.confusion
    ]
    return columns, rows


def _reviewers(part: QuestionFigures) -> tuple[Columns, Rows]:
    columns = [
        *(PlainColumn("first", "Reviewer"), PlainColumn("second", "Other reviewer")),
        *(PlainColumn("items", "Items", "count"), PlainColumn("same", "Same answer", "share")),
        PlainColumn("kappa", "Cohen's kappa", "number"),
    ]
    rows: Rows = [
        {
            **{"first": pair.first, "second": pair.second, "items": pair.items, "same": pair.share},
            **{"kappa": kappa.get("value") if kappa else None},
        }
        for pair, kappa in part.people
    ]
    return columns, rows


_TABLES: dict[str, tuple[str, Callable[[QuestionFigures], tuple[Columns, Rows]]]] = {
    "labels": ("Labels, and labels against reward", _labels),
    "confusion": ("Who says one says the other", _confusion),
    "reviewers": ("By pairs of reviewers", _reviewers),
}
