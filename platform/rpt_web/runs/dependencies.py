"""How the runs of an experiment depend on each other: which wait in vain, and whether anything is still to come.

In: the runs of one experiment as they are now. Out: names and yes or no; nothing is read and nothing is changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rpt_web.runs.models import ACTIVE, ENDED_BADLY, Run, Status


def blocked_by(runs: Iterable[Run]) -> dict[str, list[str]]:
    """Name of each waiting run that waits in vain -> names of the runs whose end is to blame, sorted.

    A run is blamed that ended badly and that the waiting one needs, itself or by way of other waiting runs.
    """
    by_name = {run.name: run for run in runs}
    known: dict[str, frozenset[str]] = {}
    waiting = [name for name, run in by_name.items() if run.status == Status.WAITING]
    return {name: sorted(found) for name in waiting if (found := _blamed(name, by_name, known))}


def is_in_progress(runs: Iterable[Run]) -> bool:
    """Whether the experiment goes on by itself: a run is queued or running, or waits and not in vain."""
    found = list(runs)
    if any(run.status in ACTIVE for run in found):
        return True
    return sum(run.status == Status.WAITING for run in found) > len(blocked_by(found))


def _blamed(name: str, by_name: Mapping[str, Run], known: dict[str, frozenset[str]]) -> frozenset[str]:
    """Of a run and all that it needs: those that ended badly. `known` keeps what was found, for diamonds."""
    if name not in known:
        known[name] = frozenset()  # ends a circle; the services let none in
        run = by_name.get(name)
        if run is not None and run.status in ENDED_BADLY:
            known[name] = frozenset({name})
        elif run is not None and run.status == Status.WAITING:
            known[name] = frozenset().union(*(_blamed(need, by_name, known) for need in run.needs))
    return known[name]
