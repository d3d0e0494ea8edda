"""The headline of an experiment: accuracy on hard positions, reasoning, before and after a run has trained.

In: an experiment's runs and evaluations. Out: a `Headline` of one run that is named, or of its copies where a suite has
several seeds. Which run it is depends on the rows alone: RPT before other stages, no baseline of another run, one that
succeeded, then the one that was submitted first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from rpt_core.result_tables import Estimate
from rpt_core.results_document.across import DIFFERENCES, SHARES, across_seeds
from rpt_web.results.changes import Change, change
from rpt_web.results.lineage import (
    SAME_COMPUTE,
    Policy,
    compute_ratio,
    compute_words,
    matched_run,
    plain_name,
    seeds_in_words,
    start,
)
from rpt_web.results.models import Evaluation
from rpt_web.runs.models import Experiment, Run, Status
from rpt_web.runs.templatetags import show

TRAINING = ("rpt", "rlvr", "sft", "ntp")
"""The stages that train, in the order in which they are preferred."""
NO_INTERVAL = "no interval: the seeds are alike"
_FIELDS = ("experiment_id", "name", "title", "stage", "status", "seed", "flops", "needs", "config")


@dataclass(frozen=True)
class Trained:
    """A run that trains, with what was measured of the policy that it starts from and of its own."""

    run: Run
    before: Evaluation | None
    after: Evaluation | None

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

    @property
    def estimate(self) -> Estimate:
        """With its 95 % interval."""
        if len(self.rows) == 1:
            row = self.rows[0]
            return Estimate(row.value, row.low, row.high, row.n)
        found = across_seeds([row.value for row in self.rows], SHARES)
        assert found is not None
        return found

    @property
    def words(self) -> str:
        """The interval and what it rests on."""
        found, n, seeds = self.estimate, _span([row.n for row in self.rows]), len(self.rows)
        is_known = found.low is not None
        interval = f"{show.points(found.low)} to {show.points(found.high)} (95\u00a0%)" if is_known else NO_INTERVAL
        return f"{interval}, n\u00a0{n}" + (f" each, mean of {seeds} seeds" if seeds > 1 else "")

    @property
    def source(self) -> str:
        """Which evaluation of which run it is."""
        return f"“{_name([row.run for row in self.rows])}”, step {_span([row.step for row in self.rows])}"


@dataclass(frozen=True)
class Baseline:
    """A run that was trained with the compute of the headline's run: (that one, the baseline) for each seed."""

    pairs: Sequence[tuple[Trained, Trained]]

    @property
    def name(self) -> str:
        """The name of the run."""
        return _name([other.run for _, other in self.pairs])

    @property
    def accuracy(self) -> Number:
        """Its accuracy."""
        return Number([other.after for _, other in self.pairs if other.after])

    @cached_property
    def lead(self) -> Change:
        """By how much the headline's run is better."""
        return _change([(other.after, own.after) for own, other in self.pairs if other.after and own.after])

    @property
    def compute(self) -> str:
        """How their computes stand to each other, those of all seeds summed; the range too where seeds differ."""
        own, others = [own.flops for own, _ in self.pairs], [other.flops for _, other in self.pairs]
        words = compute_words(compute_ratio(_sum(others), _sum(own)), _name([own.run for own, _ in self.pairs]))
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
        return self.run.stage.upper()

    @property
    def seeds(self) -> str:
        """Their seeds, in words."""
        return seeds_in_words(copy.run.seed for copy in self.copies)

    @property
    def before(self) -> Number | None:
        """None when it was not measured."""
        return _number([found.before for found in self.copies])

    @property
    def after(self) -> Number | None:
        """None when it was not measured."""
        return _number([found.after for found in self.copies])

    @property
    def is_whole(self) -> bool:
        """Whether both were measured."""
        return bool(self.before and self.after)

    @cached_property
    def change(self) -> Change | None:
        """From before to after; None when one of them was not measured."""
        pairs = [(found.before, found.after) for found in self.copies if found.before and found.after]
        return _change(pairs) if pairs else None

    @property
    def flops(self) -> float | None:
        """Training compute, the mean over seeds."""
        found = across_seeds([copy.flops for copy in self.copies])
        return found.value if found else None


