"""What is told of a checkpoint, whichever engine wrote it: its metadata and its event.

In: numbers of a run at a step. Out: the metadata's fields, and the `checkpoint` event, which a kill may have kept from
being written: the run that continues from such a checkpoint writes it.
"""

from __future__ import annotations

from typing import Any

from rpt_core.models.checkpoints import checkpoint_flops, folder_bytes
from rpt_core.run.context import StageContext
from rpt_core.run.events import EventType, read_events


def checkpoint_metadata(
    config: Any,
    *,
    flops: float,
    tokens: int,
    tokenizer_hash: str,
    made_by: dict[str, Any],
    changes: list[dict[str, Any]],
    skipped_steps: int,
    **own: Any,
) -> dict[str, Any]:
    """All that a checkpoint's metadata say besides its step. own: what one engine alone says; None is left out."""
    return {
        "flops": flops,
        "tokens": tokens,
        "stage": config.stage,
        "seed": config.seed,
        "tokenizer_hash": tokenizer_hash,
        "made_by": made_by,
        **({"changed": changes} if changes else {}),
        **({"skipped_steps": skipped_steps} if skipped_steps else {}),
        **{name: value for name, value in own.items() if value is not None},
    }


def emit_checkpoint(context: StageContext, step: int) -> None:
    """Announce the checkpoint of a step."""
    path = context.run.checkpoint(step)
    context.log.emit(
        EventType.CHECKPOINT,
        step=step,
        path=context.run.relative(path),
        bytes=folder_bytes(path),
        flops=checkpoint_flops(path),
    )


def emit_untold_checkpoint(context: StageContext, step: int) -> None:
    """Announce the checkpoint that a run continues from, when a kill came between it and its event."""
    if step in context.run.checkpoint_steps() and not _is_told(context, step):
        emit_checkpoint(context, step)


def _is_told(context: StageContext, step: int) -> bool:
    """Whether the events tell of a step's checkpoint; an attempt that began before the step made them void."""
    told = False
    for event in read_events(context.run.events):
        if event.type == EventType.STARTED and event.data["start_step"] < step:
            told = False
        elif event.type == EventType.CHECKPOINT and event.data["step"] == step:
            told = True
    return told
