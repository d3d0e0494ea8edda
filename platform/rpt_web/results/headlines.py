"""The headline of an experiment: accuracy on hard positions, reasoning, before and after a run has trained.

In: an experiment's runs and evaluations. Out: a `Headline` of one run that is named, or of its copies where a suite has
several seeds. Which run it is depends on the rows alone: RPT before other stages, no baseline of another run, one that
succeeded, then the one that was submitted first. "After" is a run that succeeded; what one under way has reached is
said to be so far. A lead over a baseline is of both in the same mode; beside it stands that over the best that the
baseline can do, thinking or not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from statistics import mean

from rpt_core.run.tables import Estimate
from rpt_web.numbers import points
from rpt_web.results import caveats
from rpt_web.results.changes import PENDING, Change, Intervals
from rpt_web.results.lineage import (
    SAME_COMPUTE,
    Policy,
    compute_ratio,
    compute_words,
    has_as_many_responses,
    matched_run,
    seeds_in_words,
    stage_label,
    start,
)
from rpt_web.results.models import Evaluation, Interval
from rpt_web.results.queries import mode_label
from rpt_web.runs.models import ENDED_BADLY, Experiment, Run, Status

TRAINING = ("rpt", "rlvr", "expert_iteration", "sft", "ntp")
"""The stages that train, in the order in which they are preferred."""
NO_INTERVAL = "no interval: the seeds agree"
MODES = ("sampled", "standard", "greedy")
"""What a model is measured in; the headline itself is about the first."""


@dataclass(frozen=True)
class Trained:
    """A run that trains, with what was measured of the policy that it starts from and of its own."""

    run: Run
    before: Evaluation | None
    newest: Evaluation | None
    """Of its own checkpoints the last one that was measured."""
    others: Mapping[str, Evaluation] = field(default_factory=dict)
    """What was measured together with the newest, by mode."""

    @property
    def after(self) -> Evaluation | None:
        """What it has become; None unless it succeeded."""
        return self.newest if self.run.status == Status.SUCCEEDED else None

    @property
    def so_far(self) -> Evaluation | None:
        """What it has reached by now; None unless it is under way."""
        return self.newest if self.run.is_active else None

    @property
    def is_done(self) -> bool:
        """Whether it succeeded and both were measured."""
        return self.run.status == Status.SUCCEEDED and bool(self.before and self.after)

    @property
    def flops(self) -> float | None:
        """Training compute of the policy that `after` is about."""
        is_own = self.after is not None and self.after.run_id == self.run.pk
        return self.after.flops if self.after and is_own else self.run.flops


@dataclass(frozen=True)
class Number:
    """An accuracy: of one evaluation, or the mean of one for each seed."""

    rows: Sequence[Evaluation]
    intervals: Intervals

    @cached_property
    def estimate(self) -> Estimate:
        """With its 95 % interval."""
        return self._found.estimate

    @cached_property
    def _found(self) -> Change:
        if len(self.rows) > 1:
            return self.intervals.mean(self.rows)
        row = self.rows[0]
        return Change(Estimate(row.value, row.low, row.high, row.n), "")

    @property
    def words(self) -> str:
        """The interval and what it rests on."""
        found, n, seeds = self.estimate, _span([row.n for row in self.rows]), len(self.rows)
        missing = PENDING if self._found.how == PENDING else NO_INTERVAL
        interval = missing if found.low is None else f"{points(found.low)} to {points(found.high)} (95\u00a0%)"
        return f"{interval}, n\u00a0{n}" + (f" each, mean of {seeds} seeds" if seeds > 1 else "")

    @property
    def source(self) -> str:
        """Which evaluation of which run it is; of a training run that went on after it, of how many steps."""
        ends = {row.run.total_steps or 0 for row in self.rows if row.step and row.run.stage in TRAINING}
        of = f" of {_span(sorted(ends))}" if ends and max(ends) > max(row.step for row in self.rows) else ""
        return f"“{_name([row.run for row in self.rows])}”, step {_span([row.step for row in self.rows])}{of}"

    @property
    def mode(self) -> str:
        """In words."""
        return mode_label(self.rows[0].mode)

    @cached_property
    def caveat(self) -> str:
        """That the responses give no answer; "" where they do."""
        return caveats.of_format(self.rows)


@dataclass(frozen=True)
class Baseline:
    """A run that was trained with the compute of the headline's run, or on the same number of responses.

    For each seed the pair (the headline's run, the baseline).
    """

    pairs: Sequence[tuple[Trained, Trained]]
    intervals: Intervals

    @property
    def name(self) -> str:
        """The name of the run."""
        return _name([other.run for _, other in self.pairs])

    @cached_property
    def modes(self) -> list[Number]:
        """Its accuracy in each mode that was measured for all seeds, the best one first."""
        by_mode = [[other.others[mode] for _, other in self.pairs if mode in other.others] for mode in MODES]
        whole = [rows for rows in by_mode if len(rows) == len(self.pairs)]
        ranked = sorted(whole, key=lambda rows: -mean(row.value for row in rows))
        return [Number(rows, self.intervals) for rows in ranked]

    @property
    def accuracy(self) -> Number:
        """In its best mode."""
        return self.modes[0]

    @property
    def is_alike(self) -> bool:
        """Whether its best mode is that of the headline."""
        return self.accuracy.rows[0].mode == MODES[0]

    @property
    def reasoning(self) -> Number:
        """In the mode of the headline."""
        return Number([other.after for _, other in self.pairs if other.after], self.intervals)

    @cached_property
    def lead(self) -> Change:
        """By how much the headline's run is better than this one, both in the mode of the headline."""
        return self._lead_over(self.reasoning)

    @cached_property
    def lead_over_best(self) -> Change:
        """The same over the best mode of this one."""
        return self._lead_over(self.accuracy)

    def _lead_over(self, number: Number) -> Change:
        own = [copy.after for copy, _ in self.pairs if copy.after]
        return self.intervals.change(list(zip(number.rows, own, strict=True)))

    @property
    def compute(self) -> str:
        """How their computes stand to each other, those of all seeds summed; the range too where seeds differ. That the
        responses are as many, where they are."""
        own, others = [own.flops for own, _ in self.pairs], [other.flops for _, other in self.pairs]
        words = compute_words(compute_ratio(_sum(others), _sum(own)), _name([own.run for own, _ in self.pairs]))
        if all(has_as_many_responses(other.run, own.run) for own, other in self.pairs):
            words = f"same number of responses, {words}"
        ratios = [ratio for pair in zip(others, own, strict=True) if (ratio := compute_ratio(*pair))]
        if len(ratios) < len(self.pairs) or max(ratios) - min(ratios) <= SAME_COMPUTE:
            return words
        return f"{words}, by seed {min(ratios):.3g} to {max(ratios):.3g}"


@dataclass(frozen=True)
class Headline:
    """Accuracy before and after the training of one run, or of its copies for several seeds."""

    copies: Sequence[Trained]
    """At least one, by rising seed; of several, each is done."""
    baselines: Sequence[Baseline]
    intervals: Intervals
    preset: str = ""
    """Of the experiment."""

    @property
    def run(self) -> Run:
        """The first of the runs."""
        return self.copies[0].run

    @property
    def name(self) -> str:
        """What the runs are called."""
        return _name([found.run for found in self.copies])

    @property
    def stage(self) -> str:
        """The stage, as people write it."""
        return stage_label(self.run.stage)

    @property
    def seeds(self) -> str:
        """Their seeds, in words."""
        return seeds_in_words(copy.run.seed for copy in self.copies)

    @property
    def before(self) -> Number | None:
        """None when it was not measured."""
        return self._number([found.before for found in self.copies])

    @property
    def after(self) -> Number | None:
        """None when it was not measured, or the run did not succeed."""
        return self._number([found.after for found in self.copies])

    @property
    def so_far(self) -> Number | None:
        """What a run under way has reached."""
        return self._number([found.so_far for found in self.copies])

    @property
    def ended(self) -> str:
        """How the run ended where that was not well, with the steps it got to; "" otherwise."""
        if self.run.status not in ENDED_BADLY:
            return ""
        steps = f" after {self.run.step:,} of {self.run.total_steps:,} steps" if self.run.total_steps else ""
        return f"{self.run.get_status_display().lower()}{steps if self.run.step is not None else ''}"

    @property
    def caveats(self) -> list[str]:
        """Why its numbers mean little, where they do."""
        rows = [row for found in self.copies for row in (found.before, found.newest) if row]
        return caveats.of_size(self.preset, rows)

    @property
    def is_whole(self) -> bool:
        """Whether both were measured."""
        return bool(self.before and self.after)

    @cached_property
    def change(self) -> Change | None:
        """From before to after; None when one of them was not measured."""
        pairs = [(found.before, found.after) for found in self.copies if found.before and found.after]
        return self.intervals.change(pairs) if pairs else None

    @property
    def flops(self) -> float | None:
        """Training compute, the mean over seeds."""
        known = [copy.flops for copy in self.copies if copy.flops is not None]
        return mean(known) if known else None

    def ask_all(self) -> None:
        """Ask for every interval that a page may show, so that whoever computes them has been asked."""
        baselines = [number for baseline in self.baselines for number in baseline.modes]
        for number in filter(None, (self.before, self.after, self.so_far, *baselines)):
            _ = number.estimate
        for baseline in self.baselines:
            _ = baseline.lead, baseline.lead_over_best
        _ = self.change

    def _number(self, rows: Sequence[Evaluation | None]) -> Number | None:
        known = [row for row in rows if row is not None]
        return Number(known, self.intervals) if len(known) == len(rows) else None


def headlines(experiments: Iterable[Experiment]) -> dict[int, Headline]:
    """The headline of each experiment that has one, for lists: without changes and in no other mode than its own.

    2 queries; the runs should be prefetched with their parents.
    """
    wanted = {*TRAINING, "evaluate"}
    runs = {found: [run for run in _by_id(found) if run.stage in wanted] for found in experiments}
    rows: dict[int, list[Evaluation]] = defaultdict(list)
    for row in _rows([run for own in runs.values() for run in own], MODES[:1]):
        rows[row.run.experiment_id].append(row)
    means: dict[int, list[Interval]] = defaultdict(list)
    for stored in Interval.objects.filter(experiment__in=[found.pk for found in runs], kind=Interval.MEAN):
        means[stored.experiment_id].append(stored)
    ranked = {
        found.pk: _ranked(own, rows[found.pk], found.preset, Intervals(means[found.pk])) for found, own in runs.items()
    }
    return {pk: found[0] for pk, found in ranked.items() if found}


def _by_id(experiment: Experiment) -> list[Run]:
    return sorted(experiment.runs.all(), key=lambda run: run.pk)


def ranked_headlines(experiment: Experiment, runs: Sequence[Run], intervals: Intervals | None = None) -> list[Headline]:
    """What could be the headline of an experiment, the preferred one first; `runs` are all of its (2 queries).

    Without `intervals` they are those that are stored.
    """
    known = Intervals(experiment.intervals.all()) if intervals is None else intervals
    return _ranked(runs, _rows(runs), experiment.preset, known)


def _rows(runs: Sequence[Run], modes: Sequence[str] = MODES) -> list[Evaluation]:
    by_id = {run.pk: run for run in runs}
    rows = list(Evaluation.objects.filter(run__in=list(by_id), mode__in=modes, difficulty="hard", n__gt=0))
    for row in rows:
        row.run = by_id[row.run_id]
    return rows


def _ranked(runs: Sequence[Run], rows: Iterable[Evaluation], preset: str, intervals: Intervals) -> list[Headline]:
    trained = _trained(runs, rows)
    by_id = {run.pk: run for run in runs}
    matched = {found.run.pk: matched_run(found.run, by_id) for found in trained}
    groups: dict[tuple[str, str], list[Trained]] = defaultdict(list)
    for found in trained:
        if (found.before and found.after) or (found.run.stage == "rpt" and (found.before or found.newest)):
            groups[found.run.stage, found.run.plain_name].append(found)
    chosen = sorted(map(_copies, groups.values()), key=lambda copies: _preference(copies[0], matched))
    return [Headline(copies, _baselines(copies, trained, matched, intervals), intervals, preset) for copies in chosen]


def _trained(runs: Sequence[Run], rows: Iterable[Evaluation]) -> list[Trained]:
    """The runs that train, in their order, with what was measured of each."""
    ids = {run.pk for run in runs}
    own_rows = [row for row in rows if row.run_id in ids]
    together: dict[tuple[int, int], dict[str, Evaluation]] = defaultdict(dict)
    for row in own_rows:
        together[row.run_id, row.step][row.mode] = row
    sampled = [row for row in own_rows if row.mode == "sampled"]
    own_start = {row.run_id: row for row in sampled if row.step == 0 and row.run.stage in TRAINING}
    measured = _measured(sampled)
    checkpoints = [(policy, row) for policy, row in measured.items() if isinstance(policy, tuple) and policy[1] > 0]
    newest = {policy[0]: row for policy, row in sorted(checkpoints, key=lambda pair: pair[0])}
    found = []
    for run in runs:
        if run.stage in TRAINING:
            last = newest.get(run.pk)
            before = own_start.get(run.pk) or measured.get(start(run) or "")
            found.append(Trained(run, before, last, together[last.run_id, last.step] if last else {}))
    return found


def _measured(rows: Iterable[Evaluation]) -> dict[Policy, Evaluation]:
    """What was measured of each policy: by its own run, else by an evaluation that succeeded, else by the first run
    that started from it or evaluates it."""
    found: dict[Policy, Evaluation] = {}
    for row in sorted(rows, key=_trust):
        is_own = row.run.stage in TRAINING and row.step > 0
        if policy := (row.run_id, row.step) if is_own else start(row.run):
            found.setdefault(policy, row)
    return found


def _trust(row: Evaluation) -> tuple[bool, bool, int, int]:
    is_own = row.run.stage in TRAINING and row.step > 0
    return not is_own, row.run.status != Status.SUCCEEDED, row.run_id, row.step


def _copies(group: list[Trained]) -> list[Trained]:
    """All that are done, by their seeds, or else the first one."""
    done = [found for found in group if found.is_done]
    return sorted(done, key=lambda found: (found.run.seed, found.run.pk)) if done else group[:1]


def _preference(first: Trained, matched: dict[int, Run | None]) -> tuple[int, bool, bool, int]:
    run = first.run
    return TRAINING.index(run.stage), matched[run.pk] is not None, not first.is_done, run.pk


def _baselines(
    copies: Sequence[Trained], trained: Iterable[Trained], matched: dict[int, Run | None], intervals: Intervals
) -> list[Baseline]:
    own = {found.run.pk: found for found in copies if found.after}
    pairs: dict[str, list[tuple[Trained, Trained]]] = defaultdict(list)
    for found in trained:
        of = matched[found.run.pk]
        if found.after and of is not None and of.pk in own:
            pairs[found.run.plain_name].append((own[of.pk], found))
    return [Baseline(sorted(of_seeds, key=lambda pair: pair[0].run.seed), intervals) for of_seeds in pairs.values()]


def _sum(flops: Sequence[float | None]) -> float | None:
    known = [value for value in flops if value is not None]
    return sum(known) if len(known) == len(flops) else None


def _name(runs: Sequence[Run]) -> str:
    """The name of a run, or that of several copies without their seeds."""
    return runs[0].name if len(runs) == 1 else runs[0].plain_name


def _span(values: Sequence[int]) -> str:
    low, high = min(values), max(values)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
