"""Characters that a name may not hold, since they cannot be seen, and what to call them.

In: a name. Out: the first such character in words. The joiners that Persian, Hindi and emoji of several parts need are
allowed, and so are spaces of every width; control characters, marks that turn the direction of the text around them,
line breaks and other invisible characters are not.
"""

from __future__ import annotations

import re
import unicodedata

_JOINERS = "\u200c\u200d"
_FLAG = re.compile("\U0001f3f4[\U000e0020-\U000e007e]+\U000e007f")
"""A flag of a part of a country is spelt in invisible letters after a black flag."""
_UNFIT = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
_UNSEEN = (*_UNFIT, "Z", "M")
_KINDS = {
    "Cc": "a control character",
    "Cf": "an invisible character",
    "Cs": "half of a surrogate pair",
    "Co": "a character for private use",
    "Cn": "no character",
    "Zl": "a line break",
    "Zp": "a line break",
}


def unfit_for_a_name(name: str) -> str | None:
    """The first character that a name may not hold, in words; None where there is none."""
    rest = _FLAG.sub("", name)
    return next((described(character) for character in rest if _is_unfit(character)), None)


def unfit_for_a_text(text: str) -> str | None:
    """The same for a text of several lines."""
    return unfit_for_a_name(text.replace("\r\n", "\n").replace("\n", ""))


def has_something_to_see(name: str) -> bool:
    """Whether some character of a name is more than a space, a joiner or an accent."""
    return any(not unicodedata.category(character).startswith(_UNSEEN) for character in name)


def described(character: str) -> str:
    """A character by its number and its name or kind: U+202E (RIGHT-TO-LEFT OVERRIDE)."""
    kind = _KINDS.get(unicodedata.category(character), "a character")
    return f"U+{ord(character):04X} ({unicodedata.name(character, kind)})"


def _is_unfit(character: str) -> bool:
    if character in _JOINERS:
        return False
    is_no_character = ord(character) & 0xFFFE == 0xFFFE or 0xFDD0 <= ord(character) <= 0xFDEF
    return is_no_character or unicodedata.category(character) in _UNFIT
