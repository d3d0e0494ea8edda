"""What the leaderboard lists: each model that an experiment has measured, in each mode, on each set of positions.

In: an experiment's runs and evaluations. Out: rows of `Standing` that are not stored yet; `workers.intervals` stores
them when evaluations have arrived. A model is a checkpoint, or what a run was given. Of a run that measures itself the
newest checkpoint counts, of one that evaluates others every one. The copies of a run for several seeds are one row: the
mean over them. A gain is over the policy that the model's run started from, at the same positions, in the same mode,
asked in the same way; else there is none.
"""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from statistics import mean
from typing import Any

from rpt_core.config import DIFFICULTIES
from rpt_web.results.changes import Change, Intervals
from rpt_web.results.lineage import Policy, start
from rpt_web.results.models import Evaluation, Standing
from rpt_web.runs import cost, parents
from rpt_web.runs.models import Run, Status

SEVERAL = "several"
"""Stands for what differs between the seeds of a row."""
_TRAINING = ("rpt", "rlvr", "expert_iteration", "sft", "ntp")


@dataclass(frozen=True)
class Measurement:
    """The cells of one evaluation in one mode, and how the policy was asked."""

    run: Run
    step: int
    mode: str
    policy: Policy
    cells: Mapping[str, Evaluation]
    """By difficulty; at least one."""

    @property
    def is_own(self) -> bool:
        """Whether a run has measured what it trained itself."""
        return self.policy == (self.run.pk, self.step)

    @property
    def first(self) -> Evaluation:
        """Any of its cells."""
        return next(iter(self.cells.values()))

    @property
    def template(self) -> str:
        """What the policy was asked with; "" without thinking, where there is no template."""
        return "" if self.mode == "standard" else str((self.run.config.get("prompt") or {}).get("template", ""))

    @property
    def sampling(self) -> str:
        """How it was sampled, in words; "" without thinking."""
        given = self.run.config.get("sampling") or {}
        if self.mode == "standard" or not given:
            return ""
        temperature = 0.0 if self.mode == "greedy" else given.get("temperature", math.nan)
        return f"temperature {temperature:g}, at most {given.get('max_response_tokens', math.nan):,} tokens"

    @property
    def conditions(self) -> tuple[str, str, str, str]:
        """What must be the same for a gain."""
        return self.first.position_set, self.template, self.sampling, self.mode

    @property
    def source(self) -> tuple[Any, ...]:
        """Which kind of position set it is, whatever the seed: the copies of a run have one of a kind each."""
        held_out = self.run.config.get("evaluation") or {}
        levels = tuple(held_out.get(f"{name}_nats") for name in DIFFICULTIES)
        return held_out.get("position_set"), held_out.get("positions_per_difficulty"), levels


@dataclass(frozen=True)
class Member:
    """One model of a row: of the only seed, or of one of several."""

    measured: Measurement
    trained: Run | None
    """The run that made it; None for what came from elsewhere."""
    before: Measurement | None
    """What it started from, under the same conditions."""

    @cached_property
    def name(self) -> str:
        """Of the run that made it without its seed, or the end of the path where it lies."""
        policy = self.measured.policy
        if self.trained is not None:
            return self.trained.plain_name
        return policy.rstrip("/").rpartition("/")[2] if isinstance(policy, str) else f"run {policy[0]}"

    @property
    def step(self) -> int:
        """Of the checkpoint."""
        policy = self.measured.policy
        return policy[1] if isinstance(policy, tuple) else self.measured.step

    @property
    def seed(self) -> int | None:
        """Of the run that made it."""
        return None if self.trained is None else self.trained.seed

    @property
    def flops(self) -> float | None:
        """Training compute of the run that made it, up to there."""
        trained, measured = self.trained, self.measured
        if measured.is_own or (measured.run.stage == "evaluate" and self.step):
            return measured.first.flops
        return trained.flops if trained is not None and trained.step == self.step else None

    @property
    def is_finished(self) -> bool:
        """Whether it is what its run was to become, or was evaluated on its own account."""
        return not self.measured.is_own or self.measured.run.status == Status.SUCCEEDED

    def as_json(self) -> dict[str, Any]:
        """What the row keeps of it."""
        trained, measured = self.trained, self.measured
        return {
            "seed": self.seed,
            "run": trained.pk if trained else None,
            "name": trained.name if trained else self.name,
            "step": self.step,
            "measured_by": measured.run.pk,
            "measured_step": measured.step,
            "set": measured.first.position_set,
            "before": None if self.before is None else [self.before.run.pk, self.before.step],
            "values": {level: row.value for level, row in measured.cells.items()},
        }


