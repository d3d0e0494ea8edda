"""Labels as files that join to the rollouts: by run, step, kind and row, or by the rollout's id, document and position.

In: reviews that the reader may see. Out: rows, and the same as JSON lines, CSV or Parquet. An item that is a position
is of no run: the hash of its text and its byte name it. An item's decision stands beside each of its reviews.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from django.db.models import QuerySet

from rpt_web.exports import csv_of
from rpt_web.review.models import Decision, Review, ReviewQueue
from rpt_web.review.questions import ReviewQuestion, from_stored

FORMATS = {
    "jsonl": "application/x-ndjson; charset=utf-8",
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
}
"""The ending of a file -> its type."""
_COLUMNS = {
    **{"queue": pa.int64(), "item": pa.int64(), "run": pa.int64(), "step": pa.int64(), "kind": pa.string()},
    **{"row": pa.int64(), "rollout": pa.int64(), "group": pa.int64(), "document": pa.string()},
    **{"position": pa.int64(), "text_hash": pa.string(), "byte_offset": pa.int64()},
    **{"reward": pa.float64(), "other_run": pa.int64()},
    **{"other_rollout": pa.int64(), "swapped": pa.bool_(), "label_set": pa.string(), "label_set_version": pa.int64()},
    **{"reviewer": pa.string(), "note": pa.string(), "flagged": pa.bool_(), "seconds": pa.float64()},
    **{"submitted_at": pa.string(), "imported": pa.bool_()},
}


_READ = {
    **{"id": "id", "item": "item__number", "run": "item__run", "step": "item__step", "kind": "item__rollout_kind"},
    **{"row": "item__row", "rollout": "item__rollout_id", "group": "item__group", "document": "item__document"},
    **{"position": "item__position", "text_hash": "item__place__text_hash"},
    **{"byte_offset": "item__place__byte_offset", "reward": "item__reward", "other_run": "item__other_run"},
    **{"other_rollout": "item__other_rollout_id", "swapped": "is_swapped", "reviewer": "reviewer__username"},
    **{"note": "note", "flagged": "is_flagged", "seconds": "seconds", "submitted_at": "submitted_at"},
    **{"imported": "is_imported", "answers": "answers"},
}
"""What is read of a review -> where it stands. Columns are read, and no objects made: a queue has thousands."""


def label_rows(queue: ReviewQueue, reviews: QuerySet[Review], order: str = "item__number") -> Iterator[dict[str, Any]]:
    """One row for each review, in the order of the queue or another one (2 queries)."""
    decided = dict(Decision.objects.filter(queue=queue).values_list("item", "answers"))
    of_queue = {
        "queue": queue.pk,
        "label_set": queue.version.label_set.name,
        "label_set_version": queue.version.number,
    }
    for *values, item in reviews.order_by(order, "id").values_list(*_READ.values(), "item").iterator(2000):
        row: dict[str, Any] = {**of_queue, **dict(zip(_READ, values, strict=True))}
        row["text_hash"] = bytes(row["text_hash"]).hex() if row["text_hash"] else None
        row["submitted_at"] = row["submitted_at"].isoformat() if row["submitted_at"] else None
        row["decision"] = decided.get(item)
        yield row


def as_file(ending: str, queue: ReviewQueue, rows: Sequence[Mapping[str, Any]]) -> bytes:
    """The rows as a file of one of FORMATS."""
    if ending == "jsonl":
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    questions = from_stored(queue.version.questions)
    flat = [_flat(row, questions) for row in rows]
    return _csv(flat, questions) if ending == "csv" else _parquet(flat, questions)


def _flat(row: Mapping[str, Any], questions: Sequence[ReviewQuestion]) -> dict[str, Any]:
    """A column for each question, and one for what was decided about it."""
    decision = row["decision"] or {}
    found = {name: row[name] for name in _COLUMNS}
    for question in questions:
        found[f"answer_{question.name}"] = _joined(row["answers"].get(question.name))
        found[f"decision_{question.name}"] = _joined(decision.get(question.name))
    return found


def _joined(answer: Any) -> str | None:
    """Several labels are joined by semicolons."""
    if answer is None:
        return None
    return ";".join(answer) if isinstance(answer, list) else str(answer)


def _names(questions: Sequence[ReviewQuestion]) -> list[str]:
    return [f"{what}_{question.name}" for question in questions for what in ("answer", "decision")]


def _csv(rows: Sequence[Mapping[str, Any]], questions: Sequence[ReviewQuestion]) -> bytes:
    names = [*_COLUMNS, *_names(questions)]
    return csv_of(names, ([row[name] for name in names] for row in rows))


def _parquet(rows: Sequence[Mapping[str, Any]], questions: Sequence[ReviewQuestion]) -> bytes:
    schema = pa.schema([*_COLUMNS.items(), *((name, pa.string()) for name in _names(questions))])
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(list(rows), schema=schema), sink, compression="zstd")
    written: bytes = sink.getvalue().to_pybytes()
    return written
