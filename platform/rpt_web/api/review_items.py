"""Items of queues by the API: the list, one to review next, drafts, submitting, settling.

An item that the token's user has yet to submit comes without reward, run and others' labels, as on its page.
"""

from __future__ import annotations

from typing import Any, Literal

from django.http import HttpRequest
from ninja import NinjaAPI
from ninja import Status as Answer
from ninja.errors import HttpError
from pydantic import Field

from rpt_web import access
from rpt_web.api.bodies import Body
from rpt_web.api.errors import conflicts, refusals_at
from rpt_web.api.paging import After, Limit, page_of, user_of
from rpt_web.api.plain import PlainSchema
from rpt_web.api.schemas import Page, Refused
from rpt_web.review import reviews, settling, sides
from rpt_web.review.models import ItemKind, Review, ReviewItem
from rpt_web.review.shown import ShownResponse, shown_response
from rpt_web.review.shown_groups import shown_group
from rpt_web.review.shown_pairs import shown_pair
from rpt_web.review.shown_positions import shown_position
from rpt_web.teams.models import User


class ItemOut(PlainSchema):
    """One thing to look at. What is hidden from the token's user is null."""

    id: int
    queue_id: int
    number: int
    kind: str
    wanted: int
    submitted: int
    is_blind: bool = Field(description="Whether the user has yet to submit it, or could still take it.")
    run: int | None
    rollout: int | None
    step: int | None
    reward: float | None
    text_hash: str | None = Field(description="Of a position: BLAKE2b of the document's text, hexadecimal.")
    byte_offset: int | None = Field(description="Of a position: where the completion begins in it.")
    other_run: int | None = Field(description="Of a pair: whose the second response is.")
    other_rollout: int | None


class OwnReviewOut(PlainSchema):
    """The review of the token's user."""

    version: int = Field(description="Give it with the next change.")
    answers: dict[str, Any]
    note: str
    flagged: bool
    seconds: float
    submitted: bool


class SideOut(PlainSchema):
    """One of two responses."""

    response: str | None
    prediction: str | None
    continuation: str | None


class SaidThereOut(PlainSchema):
    """A prediction, with how often it was given."""

    prediction: str | None = Field(description="Null: without a box.")
    times: int


class ItemDetailOut(ItemOut):
    """The same with its text."""

    context: str | None = Field(description="The text before the position, its end.")
    response: str | None
    prediction: str | None
    continuation: str | None = Field(description="How the text continues.")
    sides: dict[Literal["a", "b"], SideOut] | None = Field(
        description="Of a pair: both responses, in the order that is the user's own. Null for anything else."
    )
    group: list[SideOut] | None = Field(default=None, description="Of a group: its responses. Null for anything else.")
    predictions: list[SaidThereOut] | None = Field(
        default=None, description="Of a position: what was predicted there, in whatever run. Null for anything else."
    )
    review: OwnReviewOut | None = Field(description="Null until the user has taken the item.")


class ReviewIn(Body):
    """A draft, or what is submitted."""

    version: int = Field(ge=0, lt=2**31, description="Of the review that the change begins with; 0 for a new one.")
    answers: dict[str, Any] = Field(default={}, description="Name of a question -> answer.")
    note: str = ""
    flagged: bool = False
    seconds: float = Field(default=0.0, ge=0, lt=1e6)
    submit: bool = False


class DecisionIn(Body):
    """What holds for an item."""

    answers: dict[str, Any]
    note: str = ""


class DecisionOut(PlainSchema):
    """What was decided."""

    item: int = Field(alias="item_id")
    answers: dict[str, Any]
    note: str


_TEXTS = ("response", "prediction", "continuation")


def add_operations(api: NinjaAPI) -> None:
    """Register what is below."""
    tags, queue, one = ["review"], "/queues/{int:queue_id}", "/items/{int:item_id}"
    api.get(f"{queue}/items", response=Page[ItemOut], tags=tags)(queue_items)
    api.post(f"{queue}/next", response={200: ItemDetailOut, 409: Refused}, tags=tags)(next_item)
    api.get(one, response=ItemDetailOut, tags=tags)(item_detail)
    api.post(f"{one}/review", response={200: OwnReviewOut, 409: Refused}, tags=tags)(review_item)
    api.post(f"{one}/decision", response={200: DecisionOut, 409: Refused}, tags=tags)(decide_item)


def queue_items(request: HttpRequest, queue_id: int, after: After = None, limit: Limit = 50) -> dict[str, Any]:
    """Items in the order in which they were made, which is that of their numbers."""
    user = user_of(request)
    queue = access.get_queue_or_404(user, queue_id)
    page = page_of(queue.items.select_related("queue", "place"), "id", after, limit)
    hidden = queue.items.filter(access.blind_items(user), pk__in=[item.pk for item in page["items"]])
    blind = set(hidden.values_list("pk", flat=True))
    of_pairs = queue.kind == ItemKind.PAIR and access.is_blind_in(user, queue)
    return page | {
        "items": [
            _line(item, item.pk in blind, of_pairs or (queue.is_blind and item.pk in blind)) for item in page["items"]
        ]
    }


