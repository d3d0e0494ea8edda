"""What others said of a response stays hidden from whoever has yet to review it, whichever queue they said it in, and
from whoever could still take their own review back."""

from __future__ import annotations

import pytest
from django.db.models.functions import Now
from django.http import QueryDict
from django.test import Client
from django.urls import reverse

from rpt_web import access
from rpt_web.access.review import could_take_back
from rpt_web.review import queues, reviews, settling
from rpt_web.review.models import ItemKind, Review, ReviewItem, ReviewQueue
from rpt_web.review.reviews import Draft
from rpt_web.traces import group_lists
from rpt_web.traces.group_filters import GroupFilters
from tests.rpt_web.api_client import ROOT, client_of
from tests.rpt_web.markup import flat
from tests.rpt_web.review_rows import make_queue

pytestmark = pytest.mark.django_db
SAID = {"thought": "lucky_guess"}
WORDS = "BOB-SAID-SO"


def browser_of(user):
    client = Client()
    client.force_login(user)
    return client


def said_by_bob(team, **more):
    """A queue of responses of which bob has reviewed all, and settled the first."""
    queue = make_queue(team.run, team.ada, reviewers=[team.bob], **more)
    for review in Review.objects.filter(item__queue=queue).select_related("item__queue__version"):
        reviews.submit(review, Draft(0, SAID, note=WORDS))
    settling.decide(queue.items.first(), SAID, WORDS, team.bob)
    return queue


def places_of(queue, item):
    """All that tells what was said of an item."""
    return (
        reverse("review:response_labels", args=[item.run_id, item.rollout_id]),
        reverse("review:item_detail", args=[item.pk]),
        reverse("review:queue_agreement", args=[queue.pk]),
        reverse("review:queue_export", args=[queue.pk, "jsonl"]),
        reverse("review:queue_export", args=[queue.pk, "csv"]),
    )


def told(user, place):
    text = flat(browser_of(user).get(place, follow=True))
    return WORDS in text or "Lucky guess" in text.partition('id="others-heading"')[2] or "<strong>bob" in text


@pytest.fixture
def two(team):
    """A queue that bob has reviewed, and an item of it that is ada's to review in another queue."""
    first = said_by_bob(team, seed=3, sample=None)
    second = make_queue(team.run, team.ada, seed=3, sample=1, reviewers=[team.ada])
    other = second.items.get()
    return first, first.items.get(rollout_id=other.rollout_id), second


def test_labels_of_a_response_are_hidden_while_it_waits_in_another_queue(team, two):
    queue, item, second = two
    assert [place for place in places_of(queue, item)[:2] if told(team.ada, place)] == []
    exported = browser_of(team.ada).get(places_of(queue, item)[3]).content.decode()
    assert exported.count(WORDS) == queue.items.count() - 1, "others of the queue stay in sight"
    found = client_of(team.ada).get(f"{ROOT}/queues/{queue.pk}/labels").json()["items"]
    assert item.number not in {label["item"] for label in found}
    assert len(found) == queue.items.count() - 1
    settle = reverse("review:item_settle", args=[item.pk])
    assert WORDS not in flat(browser_of(team.ada).get(settle, follow=True))
    decided = client_of(team.ada).post(f"{ROOT}/items/{item.pk}/decision", {"answers": SAID}, "application/json")
    assert decided.status_code == 409
    assert "waits" in flat(browser_of(team.ada).get(reverse("review:item_detail", args=[item.pk])))
    review = Review.objects.get(item__queue=second)
    reviews.submit(review, Draft(0, {"thought": "sound"}))
    assert all(told(team.ada, place) for place in places_of(queue, item)[:2])
    assert browser_of(team.ada).get(places_of(queue, item)[3]).content.decode().count(WORDS) == queue.items.count()
    assert len(client_of(team.ada).get(f"{ROOT}/queues/{queue.pk}/labels").json()["items"]) == queue.items.count()


def test_others_see_them_as_ever(team, two):
    queue, item, _ = two
    assert all(told(team.eve, place) for place in places_of(queue, item)[:2])
    assert browser_of(team.bob).get(places_of(queue, item)[3]).content.decode().count(WORDS) == queue.items.count()


