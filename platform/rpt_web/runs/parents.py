"""What runs came from, decided once: when a config is frozen, its parents are stored as rows, and pages only read them.

In: runs whose configs have just been frozen. Out: rows of `RunParent`. A run has as parents every run in whose folder
a path of its config lies. Beside these, a baseline has the run that it is a baseline of, of whatever stage:

- the run whose compute is its budget: the one that `flops_of` names, or that its plan takes the FLOPs of. For FLOPs
  that somebody typed it is the one of the experiment that has spent nearly as many, from the same start, and has no
  budget in FLOPs itself.
- for expert iteration the RPT run of the experiment that samples as many responses, at the same positions, from the
  same start; whichever of the two is submitted later.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Exists, OuterRef

from rpt_core.run.folder import RunDir
from rpt_web.runs.models import BASELINE_ROLES, Experiment, ParentRole, Run, RunParent

NEAR_BUDGET = 0.1
"""FLOPs that somebody typed are those of a run that has spent no other share than this more or less."""
_START, _COMPUTE_OF = "model.path", "budget.flops_of"


def record(runs: Sequence[Run]) -> None:
    """Store the parents of runs with their configs, in place of what there is. Call in a transaction.

    It locks the experiments, so that of two runs that are submitted at the same time one sees the other.
    """
    list(Experiment.objects.select_for_update(no_key=True).filter(pk__in={run.experiment_id for run in runs}))
    RunParent.objects.filter(run__in=runs).delete()
    for run in runs:
        named = RunParent.objects.bulk_create(named_parents(run))
        RunParent.objects.bulk_create(_baselines_for(run, named) if run.stage == "rpt" else _baseline_of(run, named))


def named_parents(run: Run) -> list[RunParent]:
    """The parents whose folders the config names (1 query); each once for a role. The start always has its row."""
    texts = dict(_texts(run.config))
    found = {field: place for field, text in texts.items() if (place := _place(text))}
    there = _held({pk for pk, _ in found.values()})
    known = {field: place for field, place in found.items() if place[0] in there}
    rows = [_start(run, texts[_START], known.get(_START))] if texts.get(_START) else []
    other = {(_role(field), pk) for field, (pk, _) in known.items() if field != _START}
    return rows + [RunParent(run=run, role=role, parent_id=pk) for role, pk in sorted(other)]


def runs_named(config: Mapping[str, Any]) -> set[int]:
    """The runs in whose folders a path of a config, or of a plan, lies; whether they are there or not."""
    return {place[0] for _, text in _texts(config) if (place := _place(text))}


def responses_asked(stage: str, config: Mapping[str, Any]) -> int | None:
    """How many responses at positions a config asks for; None where no number of steps tells."""
    if (config.get("dynamic_sampling") or {}).get("from_step"):
        return None
    if stage not in ("rpt", "expert_iteration"):
        return None
    steps = (config.get("budget") or {}).get("steps") if stage == "expert_iteration" else config.get("steps")
    sizes: list[Any] = [steps, config.get("batch_problems"), config.get("group_size")]
    return math.prod(sizes) if all(isinstance(size, int) for size in sizes) else None


def _held(keys: set[int]) -> set[int]:
    """Those of the runs that are there, and stay until the transaction ends: a deletion waits for it, or came first."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM runs_run WHERE id = ANY(%s) ORDER BY id FOR KEY SHARE", [list(keys)])
        return {key for (key,) in cursor.fetchall()}


def _start(run: Run, path: str, place: tuple[int, int | None] | None) -> RunParent:
    """A model in a run's folder that is no checkpoint of it counts as any other path."""
    pk, step = place if place and place[1] is not None else (None, None)
    return RunParent(run=run, role=ParentRole.START, parent_id=pk, step=step, path=path)


def _role(field: str) -> ParentRole:
    return ParentRole.COMPUTE if field == _COMPUTE_OF else ParentRole.READS


