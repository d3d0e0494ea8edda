"""The byte inspector: a prediction laid byte for byte under the true continuation, for people to read.

In: bytes from a rollout. Out: cells, columns and words; pure functions without HTML. Model output is hostile: pages
escape all of it, and what is invisible is written as a sign: ␠ space, ↵ newline, ⇥ tab, \\xNN any other byte. Within a
line of text a space is a dot in the middle, which disturbs reading less.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from rpt_core.words import counted

SIGNS = {0x20: "␠", 0x0A: "↵", 0x09: "⇥"}
SPACE_IN_TEXT = "·"
NAMES = {0x20: "space", 0x0A: "newline", 0x09: "tab"}
LONGEST_SHOWN = 240
"""Bytes laid out at most; a prediction can be as long as a response."""
_END_OF_THOUGHT = "</think>"
_BOX = r"\boxed{"


@dataclass(frozen=True)
class Piece:
    """Text to show: characters as they are, or signs that stand for bytes."""

    text: str
    is_sign: bool


@dataclass(frozen=True)
class ByteColumn:
    """One byte position: what the text has there, what was predicted, whether a token of the text ends after it."""

    offset: int
    truth: str
    predicted: str
    truth_is_sign: bool
    predicted_is_sign: bool
    ends_token: bool
    kind: str
    """same, wrong, beyond (past the first wrong byte or the end of the text), open (not predicted)."""
    title: str


@dataclass(frozen=True)
class ResponseParts:
    """A response in its parts; joined they are the whole of it."""

    thought: str
    closed: bool
    """Whether the chain of thought ended with `</think>`."""
    before_box: str
    box: str | None
    after_box: str


def sign(byte: int) -> str:
    """A byte as something to see."""
    if byte in SIGNS:
        return SIGNS[byte]
    return chr(byte) if 0x21 <= byte <= 0x7E else f"\\x{byte:02X}"


def is_sign(data: bytes, index: int) -> bool:
    """Whether a byte is shown by a sign and not as itself."""
    return index < len(data) and not 0x21 <= data[index] <= 0x7E


def visible(data: bytes | None, limit: int = LONGEST_SHOWN) -> list[Piece]:
    """Bytes as text in which nothing is invisible, spaces as dots; whole UTF-8 characters stay as they are."""
    if data is None:
        return []
    pieces = [Piece("".join(texts), is_sign) for is_sign, texts in _grouped(_characters(bytes(data[:limit])))]
    return [*pieces, Piece("…", True)] if len(data) > limit else pieces


def readable(text: str) -> str:
    """Text with its lines as they are, but with every control and direction mark written out."""
    if text.isprintable():
        return text
    return "".join(
        character if character in "\n\t" or character.isprintable() else _escape(character) for character in text
    )


def columns(
    completion: bytes, boundaries: Sequence[int], prediction: bytes | None, mismatch: int | None
) -> list[ByteColumn]:
    """Both byte strings aligned. `mismatch` is the first wrong byte; None when there is none."""
    predicted = prediction or b""
    ends = set(boundaries)
    length = min(max(len(completion), len(predicted)), LONGEST_SHOWN)
    return [
        ByteColumn(
            offset=index,
            truth=sign(completion[index]) if index < len(completion) else "",
            predicted=sign(predicted[index]) if index < len(predicted) else "",
            truth_is_sign=is_sign(completion, index),
            predicted_is_sign=is_sign(predicted, index),
            ends_token=index + 1 in ends,
            kind=_kind(index, len(predicted), mismatch),
            title=_title(index, completion, predicted),
        )
        for index in range(length)
    ]


def split_response(response: str, prediction: bytes | None) -> ResponseParts:
    """The chain of thought, and around the judged box after it. What is no box is not marked as one."""
    thought, mark, answer = response.rpartition(_END_OF_THOUGHT)
    if not mark:
        return ResponseParts(response, False, "", None, "")
    start = answer.rfind(_BOX) + len(_BOX)
    box = None if prediction is None else prediction.decode(errors="replace")
    if start < len(_BOX) or box is None or not answer.startswith(box, start):
        return ResponseParts(thought, True, answer, None, "")
    return ResponseParts(thought, True, answer[:start], box, answer[start + len(box) :])


def verdict_words(
    reason: str,
    finish_reason: str,
    completion: bytes,
    boundaries: Sequence[int],
    prediction: bytes | None,
    mismatch: int | None,
) -> str:
    """The verdict's reason in a sentence."""
    length = len(prediction or b"")
    if finish_reason == "length":
        return "The response was cut by the length limit, so it counts as having no box."
    if reason == "no_box":
        return "There is no closed \\boxed{…} after </think>."
    if reason == "empty":
        return "The box is empty. An empty prediction earns nothing."
    if reason == "match" and (completion[:length] != prediction or length not in boundaries):
        return "The answer is not written as the reference is, but counts as equal to it."
    if reason == "match":
        tokens = sum(1 for end in boundaries if end <= length)
        return f"{_all_agree(length)} and end{'s' if length == 1 else ''} where {_ordinal_token(tokens)} ends."
    if reason == "not_on_boundary":
        return f"{_all_agree(length)}, but no token ends there. {_nearest(boundaries, length)}"
    if mismatch is None or prediction is None or mismatch >= length:
        return "The prediction differs from the true continuation."
    if mismatch >= len(completion):
        return f"The prediction is longer than the {counted(len(completion), 'byte')} kept of the continuation."
    return (
        f"Byte {mismatch} is the first that differs: predicted {_called(prediction[mismatch])}, "
        f"the text has {_called(completion[mismatch])}."
    )


def _kind(index: int, predicted: int, mismatch: int | None) -> str:
    if index >= predicted:
        return "open"
    if mismatch is None or index < mismatch:
        return "same"
    return "wrong" if index == mismatch else "beyond"


def _title(index: int, completion: bytes, predicted: bytes) -> str:
    truth = _called(completion[index]) if index < len(completion) else "nothing"
    guess = _called(predicted[index]) if index < len(predicted) else "nothing"
    return f"byte {index}: text {truth}, predicted {guess}"


def _called(byte: int) -> str:
    return NAMES.get(byte) or f"“{sign(byte)}”"


def _all_agree(length: int) -> str:
    return "The one byte agrees" if length == 1 else f"All {length} bytes agree"


def _ordinal_token(number: int) -> str:
    return "the first token" if number == 1 else f"token {number}"


def _nearest(boundaries: Sequence[int], length: int) -> str:
    below = max((end for end in boundaries if end < length), default=None)
    above = min((end for end in boundaries if end > length), default=None)
    places = [str(end) for end in (below, above) if end is not None]
    return f"The nearest ends are at byte {' and '.join(places)}." if places else ""


def _characters(data: bytes) -> list[bytes]:
    """UTF-8 characters, with each byte that belongs to none of them on its own."""
    text = data.decode(errors="surrogateescape")
    return [character.encode(errors="surrogateescape") for character in text]


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02X}" if code < 0x100 else f"\\u{code:04X}"


def _grouped(characters: list[bytes]) -> list[tuple[bool, list[str]]]:
    """Neighbours of a kind together: (whether they are signs, their texts)."""
    shown = [_visible_character(character) for character in characters]
    return [(is_sign, [text for _, text in group]) for is_sign, group in groupby(shown, key=lambda pair: pair[0])]


def _visible_character(data: bytes) -> tuple[bool, str]:
    if len(data) == 1:
        return not 0x21 <= data[0] <= 0x7E, SPACE_IN_TEXT if data == b" " else sign(data[0])
    text = data.decode()
    return (False, text) if text.isprintable() else (True, "".join(sign(byte) for byte in data))