@pytest.mark.parametrize("kind", ["group", "pair"])
def test_a_group_and_a_pair_with_the_response_hide_its_labels_too(team, two, kind):
    queue, item, second = two
    if kind == "group":
        second.items.update(kind=ItemKind.GROUP, rollout_id=None, row=None)
        ReviewQueue.objects.filter(pk=second.pk).update(kind=kind)
    else:
        other = queue.items.exclude(rollout_id=item.rollout_id).first()
        moved = {"other_run": item.run_id, "other_rollout_id": item.rollout_id, "rollout_id": other.rollout_id}
        second.items.update(kind=ItemKind.PAIR, group=None, **moved)
        ReviewQueue.objects.filter(pk=second.pk).update(kind=kind)
    assert not told(team.ada, places_of(queue, item)[0])
    assert item.pk in access.hidden_items(team.ada, queue)
    queues.close(second)
    assert told(team.ada, places_of(queue, item)[0])


def test_labels_of_a_group_are_hidden_while_a_response_of_it_waits(team, two):
    _queue, item, _ = two
    ReviewItem.objects.filter(pk=item.pk).update(kind=ItemKind.GROUP, rollout_id=None)
    changed = ReviewItem.objects.get(pk=item.pk)
    assert not access.reviews_of(team.ada, changed).exists()
    assert access.reviews_of(team.eve, changed).exists()


@pytest.fixture
def last(team):
    """A queue of one item that bob and ada have submitted, and ada's review, which she could take back."""
    queue = make_queue(team.run, team.ada, sample=1, reviewers=[team.ada, team.bob], reviewers_per_item=2)
    bobs, adas = (Review.objects.get(item__queue=queue, reviewer=person) for person in (team.bob, team.ada))
    reviews.submit(bobs, Draft(0, SAID, note=WORDS))
    return queue, reviews.submit(adas, Draft(0, {"thought": "sound"}))


def test_what_could_be_taken_back_is_not_told_by_lists_counts_and_tables(team, last):
    queue, own = last
    filters = access.resolved(team.ada, GroupFilters.from_query(QueryDict("reviewer=bob")))
    assert group_lists.group_page(access.runs_for(team.ada), filters).rows == []
    assert access.judged_counts(team.ada, GroupFilters())["reviewer"] == {"ada": 1}
    table = f"{ROOT}/exhibits?ref=queue/{queue.pk}/agreement/thought/reviewers"
    assert client_of(team.ada).get(table).json()["rows"] == []
    assert len(client_of(team.eve).get(table).json()["rows"]) == 1
    assert reviews.take_back(own)


def test_of_labels_that_were_imported_at_one_time_the_one_that_can_be_taken_back_is_not_told(team):
    queue = make_queue(team.run, team.ada, reviewers=[team.ada])
    queue.items.update(submitted=1)
    own = Review.objects.filter(item__queue=queue, reviewer=team.ada)
    own.update(submitted_at=Now(), is_imported=True)
    last = own.order_by("id").last()
    assert [item.pk for item in ReviewItem.objects.filter(could_take_back(team.ada))] == [last.item_id]
    assert reviews.take_back(last)


def test_it_is_told_from_the_next_review_on_and_when_what_others_said_was_shown(team, last):
    queue, own = last
    client_of(team.ada).get(f"{ROOT}/items/{own.item_id}")
    assert not reviews.take_back(own), "the API has told its reward"
    filters = access.resolved(team.ada, GroupFilters.from_query(QueryDict("reviewer=bob")))
    assert len(group_lists.group_page(access.runs_for(team.ada), filters).rows) == 1
    table = f"{ROOT}/exhibits?ref=queue/{queue.pk}/agreement/thought/reviewers"
    assert len(client_of(team.ada).get(table).json()["rows"]) == 1


def test_a_queue_of_what_reviewers_said_is_made_by_the_api(team, last):
    body = {"name": "By a label", "traces": "label=thought:lucky_guess", "reviewers": ["bob"], "unit": "group"}
    refused = client_of(team.ada).post(f"{ROOT}/queues", body, "application/json")
    assert refused.status_code == 422, "she could still take her own review of it back"
    made = client_of(team.bob).post(f"{ROOT}/queues", {**body, "reviewers": ["ada"]}, "application/json")
    assert (made.status_code, made.json()["items"]) == (201, 1), "and he knows his own"


def test_instructions_may_hold_what_the_database_cannot(team):
    body = {"run": team.run.pk, "name": "Odd", "sample": 1, "instructions": "Read\x00 this"}
    made = client_of(team.ada).post(f"{ROOT}/queues", body, "application/json")
    assert (made.status_code, made.json()["instructions"]) == (201, "Read\ufffd this")
