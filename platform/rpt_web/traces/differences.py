"""What is wrong with a prediction, in words: one space too many before the “5”, lower case instead of upper.

In: the completion's bytes and where its tokens end, a prediction. Out: a part of a sentence. Pure functions; what they
quote is written so that nothing in it is invisible.
"""

from __future__ import annotations

from collections.abc import Sequence

from rpt_core.words import counted
from rpt_web.traces.inspector import NAMES, sign

BLANKS = b" \t\r\n\x0b\x0c"
NUMBERS = {1: "one", 2: "two", 3: "three", 4: "four", 5: "five"}
QUOTED_BYTES = 12


def first_wrong_byte(prediction: bytes, completion: bytes) -> int | None:
    """The first byte of a prediction that the completion does not have there; None when it has all of them."""
    if completion.startswith(prediction):
        return None
    pairs = zip(prediction, completion, strict=False)
    return next((index for index, (one, other) in enumerate(pairs) if one != other), len(completion))


def difference_words(completion: bytes, boundaries: Sequence[int], prediction: bytes | None, reason: str) -> str:
    """Why a prediction is right or wrong, shortly."""
    if prediction is None:
        return "cut by the length limit" if reason == "length" else "no closed box"
    if not prediction:
        return "the box is empty"
    wrong = first_wrong_byte(prediction, completion)
    if wrong is None and len(prediction) in boundaries:
        return f"right: {counted(sum(end <= len(prediction) for end in boundaries), 'token')}"
    if reason == "match":
        return "counts as right, though it is written otherwise"
    if wrong is None:
        return _within_a_token(boundaries, len(prediction))
    end = min((end for end in boundaries if end > wrong and end >= len(prediction)), default=len(completion))
    return (
        _blanks(completion, prediction, wrong)
        or _case(completion, prediction, wrong)
        or _other(completion, prediction, wrong, end)
    )


def _within_a_token(boundaries: Sequence[int], length: int) -> str:
    missing = min((end for end in boundaries if end > length), default=length) - length
    return f"stops within a token, {counted(missing, 'byte')} before its end" if missing else "stops within a token"


def _blanks(completion: bytes, prediction: bytes, wrong: int) -> str:
    """Blanks too many or missing where the prediction goes wrong; empty when it is something else."""
    start = _start_of_blanks(prediction, wrong)
    has, wants = _blanks_at(prediction, start), _blanks_at(completion, start)
    after, due = prediction[start + len(has) :], completion[start + len(wants) :]
    if has == wants or not (due.startswith(after) or (after.startswith(due[:1]) and due)):
        return ""
    where = f"before {_quoted(after)}" if after else "at the end"
    if len(has) > len(wants) and has.startswith(wants) and len(set(has[len(wants) :])) == 1:
        return f"{_some(has[len(wants) :])} too many {where}"
    if len(has) < len(wants) and wants.startswith(has) and len(set(wants[len(has) :])) == 1:
        more = wants[len(has) :]
        return f"{_some(more)} {'is' if len(more) == 1 else 'are'} missing {where}"
    return f"other blanks {where}" if has and wants else ""


def _start_of_blanks(data: bytes, index: int) -> int:
    while index > 0 and data[index - 1] in BLANKS:
        index -= 1
    return index


def _blanks_at(data: bytes, start: int) -> bytes:
    end = start
    while end < len(data) and data[end] in BLANKS:
        end += 1
    return data[start:end]


def _some(blanks: bytes) -> str:
    name = NAMES.get(blanks[0], f"byte \\x{blanks[0]:02X}")
    number = NUMBERS.get(len(blanks), str(len(blanks)))
    return f"{number} {name}{'' if len(blanks) == 1 else 's'}"


def _case(completion: bytes, prediction: bytes, wrong: int) -> str:
    one, other = prediction[wrong:], completion[wrong : len(prediction)]
    if not one or one.lower() != other.lower():
        return ""
    kinds = ("upper", "lower") if one[:1].isupper() else ("lower", "upper")
    return f"{kinds[0]} instead of {kinds[1]} case in {_quoted(one)}"


def _other(completion: bytes, prediction: bytes, wrong: int, end: int) -> str:
    """Something else: `end` is where the token of the text ends that the prediction ends in."""
    if wrong >= len(completion):
        return f"longer than the {counted(len(completion), 'byte')} kept of the text"
    agreed = "from the start" if wrong == 0 else f"after {counted(wrong, 'byte')}"
    return f"{_quoted(prediction[wrong:])} instead of {_quoted(completion[wrong:end])}, {agreed}"


def _quoted(data: bytes) -> str:
    """The first word of bytes in quotation marks."""
    if data[:1] and data[0] in BLANKS:
        return f"a {NAMES.get(data[0], sign(data[0]))}"
    word = data[:QUOTED_BYTES].split(maxsplit=1)[0]
    try:
        text = word.decode()
    except UnicodeDecodeError as error:
        text = word[: error.start].decode() if error.start else "".join(map(sign, word[:2]))
    shown = text if text.isprintable() else "".join(map(sign, word))
    return f"“{shown}{'…' if len(data) > QUOTED_BYTES >= len(word) == QUOTED_BYTES else ''}”"
