"""Where the positions of older shards are in their texts: what their stage did not write down.

In: a run's config and folder; of a group its document, token, completion and prompt. Out: hash and byte offset, or None
where nothing on the disk says it. A position is looked up in the scored documents of the filter run, and where these
have other tokens, in the run's own outcomes. It counts only if the completion stands there in the text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from rpt_core.run.folder import RunDir, positions_file
from rpt_core.run.rollout_files import AS_A_WHOLE
from rpt_core.text.names import text_digest
from rpt_web.traces.groups import Place

SPLITS = ("train", "validation")


class OldPositions:
    """Finds the positions of one run."""

    def __init__(self, config: Mapping[str, Any], folder: RunDir) -> None:
        self.config, self.folder = config, folder
        self._texts: list[_Texts] | None = None
        self._outcomes: dict[tuple[str, int], int] | None = None

    def find(self, document: str, position: int, completion: bytes) -> Place | None:
        """Where a position of a document is."""
        for texts in self._read_texts():
            for offset in (texts.offset(document, position), self._told(document, position)):
                if offset is not None and texts.has(document, offset, completion):
                    return texts.digest(document), offset
        return None

    def question(self, prompt: str, start: int | None, end: int | None) -> Place | None:
        """Where a question is: its words stand in the prompt. One of several choices has options elsewhere."""
        if start is None or end is None or self.config.get("stage") == "benchmark":
            return None
        return text_digest(prompt[start:end].encode()), AS_A_WHOLE

    def _read_texts(self) -> list[_Texts]:
        if self._texts is None:
            files = (positions_file(folder, split) for folder in _folders(self.config) for split in SPLITS)
            self._texts = [_Texts(path) for path in dict.fromkeys(files) if path.is_file()]
        return self._texts

    def _told(self, document: str, position: int) -> int | None:
        if self._outcomes is None:
            self._outcomes = {}
            for step in self.folder.evaluation_steps():
                self._outcomes |= _told_by(self.folder.evaluation(step))
        return self._outcomes.get((document, position))


class _Texts:
    """A split's documents with the byte offsets of their tokens."""

    def __init__(self, path: Path) -> None:
        table = pq.read_table(path, columns=["document", "text", "byte_offsets"])
        self._texts, self._offsets = table.column("text"), table.column("byte_offsets")
        self._rows = {name: row for row, name in enumerate(table.column("document").to_pylist())}
        self._digests: dict[str, bytes] = {}

    def offset(self, document: str, token: int) -> int | None:
        row = self._rows.get(document)
        offsets = None if row is None else self._offsets[row].values
        return None if offsets is None or not 0 <= token < len(offsets) else int(offsets[token].as_py())

    def has(self, document: str, offset: int, completion: bytes) -> bool:
        return document in self._rows and self._text(document)[offset : offset + len(completion)] == completion

    def digest(self, document: str) -> bytes:
        if document not in self._digests:
            self._digests[document] = text_digest(self._text(document))
        return self._digests[document]

    def _text(self, document: str) -> bytes:
        text: str = self._texts[self._rows[document]].as_py()
        return text.encode()


def _folders(config: Any) -> Iterator[str]:
    """The folders of positions that a config names, wherever in it."""
    for name, value in config.items():
        if name == "positions" and isinstance(value, str):
            yield value
        elif isinstance(value, Mapping):
            yield from _folders(value)


def _told_by(path: Path) -> dict[tuple[str, int], int]:
    try:
        table = pq.read_table(path, columns=["document", "position", "byte_offset"])
    except (OSError, pa.ArrowInvalid, KeyError):
        return {}
    columns = (table.column(name).to_pylist() for name in ("document", "position", "byte_offset"))
    return {(document, position): offset for document, position, offset in zip(*columns, strict=True)}
