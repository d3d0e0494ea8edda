"""Rollouts as the pages read them: filtered, paged by key and never by offset, one group, one position over a run.

A rollout's id is made of step, kind and row, so ranges of ids stand for steps. A step is read by rising ids; a whole
run too, but from its newest step. An index for each of these orders serves every page.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.db.models import BigIntegerField, ExpressionWrapper, F, QuerySet

from rpt_web.traces.models import IDS_OF_A_STEP, KINDS, LARGEST_SHARD_ROWS, Rollout, RolloutShard, rollout_id

ROLLOUTS_PER_PAGE = 40
GROUP_LIMIT = 64
SAME_POSITION_LIMIT = 200
ALL_KINDS = "all"
REASONS = {
    "match": "match",
    "mismatch": "mismatch",
    "not_on_boundary": "not on a boundary",
    "empty": "empty box",
    "no_box": "no box",
}
FINISHES = {"stop": "finished", "length": "cut by the limit"}
REWARDS = {"1": "rewarded", "0": "not rewarded"}
KIND_LABELS = {"train": "training", "sampled": "evaluation, sampled", "greedy": "evaluation, greedy"}
READING = ExpressionWrapper(F("id") - F("id") / IDS_OF_A_STEP * (2 * IDS_OF_A_STEP), output_field=BigIntegerField())
"""A number that rises with the ids of a step and falls from step to step. An index is over this very expression."""
MIRRORED = ExpressionWrapper(F("id") / IDS_OF_A_STEP * (2 * IDS_OF_A_STEP) - F("id"), output_field=BigIntegerField())
"""Its negative, for which only the index of a reason serves: Postgres may not take the other one, and read all rows."""


@dataclass(frozen=True)
class Filters:
    """What the address asks for. Values that are not choices are left out, as if they had not been given."""

    kind: str = ALL_KINDS
    step: int | None = None
    reward: str = ""
    reason: str = ""
    finish: str = ""

    @classmethod
    def from_query(cls, query: Mapping[str, str], kind: str = ALL_KINDS) -> Filters:
        """Read them from the address; `kind` is the one to show when it names none."""
        step = query.get("step", "")
        return cls(
            kind=_choice(query.get("kind"), (*KINDS, ALL_KINDS)) or kind,
            step=int(step) if step.isdecimal() and len(step) < 10 else None,
            reward=_choice(query.get("reward"), REWARDS),
            reason=_choice(query.get("reason"), REASONS),
            finish=_choice(query.get("finish"), FINISHES),
        )

    @property
    def newest_first(self) -> bool:
        """Whether steps are read from the newest; the responses of each stand in the order of its groups."""
        return self.step is None

    def query(self, **more: Any) -> str:
        """The same as part of an address."""
        values = {"kind": self.kind, "step": self.step, "reward": self.reward, "reason": self.reason}
        values |= {"finish": self.finish, **more}
        return urlencode({name: value for name, value in values.items() if value not in ("", None)})

    def apply(self, rollouts: QuerySet[Rollout]) -> QuerySet[Rollout]:
        """The rollouts that pass."""
        if self.step is not None:
            kinds = KINDS if self.kind == ALL_KINDS else (self.kind,)
            first, last = (rollout_id(self.step, kind, 0) for kind in (kinds[0], kinds[-1]))
            rollouts = rollouts.filter(id__gte=first, id__lt=last + LARGEST_SHARD_ROWS)
        if self.kind != ALL_KINDS:
            rollouts = rollouts.filter(kind=self.kind)
        if self.reward:
            rollouts = rollouts.filter(reward__gt=0) if self.reward == "1" else rollouts.filter(reward=0)
        if self.reason:
            rollouts = rollouts.filter(reason=self.reason)
        return rollouts.filter(finish_reason=self.finish) if self.finish else rollouts


@dataclass(frozen=True)
class RolloutPage:
    """One page in reading order, with the keys of its neighbours; None where there is none."""

    rows: list[Rollout]
    previous: int | None
    next: int | None


def rollout_page(
    rollouts: QuerySet[Rollout], filters: Filters, *, after: int | None = None, before: int | None = None
) -> RolloutPage:
    """The page after a key, before a key, or the first one (1 query)."""
    backwards = before is not None
    key = before if backwards else after
    found = list(_beyond(rollouts, filters, key, backwards)[: ROLLOUTS_PER_PAGE + 1])
    rows, more = found[:ROLLOUTS_PER_PAGE], len(found) > ROLLOUTS_PER_PAGE
    if backwards:
        rows.reverse()
    if not rows:
        return RolloutPage([], None, None)
    has_previous, has_next = (more, True) if backwards else (after is not None, more)
    return RolloutPage(rows, rows[0].id if has_previous else None, rows[-1].id if has_next else None)


def neighbours(rollouts: QuerySet[Rollout], filters: Filters, key: int) -> tuple[int | None, int | None]:
    """Ids before and after one rollout among those that pass the filters (2 queries)."""
    before, after = (
        _beyond(rollouts, filters, key, backwards).values_list("id", flat=True) for backwards in (True, False)
    )
    return before.first(), after.first()


def group_of(rollouts: QuerySet[Rollout], rollout: Rollout) -> list[Rollout]:
    """All responses of a rollout's group, itself included (1 query)."""
    first = rollout_id(rollout.step, rollout.kind, 0)
    same = rollouts.filter(id__gte=first, id__lt=first + LARGEST_SHARD_ROWS, group=rollout.group)
    return list(same.order_by("id")[:GROUP_LIMIT])


def same_position(rollouts: QuerySet[Rollout], rollout: Rollout) -> list[Rollout]:
    """What the run's policy said at the same position at other steps and in other modes (1 query)."""
    first = rollout_id(rollout.step, rollout.kind, 0)
    same = rollouts.filter(document=rollout.document, position=rollout.position)
    return list(same.exclude(id__gte=first, id__lt=first + LARGEST_SHARD_ROWS).order_by("id")[:SAME_POSITION_LIMIT])


def shards_of(run_id: int) -> list[RolloutShard]:
    """A run's shards with their roll-ups, newest step first (1 query)."""
    return list(RolloutShard.objects.filter(run_id=run_id).order_by("-step", "kind"))


def _beyond(rollouts: QuerySet[Rollout], filters: Filters, key: int | None, backwards: bool) -> QuerySet[Rollout]:
    """What passes the filters on one side of a key, the nearest first; without a key from the start."""
    mirrored = bool(filters.newest_first and filters.reason)
    order = (MIRRORED if mirrored else READING) if filters.newest_first else F("id")
    found = filters.apply(rollouts).annotate(place=order)
    falls = backwards != mirrored
    if key is not None:
        reading = key - key // IDS_OF_A_STEP * (2 * IDS_OF_A_STEP) if filters.newest_first else key
        place = -reading if mirrored else reading
        found = found.filter(place__lt=place) if falls else found.filter(place__gt=place)
    return found.order_by("-place" if falls else "place")


def _choice(value: str | None, allowed: Any) -> str:
    return value if value is not None and value in allowed else ""
