"""Rollouts on disk: zstd Parquet, row groups of 256, one file for each step and kind. Loads without torch.

In: `RolloutRow`s written by a stage. Out: the same rows, all metadata of a shard or one row with its full text. A
number that is not finite is stored, and read from older shards, as missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rpt_core.files import written_whole
from rpt_core.run.events import EventLog, EventType, finite
from rpt_core.run.folder import RunDir

AS_A_WHOLE = -1
"""The byte offset of a question, which is no place in a text."""
ROW_GROUP_ROWS = 256
"""Reading one row decodes one group; at 256 rows that is about 3 ms."""


@dataclass(frozen=True)
class RecordedTokens:
    """Tokens of a response as they were sampled: all of them, or those inside the box."""

    start: int
    """Number of the first of them in the response."""
    ids: list[int]
    ends: list[int]
    """Where each ends in the response, in bytes."""
    log_probs: list[float | None]
    entropies: list[float | None] | None
    """Nats; None where the backend did not tell."""


@dataclass(frozen=True)
class RolloutRow:
    """One sampled response with its verdict. Byte strings are bytes of UTF-8 text, possibly cut inside a character."""

    step: int
    group: int
    """Number of the problem within the step."""
    sample: int
    """Number of the response within the group."""
    document: str
    position: int
    """Index of the predicted token in the document."""
    entropy_nats: float | None
    """The proxy's entropy at the position; None for questions, which are no positions of a document."""
    prompt: str
    """Rendered prompt, special tokens included."""
    response: str
    prediction: bytes | None
    """Content of the box; None without a closed box."""
    completion: bytes
    boundaries: list[int]
    """Cumulative byte lengths of the completion's tokens."""
    reward: float
    reason: str
    mismatch_byte: int | None
    """First byte of the prediction that differs from the completion."""
    finish_reason: str
    """`stop` (end token) or `length` (cut by the limit)."""
    prompt_tokens: int
    response_tokens: int
    mean_log_prob: float | None
    advantage: float | None
    """None in evaluations, and where dynamic sampling left the group out."""
    earned: float | None = None
    """What the run's own reward gave in training, punishment of length included; `reward` is the verdict's."""
    context_start: int | None = None
    """Where in the prompt the document's or question's own text begins, in characters; None in older shards."""
    context_end: int | None = None
    """Where it ends: what stands there belongs to the template again."""
    text_hash: bytes | None = None
    """16 bytes of BLAKE2b of the document's text, `rpt_core.text.names.text_digest`; None in older shards."""
    byte_offset: int | None = None
    """Where the completion begins in that text; AS_A_WHOLE for a question. Whatever the tokenizer, hash and offset
    name the same position."""
    domain: str | None = None
    """The document's subject area; None or empty when it is not known."""
    tokens: RecordedTokens | None = None
    """Where the config asks for them. Not read with the row: `read_tokens_at` does."""


SCHEMA = pa.schema(
    [
        ("step", pa.int32()),
        ("group", pa.int32()),
        ("sample", pa.int32()),
        ("document", pa.string()),
        ("position", pa.int32()),
        ("entropy_nats", pa.float32()),
        ("prompt", pa.string()),
        ("response", pa.string()),
        ("prediction", pa.binary()),
        ("completion", pa.binary()),
        ("boundaries", pa.list_(pa.int32())),
        ("reward", pa.float32()),
        ("reason", pa.string()),
        ("mismatch_byte", pa.int32()),
        ("finish_reason", pa.string()),
        ("prompt_tokens", pa.int32()),
        ("response_tokens", pa.int32()),
        ("mean_log_prob", pa.float32()),
        ("advantage", pa.float32()),
        ("earned", pa.float32()),
        ("context_start", pa.int32()),
        ("context_end", pa.int32()),
        ("text_hash", pa.binary(16)),
        ("byte_offset", pa.int32()),
        ("domain", pa.string()),
    ]
)
TOKENS = pa.schema(
    [
        ("token_start", pa.int32()),
        ("token_ids", pa.list_(pa.int32())),
        ("token_ends", pa.list_(pa.int32())),
        ("token_log_probs", pa.list_(pa.float32())),
        ("token_entropies", pa.list_(pa.float32())),
    ]
)
"""Columns that a shard has only where tokens were recorded."""
_NAMES = [field.name for field in fields(RolloutRow) if field.name != "tokens"]


