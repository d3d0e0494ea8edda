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


def label_rows(queue: ReviewQueue, reviews: QuerySet[Review], order: str = "item__number") -> Iterator[dict[str, Any]]:
    """One row for each review, in the order of the queue or another one (2 queries)."""
    decided = dict(Decision.objects.filter(queue=queue).values_list("item", "answers"))
    version = queue.version
    for review in reviews.order_by(order, "id").iterator(2000):
        item = review.item
        yield {
            "id": review.pk,
            "queue": queue.pk,
            "item": item.number,
            "run": item.run_id,
            "step": item.step,
            "kind": item.rollout_kind,
            "row": item.row,
            "rollout": item.rollout_id,
            "group": item.group,
            "document": item.document,
            "position": item.position,
            "text_hash": bytes(item.place.text_hash).hex() if item.place else None,
            "byte_offset": item.place.byte_offset if item.place else None,
            "reward": item.reward,
            "other_run": item.other_run_id,
            "other_rollout": item.other_rollout_id,
            "swapped": review.is_swapped,
            "label_set": version.label_set.name,
            "label_set_version": version.number,
            "reviewer": review.reviewer.username,
            "note": review.note,
            "flagged": review.is_flagged,
            "seconds": review.seconds,
            "submitted_at": review.submitted_at.isoformat() if review.submitted_at else None,
            "imported": review.is_imported,
            "answers": review.answers,
            "decision": decided.get(item.pk),
        }


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
