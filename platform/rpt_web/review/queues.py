"""Queues: made from a filter of a run's responses, and closed.

In: a run, a filter, how many are drawn, who reviews. Out: rows: the queue, its items, an assignment for each reviewer
of each item. The draw follows from the seed alone: the same filter of the same responses gives the same items.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction
from django.db.models import BigIntegerField, F, Func, QuerySet, Value
from django.db.models.functions import Now

from rpt_core.errors import UserError
from rpt_core.words import counted, listed
from rpt_web.notices import services as notices
from rpt_web.notices.models import NoticeKind
from rpt_web.review import sides
from rpt_web.review.label_sets import fit_name
from rpt_web.review.models import LabelSetVersion, Review, ReviewItem, ReviewQueue
from rpt_web.runs.models import Run
from rpt_web.teams.models import CHANGING, Membership, Team, User
from rpt_web.text import clean_text
from rpt_web.traces.models import Rollout

MOST_ITEMS = 10_000
MOST_REVIEWERS = 20
LONGEST_INSTRUCTIONS = 20_000
_TAKEN = ("id", "step", "kind", "row", "group", "document", "position", "reward")


@dataclass(frozen=True)
class QueuePlan:
    """A queue as somebody asks for it."""

    name: str
    version: LabelSetVersion
    sample: int | None = None
    """How many items are drawn; None for all."""
    seed: int = 0
    reviewers: Sequence[User] = field(default_factory=tuple)
    """To whom items are assigned; nobody where it is open to all."""
    reviewers_per_item: int = 1
    overlap: float = 1.0
    instructions: str = ""
    is_blind: bool = True
    hides_truth: bool = True
    due_at: datetime | None = None


def create_from_run(run: Run, rollouts: QuerySet[Rollout], query: str, plan: QueuePlan, user: User) -> ReviewQueue:
    """A queue of responses of a run, those of `rollouts`. Raises UserError for what cannot be reviewed."""
    team = run.experiment.team
    check_plan(team, plan)
    drawn, found = draw(rollouts, plan)
    source = {"run": run.pk, "query": query, "seed": plan.seed, "sample": plan.sample, "found": found}
    items = [
        ReviewItem(
            run_id=run.pk,
            rollout_id=row.id,
            rollout_kind=row.kind,
            **{name: getattr(row, name) for name in _TAKEN[4:]},
            step=row.step,
            row=row.row,
        )
        for row in drawn
    ]
    return create(team, plan, source, items, user)


def create(
    team: Team, plan: QueuePlan, source: dict[str, object], items: Sequence[ReviewItem], user: User
) -> ReviewQueue:
    """The queue of these items, which are not saved yet, in their order; its reviewers are told."""
    with transaction.atomic():
        queue = ReviewQueue.objects.create(
            team=team,
            name=fit_name(plan.name),
            instructions=clean_text(plan.instructions),
            version=plan.version,
            kind=items[0].kind,
            source=source,
            reviewers_per_item=plan.reviewers_per_item,
            overlap=plan.overlap,
            is_open_to_all=not plan.reviewers,
            is_blind=plan.is_blind,
            hides_truth=plan.hides_truth,
            due_at=plan.due_at,
            created_by=user,
        )
        overlapping = round(plan.overlap * len(items))
        for place, item in enumerate(items):
            item.queue, item.number = queue, place + 1
            item.wanted = plan.reviewers_per_item if place < overlapping else 1
        ReviewItem.objects.bulk_create(items, batch_size=1000)
        if plan.reviewers:
            Review.objects.bulk_create(_assignments(items, plan.reviewers), batch_size=1000)
            _tell(queue, [person for person in plan.reviewers if person.pk != user.pk], user)
    return queue


def close(queue: ReviewQueue) -> None:
    """Nothing more is submitted from now on; what was submitted stays, and what everybody said is shown to all."""
    ReviewQueue.objects.filter(pk=queue.pk, closed_at=None).update(closed_at=Now())


def check_plan(team: Team, plan: QueuePlan) -> None:
    """Raises UserError for a plan that cannot be right."""
    fit_name(plan.name)
    if plan.version.label_set.team_id != team.pk:
        raise UserError(f"The label set belongs to another team. Choose one of {team.name}.")
    if plan.sample is not None and not 0 < plan.sample <= MOST_ITEMS:
        raise UserError(f"Draw 1 to {MOST_ITEMS:,} items.")
    if not 0 < plan.reviewers_per_item <= MOST_REVIEWERS:
        raise UserError(f"Each item has 1 to {MOST_REVIEWERS} reviewers.")
    if not 0 <= plan.overlap <= 1:
        raise UserError("The overlap is a share of the items: from 0 to 1.")
    if len(plan.instructions) > LONGEST_INSTRUCTIONS:
        raise UserError(f"Instructions have at most {LONGEST_INSTRUCTIONS:,} characters.")
    if why := too_few_people(plan.reviewers_per_item, len(plan.reviewers)):
        raise UserError(why)
    able = {person.pk for person in reviewers_of(team)}
    if strangers := [person.username for person in plan.reviewers if person.pk not in able]:
        raise UserError(f"{listed(strangers)} cannot review for {team.name}: only its members and administrators do.")


def too_few_people(reviewers_per_item: int, chosen: int) -> str:
    """Why so many people cannot review; empty where they can. Nobody chosen means every member."""
    if not 0 < chosen < reviewers_per_item:
        return ""
    return (
        f"{counted(reviewers_per_item, 'reviewer')} for each item cannot be assigned to "
        f"{chosen} {'person' if chosen == 1 else 'people'}. Choose more people, or lower the number of reviewers."
    )


def reviewers_of(team: Team) -> list[User]:
    """Those who may review for a team, by name (1 query)."""
    rows = Membership.objects.filter(team=team, role__in=CHANGING, user__is_active=True).select_related("user")
    return sorted((row.user for row in rows), key=lambda person: person.username)


def draw(rollouts: QuerySet[Rollout], plan: QueuePlan) -> tuple[list[Rollout], int]:
    """Responses in an order that the seed decides, and how many there were (2 queries). Raises UserError."""
    found = rollouts.count()
    wanted = found if plan.sample is None else min(plan.sample, found)
    if not found:
        raise UserError("Nothing passes the filter. Choose another one on the list.")
    if wanted > MOST_ITEMS:
        raise UserError(f"{found:,} pass the filter, and a queue has at most {MOST_ITEMS:,}. Draw a sample.")
    order = Func(
        F("id"), Value(plan.seed, BigIntegerField()), function="hashint8extended", output_field=BigIntegerField()
    )
    rows = rollouts.order_by().annotate(drawn=order).order_by("drawn", "id")
    return list(rows[:wanted]), found


def _assignments(items: Sequence[ReviewItem], people: Sequence[User]) -> list[Review]:
    """Everybody gets as much as everybody else, and each pair of people shares items."""
    found, turn = [], 0
    for item in items:
        for step in range(item.wanted):
            person = people[(turn + step) % len(people)]
            found.append(Review(item=item, reviewer=person, is_swapped=sides.is_swapped(item, person.pk)))
        turn += item.wanted
    return found


def _tell(queue: ReviewQueue, people: Sequence[User], user: User) -> None:
    text = f"{user.username} has given you items to review: “{queue.name}”."
    notices.tell([person.pk for person in people], NoticeKind.REVIEW, text, queue_id=queue.pk)
