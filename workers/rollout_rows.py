"""A shard of rollouts -> rows of the run's partition, by binary COPY, and a row for each group.

In: a Parquet file as `rpt_core.run.rollout_files` writes it. Out: one row of metadata for each rollout, with the first
characters of its response; the full text stays in the file. What Postgres cannot store is replaced. The groups are
summed up from the same batches.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from django.db import connection
from psycopg import sql

from rpt_core.errors import said
from rpt_core.run.rollout_files import finite_column
from rpt_web.text import REPLACEMENT
from rpt_web.traces.groups import delete_groups, replace_groups
from rpt_web.traces.models import KINDS, LARGEST_SHARD_ROWS, PREVIEW_CHARACTERS, Rollout, rollout_id
from rpt_web.traces.partitions import partition_name
from workers.group_rows import OPTIONAL, Summary

_OF_THE_SHARD = {"run_id": "int8", "attempt": "int4", "step": "int4", "kind": "varchar"}
_OF_THE_ROW = {"id": "int8", "row": "int4"}
_FROM_THE_FILE = {
    "group": "int4",
    "sample": "int4",
    "document": "text",
    "position": "int4",
    "entropy_nats": "float8",
    "reward": "float8",
    "reason": "varchar",
    "finish_reason": "varchar",
    "prompt_tokens": "int4",
    "response_tokens": "int4",
    "prediction": "bytea",
    "completion": "bytea",
    "preview": "varchar",
}
_TYPES = _OF_THE_SHARD | _OF_THE_ROW | _FROM_THE_FILE
_READ = [name for name in _FROM_THE_FILE if name != "preview"] + ["response", *OPTIONAL]
BATCH_ROWS = 2048


@dataclass(frozen=True)
class Shard:
    """One file of one step and kind."""

    run_id: int
    experiment_id: int
    attempt: int
    step: int
    kind: str
    path: Path
    above_nats: Sequence[float]
    """Where the difficulties begin."""


class UnreadableShard(Exception):
    """The file is not there, or damaged."""

    def __init__(self, error: Exception) -> None:
        super().__init__(said(error))


@dataclass(frozen=True)
class Counts:
    """The roll-up of a shard."""

    rows: int
    rewarded: int


def replace_rows(shard: Shard) -> Counts:
    """Write the rows of a shard in place of those there are. The partition must be there; call in a transaction."""
    first = rollout_id(shard.step, shard.kind, 0)
    delete_rows(shard.run_id, first, first + LARGEST_SHARD_ROWS)
    rows = rewarded = 0
    summary = Summary(shard.step, shard.kind, shard.above_nats)
    with connection.cursor() as cursor, _copy(cursor, shard.run_id) as copy:
        copy.set_types(list(_TYPES.values()))
        for batch in _batches(shard.path):
            rewarded += pc.sum(pc.greater(batch["reward"], 0)).as_py() or 0
            for row in _rows(shard, batch, rows):
                copy.write_row(row)
            rows += batch.num_rows
            summary.add(batch)
    replace_groups((shard.run_id, shard.experiment_id), shard.step, shard.kind, *summary.columns())
    return Counts(rows, rewarded)


def summed_up(shard: Shard) -> Summary:
    """The groups of a shard whose rollouts are recorded already."""
    summary = Summary(shard.step, shard.kind, shard.above_nats)
    for batch in _batches(shard.path):
        summary.add(batch)
    return summary


def delete_beyond(run_id: int, step: int) -> None:
    """Delete a run's rollouts and groups of all steps after one; -1 stands for before the first."""
    delete_rows(run_id, rollout_id(step + 1, KINDS[0], 0))
    delete_groups(run_id, beyond=step)


def delete_rows(run_id: int, first_id: int, end_id: int | None = None) -> None:
    """Delete a run's rollouts from an id on, up to but without another one."""
    rows = Rollout.objects.filter(run_id=run_id, id__gte=first_id)
    (rows if end_id is None else rows.filter(id__lt=end_id)).delete()


@contextmanager
def _copy(cursor: Any, run_id: int) -> Iterator[Any]:
    """psycopg's COPY with Django's errors: those who wait for a lost connection know only these."""
    with connection.wrap_database_errors, cursor.copy(_copy_statement(run_id)) as copy:
        yield copy


def _copy_statement(run_id: int) -> sql.Composed:
    columns = sql.SQL(", ").join(map(sql.Identifier, _TYPES))
    table = sql.Identifier(partition_name(run_id))  # not the parent: no routing for each row
    return sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(table, columns)


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    """The rows of a file. Whatever its reader raises means that the file is not as it was written."""
    try:
        file = pq.ParquetFile(path)
        batches = file.iter_batches(BATCH_ROWS, columns=_READ)
    except Exception as error:
        raise UnreadableShard(error) from None
    with file:
        while (batch := _next(batches)) is not None:
            yield batch


def _next(batches: Iterator[pa.RecordBatch]) -> pa.RecordBatch | None:
    try:
        return next(batches, None)
    except Exception as error:
        raise UnreadableShard(error) from None


def _rows(shard: Shard, batch: pa.RecordBatch, start: int) -> Iterator[tuple[Any, ...]]:
    of_the_shard = (shard.run_id, shard.attempt, shard.step, shard.kind)
    first_id = rollout_id(shard.step, shard.kind, start)
    columns = [_column(batch, name).to_pylist() for name in _FROM_THE_FILE]
    for index, values in enumerate(zip(*columns, strict=True)):
        yield (*of_the_shard, first_id + index, start + index, *values)


def _column(batch: pa.RecordBatch, name: str) -> pa.Array:
    if name == "preview":
        return _without_nul(pc.utf8_slice_codeunits(batch["response"], 0, PREVIEW_CHARACTERS))
    return _without_nul(batch[name]) if name == "document" else finite_column(batch[name])


def _without_nul(texts: pa.Array) -> pa.Array:
    return pc.replace_substring(texts, "\0", REPLACEMENT)
