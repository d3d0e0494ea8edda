"""Scored documents on disk: one Parquet file for each split, a row for each document. Loads without torch.

In: what the token filter found. Out: the same, in row groups that fit in memory. The schema's metadata names the
tokenizer, so that a reader with another one notices. Files of earlier versions lack the highest probabilities.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rpt_core.arrays import Floats, Indices
from rpt_core.errors import UserError
from rpt_core.files import written_whole
from rpt_core.run.folder import positions_file
from rpt_core.text.corpus import Document

ROW_GROUP_DOCUMENTS = 256
ROW_GROUP_TOKENS = 1 << 20
"""A group ends with the document that reaches so many: a page reads the group of one document."""
PROBABILITIES = "highest_probabilities"
"""The column that files of earlier versions lack, and that training does not read."""

SCHEMA = pa.schema(
    [
        ("document", pa.string()),
        ("text", pa.string()),
        ("solution_start", pa.int64()),
        ("domain", pa.string()),
        ("token_ids", pa.list_(pa.int32())),
        ("byte_offsets", pa.list_(pa.int64())),
        ("entropies", pa.list_(pa.float32())),
        ("candidates_from", pa.int32()),
        ("kept", pa.list_(pa.int32())),
        (PROBABILITIES, pa.list_(pa.float32())),
    ]
)
_HASH = b"tokenizer_hash"


@dataclass(frozen=True)
class ScoredDocument:
    """A document with the proxy model's entropy at each of its tokens."""

    document: Document
    token_ids: list[int]
    byte_offsets: list[int]
    """Where tokens begin in the UTF-8 text, and its end: one value more than tokens."""
    entropies: Floats
    """Nats; NaN at the first token, which nothing precedes."""
    candidates_from: int
    """First token that may be predicted."""
    kept: Sequence[int] = ()
    """Tokens chosen for training."""
    highest_probabilities: Floats | None = None
    """Of the most probable token, among the whole vocabulary; NaN where the entropy is."""

    def candidates(self) -> Floats:
        """Entropies of the positions that may be predicted."""
        return self.entropies[self.candidates_from :]

    def candidate_probabilities(self) -> Floats:
        """Highest probabilities there; NaN where they are not known."""
        if self.highest_probabilities is None:
            return np.full(len(self.candidates()), np.nan, np.float32)
        return self.highest_probabilities[self.candidates_from :]

    def row(self) -> dict[str, Any]:
        """The row of the file, without `kept`."""
        return {
            "document": self.document.id,
            "text": self.document.text,
            "solution_start": self.document.solution_start,
            "domain": self.document.domain,
            "token_ids": self.token_ids,
            "byte_offsets": self.byte_offsets,
            "entropies": self.entropies,
            "candidates_from": self.candidates_from,
            "kept": list(self.kept),
            PROBABILITIES: self.highest_probabilities,
        }


@contextmanager
def positions_writer(path: Path, tokenizer_hash: str) -> Iterator[pq.ParquetWriter]:
    """A Parquet writer for scored documents; the file appears under its name when the block ends well."""
    schema = SCHEMA.with_metadata({_HASH: tokenizer_hash.encode()})
    with written_whole(path) as partial, pq.ParquetWriter(partial, schema, compression="zstd") as writer:
        yield writer


def to_table(scored: Iterable[ScoredDocument]) -> pa.Table:
    """Scored documents as a table."""
    return pa.Table.from_pylist([document.row() for document in scored], schema=SCHEMA)


def in_groups(table: pa.Table) -> Iterator[pa.Table]:
    """The table in parts that make a row group each: up to `ROW_GROUP_TOKENS`, but at least one document."""
    ends = np.cumsum(pc.list_value_length(table.column("token_ids")).to_numpy())
    start = 0
    while start < table.num_rows:
        read = ends[start - 1] if start else 0
        end = max(start + 1, int(np.searchsorted(ends, read + ROW_GROUP_TOKENS, side="right")))
        yield table.slice(start, end - start)
        start = end


def with_kept(table: pa.Table, kept: Sequence[Indices]) -> pa.Table:
    """The table with other chosen positions, one array for each row."""
    column = pa.array(kept, type=SCHEMA.field("kept").type)
    return table.set_column(table.schema.get_field_index("kept"), SCHEMA.field("kept"), column)


def read_positions(folder: Path | str, split: str) -> tuple[pa.Table, str]:
    """A split's scored documents, as training reads them, and the hash of the tokenizer that made the ids.

    Raises UserError without them.
    """
    path = positions_file(folder, split)
    if not path.exists():
        raise UserError(f"{path} does not exist. Name the `positions` folder of a finished filter run.")
    table = pq.read_table(path, columns=[name for name in SCHEMA.names if name != PROBABILITIES])
    return table, (table.schema.metadata or {}).get(_HASH, b"").decode()
