"""Which headline an experiment has: of which run that has trained, and beside which baselines.

In: an experiment's runs and evaluations. Out: `Headline`s, the preferred one first. Which run it is depends on the rows
alone: RPT before other stages, no baseline of another run, one that succeeded, then the one that was submitted first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from rpt_web.results.changes import Intervals
from rpt_web.results.headline import MODES, TRAINING, Baseline, Headline, Trained
from rpt_web.results.lineage import Policy, matched_run, start
from rpt_web.results.models import Evaluation, Interval
from rpt_web.runs.models import Experiment, Run, Status


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
