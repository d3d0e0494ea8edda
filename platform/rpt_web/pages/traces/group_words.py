"""What a list of traces is asked for, in words that can each be taken away, and what its groups are, with counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from rpt_web.numbers import whole
from rpt_web.runs.models import Run
from rpt_web.traces import group_filters
from rpt_web.traces.group_filters import GroupFilters, write_steps
from rpt_web.traces.group_lists import GroupCounts
from rpt_web.traces.queries import KIND_LABELS

Key = TypeVar("Key")
FLAGS = {
    "white_space": "wrong by white space alone",
    "disputed": "disputed by reviewers",
    "alarm": "at a step with an alarm",
}
DISPUTED = {"1": FLAGS["disputed"]}
RANGE_WORDS = {
    "step": "step {}",
    "entropy": "entropy {} nats",
    "pass": "pass rate {}",
    "tokens": "{} tokens in the mean",
    "samples": "responses in the group: {}",
}


@dataclass(frozen=True)
class Told:
    """A filter in words, and the query of the list without it."""

    words: str
    without: str


@dataclass(frozen=True)
class FacetValue:
    """A value that groups of the list have, how many have it, and the query of those."""

    words: str
    count: str
    query: str
    is_chosen: bool


@dataclass(frozen=True)
class Facet:
    """What groups differ by."""

    label: str
    values: Sequence[FacetValue]


@dataclass(frozen=True)
class Said:
    """What reviewers said, as far as the reader may see it: counts of groups by filter and value, labels in words."""

    counts: Mapping[str, Mapping[str, int]]
    labels: Mapping[str, str]


def told(filters: GroupFilters, named: Sequence[Run], labels: Mapping[str, str], compared: str) -> list[Told]:
    """Each filter that is set. named: the runs of the address that the reader may see. labels: in words. compared: the
    comparison's positions in words, "" where the address names none."""
    names = {run.pk: f"run {run.pk}, {run.name}" for run in named}
    found = [Told(_named(names, run), filters.query(run=_less(filters.runs, run))) for run in filters.runs]
    found += [
        Told(f"{_named(names, run)}, at step {step}", filters.query(at=write_steps(_less(filters.at, (run, step)))))
        for run, step in filters.at
    ]
    found += [
        Told(f"experiment {key}", filters.query(experiment=_less(filters.experiments, key)))
        for key in filters.experiments
    ]
    found += [Told(words, filters.query(**{name: None})) for name, words in _single(filters, labels, compared)]
    return found + _ranges(filters)


def facets_of(counts: GroupCounts, filters: GroupFilters, runs: Mapping[int, Run]) -> list[Facet]:
    """What the groups of a list are; values that none has are left out."""
    lines = [
        ("Kind", "kind", dict(KIND_LABELS)),
        ("Difficulty", "difficulty", {"easy": "easy", "medium": "medium", "hard": "hard"}),
        ("Rewarded", "solved", {name: group_filters.SOLVED[name][0] for name in group_filters.SOLVED_PARTS}),
        ("Some response has", "reason", group_filters.REASON_WORDS),
        ("Some thought has words of", "pattern", group_filters.PATTERN_WORDS),
        ("Also", "mark", group_filters.MARKS),
    ]
    found = [Facet(label, _values(name, words, counts.facets, filters, counts)) for label, name, words in lines]
    others = {"finish": {"length": "cut by the limit"}, "white_space": {"1": FLAGS["white_space"]}}
    others["boxes"] = {"2": "several boxes"}
    more = [value for name, words in others.items() for value in _values(name, words, counts.facets, filters, counts)]
    found[-1] = Facet("Also", [*found[-1].values, *more])
    found.append(
        Facet("Domain", [_value("domain", name, name, n, filters, counts) for name, n in counts.domains.items()])
    )
    of_runs = [(run, n) for run, n in counts.runs.items() if run in runs]
    if len(of_runs) > 1:
        named = [_value("run", str(run), f"{run} {runs[run].name}", n, filters, counts) for run, n in of_runs]
        found.append(Facet("Run", named))
    return [facet for facet in found if facet.values]


