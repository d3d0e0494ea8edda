"""Reasoning patterns: which share of responses uses the words of a pattern (Table 9 of the paper).

In: responses, a list of keywords: built in (`keywords/paper.yaml`, `keywords/tiny.yaml`) or a YAML file of a team's own
with `version`, `source` and `groups`. Out: a share for each group of keywords. An entry is a phrase, or {regex: ...}
for what phrases cannot say. The paper does not say how words are matched: here whatever their case, as whole words, and
with any white space between the words of a phrase; a regex is searched as it stands, whatever the case, and its dot
matches line breaks too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from re import _parser  # type: ignore[attr-defined]  # what compiles expressions; nothing public tells a width
from typing import Any

import yaml

from rpt_core.errors import UserError, said
from rpt_core.typed_yaml import read_typed

PAPER = "paper"
SPACES, SPACES_OF_RE2 = r"\s+", r"[\s\v\x1c-\x1f\x85\p{Z}]+"
"""White space between words: RE2's own is that of ASCII."""
_FLAGS = re.IGNORECASE | re.DOTALL
_FIELDS = {"version", "source", "groups"}
_BEFORE, _AFTER = r"(?<!\w)", r"(?!\w)"
"""Around a phrase. Not \\b: after the full stop of "etc." there is none."""


@dataclass(frozen=True)
class KeywordList:
    """A named, versioned list of keywords by group."""

    name: str
    version: int
    source: str
    """Where the list comes from, for people."""
    groups: dict[str, tuple[re.Pattern[str], ...]]
    """Each group's keywords, of which any counts."""

    def found_in(self, text: str) -> set[str]:
        """The groups that a text has a keyword of."""
        return {group for group, patterns in self.groups.items() if any(p.search(text) for p in patterns)}

    def screens(self) -> dict[str, str]:
        """Of each group an expression of RE2 (pyarrow) that is quick and finds the texts to look at with `found_in`.

        It finds all that have a keyword, and some that have none, such as one within a word.
        """
        return {group: _screen(patterns) for group, patterns in self.groups.items()}

    def shares(self, texts: Sequence[str]) -> dict[str, float]:
        """Share of the texts with a keyword of each group, as a fraction; NaN when there are no texts."""
        found = [self.found_in(text) for text in texts]
        return {
            group: sum(group in groups for groups in found) / len(found) if found else float("nan")
            for group in self.groups
        }


def pattern_shares(texts: Sequence[str]) -> dict[str, float]:
    """Share of the texts with a keyword of each of the paper's groups, as a fraction; NaN when there are no texts."""
    return _built_in(PAPER).shares(texts)


@cache
def keyword_list_names() -> list[str]:
    """Names of the built-in lists."""
    files = resources.files(__package__).joinpath("keywords").iterdir()
    return sorted(file.name.removesuffix(".yaml") for file in files if file.name.endswith(".yaml"))


def keyword_list_text(name: str) -> str:
    """The text of a built-in list."""
    return resources.files(__package__).joinpath("keywords", f"{name}.yaml").read_text(encoding="utf-8")


def load_keywords(name_or_path: str) -> KeywordList:
    """A built-in list by its name, or one from a YAML file. Raises UserError when there is none or it is wrong."""
    if name_or_path in keyword_list_names():
        return _built_in(name_or_path)
    path = Path(name_or_path)
    if not path.is_file():
        raise UserError(
            f"There is no keyword list {name_or_path!r}. Use {' or '.join(keyword_list_names())}, or the path of a "
            "YAML file with `version`, `source` and `groups`."
        )
    return parse_keywords(path.stem, path.read_bytes())


def parse_keywords(name: str, text: str | bytes) -> KeywordList:
    """A list from YAML. Raises UserError that says what is wrong with it."""
    try:
        data = read_typed(text)
    except RecursionError:
        raise UserError(f"The keyword list {name!r} is nested too deeply. Make it flatter.") from None
    except yaml.YAMLError as error:
        raise UserError(f"The keyword list {name!r} is not YAML: {said(error)}.") from None
    if not isinstance(data, dict) or set(data) != _FIELDS:
        raise UserError(f"The keyword list {name!r} must have the fields version, source and groups, and no others.")
    version, groups = data["version"], data["groups"]
    if type(version) is not int or version < 1:
        raise UserError(f"`version` of the keyword list {name!r} is {version!r}. Give a whole number from 1 on.")
    if not isinstance(groups, dict) or not groups:
        raise UserError(f"`groups` of the keyword list {name!r} must name at least one group with its keywords.")
    compiled = {str(group): _group(f"group {group!r} of {name!r}", entries) for group, entries in groups.items()}
    return KeywordList(name, version, str(data["source"]), compiled)


@cache
def _built_in(name: str) -> KeywordList:
    return parse_keywords(name, keyword_list_text(name))


def _group(where: str, entries: Any) -> tuple[re.Pattern[str], ...]:
    if not isinstance(entries, list) or not entries:
        raise UserError(f"The {where} must be a list of at least one keyword.")
    return tuple(_pattern(where, entry) for entry in entries)


def _pattern(where: str, entry: Any) -> re.Pattern[str]:
    if isinstance(entry, str) and entry.strip():
        phrase = SPACES.join(map(re.escape, entry.split()))
        return re.compile(f"{_BEFORE}{phrase}{_AFTER}", re.IGNORECASE)
    if isinstance(entry, dict) and list(entry) == ["regex"] and isinstance(entry["regex"], str):
        return _compiled(where, entry["regex"])
    raise UserError(f"The {where} has the entry {entry!r}. Write a phrase in quotes, or {{regex: '...'}}.")


def _screen(patterns: Sequence[re.Pattern[str]]) -> str:
    """Empty, which every text matches, where an entry is a regex: RE2 may not know it."""
    if not all(pattern.pattern.startswith(_BEFORE) and pattern.pattern.endswith(_AFTER) for pattern in patterns):
        return ""
    phrases = (pattern.pattern.removeprefix(_BEFORE).removesuffix(_AFTER) for pattern in patterns)
    return f"(?i)(?:{'|'.join(phrase.replace(SPACES, SPACES_OF_RE2) for phrase in phrases)})"


def _compiled(where: str, expression: str) -> re.Pattern[str]:
    try:
        pattern = re.compile(expression, _FLAGS)
        shortest, _ = _parser.parse(expression, _FLAGS).getwidth()
    except (re.error, OverflowError, RecursionError) as error:
        raise UserError(f"The {where} has the regex {expression!r}, which is wrong: {said(error)}.") from None
    if not shortest:  # not found out by a search: even in an empty text one may take for ever
        raise UserError(
            f"The {where} has the regex {expression!r}, which matches without any character. Make it narrower."
        )
    return pattern
