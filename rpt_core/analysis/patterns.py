"""Reasoning patterns: which share of responses uses the words of a pattern (Table 9 of the paper).

In: responses. Out: a share for each group of keywords. The paper does not say how words are matched: here whatever
their case, as whole words, and with any white space between the words of a phrase.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

KEYWORDS: dict[str, tuple[str, ...]] = {
    "transition": ("alternatively", "think differently"),
    "reflection": ("wait", "initial answer", "original answer", "looking back", "thought process"),
    "breakdown": ("break down", "break this down"),
    "hypothesis": ("probably", "something like"),
    "divergent_thinking": (
        "etc.",
        "or something",
        "either",
        "sometimes it refers",
        "otherwise",
        "exploring",
        "options",
    ),
    "deduction": ("summarize", "conclusion", "conclude", "finally", "logically", "consequently"),
}


def pattern_shares(texts: Sequence[str]) -> dict[str, float]:
    """Share of the texts with a keyword of each group, as a fraction; NaN when there are no texts."""
    return {group: _share(pattern, texts) for group, pattern in _PATTERNS.items()}


def patterns_in(text: str) -> set[str]:
    """The groups that a text has a keyword of."""
    return {group for group, pattern in _PATTERNS.items() if pattern.search(text)}


def _share(pattern: re.Pattern[str], texts: Sequence[str]) -> float:
    if not texts:
        return float("nan")
    return sum(pattern.search(text) is not None for text in texts) / len(texts)


def _compile(keywords: Sequence[str]) -> re.Pattern[str]:
    phrases = (r"\s+".join(map(re.escape, keyword.split())) for keyword in keywords)
    # Not \b: behind the full stop of "etc." there is none.
    return re.compile(rf"(?<!\w)(?:{'|'.join(phrases)})(?!\w)", re.IGNORECASE)


_PATTERNS = {group: _compile(keywords) for group, keywords in KEYWORDS.items()}
