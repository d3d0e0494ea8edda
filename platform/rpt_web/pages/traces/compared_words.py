"""A comparison's positions in words, as a list of traces that is narrowed to them says it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from django.http import HttpRequest

from rpt_web import access
from rpt_web.compare import traced
from rpt_web.compare.positions import ComparedSet
from rpt_web.results.queries import mode_label
from rpt_web.runs.models import Run

WORDS = {
    "": "{a} and {b} both have",
    "gained": "{b} gets right and {a} does not",
    "forgotten": "{a} gets right and {b} does not",
    "both": "{a} and {b} both get right",
    "neither": "neither {a} nor {b} gets right",
}
PARTS = {"domain": "domain {}", "type": "next token {}", "length": "next token of {}"}


def words_of(request: HttpRequest, names: Iterable[str], sets: Mapping[str, ComparedSet]) -> dict[str, str]:
    """Of what addresses call positions of comparisons, each in words (1 query). sets: those that are there."""
    entries = [one.comparison.entries[place] for one in sets.values() for place in (one.a, one.b)]
    runs = access.runs_by_id(request.user, {run for run, *_ in entries}) if entries else {}
    return {name: _words(sets[name], runs) if name in sets else _gone(name) for name in names if name}


def _words(asked: ComparedSet, runs: Mapping[int, Run]) -> str:
    entries = [asked.comparison.entries[place] for place in (asked.a, asked.b)]
    modes = list(dict.fromkeys(mode_label(mode) for *_, mode in entries))
    a, b = (
        f"“{runs[run].name}” at step {step:,}" + (f" ({mode_label(mode)})" if len(modes) > 1 else "")
        for run, step, mode in entries
    )
    filters = asked.filters
    parts = [words.format(getattr(filters, name) or "none") for name, words in PARTS.items() if _narrows(asked, name)]
    which = f"{filters.difficulty} positions that {WORDS[filters.cell].format(a=a, b=b)}"
    return "; ".join([f"{which}, {modes[0]}" if len(modes) == 1 else which, *parts])


def _narrows(asked: ComparedSet, name: str) -> bool:
    return getattr(asked.filters, name) not in ((None,) if name == "domain" else ("",))


def _gone(name: str) -> str:
    return f"positions of comparison {traced.number_in(name)}, which is not there"