def _texts(value: Any, field: str = "") -> Iterator[tuple[str, str]]:
    """Every text of a config with its dotted field; items of a list have their number there."""
    if isinstance(value, str):
        yield field.lstrip("."), value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _texts(item, f"{field}.{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, f"{field}.{index}")


def _place(text: str) -> tuple[int, int | None] | None:
    """(run, step of its checkpoint) of a path in a run's folder, links resolved; None for any other text."""
    if "/" not in text:
        return None
    folder = Path(os.path.realpath(settings.RPT_DATA_DIR / "runs"))
    path = Path(os.path.realpath(settings.ROOT / text))
    if not path.is_relative_to(folder) or path == folder:
        return None
    name = path.relative_to(folder).parts[0]
    if not (name.isascii() and name.isdecimal() and len(name) < 19):
        return None
    return int(name), RunDir(folder / name).step_of(path)


def _baseline_of(run: Run, named: Sequence[RunParent]) -> list[RunParent]:
    """What a run with a budget is a baseline of, unless its paths say it already."""
    if not run.config.get("budget") or any(row.role == ParentRole.COMPUTE for row in named):
        return []
    others = _trained_beside(run)
    if matched := _of_plan(run, others) or _of_typed_flops(run, named, others):
        return [RunParent(run=run, role=ParentRole.COMPUTE, parent=matched)]
    wanted = _ground(run, named)
    alike = (other for other in others if other.stage == "rpt" and wanted == _ground(other, other.parents.all()))
    return [RunParent(run=run, role=ParentRole.RESPONSES, parent=other) for other in islice(alike, 1 if wanted else 0)]


def _baselines_for(run: Run, named: Sequence[RunParent]) -> list[RunParent]:
    """Expert iteration that was submitted before the RPT run that it is a baseline of."""
    if not (wanted := _ground(run, named)):
        return []
    has_parent = RunParent.objects.filter(run=OuterRef("pk"), role__in=BASELINE_ROLES)
    alone = Run.objects.filter(~Exists(has_parent), experiment=run.experiment_id, stage="expert_iteration")
    alike = [other for other in alone.prefetch_related("parents") if _ground(other, other.parents.all()) == wanted]
    return [RunParent(run=other, role=ParentRole.RESPONSES, parent=run) for other in alike]


def _trained_beside(run: Run) -> list[Run]:
    """The experiment's other runs that have their configs, oldest first."""
    others = Run.objects.filter(experiment=run.experiment_id).exclude(pk=run.pk).exclude(config={})
    fields = ("name", "stage", "config", "flops", "experiment")
    return list(others.only(*fields).prefetch_related("parents").order_by("id"))


def _of_plan(run: Run, others: Sequence[Run]) -> Run | None:
    """The run whose compute the plan takes: `@rpt/flops`."""
    asked = (run.plan.get("budget") or {}).get("flops")
    return next((other for other in others if asked == f"@{other.name}/flops"), None)


def _of_typed_flops(run: Run, named: Sequence[RunParent], others: Sequence[Run]) -> Run | None:
    asked, start = run.config["budget"].get("flops"), _start_of(named)
    if not asked:
        return None
    alike = [other for other in others if _start_of(other.parents.all()) == start and not _has_flops(other.config)]
    gaps = [(abs(other.flops / asked - 1), other.pk, other) for other in alike if other.flops]
    near = [found for found in gaps if found[0] <= NEAR_BUDGET]
    return min(near)[2] if near else None


def _has_flops(config: Mapping[str, Any]) -> bool:
    budget = config.get("budget") or {}
    return bool(budget.get("flops") or budget.get("flops_of"))


def _ground(run: Run, parents: Iterable[RunParent]) -> tuple[Any, ...] | None:
    """How many responses a run samples, at which positions, from which start; None where that is not known."""
    asked = responses_asked(run.stage, run.config)
    return None if asked is None else (asked, run.config.get("positions"), _start_of(parents))


def _start_of(parents: Iterable[RunParent]) -> tuple[int, int] | str | None:
    return next((row.start for row in parents if row.role == ParentRole.START), None)
