"""A pair as a reviewer sees it: sides A and B in the order that is theirs, and where they come from once that is told.

In: an item and who looks. Out: plain data without names while they are hidden.
"""

from __future__ import annotations

from dataclasses import dataclass

from rpt_web.review.models import ReviewItem
from rpt_web.review.shown import ShownResponse, shown_response
from rpt_web.review.sides import is_swapped
from rpt_web.runs.models import Run
from rpt_web.teams.models import User
from rpt_web.traces.models import Rollout, rollout_place


@dataclass(frozen=True)
class PairOrigin:
    """Where one side comes from."""

    run: Run
    rollout: int
    step: int
    reward: float | None


@dataclass(frozen=True)
class ShownPair:
    """Both sides; None for a response that is gone."""

    left: ShownResponse | None
    right: ShownResponse | None
    left_origin: PairOrigin | None = None
    right_origin: PairOrigin | None = None

    @property
    def both(self) -> list[tuple[str, ShownResponse | None, PairOrigin | None]]:
        """By the names of the sides."""
        return [("A", self.left, self.left_origin), ("B", self.right, self.right_origin)]

    @property
    def context(self) -> ShownResponse | None:
        """A response that has the text before the position."""
        return self.left or self.right


def shown_pair(item: ReviewItem, user: User, *, with_truth: bool, with_origin: bool) -> ShownPair:
    """The pair as this user sees it (4 to 8 queries)."""
    places = [(item.run_id, item.rollout_id), (item.other_run_id, item.other_rollout_id)]
    if is_swapped(item, user.pk):
        places.reverse()
    shown = [shown_response(ReviewItem(run_id=run, rollout_id=key), with_truth=with_truth) for run, key in places]
    origins = [_origin(run, key) if with_origin else None for run, key in places]
    return ShownPair(shown[0], shown[1], origins[0], origins[1])


def _origin(run_id: int | None, rollout: int | None) -> PairOrigin | None:
    run = Run.objects.filter(pk=run_id or 0).first()
    if run is None or rollout is None:
        return None
    reward = Rollout.objects.filter(run_id=run.pk, id=rollout).values_list("reward", flat=True).first()
    return PairOrigin(run, rollout, rollout_place(rollout)[0], reward)