def next_item(request: HttpRequest, queue_id: int) -> dict[str, Any]:
    """The user's first open item; of a queue that is open to all, one that is held for the user from now on."""
    user = user_of(request)
    queue = access.get_queue_or_404(user, queue_id, to_review=True)
    review = reviews.take_next(queue, user)
    if review is None:
        raise HttpError(409, "Nothing is left for you in this queue.")
    return _detail(user, access.get_item_or_404(user, review.item_id))


def item_detail(request: HttpRequest, item_id: int) -> dict[str, Any]:
    """One item with its text."""
    user = user_of(request)
    return _detail(user, access.get_item_or_404(user, item_id))


def review_item(request: HttpRequest, item_id: int, review: ReviewIn) -> dict[str, Any]:
    """Keep a draft, or submit. The same change sent twice counts once; one that begins with an old version is a 409."""
    user = user_of(request)
    item = access.get_item_or_404(user, item_id, to_review=True)
    with conflicts():
        own = reviews.take(item, user)
    draft = reviews.Draft(review.version, review.answers, review.note, review.flagged, review.seconds)
    try:
        saved = reviews.submit(own, draft) if review.submit else reviews.save_draft(own, draft)
    except reviews.StaleReview as error:
        raise HttpError(409, error.words) from None
    return _own(saved)


def decide_item(request: HttpRequest, item_id: int, decision: DecisionIn) -> Answer[Any]:
    """Settle an item; reviews stay as they are."""
    user = user_of(request)
    item = access.get_item_or_404(user, item_id, to_review=True)
    if access.hides_labels(user, item):
        raise HttpError(409, reviews.YET_TO_SUBMIT)
    with refusals_at("answers"):
        answers = sides.as_seen_by(item, decision.answers, user)  # what is turned twice is as it was
        return Answer(200, settling.decide(item, answers, decision.note, user))


def _line(item: ReviewItem, is_blind: bool, hides: bool) -> dict[str, Any]:
    places: dict[str, Any] = {"run": item.run_id, "rollout": item.rollout_id, "step": item.step, "reward": item.reward}
    places |= {"other_run": item.other_run_id, "other_rollout": item.other_rollout_id}
    places["text_hash"] = bytes(item.place.text_hash).hex() if item.place else None
    places["byte_offset"] = item.place.byte_offset if item.place else None
    own = ("id", "queue_id", "number", "kind", "wanted", "submitted")
    return (
        {name: getattr(item, name) for name in own}
        | {"is_blind": is_blind}
        | (dict.fromkeys(places) if hides else places)
    )


def _detail(user: User, item: ReviewItem) -> dict[str, Any]:
    is_blind = access.is_blind(user, item)
    if not is_blind:
        reviews.note_seen(access.reviews_of(user, item), user)
    with_truth, hides = not (is_blind and item.queue.hides_truth), access.hides_origin(user, item, is_blind)
    own = Review.objects.filter(item=item, reviewer=user).first()
    line = _line(item, is_blind, hides) | {"review": _own(own) if own else None}
    if item.kind == ItemKind.PAIR:
        pair = shown_pair(item, user, with_truth=with_truth, with_origin=False)
        told = {"context": pair.context.context if pair.context else None} | dict.fromkeys(_TEXTS)
        return line | told | {"sides": {name.lower(): _texts(shown) for name, shown, _ in pair.both}}
    if item.kind == ItemKind.GROUP:
        group = shown_group(item, with_truth=with_truth)
        told = {"context": group[0].context if group else None, "sides": None} | dict.fromkeys(_TEXTS)
        return line | told | {"group": [_texts(shown) for shown in group]}
    if item.kind == ItemKind.POSITION:
        place = shown_position(item, with_truth=with_truth, with_origin=False)
        said = [{"prediction": _text(found.prediction), "times": found.times} for found in place.said] if place else []
        told = _texts(place.first if place else None) | {"response": None, "prediction": None, "sides": None}
        return line | told | {"context": place.first.context if place else None, "predictions": said}
    shown = shown_response(item, with_truth=with_truth)
    return line | {"context": shown.context if shown else None, "sides": None} | _texts(shown)


def _texts(shown: ShownResponse | None) -> dict[str, Any]:
    return {
        "response": shown.text if shown else None,
        "prediction": _text(shown.prediction) if shown else None,
        "continuation": _text(shown.truth) if shown else None,
    }


def _own(review: Review) -> dict[str, Any]:
    return {
        "version": review.version,
        "answers": sides.turned(review.answers, review.is_swapped),
        "note": review.note,
        "flagged": review.is_flagged,
        "seconds": review.seconds,
        "submitted": review.is_submitted,
    }


def _text(data: bytes | None) -> str | None:
    return None if data is None else data.decode(errors="replace")