@dataclass
class _Known:
    """What was measured of each policy under each conditions; the most trusted first."""

    chosen: dict[tuple[Policy, tuple[str, str, str, str]], Measurement] = field(default_factory=dict)
    at_start: dict[tuple[int, tuple[str, str, str, str]], Measurement] = field(default_factory=dict)
    """By the training run that measured the policy that it started from."""
    newest: dict[int, int] = field(default_factory=dict)
    """Of each training run the last step at which it has measured itself."""

    def add(self, found: Measurement) -> None:
        self.chosen.setdefault((found.policy, found.conditions), found)
        if found.is_own:
            self.newest[found.run.pk] = max(found.step, self.newest.get(found.run.pk, 0))
        elif found.run.stage in _TRAINING:
            self.at_start.setdefault((found.run.pk, found.conditions), found)

    def before(self, trained: Run | None, found: Measurement) -> Measurement | None:
        """What a run has started from."""
        if trained is None:
            return None
        own = self.at_start.get((trained.pk, found.conditions))
        return own or self.chosen.get((start(trained) or "", found.conditions))


def standings(runs: Sequence[Run], rows: Iterable[Evaluation], intervals: Intervals) -> list[Standing]:
    """The rows of an experiment, of which these are all runs and evaluations; `intervals` are asked for each number."""
    found = _measurements(runs, rows)
    known = _Known()
    for measured in sorted(found, key=_trust):
        known.add(measured)
    by_id = _trained_runs(runs, known.chosen.values())
    groups: dict[Any, list[Member]] = defaultdict(list)
    for measured in known.chosen.values():
        if not measured.is_own or measured.step == known.newest[measured.run.pk]:
            policy = measured.policy
            trained = by_id.get(policy[0]) if isinstance(policy, tuple) else None
            member = Member(measured, trained, known.before(trained, measured))
            groups[_key(member, known, by_id)].append(member)
    gpu_hours = _gpu_hours(by_id)
    parts = [(key, part) for key, members in groups.items() for part in _parted(key, members)]
    return [_standing(key, part, intervals, gpu_hours) for key, part in parts]


def _measurements(runs: Sequence[Run], rows: Iterable[Evaluation]) -> list[Measurement]:
    by_id = {run.pk: run for run in runs}
    cells: dict[tuple[int, int, str], dict[str, Evaluation]] = defaultdict(dict)
    for row in rows:
        if row.difficulty in DIFFICULTIES and row.run_id in by_id:
            row.run = by_id[row.run_id]
            cells[row.run_id, row.step, row.mode][row.difficulty] = row
    found = []
    for (run_id, step, mode), by_level in cells.items():
        run = by_id[run_id]
        own = run.stage in _TRAINING and step > 0
        policy = (run_id, step) if own else start(run) or (run_id, step)
        found.append(Measurement(run, step, mode, policy, by_level))
    return found


def _trust(found: Measurement) -> tuple[bool, bool, int, int]:
    return not found.is_own, found.run.status != Status.SUCCEEDED, found.run.pk, found.step


def _trained_runs(runs: Sequence[Run], found: Iterable[Measurement]) -> dict[int, Run]:
    """The runs that made what was measured, those of other experiments included (at most 1 query)."""
    known = {run.pk: run for run in runs}
    elsewhere = {measured.policy[0] for measured in found if isinstance(measured.policy, tuple)} - known.keys()
    return known | (Run.objects.in_bulk(elsewhere) if elsewhere else {})


def _key(member: Member, known: _Known, by_id: Mapping[int, Run]) -> tuple[Any, ...]:
    """What the members of a row share: without the seed, for the copies of a run."""
    measured, trained = member.measured, member.trained
    asked = (measured.template, measured.sampling, measured.mode)
    if trained is None or trained.copy_seed is None:
        return str(measured.policy), measured.first.position_set, asked
    newest = member.step == known.newest.get(trained.pk, trained.step)
    read = parents.runs_named(measured.run.config.get("evaluation") or {})
    filters = sorted(by_id[pk].plain_name if pk in by_id else str(pk) for pk in read)
    return member.name, None if newest else member.step, measured.source, *filters, asked


