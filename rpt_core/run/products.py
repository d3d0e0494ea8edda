"""What a run of a plan can take from an earlier one: the part after the name in a reference `@NAME/WHAT`.

    checkpoint           folder of the newest checkpoint          checkpoint@STEP           of that step
    outcomes             outcomes of the newest evaluation        outcomes@STEP             of that step
    rollouts:KIND        newest shard of train, sampled, greedy   rollouts:KIND@STEP        of that step
    positions            folder of the positions (stage filter)
    never-solved, sometimes-solved, always-solved                 of positions that were trained on
    folder               the run's folder                         flops                     its training compute

In: a run's folder. Out: a path that exists, or a number. The shell and the platform both resolve references here.
Loads without torch and numpy.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rpt_core.errors import UserError
from rpt_core.run.events import EventType, read_events
from rpt_core.run.folder import RunDir

ROLLOUT_KINDS = ("train", "sampled", "greedy")
ALLOWED = (
    "checkpoint, outcomes, rollouts:KIND (each may have @STEP after it), positions, never-solved, sometimes-solved, "
    f"always-solved, folder, flops; KIND is one of {', '.join(ROLLOUT_KINDS)}"
)
_FORM = re.compile(r"(?P<noun>[a-z-]+)(?::(?P<kind>[a-z]+))?(?:@(?P<step>\d+))?")


@dataclass(frozen=True)
class Wanted:
    """A parsed WHAT."""

    noun: str
    kind: str | None = None
    step: int | None = None


def parse(what: str) -> Wanted:
    """The parts of a WHAT. Raises UserError when there is no such thing."""
    match = _FORM.fullmatch(what)
    if match is None or not _is_known(match["noun"], match["kind"], match["step"]):
        raise UserError(f"A plan refers to {what!r} of a run. It can refer to: {ALLOWED}.")
    return Wanted(match["noun"], match["kind"], None if match["step"] is None else int(match["step"]))


def is_number(what: str) -> bool:
    """Whether it stands for a number, and not for a path. Raises UserError when there is no such thing."""
    return parse(what).noun == "flops"


def product(run: RunDir, what: str) -> str | float:
    """The path or number. Raises UserError when the run has not made it."""
    wanted = parse(what)
    if wanted.noun == "flops":
        return _flops(run)
    path = _stepped(run, wanted) if wanted.noun in _STEPPED else _FIXED[wanted.noun](run)
    if not path.exists():
        raise _missing(run, what, f"{path} does not exist")
    return str(path)


def _is_known(noun: str, kind: str | None, step: str | None) -> bool:
    has_kind = kind in ROLLOUT_KINDS if noun == "rollouts" else kind is None
    return has_kind and (noun in _STEPPED or (step is None and (noun in _FIXED or noun == "flops")))


def _stepped(run: RunDir, wanted: Wanted) -> Path:
    """The file or folder of the wanted step, or of the newest one."""
    steps, path = _STEPPED[wanted.noun]
    kind = wanted.kind or ""
    if wanted.step is not None:
        return path(run, kind, wanted.step)
    found = steps(run, kind)
    if not found:
        raise _missing(run, f"{wanted.noun}:{kind}" if kind else wanted.noun, "it has written none")
    return path(run, kind, found[-1])


def _flops(run: RunDir) -> float:
    """The highest count that its metrics and checkpoints tell of; a run may have gone back to a checkpoint between."""
    counting = (EventType.METRICS, EventType.CHECKPOINT)
    found = [event.data.get("flops") for event in read_events(run.events) if event.type in counting]
    known = [float(flops) for flops in found if flops]
    if not known:
        raise _missing(run, "flops", "it has not trained")
    return max(known)


def _missing(run: RunDir, what: str, why: str) -> UserError:
    return UserError(f"The run in {run.path} has no {what}: {why}. Run that stage to its end, or refer to another.")


_STEPPED: dict[str, tuple[Callable[[RunDir, str], list[int]], Callable[[RunDir, str, int], Path]]] = {
    "checkpoint": (lambda run, _: run.checkpoint_steps(), lambda run, _, step: run.checkpoint(step)),
    "outcomes": (lambda run, _: run.evaluation_steps(), lambda run, _, step: run.evaluation(step)),
    "rollouts": (lambda run, kind: run.rollout_steps(kind), lambda run, kind, step: run.rollout_shard(kind, step)),
}
"""Noun -> (the steps that a run has it for, oldest first; its path at a step)."""
_FIXED: dict[str, Callable[[RunDir], Path]] = {
    "positions": lambda run: run.positions,
    "folder": lambda run: run.path,
    "never-solved": lambda run: run.position_list("never-solved"),
    "sometimes-solved": lambda run: run.position_list("sometimes-solved"),
    "always-solved": lambda run: run.position_list("always-solved"),
}
