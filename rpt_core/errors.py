"""The exception class for what a user can put right, its kind for numbers, the guard around reading somebody else's
file, the words in which people read an error that is not ours, and a test for a full disk, however a library wraps it.

Any other exception is a bug and keeps its traceback.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LONGEST_REASON = 300
"""Characters of a library's own words that a message repeats."""
_CLASS = re.compile(r"(?<![\w/])(?:\w+\.)*[A-Z]\w*(?:Error|Exception|Warning|Interrupt)\b(?:: ?)?")
_ERRNO = re.compile(r"\[Errno -?\d+\] ?")


class UserError(Exception):
    """Bad input. The message says what was wrong, what is allowed and what to do next."""


class NotFiniteError(UserError):
    """A number that has to be finite is not. Training adds to it which step and batch that was."""

    def __init__(self, number: str, value: float, message: str = "") -> None:
        """number: what it is, such as `the loss`. message: for who meets it outside of training."""
        super().__init__(message or f"{number[:1].upper()}{number[1:]} is not finite: it is {value}.")
        self.number, self.value = number, value


def is_full_disk(error: BaseException) -> bool:
    """Whether an error says that no space is left; libraries wrap the system's error into their own."""
    codes = (errno.ENOSPC, errno.EDQUOT)
    return getattr(error, "errno", None) in codes or any(os.strerror(code) in str(error) for code in codes)


@contextmanager
def reading(what: Path | str, remedy: str, fault: str = "cannot be read") -> Iterator[None]:
    """Make any failure in the block a UserError that names what is being read and says what to do.

    For a library's call that reads somebody else's file, and for that call alone: what it raises depends on where the
    file is damaged, and a bug of ours in the block would pass for a fault of the file. No memory and a full disk are
    not the file's fault, and keep their own errors. fault: what the message says of the file.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        if isinstance(error, MemoryError) or is_full_disk(error):
            raise
        raise UserError(f"{what} {fault}: {said(error)}. {remedy}") from error


def said(error: BaseException) -> str:
    """What an error that is not ours says, for people: its own words on one line, without a full stop.

    The only way for such an error into a sentence that somebody reads. The names of classes in it say nothing to
    people; logs have them.
    """
    if isinstance(error, KeyError):
        return f"there is no {error}"
    words = _CLASS.sub("", _ERRNO.sub("", str(error)))
    words = " ".join(words.split()).strip(" :").rstrip(".")
    short = words if len(words) <= LONGEST_REASON else words[:LONGEST_REASON] + "…"
    return short or "no reason is given"
