"""Queues as a whole: items of somebody who left go to others, queues are deleted, and the trail keeps both."""

from __future__ import annotations

from django.urls import reverse

from rpt_web.notices.models import Notice
from rpt_web.review import reviews
from rpt_web.review.models import Review, ReviewQueue
from rpt_web.review.reviews import Draft
from rpt_web.teams import trail
from rpt_web.teams.models import Membership, Role
from tests.factories import make_user
from tests.rpt_web.api_client import ROOT, client_of
from tests.rpt_web.markup import flat
from tests.rpt_web.pages.review.test_reviewing import browser, text_of
from tests.rpt_web.review_rows import make_queue

__all__ = ["browser"]


def address(queue, name):
    return reverse(f"review:{name}", args=[queue.pk])


def submitted(queue, user, number):
    own = reviews.take(queue.items.get(number=number), user)
    return reviews.submit(own, Draft(own.version, {"thought": "sound"}))


def assigned(team, *people, **more):
    return make_queue(team.run, team.ada, sample=4, reviewers=list(people), **more)


def test_what_somebody_has_yet_to_submit_goes_to_others_in_turn(team, browser):
    carl, dora = make_user("carl"), make_user("dora")
    queue = assigned(team, carl)
    submitted(queue, carl, 1)
    begun = reviews.take(queue.items.get(number=2), carl)
    reviews.save_draft(begun, Draft(begun.version, {"thought": "hack"}))
    Membership.objects.filter(user=carl).delete()
    client = browser(team.ada)
    form = text_of(client, address(queue, "queue_reassign"))
    assert "carl: 3 open items, reviews for the team no more" in form
    answer = client.post(address(queue, "queue_reassign"), {"leaver": carl.pk, "takers": [team.bob.pk, dora.pk]})
    assert answer["Location"] == address(queue, "queue_detail")
    held = list(Review.objects.filter(item__queue=queue).order_by("item__number").values_list(
        "item__number", "reviewer__username", "version"))  # fmt: skip
    assert held == [(1, "carl", 1), (2, "bob", 0), (3, "dora", 0), (4, "bob", 0)], "and nobody sees his draft"
    assert set(Notice.objects.filter(queue=queue, user__in=[team.bob, dora]).values_list("user", flat=True)) == {
        team.bob.pk, dora.pk
    }  # fmt: skip
    told = [entry for entry in trail.of_team(queue.team, trail.TrailFilters()).changes if entry.noun == "reassignment"]
    assert [(entry.title, entry.who) for entry in told] == [("carl", "ada")]


def test_who_has_an_item_already_is_passed_over(team, browser):
    carl = make_user("carl")
    queue = assigned(team, team.bob, carl, reviewers_per_item=2)
    client = browser(team.ada)
    refused = client.post(address(queue, "queue_reassign"), {"leaver": carl.pk, "takers": [team.bob.pk]})
    assert (refused.status_code, "reviews all of these items already" in flat(refused)) == (422, True)
    client.post(address(queue, "queue_reassign"), {"leaver": carl.pk, "takers": [team.bob.pk, team.ada.pk]})
    assert set(Review.objects.filter(item__queue=queue).values_list("reviewer__username", flat=True)) == {"ada", "bob"}


def test_reassigning_is_refused_in_words_by_the_api_too(team):
    caller, queue, open_to_all = client_of(team.ada), assigned(team, team.bob), make_queue(team.run, team.ada)

    def ask(of, leaver="bob", takers=("ada",)):
        body = {"leaver": leaver, "takers": list(takers)}
        return caller.post(f"{ROOT}/queues/{of.pk}/reassign", body, content_type="application/json")

    assert "'eve' is no member" in ask(queue, takers=["eve"]).json()["detail"]
    assert "has nothing to submit" in ask(queue, leaver="ada", takers=["bob"]).json()["detail"]
    reviews.take_next(open_to_all, team.bob)
    assert "open to all" in ask(open_to_all).json()["detail"]
    assert client_of(team.bob).post(f"{ROOT}/queues/{queue.pk}/reassign", {"leaver": "bob", "takers": ["ada"]},
                                    content_type="application/json").status_code == 403  # fmt: skip
    assert ask(queue).json() == {"items": 4}


def test_a_queue_is_deleted_after_its_page_has_said_what_goes(team, browser):
    queue = assigned(team, team.ada)
    submitted(queue, team.ada, 1)
    client = browser(team.ada)
    shown = text_of(client, address(queue, "queue_delete"))
    assert "<dt>Items</dt><dd>4</dd>" in shown
    assert "1<small>0 of them by others</small>" in shown
    assert client.post(address(queue, "queue_delete")).status_code == 302
    assert not ReviewQueue.objects.filter(pk=queue.pk).exists()
    removed = [entry for entry in trail.of_team(queue.team, trail.TrailFilters()).changes if entry.verb == "removed"]
    assert ("Second look", "ada") in [(entry.title, entry.who) for entry in removed]


def test_others_reviews_are_deleted_by_an_administrator_alone(team, browser):
    queue = assigned(team, team.bob)
    submitted(queue, team.bob, 1)
    shown = text_of(browser(team.ada), address(queue, "queue_delete"))
    assert "It holds 1 review of other people. Close it, or ask an administrator" in shown
    assert browser(team.ada).post(address(queue, "queue_delete")).status_code == 409
    assert browser(team.bob).post(address(queue, "queue_delete")).status_code == 403
    refused = client_of(team.ada).delete(f"{ROOT}/queues/{queue.pk}")
    assert (refused.status_code, "ask an administrator" in refused.json()["detail"]) == (409, True)
    head = make_user("head", Role.ADMINISTRATOR)
    gone = client_of(head).delete(f"{ROOT}/queues/{queue.pk}")
    assert (gone.status_code, gone.json()) == (200, {"items": 4, "submitted": 1, "drafts": 0, "decisions": 0})
