"""What a scaling curve is fitted to: the evaluations of one training run, over what training had cost until then.

In: a run's folder, a mode, a measure of cost. Out: `Evaluations`: for each step the cost and, position by position, how
right the policy was. Three measures:

- flops: training compute, as the run counted it (docs/method.md);
- gpu_hours: hours that the run's device spent on sampling and on updates, from the metrics of the steps that led there;
  evaluation, checkpoints and steps that a crash undid are not in it. On a machine without a GPU these are CPU hours;
- tokens: what the rollouts of those steps took, each prompt read once for its group, and all generated tokens.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rpt_core.arrays import Doubles, Flags
from rpt_core.config import Mode, ScalingConfig
from rpt_core.errors import UserError
from rpt_core.evaluation.outcomes import Outcomes, read_outcomes
from rpt_core.run.events import Event, EventType, read_events
from rpt_core.run.folder import RunDir

_SECONDS = ("seconds_sampling", "seconds_update")


@dataclass(frozen=True)
class Evaluations:
    """A run's evaluations at the same positions, by rising step; those before training are left out."""

    steps: list[int]
    cost: Doubles
    """(points,) in FLOPs, hours or tokens."""
    correct: Doubles
    """(positions, points), each 0 to 1."""
    members: dict[str, Flags]
    """For each difficulty, one flag for each position."""
    documents: list[str]
    """The document of each position."""
    samples: int
    """Responses behind each value."""


def read_evaluations(config: ScalingConfig) -> Evaluations:
    """All evaluations of the run with a cost above 0. Raises UserError when there is none, or they do not fit."""
    run = RunDir(config.run)
    events = list(read_events(run.events))
    # A step that was evaluated again after a resume counts as it was evaluated last.
    announced = {event.data["step"]: event for event in events if event.type == EventType.EVALUATION}
    if not announced:
        raise UserError(f"{run.path} was not evaluated. Name the folder of a run with `evaluation` at several steps.")
    steps = sorted(announced)
    cost = _costs(config, run, events, [announced[step] for step in steps])
    later = np.flatnonzero(cost > 0).tolist()
    if not later:
        raise UserError(f"{run.path} was evaluated before training only. Evaluate at later steps.")
    steps = [steps[number] for number in later]
    outcomes = [read_outcomes(run.path / announced[step].data["outcomes"]) for step in steps]
    first = outcomes[0]
    return Evaluations(
        steps=steps,
        cost=cost[later],
        correct=np.stack([_correct(one, first, config.mode) for one in outcomes], axis=1),
        members=first.members,
        documents=first.document.tolist(),
        samples=(first.samples or 1) if config.mode == "sampled" else 1,
    )


def hours_until(events: Sequence[Event]) -> Callable[[int], float]:
    """Hours of sampling and updates up to a step. Raises UserError when the run's metrics do not tell."""
    ends: list[int] = []
    seconds: list[float] = []
    last = 0
    for event in events:
        if event.type == EventType.STARTED:  # an attempt continues from its checkpoint; what came after it is undone
            last = event.data["start_step"]
            kept = bisect_right(ends, last)
            del ends[kept:], seconds[kept:]
        elif event.type == EventType.METRICS and event.data["step"] > last:
            step, values = event.data["step"], event.data["values"]
            seconds.append((step - last) * sum(values.get(name) or 0.0 for name in _SECONDS))
            ends.append(step)
            last = step
    if not any(seconds):
        raise UserError("The run's metrics have no seconds of sampling and update. Use `x: flops`, or an RPT run.")
    hours = np.array([0.0, *accumulate(seconds)]) / 3600
    # A step between two lines of metrics has its share of the mean that they report.
    return lambda step: float(np.interp(step, [0, *ends], hours))


def tokens_until(run: RunDir, last_step: int) -> Callable[[int], float]:
    """Tokens of the rollouts up to a step. Raises UserError unless the run keeps all of them up to `last_step`."""
    totals = [0.0]
    for step in range(1, last_step + 1):
        path = run.rollout_shard("train", step)
        if not path.is_file():
            raise UserError(f"{path} does not exist, so the run's tokens cannot be counted. Use `x: flops`.")
        table = pq.read_table(path, columns=["sample", "prompt_tokens", "response_tokens"])
        prompts = table.filter(pc.field("sample") == 0).column("prompt_tokens")
        totals.append(totals[-1] + (pc.sum(prompts).as_py() or 0) + (pc.sum(table["response_tokens"]).as_py() or 0))
    return lambda step: totals[step]


def _costs(config: ScalingConfig, run: RunDir, events: Sequence[Event], evaluations: Sequence[Event]) -> Doubles:
    steps = [event.data["step"] for event in evaluations]
    if config.x == "flops":
        return np.array([event.data["flops"] or 0.0 for event in evaluations], np.float64)
    until = hours_until(events) if config.x == "gpu_hours" else tokens_until(run, max(steps))
    return np.array([until(step) for step in steps], np.float64)


def _correct(outcomes: Outcomes, first: Outcomes, mode: Mode) -> Doubles:
    """How right each position is, in the order of the first evaluation's positions."""
    rows = {place: row for row, place in enumerate(outcomes.places())}
    places = first.places()
    if set(rows) != set(places):
        raise UserError(
            f"{outcomes.path} and {first.path} were evaluated at different positions, so their points do not make one "
            "curve. Evaluate all steps on one `position_set`."
        )
    return outcomes.correctness(mode)[[rows[place] for place in places]]