def headlines(experiments: Iterable[Experiment]) -> dict[int, Headline]:
    """The headline of each experiment that has one (2 queries)."""
    by_experiment: dict[int, list[Run]] = defaultdict(list)
    wanted = Run.objects.filter(experiment__in=list(experiments), stage__in=(*TRAINING, "evaluate"))
    for run in wanted.only(*_FIELDS).order_by("id"):
        by_experiment[run.experiment_id].append(run)
    rows = _rows([run for runs in by_experiment.values() for run in runs])
    return {pk: found[0] for pk, runs in by_experiment.items() if (found := _ranked(runs, rows))}


def ranked_headlines(runs: Sequence[Run]) -> list[Headline]:
    """What could be the headline of an experiment with these runs, the preferred one first (1 query)."""
    return _ranked(runs, _rows(runs))


def _rows(runs: Sequence[Run]) -> list[Evaluation]:
    by_id = {run.pk: run for run in runs}
    rows = list(Evaluation.objects.filter(run__in=list(by_id), mode="sampled", difficulty="hard", n__gt=0))
    for row in rows:
        row.run = by_id[row.run_id]
    return rows


def _ranked(runs: Sequence[Run], rows: Iterable[Evaluation]) -> list[Headline]:
    trained = _trained(runs, rows)
    matched = {found.run.pk: matched_run(found.run, runs) for found in trained}
    groups: dict[tuple[str, str], list[Trained]] = defaultdict(list)
    for found in trained:
        if (found.before and found.after) or (found.run.stage == "rpt" and (found.before or found.after)):
            groups[found.run.stage, plain_name(found.run)].append(found)
    chosen = sorted(map(_copies, groups.values()), key=lambda copies: _preference(copies[0], matched))
    return [Headline(copies, _baselines(copies, trained, matched)) for copies in chosen]


def _trained(runs: Sequence[Run], rows: Iterable[Evaluation]) -> list[Trained]:
    """The runs that train, in their order, with what was measured of each."""
    ids = {run.pk for run in runs}
    rows = [row for row in rows if row.run_id in ids]
    own_start = {row.run_id: row for row in rows if row.step == 0 and row.run.stage in TRAINING}
    measured = _measured(rows)
    checkpoints = [(policy, row) for policy, row in measured.items() if isinstance(policy, tuple) and policy[1] > 0]
    newest = {policy[0]: row for policy, row in sorted(checkpoints, key=lambda pair: pair[0])}
    return [
        Trained(run, own_start.get(run.pk) or measured.get(start(run.config) or ""), newest.get(run.pk))
        for run in runs
        if run.stage in TRAINING
    ]


def _measured(rows: Iterable[Evaluation]) -> dict[Policy, Evaluation]:
    """What was measured of each policy: by its own run, else by an evaluation that succeeded, else by the first run
    that started from it or evaluates it."""
    found: dict[Policy, Evaluation] = {}
    for row in sorted(rows, key=_trust):
        is_own = row.run.stage in TRAINING and row.step > 0
        if policy := (row.run_id, row.step) if is_own else start(row.run.config):
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


def _baselines(copies: Sequence[Trained], trained: Iterable[Trained], matched: dict[int, Run | None]) -> list[Baseline]:
    own = {found.run.pk: found for found in copies if found.after}
    pairs: dict[str, list[tuple[Trained, Trained]]] = defaultdict(list)
    for found in trained:
        of = matched[found.run.pk]
        if found.after and of is not None and of.pk in own:
            pairs[plain_name(found.run)].append((own[of.pk], found))
    return [Baseline(sorted(of_seeds, key=lambda pair: pair[0].run.seed)) for of_seeds in pairs.values()]


def _number(rows: Sequence[Evaluation | None]) -> Number | None:
    known = [row for row in rows if row is not None]
    return Number(known) if len(known) == len(rows) else None


def _change(pairs: Sequence[tuple[Evaluation, Evaluation]]) -> Change:
    if len(pairs) == 1:
        return change(*pairs[0])
    found = across_seeds([b.value - a.value for a, b in pairs], DIFFERENCES)
    assert found is not None
    return Change(found, f"Student's t over {len(pairs)} seeds", "seeds")


def _sum(flops: Sequence[float | None]) -> float | None:
    known = [value for value in flops if value is not None]
    return sum(known) if len(known) == len(flops) else None


def _name(runs: Sequence[Run]) -> str:
    """The name of a run, or that of several copies without their seeds."""
    return runs[0].name if len(runs) == 1 else plain_name(runs[0])


def _span(values: Sequence[int]) -> str:
    low, high = min(values), max(values)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