def _parted(key: Any, members: list[Member]) -> list[list[Member]]:
    """One row of all members; where a seed has several, it cannot be said which belong together: a row for each."""
    seeds = [member.trained.copy_seed if member.trained else None for member in members]
    if len(set(seeds)) < len(members):
        return [[member] for member in members]
    return [sorted(members, key=lambda member: member.seed or 0)]


def _standing(key: Any, members: list[Member], intervals: Intervals, gpu_hours: Mapping[int, float | None]) -> Standing:
    first = members[0]
    sets = sorted({member.measured.first.position_set for member in members})
    alone = [str(first.measured.policy), sets[0]] if len(members) == 1 else []
    row = Standing(
        key=_digest(str(key), *alone),
        group=group_of(sets),
        sets=[found for found in sets if found],
        name=first.name[:300],
        stage=first.trained.stage if first.trained else "",
        mode=first.measured.mode,
        runs=sorted({member.trained.pk for member in members if member.trained}),
        seeds=[member.seed for member in members if member.seed is not None],
        members=[member.as_json() for member in members],
        template=first.measured.template,
        sampling=first.measured.sampling,
        tokenizer=_one([member.measured.first.tokenizer for member in members]),
        is_finished=all(member.is_finished for member in members),
        flops=_mean([member.flops for member in members]),
        **_time(members, gpu_hours),
    )
    _add_cells(row, members, intervals)
    return row


def _add_cells(row: Standing, members: Sequence[Member], intervals: Intervals) -> None:
    row.cells, row.gains = {}, {}
    for level in DIFFICULTIES:
        cells = [member.measured.cells[level] for member in members if level in member.measured.cells]
        if len(cells) < len(members):
            continue
        row.cells[level] = _cell(cells, intervals)
        setattr(row, level, row.cells[level]["value"])
        before = [member.before.cells[level] for member in members if member.before and level in member.before.cells]
        if len(before) == len(cells):
            row.gains[level] = written(intervals.change(list(zip(before, cells, strict=True))))
    every = [cell for member in members for cell in member.measured.cells.values()]
    row.n = min(cell.n for cell in every)
    row.no_box = max((cell.no_box for cell in every if cell.no_box is not None), default=None)


def _cell(cells: Sequence[Evaluation], intervals: Intervals) -> dict[str, Any]:
    found = {"n": min(cell.n for cell in cells), "evaluations": [cell.pk for cell in cells]}
    if len(cells) == 1:
        return found | {"value": cells[0].value, "low": cells[0].low, "high": cells[0].high}
    estimate = intervals.mean(cells).estimate
    return found | {"value": estimate.value, "low": estimate.low, "high": estimate.high}


def written(change: Change) -> dict[str, Any]:
    """A difference as a row keeps it."""
    found = change.estimate
    return {"value": found.value, "low": found.low, "high": found.high, "n": found.n, "how": change.how}


def group_of(sets: Sequence[str]) -> str:
    """What the position sets of a row's seeds are known by together: rows are compared only where it is the same.

    That of one set is its own hash; "" where one of them is not known.
    """
    if not all(sets):
        return ""
    return sets[0] if len(sets) == 1 else _digest(*sets)


def _digest(*parts: str) -> str:
    return hashlib.blake2b("\n".join(parts).encode(), digest_size=16).hexdigest()


def _one(values: Sequence[str]) -> str:
    return values[0] if len(set(values)) == 1 else SEVERAL


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return mean(known) if known and len(known) == len(values) else None


def _time(members: Sequence[Member], gpu_hours: Mapping[int, float | None]) -> dict[str, float | None]:
    """Hours of the runs that made the models, and their GPU hours; means over the seeds."""
    runs = [member.trained for member in members]
    hours = [run.time_spent / timedelta(hours=1) if run and run.time_spent else None for run in runs]
    return {"hours": _mean(hours), "gpu_hours": _mean([gpu_hours.get(run.pk) if run else None for run in runs])}


def _gpu_hours(runs: Iterable[int]) -> dict[int, float | None]:
    """By run, by the GPUs that it had; None where its node reported none (1 query)."""
    return dict(Run.objects.filter(pk__in=list(runs)).values_list("pk", cost.gpu_hours()))
