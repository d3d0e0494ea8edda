"""What an exhibit came from: its runs, each with its config, its code and the positions that it was measured at.

In: runs. Out: `RunSource`s, and the same as pairs for the metadata of files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from rpt_web.results.board import SetWords
from rpt_web.results.models import EvaluatedSet, Evaluation, Standing
from rpt_web.runs.attempts import newest_code
from rpt_web.runs.models import Run
from rpt_web.runs.queries import flatten

_POSITIONS = re.compile(r"position|held_out|min_entropy|proxy|corpus|evaluation\.seed")
"""Parts of the names of settings that decide which positions are used."""


@dataclass(frozen=True)
class SourceSet:
    """A position set that a run was evaluated at, as the leaderboard knows it."""

    hash: str
    words: str
    """Its corpora, size and thresholds; "" where only the hash is known."""
    group: str
    """The leaderboard's group that has it; "" where none has."""


@dataclass(frozen=True)
class RunSource:
    """One run that an exhibit came from."""

    run: int
    name: str
    stage: str
    code: str
    positions: Sequence[tuple[str, str]]
    """The settings that decide which positions were used, with their values."""
    config: Sequence[tuple[str, str]]
    """All settings, as dotted names."""
    experiment: str = ""
    """What its experiment was called then: anonymous copies leave it out, also after another name or its deletion."""
    position_sets: Sequence[SourceSet] = ()
    """At which its evaluations were made, where that is known; left out of anonymous copies."""

    def as_json(self) -> dict[str, Any]:
        """Plain data; by hand, since `asdict` copies thousands of settings one by one."""
        return vars(self) | {"position_sets": [dict(vars(one)) for one in self.position_sets]}


def with_sources(runs: QuerySet[Run]) -> QuerySet[Run]:
    """Runs with what their sources are made of, and no more."""
    own = ("name", "stage", "config", "plan", "code_version", "attempt_code_version")
    return runs.select_related(None).select_related("experiment").only(*own, "experiment__name")


def sources_of(runs: Iterable[Run]) -> list[RunSource]:
    """What an exhibit of these runs came from: each once, by their numbers (3 queries)."""
    found = {run.pk: run for run in runs}
    sets = _sets_of(found)
    return [_source(run, sets.get(key, ())) for key, run in sorted(found.items())]


def _source(run: Run, sets: Sequence[SourceSet]) -> RunSource:
    config = [(name, _written(value)) for name, value in flatten(run.config or run.plan)]
    positions = [(name, value) for name, value in config if _POSITIONS.search(name)]
    return RunSource(run.pk, run.name, run.stage, newest_code(run), positions, config, run.experiment.name, sets)


def _sets_of(runs: Collection[int]) -> dict[int, list[SourceSet]]:
    """By run the position sets of its evaluations (3 queries)."""
    rows = Evaluation.objects.filter(run__in=runs).exclude(position_set="").order_by("run", "position_set")
    used = list(rows.values_list("run", "run__experiment__team", "position_set").distinct())
    hashes, teams = {name for _, _, name in used}, {team for _, team, _ in used}
    named = EvaluatedSet.objects.filter(hash__in=hashes, team__in=teams)
    words = {(one.team_id, one.hash): _words(one) for one in named}
    boards = Standing.objects.filter(sets__overlap=list(hashes), experiment__team__in=teams).exclude(group="")
    lines = boards.order_by().values_list("experiment__team", "sets", "group").distinct()
    groups = {(team, name): group for team, sets, group in lines for name in sets}
    found: dict[int, list[SourceSet]] = {}
    for run, team, name in used:
        known = SourceSet(name, words.get((team, name), ""), groups.get((team, name), ""))
        found.setdefault(run, []).append(known)
    return found


def _words(known: EvaluatedSet) -> str:
    said = SetWords("", [known])
    return f"{said.name}: {said.size}; {said.levels}"


def as_pairs(sources: Sequence[RunSource], ref: str) -> list[tuple[str, str]]:
    """For the metadata of files: the ref, and of each run its number, name, code, positions, sets and config."""
    pairs = [("exhibit", ref)]
    for source in sources:
        pairs += [
            ("run", f"{source.run}, {source.name}, stage {source.stage}"),
            (f"code version of run {source.run}", source.code),
            (f"positions of run {source.run}", _joined(source.positions)),
            *((f"position set of run {source.run}", f"{one.hash} {one.words}".strip()) for one in source.position_sets),
            (f"config of run {source.run}", json.dumps(dict(source.config), ensure_ascii=False)),
        ]
    return pairs


def _joined(pairs: Sequence[tuple[str, str]]) -> str:
    return "; ".join(f"{name} = {value}" for name, value in pairs) or "none named in its config"


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
