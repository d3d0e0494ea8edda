r"""Which option a response chose: the content of its box, read with the tolerance that a person would have.

In: a response, the question's options. Out: an Answer. Loads without torch.

Letters: case, blanks, dollar signs, `\text{}` and the like, parentheses and a dot or colon after the letter do not
count; the letter may be followed by the option's own text ("B. Paris"). Texts: blanks around them and `\text{}` do not
count, all else does. The box is the last one after `</think>`, as for the reward; a response cut by the limit has none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Literal

from rpt_core.inference.rollout import Rollout
from rpt_core.verdict import extract_prediction

Problem = Literal["cut", "no_box", "unreadable"]
_WRAPPED = re.compile(r"\\(?:text|textbf|textrm|mathrm|mathbf|mathsf)\s*\{(.*)\}", re.DOTALL)
_LETTER = re.compile(r"[(\[]?([A-Za-z])[)\]]?[.:]?(?:\s+(.*))?", re.DOTALL)
_BRACKETS = ("$$", "()", "[]", "{}")


@dataclass(frozen=True)
class Answer:
    """What a response answers."""

    choice: int | None
    """Index of the option."""
    box: str | None
    """Content of the box; None without one."""
    problem: Problem | None
    """Why there is no choice."""


def read_answer(rollout: Rollout, options: Sequence[str], by_letter: bool) -> Answer:
    """The option that a response names."""
    if rollout.finish_reason == "length":
        return Answer(None, None, "cut")
    box = extract_prediction(rollout.text)
    if box is None:
        return Answer(None, None, "no_box")
    choice = read_letter(box, options) if by_letter else read_text(box, options)
    return Answer(choice, box, "unreadable" if choice is None else None)


def read_letter(box: str, options: Sequence[str]) -> int | None:
    """Index of the option whose letter a box holds, or None."""
    found = _LETTER.fullmatch(_bare(box, _BRACKETS))
    if found is None:
        return None
    choice, rest = ascii_uppercase.index(found[1].upper()), found[2]
    is_named = choice < len(options) and (rest is None or _bare(rest) == _bare(options[choice]))
    return choice if is_named else None


def read_text(box: str, options: Sequence[str]) -> int | None:
    """Index of the first option whose text a box holds, or None."""
    text, texts = _bare(box), [_bare(option) for option in options]
    return texts.index(text) if text in texts else None


def _bare(text: str, pairs: Sequence[str] = ("$$",)) -> str:
    """The text without blanks, TeX's text commands and pairs of signs around it."""
    before = None
    while before != text:
        before, text = text, text.strip()
        if len(text) > 2 and text[0] + text[-1] in pairs:
            text = text[1:-1]
        if wrapped := _WRAPPED.fullmatch(text):
            text = wrapped[1]
    return text
