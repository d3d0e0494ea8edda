"""The text that a passage is of: a whole response, from its shard."""

from __future__ import annotations

from rpt_core.run.rollout_files import read_rollouts_at
from rpt_web.runs.models import Run
from rpt_web.traces.models import RolloutShard, rollout_place


def response_text(run: Run, rollout: int) -> str | None:
    """The response as the model wrote it; None when its shard is gone or is not the one that was recorded (1 query)."""
    step, kind, row = rollout_place(rollout)
    shard = RolloutShard.objects.filter(run=run, kind=kind, step=step).first()
    if shard is None:
        return None
    try:
        return read_rollouts_at(run.directory / shard.path, [row])[0].response
    except (OSError, IndexError, ValueError):  # pyarrow's errors are ValueErrors
        return None
