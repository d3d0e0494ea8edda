"""What a run wrote, in a file of one's own: Parquet, CSV or JSON lines."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq

from rpt_core.client.client import Client
from rpt_core.client.errors import ClientError, said

ENDINGS = (".parquet", ".csv", ".jsonl")
WHAT: dict[str, Callable[[Client, int, str | None, int | None], pa.Table]] = {
    "metrics": lambda platform, run, kind, step: platform.metrics(run),
    "evaluations": lambda platform, run, kind, step: platform.evaluations(run),
    "outcomes": lambda platform, run, kind, step: platform.outcomes(run, step),
    "rollouts": lambda platform, run, kind, step: platform.rollouts(run, kind=kind, step=step),
    "shard": lambda platform, run, kind, step: platform.shard(run, *_asked(kind, step)),
    "events": lambda platform, run, kind, step: platform.events(run),
    "alarms": lambda platform, run, kind, step: platform.alarms(run),
}
"""What can be exported -> how it is fetched. `shard` has the whole texts of one step."""


def export(
    platform: Client, run: int, what: str, path: Path, *, kind: str | None = None, step: int | None = None
) -> int:
    """Fetch and write, whole or not at all; returns the number of rows. Raises ClientError."""
    _refuse_unfit(path)
    return _written_to(path, WHAT[what](platform, run, kind, step))


def write(found: pa.Table, path: Path) -> int:
    """Write any table, whole or not at all; returns the number of rows. Raises ClientError."""
    _refuse_unfit(path)
    return _written_to(path, found)


def _written_to(path: Path, found: pa.Table) -> int:
    partial = path.with_name(f"{path.name}.partial")
    try:
        _WRITERS[path.suffix](found, partial)
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise ClientError(f"{path} cannot be written: {said(error)}.") from None
    return int(found.num_rows)


def _refuse_unfit(path: Path) -> None:
    if path.suffix not in ENDINGS:
        raise ClientError(f"{path.name} has to end in {', '.join(ENDINGS)}: the ending says what is written.")
    if not path.parent.is_dir():
        raise ClientError(f"There is no folder {path.parent}.")


def _asked(kind: str | None, step: int | None) -> tuple[str, int]:
    if kind is None or step is None:
        raise ClientError(
            "A shard is one step of one kind: give --kind and --step. `rpt export RUN rollouts` lists them."
        )
    return kind, step


def _csv(found: pa.Table, path: Path) -> None:
    """Lists and bytes as text: CSV has neither."""
    texts = _without_bytes(found)
    pc.write_csv(pa.table({name: _lists_as_text(texts[name]) for name in texts.column_names}), path)


def _jsonl(found: pa.Table, path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        for batch in _without_bytes(found).to_batches(max_chunksize=1000):
            for row in batch.to_pylist():
                file.write(json.dumps(row, default=str, ensure_ascii=False) + "\n")


def _without_bytes(found: pa.Table) -> pa.Table:
    """Bytes of any length as text, those that are no UTF-8 as \\xNN; bytes of one length, which are hashes, as hex."""
    columns = {name: found[name] for name in found.column_names}
    for name, column in columns.items():
        if pa.types.is_fixed_size_binary(column.type):
            columns[name] = _written(column, bytes.hex)
        elif pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
            columns[name] = _written(column, lambda value: value.decode("utf-8", errors="backslashreplace"))
    return pa.table(columns)


def _lists_as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return _written(column, json.dumps) if pa.types.is_list(column.type) else column


def _written(column: pa.ChunkedArray, write: Callable[[Any], str]) -> pa.ChunkedArray:
    values = (None if value is None else write(value) for value in column.to_pylist())
    return pa.chunked_array([pa.array(values, pa.string())])


_WRITERS: dict[str, Callable[[pa.Table, Path], None]] = {
    ".parquet": lambda found, path: pq.write_table(found, path, compression="zstd"),
    ".csv": _csv,
    ".jsonl": _jsonl,
}
