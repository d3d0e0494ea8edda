"""What a set of evaluated positions is known by: a hash of its content, the same in whatever run it is evaluated.

In: the rows of an outcome file (see rpt_core.evaluation.outcomes) and the thresholds of the difficulties. Out: a
`SetIdentity`. Two evaluations are comparable position by position only when their identities agree. Loads no torch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from rpt_core.config import DIFFICULTIES

_COLUMNS = ("document", "byte_offset", "next_token", *DIFFICULTIES)


@dataclass(frozen=True)
class SetIdentity:
    """A set of positions, by its content."""

    hash: str
    """32 hexadecimal digits: BLAKE2b of the sorted positions and the thresholds."""
    positions: int
    documents: int

    def as_json(self) -> dict[str, Any]:
        """As an `evaluation` event carries it."""
        return asdict(self)


def identity_of(table: pa.Table, above_nats: Mapping[str, float | None] | None) -> SetIdentity:
    """The identity of the positions of an outcome table, in whatever order they stand.

    Of each position count the document, the byte offset, the first byte that follows (so that another text under the
    same name is another set, whatever the tokenizer) and the difficulties whose samples it belongs to; of the set, each
    difficulty's threshold in nats.
    """
    rows = list(zip(*(table.column(name).to_pylist() for name in _COLUMNS), strict=True))
    lines = sorted(
        json.dumps([document, offset, (next_token or b"")[:1].hex(), [bool(flag) for flag in flags]])
        for document, offset, next_token, *flags in rows
    )
    known = {name: float(nats) for name, nats in (above_nats or {}).items() if nats is not None}
    digest = hashlib.blake2b(json.dumps(known, sort_keys=True).encode(), digest_size=16)
    for line in lines:
        digest.update(b"\n" + line.encode())
    return SetIdentity(digest.hexdigest(), len(rows), len({row[0] for row in rows}))


def stored_identity(path: Path, above_nats: Mapping[str, float | None] | None) -> SetIdentity | None:
    """The identity of an outcome file; None when it is gone, or is none."""
    try:
        return identity_of(pq.read_table(path, columns=list(_COLUMNS)), above_nats)
    except (OSError, KeyError, ValueError):  # pyarrow's errors are ValueErrors
        return None
