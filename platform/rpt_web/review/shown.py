"""What a reviewer is shown of an item, and what is kept back. All text of it is hostile.

In: an item and who looks. Out: plain data. What is hidden is absent from it, not merely left out by the template.
"""

from __future__ import annotations

from dataclasses import dataclass

from rpt_core.run.rollout_files import RolloutRow, read_rollouts_at
from rpt_web.review.models import ReviewItem
from rpt_web.traces import inspector
from rpt_web.traces.models import Rollout, RolloutShard

LONGEST_CONTEXT = 20_000
"""Characters of the prompt's context that are shown, its end."""


@dataclass(frozen=True)
class ShownResponse:
    """A response as a reviewer reads it."""

    context: str
    """The text before the position; empty where the shard cannot be read."""
    is_cut: bool
    text: str
    response: inspector.ResponseParts
    prediction: bytes | None
    tokens: int
    was_cut_by_limit: bool
    is_whole: bool
    """Whether this is the full text, not the beginning that the database keeps."""
    truth: bytes | None = None
    """How the text continues; None while that is hidden."""


def shown_response(item: ReviewItem, *, with_truth: bool) -> ShownResponse | None:
    """The response of an item; None where its row is gone (2 queries)."""
    row = Rollout.objects.filter(run_id=item.run_id or 0, id=item.rollout_id or 0).first()
    if row is None:
        return None
    full = _full(item, row)
    text = full.response if full else row.preview
    prediction = None if row.prediction is None else bytes(row.prediction)
    context = _context(full)
    return ShownResponse(
        context=context[-LONGEST_CONTEXT:],
        is_cut=len(context) > LONGEST_CONTEXT,
        text=text,
        response=inspector.split_response(text, prediction),
        prediction=prediction,
        tokens=row.response_tokens,
        was_cut_by_limit=row.finish_reason == "length",
        is_whole=full is not None,
        truth=bytes(row.completion) if with_truth else None,
    )


def _context(full: RolloutRow | None) -> str:
    if full is None:
        return ""
    if full.context_start is None:
        return full.prompt
    return full.prompt[full.context_start : full.context_end]


def _full(item: ReviewItem, row: Rollout) -> RolloutRow | None:
    """The row of the shard; None when the file is gone or is not the one that was recorded."""
    shard = (
        RolloutShard.objects.filter(run_id=item.run_id or 0, kind=row.kind, step=row.step).select_related("run").first()
    )
    if shard is None:
        return None
    try:
        return read_rollouts_at(shard.run.directory / shard.path, [row.row])[0]
    except (OSError, IndexError, ValueError):  # pyarrow's errors are ValueErrors
        return None
