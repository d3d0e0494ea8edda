"""Lists of training positions as JSON lines: written by RPT runs, read by filter runs with `keep: list`.

    {"document": "d17", "position": 42, "byte_offset": 131}

`position` counts the document's tokens as the filter run's tokenizer makes them. `byte_offset`, which may be left out,
is where that token begins in the text: with it, a list made for another tokenizer is noticed. Other fields are
ignored. In: a file. Out: which candidates of each document it names. Whatever it names that is not there is an error.
Loads without torch.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rpt_core.arrays import Indices
from rpt_core.errors import UserError
from rpt_core.files import write_whole
from rpt_core.positions.scored import ScoredDocument
from rpt_core.text.files import record_file
from rpt_core.text.readers import read_records

_NAMED = 3
"""So many of the unknown things are named."""


@dataclass(frozen=True)
class ListedPosition:
    """A position that a list names."""

    document: str
    position: int
    byte_offset: int | None = None


@dataclass(frozen=True)
class PositionList:
    """The positions of a file, by their document."""

    path: Path
    by_document: Mapping[str, list[ListedPosition]]

    def check_documents(self, train: Collection[str], held_out: Collection[str]) -> None:
        """Raises UserError when a named document is none of the training documents."""
        if leaked := [name for name in self.by_document if name in held_out]:
            raise UserError(
                f"{self.path} names held-out documents, which are never trained on: {_first(leaked)}. Remove them from "
                "the list, or set `validation_share` and `split_by` as in the run that wrote it."
            )
        if unknown := [name for name in self.by_document if name not in train]:
            raise UserError(
                f"{self.path} names documents that the corpus does not have: {_first(unknown)}. Read the corpus that "
                "the list was made from, or remove them."
            )

    def candidates_of(self, scored: ScoredDocument) -> Indices:
        """Indices among the document's candidates, ascending. Raises UserError for a position that is none."""
        named = self.by_document.get(scored.document.id, ())
        if unknown := [str(item.position) for item in named if not _is_candidate(item, scored)]:
            raise UserError(
                f"{self.path} names positions of the document {scored.document.id!r} that cannot be predicted, or that "
                f"begin elsewhere in this proxy model's tokens: {_first(unknown)}. Use the corpus, the tokenizer and "
                "`positions_from` of the run that wrote the list."
            )
        return np.unique(np.array([item.position for item in named], dtype=np.int64)) - scored.candidates_from


def read_position_list(path: Path | str) -> PositionList:
    """A list from its file. Raises UserError for a missing or empty file and for a line that names no position."""
    path, by_document = Path(path), dict[str, list[ListedPosition]]()
    if not path.is_file():
        raise UserError(f"{path} does not exist. Name a file of JSON lines with `document` and `position`.")
    for line, record in read_records(record_file(path), ("document", "position")):
        item = _parse(record, f"{path}, line {line}")
        by_document.setdefault(item.document, []).append(item)
    if not by_document:
        raise UserError(f"{path} names no position. Give at least one line with `document` and `position`.")
    return PositionList(path, by_document)


def write_position_list(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Write a list, whole or not at all; it may be empty. Each record has `document`, `position` and `byte_offset`."""
    write_whole(path, "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records).encode())


def _parse(record: Any, where: str) -> ListedPosition:
    match record:
        case {"document": str(document), "position": int(position), "byte_offset": int(offset)}:
            return ListedPosition(document, position, offset)
        case {"document": str(document), "position": int(position)} if record.get("byte_offset") is None:
            return ListedPosition(document, position)
    raise UserError(
        f"{where}: expected a JSON object with the text `document` and the whole number `position` (`byte_offset` may "
        "be there, too, as a whole number). Correct or remove the line."
    )


def _is_candidate(item: ListedPosition, scored: ScoredDocument) -> bool:
    if not scored.candidates_from <= item.position < len(scored.token_ids):
        return False
    begins = scored.byte_offsets[item.position]
    return bool(np.isfinite(scored.entropies[item.position])) and item.byte_offset in (None, begins)


def _first(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
