"""Names of records: a hash for a text that has no other, and ids made unique where one stands for several texts.

In: an id, the file that it comes from, the text. Out: an id that no other text has, and a sentence about those that
were changed.
"""

from __future__ import annotations

import hashlib

from rpt_core.words import counted


def text_hash(text: str) -> str:
    """The name of a text that has no other."""
    return text_digest(text.encode()).hex()


def text_digest(text: bytes) -> bytes:
    """16 bytes that stand for a text, given in UTF-8, in whatever run and corpus it is found."""
    return hashlib.blake2b(text, digest_size=16).digest()


class Names:
    """Ids that are unique: one that stands for several texts gets its file's name in front of it, but for the first."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self.renamed = 0
        self._example = ""

    def unique(self, id_: str, file: str, text: str) -> str:
        """The id, or what stands for it when it is taken. The text is none that was named before."""
        choices = (id_, f"{file}:{id_}", f"{file}:{id_}:{text_hash(text)}")
        name = next(choice for choice in choices if choice not in self._taken)
        self._taken.add(name)
        if name != id_:
            self.renamed += 1
            self._example = self._example or f"{id_!r} of {file} is {name!r}"
        return name

    def notes(self) -> list[str]:
        """What is to be said of it."""
        if not self.renamed:
            return []
        return [
            f"{counted(self.renamed, 'record')} had an id that another text already had. They are kept, with their "
            f"file's name in front of the id: {self._example}. Give ids that are unique in the whole corpus."
        ]