def facets_of_reviews(said: Said, filters: GroupFilters) -> list[Facet]:
    """What reviewers said of the groups of a list."""
    lines = [("Label", "label", said.labels), ("Reviewer", "reviewer", {}), ("Reviews", "disputed", DISPUTED)]
    found = [Facet(label, _said(said, name, words, filters)) for label, name, words in lines]
    return [facet for facet in found if facet.values]


def _single(filters: GroupFilters, labels: Mapping[str, str], compared: str) -> list[tuple[str, str]]:
    """The filters that are set, each with its words."""
    words = {
        "compared": compared,
        "kind": KIND_LABELS.get(filters.kind, ""),
        "difficulty": filters.difficulty and f"{filters.difficulty} positions",
        "solved": filters.solved and group_filters.SOLVED[filters.solved][0],
        "reason": filters.reason and f"some response has {group_filters.REASON_WORDS[filters.reason]}",
        "finish": filters.finish and group_filters.FINISH_WORDS[filters.finish],
        "mark": filters.mark and group_filters.MARKS[filters.mark],
        "pattern": filters.pattern and f"some thought has words of {group_filters.PATTERN_WORDS[filters.pattern]}",
        "label": filters.label and f"label {labels.get(filters.label, filters.label)}",
        "reviewer": filters.reviewer and f"reviewed by {filters.reviewer}",
        "document": filters.document and f"document {filters.document}",
        "token": "" if filters.token is None else f"at token {filters.token} of the document",
        "domain": filters.domain and f"domain {filters.domain}",
        "position": "" if filters.position is None else f"position {filters.position}",
        "boxes": "" if filters.boxes is None else f"{filters.boxes} boxes or more in a response",
    }
    words |= {name: text for name, text in FLAGS.items() if getattr(filters, name)}
    return [(name, text) for name, text in words.items() if text]


def _ranges(filters: GroupFilters) -> list[Told]:
    found, ends = [], filters.ends
    for name, words in RANGE_WORDS.items():
        low, high = (ends.get(f"{name}_{end}") for end in ("from", "to"))
        if low is not None or high is not None:
            gone: dict[str, Any] = {f"{name}_from": None, f"{name}_to": None}
            found.append(Told(words.format(_span(low, high)), filters.query(**gone)))
    return found


def _span(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f"{low:g}" if low == high else f"{low:g} to {high:g}"
    return f"from {low:g}" if low is not None else f"up to {high:g}"


def _named(names: Mapping[int, str], run: int) -> str:
    return names.get(run, f"run {run}, which is not there")


def _less(keys: Sequence[Key], key: Key) -> tuple[Key, ...]:
    return tuple(other for other in keys if other != key)


def _said(said: Said, name: str, words: Mapping[str, str], filters: GroupFilters) -> list[FacetValue]:
    """Such counts are exact, however long the list is."""
    return [
        _facet_value(name, value, words.get(value, value), whole(n), filters)
        for value, n in said.counts.get(name, {}).items()
        if n
    ]


def _values(
    name: str, words: Mapping[str, str], facets: Mapping[str, int], filters: GroupFilters, counts: GroupCounts
) -> list[FacetValue]:
    found = ((value, text, facets.get(f"{name}:{value}", 0)) for value, text in words.items())
    return [_value(name, value, text, n, filters, counts) for value, text, n in found if n]


def _value(name: str, value: str, words: str, count: int, filters: GroupFilters, counts: GroupCounts) -> FacetValue:
    return _facet_value(name, value, words, whole(count) if counts.is_exact else f"about {whole(count)}", filters)


def _facet_value(name: str, value: str, words: str, count: str, filters: GroupFilters) -> FacetValue:
    query = filters.query(**{name: value})
    return FacetValue(words, count, query, query == filters.query())
