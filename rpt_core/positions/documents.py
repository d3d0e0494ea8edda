r"""Documents in tokens, with the positions that may be predicted, as a filter run found them. Loads without torch.

In: the positions of a filter run. Out: a TokenDocument for each document of a split. A token without bytes (a space
that is only the tokenizer's) is no position. Whether a box can hold what comes next is told by `boxable`: under the box
rule of rpt_core.verdict, `\boxed{}{}` does not give `}{` back, so every answer there would be wrong.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rpt_core.arrays import Floats, Indices
from rpt_core.config import Split
from rpt_core.positions.scored import read_positions
from rpt_core.text.names import text_digest
from rpt_core.verdict import extract_prediction

Flags = npt.NDArray[np.bool_]
_SUSPECT = np.frombuffer(b"{}<", np.uint8)
"""Without a brace or the `<` of `</think>` every text survives the box."""


@dataclass(frozen=True)
class TokenDocument:
    """A document in some tokenizer's tokens. The last four have one value for each position."""

    id: str
    domain: str
    text: bytes
    token_ids: npt.NDArray[np.int32]
    byte_offsets: Indices
    """Where tokens begin, and the end of the text: one value more than tokens."""
    positions: Indices
    """Tokens that may be predicted."""
    filter_positions: Indices
    """The same in the tokens of the filter's tokenizer, by which positions are named in stored lists and sets."""
    entropies: Floats
    """Nats of the proxy model."""
    is_kept: Flags
    """Chosen for training."""

    @cached_property
    def text_hash(self) -> bytes:
        """What its text is known by in every run."""
        return text_digest(self.text)

    def where(self, chosen: Flags) -> TokenDocument:
        """The document with only the chosen positions."""
        return replace(
            self,
            positions=self.positions[chosen],
            filter_positions=self.filter_positions[chosen],
            entropies=self.entropies[chosen],
            is_kept=self.is_kept[chosen],
        )

    def boxable(self) -> Flags:
        """For each position, whether some prediction that would be right there can be boxed.

        It is enough to look at the next token alone: what spoils the box in it spoils every longer prediction too.
        """
        starts, ends = self.byte_offsets[self.positions], self.byte_offsets[self.positions + 1]
        suspects = np.cumsum(np.isin(np.frombuffer(self.text, np.uint8), _SUSPECT), dtype=np.int64)
        suspects = np.concatenate([[0], suspects])
        fine: Flags = suspects[ends] == suspects[starts]
        for index in np.flatnonzero(~fine):
            fine[index] = is_boxable(self.text[starts[index] : ends[index]])
        return fine


def read_documents(positions_dir: Path | str, split: Split) -> tuple[list[TokenDocument], str]:
    """A split's documents, and the hash of the tokenizer that made the tokens. Raises UserError without them."""
    table, made_by = read_positions(positions_dir, split)
    return [_read(row) for batch in table.to_batches(256) for row in _rows(batch)], made_by


def named_documents(positions_dir: Path | str, split: Split, names: Collection[str]) -> tuple[list[TokenDocument], str]:
    """The same for the documents with these ids, or hashes of their texts (32 hexadecimal digits), alone."""
    table, made_by = read_positions(positions_dir, split)
    found = [row for batch in table.to_batches(256) for row in _named(batch, set(names))]
    return [_read(row) for row in found], made_by


def _named(batch: Any, names: set[str]) -> Iterator[dict[str, Any]]:
    ids, texts = batch.column("document").to_pylist(), batch.column("text")
    for number, id_ in enumerate(ids):
        if id_ in names or text_digest(texts[number].as_py().encode()).hex() in names:
            yield from _rows(batch.slice(number, 1))


def is_boxable(prediction: bytes) -> bool:
    """Whether a box gives these bytes back."""
    text = prediction.decode(errors="surrogateescape")
    return extract_prediction(f"</think>\\boxed{{{text}}}") == text


def _rows(batch: Any) -> Iterator[dict[str, Any]]:
    """The rows of an Arrow batch, lists as numpy arrays."""
    columns = {name: batch.column(name) for name in batch.schema.names}
    return ({name: _value(column[row]) for name, column in columns.items()} for row in range(batch.num_rows))


def _value(scalar: Any) -> Any:
    values = getattr(scalar, "values", None)
    return scalar.as_py() if values is None else values.to_numpy(zero_copy_only=False)


def _read(row: dict[str, Any]) -> TokenDocument:
    positions = np.arange(row["candidates_from"], len(row["token_ids"]))
    scored = np.isfinite(row["entropies"][positions]) & (np.diff(row["byte_offsets"])[positions] > 0)
    positions = positions[scored]
    return TokenDocument(
        id=row["document"],
        domain=row["domain"] or "",
        text=row["text"].encode(),
        token_ids=row["token_ids"],
        byte_offsets=row["byte_offsets"],
        positions=positions,
        filter_positions=positions,
        entropies=row["entropies"][positions],
        is_kept=np.isin(positions, row["kept"]),
    )
