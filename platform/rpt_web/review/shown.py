"""What a reviewer is shown of an item, and what is kept back. All text of it is hostile.

In: an item and who looks. Out: plain data. What is hidden is absent from it, not merely left out by the template.
"""

from __future__ import annotations

from collections.abc import Sequence
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
    """The response of an item; None where its row is gone (3 queries)."""
    rows = list(Rollout.objects.filter(run_id=item.run_id or 0, id=item.rollout_id or 0))
    return next(iter(shown_rows(rows, with_truth=with_truth)), None)


def shown_rows(rows: Sequence[Rollout], *, with_truth: bool) -> list[ShownResponse]:
    """Responses of one step and kind of a run; their shard is read once (2 queries)."""
    return [_shown(row, full, with_truth) for row, full in zip(rows, _texts(rows), strict=True)]


def _shown(row: Rollout, full: RolloutRow | None, with_truth: bool) -> ShownResponse:
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
    return full.prompt if full.context_start is None else full.prompt[full.context_start : full.context_end]


def _texts(rows: Sequence[Rollout]) -> Sequence[RolloutRow | None]:
    """Their rows of the shard; nothing when the file is gone or is not the one that was recorded."""
    nothing = [None] * len(rows)
    if not rows:
        return nothing
    shards = RolloutShard.objects.filter(run_id=rows[0].run_id, kind=rows[0].kind, step=rows[0].step)
    shard = shards.select_related("run").first()
    if shard is None:
        return nothing
    try:
        return read_rollouts_at(shard.run.directory / shard.path, [row.row for row in rows])
    except (OSError, IndexError, ValueError):  # pyarrow's errors are ValueErrors
        return nothing
