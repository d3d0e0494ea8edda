r"""Prefix-matching reward: is the boxed prediction a beginning of the true continuation that ends where a token ends?

In: a response and a problem's completion with its token boundaries. Out: a Verdict. Equation 3 of the paper, on bytes:
reward 1 when the prediction equals the first l bytes of the completion and l is one of the cumulative byte lengths of
its tokens, else 0. Loads without torch and numpy; judging a step of the paper's size takes a fraction of a second.

What the paper leaves open: a box is read to its balanced brace, but when nothing except closing braces and blanks
follows, to the last of them, so that `}` can be predicted (`\boxed{}}`). A response cut by the length limit has no box.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Reason = Literal["match", "mismatch", "not_on_boundary", "empty", "no_box"]
END_OF_THOUGHT = "</think>"
BOX = r"\boxed{"


EQUAL_WITHIN = 1e-6
"""Rewards of a group that differ by no more than this share of the largest differ by rounding alone."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a response earned, and why."""

    reward: float
    reason: Reason
    prediction: bytes | None
    """Content of the box; None without a closed box."""
    mismatch_byte: int | None = None
    """First byte of the prediction that the completion does not have at that place."""


def extract_prediction(response: str) -> str | None:
    r"""The content of the last `\boxed{` after the last `</think>`, untouched; None without a closed one."""
    thought_end = response.rfind(END_OF_THOUGHT)
    if thought_end < 0:
        return None
    start = response.rfind(BOX, thought_end + len(END_OF_THOUGHT))
    if start < 0:
        return None
    rest = response[start + len(BOX) :]
    last = rest.rfind("}")
    return rest[: _box_end(rest, last)] if last >= 0 else None


def judge(prediction: bytes | None, completion: bytes, boundaries: Sequence[int]) -> Verdict:
    """Equation 3. `boundaries` are the cumulative byte lengths of the completion's tokens, without 0."""
    if prediction is None:
        return Verdict(0.0, "no_box", None)
    if not prediction:
        return Verdict(0.0, "empty", prediction)
    if not completion.startswith(prediction):
        return Verdict(0.0, "mismatch", prediction, _first_difference(prediction, completion))
    if len(prediction) not in boundaries:
        return Verdict(0.0, "not_on_boundary", prediction)
    return Verdict(1.0, "match", prediction)


def judge_response(response: bytes, completion: bytes, boundaries: Sequence[int], finished: bool = True) -> Verdict:
    """Judge a whole response. `finished` is False when the length limit cut it: that counts as no box.

    The bytes may break off inside a character: they are carried through the text form without loss.
    """
    # Only what follows the thought is decoded; the thought is most of a response.
    thought_end = response.rfind(END_OF_THOUGHT.encode()) if finished else -1
    if thought_end < 0:
        return judge(None, completion, boundaries)
    prediction = extract_prediction(response[thought_end:].decode(errors="surrogateescape"))
    data = None if prediction is None else prediction.encode(errors="surrogateescape")
    return judge(data, completion, boundaries)


def _box_end(rest: str, last: int) -> int:
    """Index of the brace that closes a box whose content begins `rest`; `last` is the last closing brace there."""
    balanced = _balanced_end(rest)
    if balanced is None or not rest[balanced:].replace("}", "").strip():
        return last
    return balanced


def _balanced_end(rest: str) -> int | None:
    """Index of the closing brace that balances a brace opened just before `rest`."""
    depth, position = 1, 0
    while (close := rest.find("}", position)) >= 0:
        depth += rest.count("{", position, close) - 1
        if depth == 0:
            return close
        position = close + 1
    return None


def _first_difference(prediction: bytes, completion: bytes) -> int:
    """First index at which the completion does not go on as the prediction does."""
    pairs = zip(prediction, completion, strict=False)
    return next((index for index, (a, b) in enumerate(pairs) if a != b), len(completion))
