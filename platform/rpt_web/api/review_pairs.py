"""Blind A/B by the API: a queue of pairs, and what came of it. Its items are those of `review_items`.

The result is refused to who has something left to review in the queue, as on its page.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from django.http import HttpRequest
from ninja import NinjaAPI
from ninja import Status as Answer
from ninja.errors import HttpError
from pydantic import Field

from rpt_web import access
from rpt_web.api.bodies import Body
from rpt_web.api.errors import refusals_at
from rpt_web.api.paging import user_of
from rpt_web.api.plain import PlainSchema
from rpt_web.api.review import QueueOut, members_named, queue_detail
from rpt_web.api.schemas import Refused
from rpt_web.review import pairs, queues, reviews
from rpt_web.review.models import ItemKind
from rpt_web.review.pairs import Source
from rpt_web.teams.models import User

YET_BLIND = "You still have pairs of this queue to review. Its result is shown when all of yours are submitted."


class SourceIn(Body):
    """Where one of the two responses comes from."""

    run: int = Field(ge=1, lt=2**63)
    step: int = Field(ge=0, lt=2**31)


class PairsIn(Body):
    """A queue of pairs."""

    first: SourceIn
    second: SourceIn
    kind: Literal["train", "sampled", "greedy"] = "greedy"
    name: str
    sample: int | None = Field(default=None, ge=1, le=queues.MOST_ITEMS, description="How many; null for all.")
    seed: int = Field(default=0, ge=0, lt=2**31, description="Draws positions and responses.")
    reviewers: list[str] = Field(default=[], description="Names of users; empty for a queue that is open to all.")
    reviewers_per_item: int = Field(default=1, ge=1, le=queues.MOST_REVIEWERS)
    overlap: float = Field(default=1.0, ge=0, le=1)
    instructions: str = Field(default="", max_length=queues.LONGEST_INSTRUCTIONS)
    hides_truth: bool = True
    due_at: datetime | None = None


class OrderBiasOut(PlainSchema):
    """How often the left side was chosen."""

    left: int
    decided: int
    low: float
    high: float
    p: float | None


class PreferenceOut(PlainSchema):
    """What came of a blind A/B."""

    first: int = Field(description="Votes for the queue's first source.")
    second: int
    tie: int
    both_bad: int
    items: int
    first_items: int = Field(description="Positions at which more people chose the first.")
    second_items: int
    even_items: int
    share: float | None = Field(description="Of the second, of what was decided: the mean over positions.")
    low: float | None = Field(description="Its 95 % interval.")
    high: float | None
    p: float | None = Field(description="Of the exact, two-sided sign test over positions.")
    bias: OrderBiasOut
    sources: list[dict[str, Any]] = Field(description="Run, step and kind of the first and the second.")
    words: str


def add_operations(api: NinjaAPI) -> None:
    """Register what is below."""
    api.post("/pairs", response={201: QueueOut}, tags=["review"])(create_pairs)
    result = "/queues/{int:queue_id}/result"
    api.get(result, response={200: PreferenceOut, 409: Refused}, tags=["review"])(pairs_result)


def create_pairs(request: HttpRequest, asked: PairsIn) -> Answer[dict[str, Any]]:
    """Put pairs of responses at the same positions into a new queue."""
    user = user_of(request)
    with refusals_at("first"):
        first = _source(user, asked.first, asked.kind)
    with refusals_at("second"):
        second = _source(user, asked.second, asked.kind)
    team = first.run.experiment.team
    access.require_change(user, team.pk)
    with refusals_at("reviewers"):
        people = members_named(team, asked.reviewers)
    names = ("name", "sample", "seed", "reviewers_per_item", "overlap", "instructions", "hides_truth", "due_at")
    values = {name: getattr(asked, name) for name in names}
    plan = queues.QueuePlan(version=pairs.label_set_of(team, user), reviewers=people, **values)
    made = pairs.create(first, second, plan, user)
    return Answer(201, queue_detail(request, made.pk))


def pairs_result(request: HttpRequest, queue_id: int) -> dict[str, Any]:
    """The votes, the share with its interval, the sign test, and whether the order mattered."""
    user = user_of(request)
    queue = access.get_queue_or_404(user, queue_id)
    if queue.kind != ItemKind.PAIR:
        raise HttpError(409, "This queue is no blind A/B. Its labels and their agreement are its result.")
    if access.is_blind_in(user, queue):
        raise HttpError(409, YET_BLIND)
    seen = access.seen_reviews(user, queue)
    reviews.note_seen(seen, user)
    found = pairs.result_of(list(seen))
    sources = [queue.source["first"], queue.source["second"]]
    own = {name: getattr(found, name) for name in PreferenceOut.model_fields if hasattr(found, name)}
    return own | {"sources": sources, "words": pairs.in_words(found, pairs.names_of(queue))}


def _source(user: User, asked: SourceIn, kind: str) -> Source:
    return Source(access.get_run_or_404(user, asked.run), asked.step, kind)
