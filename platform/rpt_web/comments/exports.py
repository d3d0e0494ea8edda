"""Comments as files that join to the rollouts: by run, step, kind and row, or by the rollout's id.

In: comments that the reader may see. Out: the same as JSON lines, CSV or Parquet.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from django.db.models import QuerySet

from rpt_web.comments.models import Comment
from rpt_web.exports import csv_of
from rpt_web.traces.models import rollout_place

FORMATS = {
    "jsonl": "application/x-ndjson; charset=utf-8",
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
}
"""The ending of a file -> its type."""
_COLUMNS = {
    **dict.fromkeys(("id", "thread", "experiment", "run", "rollout", "step"), pa.int64()),
    **{"kind": pa.string(), "row": pa.int64(), "author": pa.string(), "text": pa.string()},
    **{"start": pa.int64(), "end": pa.int64(), "quote": pa.string()},
    **dict.fromkeys(("created_at", "edited_at", "resolved_at", "resolved_by", "deleted_at"), pa.string()),
}


def comment_rows(comments: QuerySet[Comment]) -> list[dict[str, Any]]:
    """One row for each, with the place of its response where it is on one (1 query)."""
    return [_row(comment) for comment in comments]


def as_file(ending: str, rows: Sequence[dict[str, Any]]) -> bytes:
    """The rows as a file of one of FORMATS."""
    if ending == "jsonl":
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    return _csv(rows) if ending == "csv" else _parquet(rows)


def _row(comment: Comment) -> dict[str, Any]:
    step, kind, row = (None, None, None) if comment.rollout is None else rollout_place(comment.rollout)
    return {
        "id": comment.pk,
        "thread": comment.root_id,
        "experiment": comment.experiment_id,
        "run": comment.run_id,
        "rollout": comment.rollout,
        "step": step,
        "kind": kind,
        "row": row,
        "author": _name(comment.author),
        "text": comment.body,
        "start": comment.start,
        "end": comment.end,
        "quote": comment.quote if comment.has_passage else None,
        "created_at": _written(comment.created_at),
        "edited_at": _written(comment.edited_at),
        "resolved_at": _written(comment.resolved_at),
        "resolved_by": _name(comment.resolved_by),
        "deleted_at": _written(comment.deleted_at),
    }


def _name(user: Any) -> str | None:
    return None if user is None else str(user.username)


def _written(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _csv(rows: Sequence[dict[str, Any]]) -> bytes:
    names = list(_COLUMNS)
    return csv_of(names, ([row[name] for name in names] for row in rows))


def _parquet(rows: Sequence[dict[str, Any]]) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(list(rows), schema=pa.schema(list(_COLUMNS.items()))), sink, compression="zstd")
    written: bytes = sink.getvalue().to_pybytes()
    return written
