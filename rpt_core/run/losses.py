"""What a run's folder has lost since its last attempt: noticed before a stage starts, and said in its events.

In: a context whose folder no other process holds. Out: checkpoints after the end of the events are renamed, so that
the run does not continue from steps of which nothing is known any more; a warning names them, and one names what the
events tell of and is not there. Loads without torch and numpy.
"""

from __future__ import annotations

from pathlib import Path

from rpt_core.run.context import StageContext
from rpt_core.run.events import Event, EventType, read_events
from rpt_core.run.folder import RunDir
from rpt_core.words import counted

ASIDE_SUFFIX = ".without-events"
_FILES = {EventType.ROLLOUTS: "shard", EventType.EVALUATION: "outcomes", EventType.TABLE: "path"}
"""Events that name a file, and where in their data."""


def tell_losses(context: StageContext) -> None:
    """Look at the folder; the warnings come right after the stage's first event."""
    run, events = context.run, list(read_events(context.run.events))
    if beyond := [step for step in run.checkpoint_steps() if step > _newest_step(events)]:
        asides = [_set_aside(run.checkpoint(step)) for step in beyond]
        left = run.checkpoint_steps()
        how = f"continues from the checkpoint of step {left[-1]}" if left else "starts over"
        message = (
            f"{run.events} does not mention {counted(len(beyond), 'checkpoint')} that "
            f"{'is' if len(beyond) == 1 else 'are'} there, so the metrics of those steps are lost. The run {how}; "
            f"renamed: {', '.join(aside.name for aside in asides)}."
        )
        context.tell_at_start("warning", message)
    if gone := _gone(run, events):
        more = f" and {len(gone) - 1} more" if len(gone) > 1 else ""
        context.tell_at_start("warning", f"What the run had written is no longer there: {gone[0]}{more}.")


def _newest_step(events: list[Event]) -> int:
    """The last step of which the events have the numbers."""
    newest = 0
    for event in events:
        if event.type == EventType.STARTED:
            newest = event.data["start_step"]
        elif event.type in (EventType.METRICS, EventType.CHECKPOINT):
            newest = max(newest, event.data["step"])
    return newest


def _gone(run: RunDir, events: list[Event]) -> list[str]:
    """Files that the events name and that are not there; of checkpoints only the newest one must be."""
    named = {event.data[_FILES[event.type]]: None for event in events if event.type in _FILES}
    checkpoints = [event.data["path"] for event in events if event.type == EventType.CHECKPOINT][-1:]
    return [name for name in [*checkpoints, *named] if name and not _is_there(run.path / name)]


def _is_there(path: Path) -> bool:
    """Under its own name, or set aside with a message that said why."""
    return path.exists() or any(path.parent.glob(f"{path.name}.*"))


def _set_aside(checkpoint: Path) -> Path:
    aside, number = checkpoint.with_name(checkpoint.name + ASIDE_SUFFIX), 1
    while aside.exists():
        number += 1
        aside = checkpoint.with_name(f"{checkpoint.name}{ASIDE_SUFFIX}-{number}")
    return checkpoint.rename(aside)