def write_rollouts(path: Path, rows: Sequence[RolloutRow]) -> None:
    """Write a shard, whole or not at all; an older shard of that name is replaced."""
    table = pa.Table.from_pylist([vars(row) for row in rows], schema=SCHEMA)
    if any(row.tokens for row in rows):
        recorded = pa.Table.from_pylist([_of_tokens(row.tokens) for row in rows], schema=TOKENS)
        for name in TOKENS.names:
            table = table.append_column(TOKENS.field(name), recorded[name])
    write_table(path, table, ROW_GROUP_ROWS)


def emit_rollouts(run: RunDir, log: EventLog, kind: str, step: int, rows: Sequence[RolloutRow]) -> None:
    """Write a step's shard and announce it. kind: train, sampled or greedy."""
    path = run.rollout_shard(kind, step)
    write_rollouts(path, rows)
    log.emit(EventType.ROLLOUTS, step=step, kind=kind, shard=run.relative(path), rows=len(rows))


def read_rollouts(path: Path) -> Iterator[RolloutRow]:
    """All rows of a shard in order, one row group in memory at a time."""
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            yield from (_row(record) for record in file.read_row_group(group, columns=_NAMES).to_pylist())


def read_rollouts_at(path: Path, indexes: Sequence[int]) -> list[RolloutRow]:
    """Several rows of a shard in the order asked for; each row group is decoded once. Raises IndexError."""
    tables: dict[int, pa.Table] = {}
    rows = []
    with pq.ParquetFile(path) as file:
        for index in indexes:
            if not 0 <= index < file.metadata.num_rows:
                raise IndexError(f"{path.name} has {file.metadata.num_rows} rows, no row {index}")
            group, place = divmod(index, ROW_GROUP_ROWS)
            if group not in tables:
                tables[group] = file.read_row_group(group, columns=_NAMES)
            rows.append(_row(tables[group].slice(place, 1).to_pylist()[0]))
    return rows


def read_tokens_at(path: Path, index: int) -> RecordedTokens | None:
    """The tokens that were recorded of a row; None without any. Raises IndexError."""
    with pq.ParquetFile(path) as file:
        if not 0 <= index < file.metadata.num_rows:
            raise IndexError(f"{path.name} has {file.metadata.num_rows} rows, no row {index}")
        if TOKENS.names[0] not in file.schema_arrow.names:
            return None
        group, place = divmod(index, ROW_GROUP_ROWS)
        record = file.read_row_group(group, columns=TOKENS.names).slice(place, 1).to_pylist()[0]
    if record["token_start"] is None:
        return None
    return RecordedTokens(*(record[name] for name in TOKENS.names))


def _of_tokens(tokens: RecordedTokens | None) -> dict[str, Any]:
    if tokens is None:
        return {}
    return {
        "token_start": tokens.start,
        "token_ids": tokens.ids,
        "token_ends": tokens.ends,
        "token_log_probs": tokens.log_probs,
        "token_entropies": tokens.entropies,
    }


def write_table(path: Path, table: pa.Table, row_group_rows: int = 1 << 20) -> None:
    """Write any table as zstd Parquet whole or not at all. What is not finite is missing there, as in events.

    Small groups are for reading single rows: read whole, 10,000 rows in groups of 256 take five times as long.
    """
    stored = pa.table([finite_column(column) for column in table.columns], schema=table.schema)
    with written_whole(path) as partial:
        pq.write_table(stored, partial, compression="zstd", row_group_size=row_group_rows)


def finite_column(column: Any) -> Any:
    """The column with nulls for numbers that are not finite; one of another type as it is."""
    if not pa.types.is_floating(column.type):
        return column
    return pc.if_else(pc.is_finite(column), column, pa.scalar(None, column.type))


def _row(record: dict[str, Any]) -> RolloutRow:
    return RolloutRow(**{name: finite(value) if isinstance(value, float) else value for name, value in record.items()})
