"""The headline of an experiment: accuracy on hard positions, reasoning, before and after a run has trained.

In: a run's or its copies' evaluations, as `rpt_web.results.headlines` has found them. Out: a `Headline` of one run that
is named, or of its copies where a suite has several seeds. "After" is a run that succeeded; what one under way has
reached is said to be so far. A lead over a baseline is of both in the same mode; beside it stands that over the best
that the baseline can do, thinking or not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from statistics import mean

from rpt_core.run.tables import Estimate
from rpt_web.numbers import points
from rpt_web.results import caveats
from rpt_web.results.changes import PENDING, Change, Intervals
from rpt_web.results.lineage import (
    SAME_COMPUTE,
    compute_ratio,
    compute_words,
    has_as_many_responses,
    seeds_in_words,
    stage_label,
)
from rpt_web.results.models import Evaluation
from rpt_web.results.queries import mode_label
from rpt_web.runs.models import ENDED_BADLY, Run, Status

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


def _sum(flops: Sequence[float | None]) -> float | None:
    known = [value for value in flops if value is not None]
    return sum(known) if len(known) == len(flops) else None


def _name(runs: Sequence[Run]) -> str:
    """The name of a run, or that of several copies without their seeds."""
    return runs[0].name if len(runs) == 1 else runs[0].plain_name


def _span(values: Sequence[int]) -> str:
    low, high = min(values), max(values)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
