"""The pages of reviewing: a queue from a filter, the reviewer's page and what it keeps back, drafts that it sends."""

from __future__ import annotations

import json
import re

import pytest
from django.test import Client
from django.urls import reverse

from rpt_web.review import queues, reviews
from rpt_web.review.models import Review, ReviewQueue
from rpt_web.teams.models import Role
from rpt_web.traces.models import ResponseGroup, Rollout
from tests.rpt_web.markup import flat
from tests.rpt_web.review_rows import make_queue

HIDDEN = ("named-to-hide", "reward", "/runs/")
"""What the page of an item must not hold while its reviewer is blind: the run's name, the reward, a way to the run."""


@pytest.fixture
def browser(team):
    """browser(user) -> a client that is logged in."""

    def browser(user):
        client = Client()
        client.force_login(user)
        return client

    return browser


def text_of(client, address, status=200):
    response = client.get(address)
    assert response.status_code == status
    return flat(response)


def item_address(item, name="item_detail"):
    return reverse(f"review:{name}", args=[item.pk])


def content_of(text):
    """The part of a page that is its own, without the bar."""
    return text.partition('<main class="page-main"')[2].partition("</main>")[0]


def send(client, item, version, **more):
    body = {"version": version, "answers": {"thought": "sound"}, "note": "", "flagged": False, "seconds": 3} | more
    return client.post(item_address(item, "item_draft"), json.dumps(body), "application/json")


def test_what_a_list_of_responses_shows_is_put_into_a_queue(team, browser):
    client = browser(team.ada)
    listed = reverse("traces:rollout_list", args=[team.run.pk]) + "?kind=train&reward=0"
    made = f"{reverse('review:queue_new')}?run={team.run.pk}&kind=train&reward=0"
    assert made.replace("&", "&amp;") in text_of(client, listed)
    wrong = Rollout.objects.filter(run_id=team.run.pk, reward=0).count()
    assert f"{wrong} responses</a> of “named-to-hide”" in text_of(client, made)
    form = {"name": "Wrong ones", "label_set": "built-in", "sample": 4, "seed": 1, "reviewers_per_item": 2}
    form |= {"overlap_percent": 50, "reviewers": [team.ada.pk, team.bob.pk], "is_blind": "on", "hides_truth": "on"}
    answer = client.post(made, form)
    queue = ReviewQueue.objects.get()
    assert answer["Location"] == reverse("review:queue_detail", args=[queue.pk])
    assert queue.items.count() == 4
    text = text_of(client, answer["Location"])
    assert "0 of 6" in text
    assert "Lucky guess" in text
    assert f"{wrong} responses</a> of" in text, "who made it knows what from"
    assert "named-to-hide" not in content_of(text_of(browser(team.bob), answer["Location"]))
    assert "Wrong ones" in text_of(browser(team.bob), reverse("review:inbox"))
    refused = client.post(made, form | {"reviewers": [team.ada.pk]})
    at_field = refused.text.partition('name="reviewers_per_item"')[2].partition('name="overlap_percent"')[0]
    assert "cannot be assigned to 1 person. Choose more people, or lower the number of reviewers." in at_field


def test_a_new_queue_asks_for_no_more_reviewers_than_there_are(team, browser):
    address = f"{reverse('review:queue_new')}?run={team.run.pk}"
    asked = re.compile(r'name="reviewers_per_item" value="(\d+)"')
    assert asked.search(text_of(browser(team.ada), address))[1] == "2"
    team.bob.memberships.update(role=Role.VIEWER)
    assert asked.search(text_of(browser(team.ada), address))[1] == "1"


def test_home_has_the_queues_with_items_of_ones_own(team, browser):
    queue = make_queue(team.run, team.ada, reviewers=[team.ada], name="Given to Ada")
    make_queue(team.run, team.ada, name="For everybody")
    text = content_of(text_of(browser(team.ada), "/"))
    assert reverse("review:queue_detail", args=[queue.pk]) in text
    assert "3 items to review" in text
    assert "For everybody" not in text
    assert "Given to Ada" not in content_of(text_of(browser(team.bob), "/"))
    queues.close(queue)
    assert "Given to Ada" not in content_of(text_of(browser(team.ada), "/"))


def test_an_item_keeps_back_reward_run_and_what_others_said_until_it_is_submitted(team, browser):
    queue = make_queue(team.run, team.ada, reviewers=[team.ada, team.bob], reviewers_per_item=2, sample=4)
    ada, bob = browser(team.ada), browser(team.bob)
    item = queue.items.get(number=1)
    assert send(ada, item, 0, note="ADA-SAID", submit=True).status_code == 200
    before = content_of(text_of(bob, item_address(item))).lower()
    for hidden in (*HIDDEN, "ada-said", "text continues", str(item.rollout_id)):
        assert hidden not in before
    assert "chain of thought" in before
    after = content_of(text_of(ada, item_address(item))).lower()
    for shown in (*HIDDEN, "ada-said", "text continues"):
        assert shown in after
    assert send(bob, item, 0, submit=True).status_code == 200
    assert "ADA-SAID" in text_of(bob, item_address(item))


def test_a_queue_that_is_not_blind_shows_the_reward_and_still_not_what_others_said(team, browser):
    people = {"reviewers": [team.ada, team.bob], "reviewers_per_item": 2}
    queue = make_queue(team.run, team.ada, is_blind=False, hides_truth=False, **people)
    item = queue.items.get(number=1)
    send(browser(team.ada), item, 0, note="ADA-SAID", submit=True)
    text = text_of(browser(team.bob), item_address(item))
    assert "named-to-hide" in text
    assert "Text continues" in text
    assert "ADA-SAID" not in text


def test_hostile_responses_stay_text_on_the_reviewers_page(team, browser):
    queue = make_queue(team.run, team.ada, sample=None, instructions="<b>read</b> \u202ethis")
    client = browser(team.ada)
    item = queue.items.get(group=0, rollout_id=Rollout.objects.filter(run_id=team.run.pk).earliest("id").id)
    text = text_of(client, item_address(item))
    assert "<script>alert" not in text
    assert "<img src=x" not in text
    assert "<b>" not in text
    assert "\u202e" not in text
    assert "&lt;script&gt;alert" in text


def test_a_draft_is_kept_and_a_second_tab_is_told(team, browser):
    queue = make_queue(team.run, team.ada, reviewers=[team.ada])
    item, client = queue.items.get(number=1), browser(team.ada)
    assert send(client, item, 0).json() == {"version": 1}
    assert send(client, item, 0).json() == {"version": 1}
    stale = send(client, item, 0, note="from the second tab")
    assert (stale.status_code, stale.json()["version"]) == (409, 1)
    assert 'value="sound" data-label-key="1" checked' in text_of(client, item_address(item))
    wrong = send(client, item, 1, answers={"thought": "nothing"})
    assert wrong.status_code == 422
    assert "Choose one of `sound`" in wrong.json()["detail"]
    endless = f'{{"version": 1, "seconds": 1{"0" * 400}}}'
    for body in ("no JSON", "[]", '{"version": "1"}', endless):
        answer = client.post(item_address(item, "item_draft"), body, "application/json")
        assert (answer.status_code, answer.json()["detail"]) == (422, "This is no draft of a review.")


def test_submitting_leads_to_the_next_item_and_at_last_to_the_queue(team, browser):
    queue = make_queue(team.run, team.ada, sample=2, reviewers=[team.ada])
    client, page = browser(team.ada), reverse("review:queue_detail", args=[queue.pk])
    first, second = queue.items.order_by("number")
    begun = client.post(reverse("review:queue_next", args=[queue.pk]))
    assert begun["Location"] == item_address(first)
    missing = client.post(item_address(first), {"version": 0, "q-sure": "2"})
    assert "“What is this chain of thought?” needs an answer" in flat(missing)
    by_form = client.post(item_address(first), {"version": 0, "q-thought": "hack", "flagged": "on", "seconds": "7"})
    assert by_form["Location"] == item_address(second)
    review = Review.objects.get(item=first)
    assert (review.answers, review.is_flagged, review.seconds) == ({"thought": "hack"}, True, 7.0)
    client.post(item_address(first, "item_take_back"))
    assert not Review.objects.get(item=first).is_submitted
    assert send(client, first, 2, submit=True).json()["next"] == item_address(second)
    assert send(client, second, 0, submit=True).json()["next"] == page
    assert "done" in text_of(client, page)


def test_what_a_list_of_traces_shows_is_put_into_a_queue_of_groups_or_of_responses(team, browser):
    client, ready = browser(team.ada), "?solved=some"
    made = reverse("review:queue_of_groups") + ready
    assert made.replace("&", "&amp;") in text_of(client, reverse("traces:group_list") + ready)
    form = {"name": "Hard ones", "label_set": "built-in", "seed": 1, "reviewers_per_item": 1, "overlap_percent": 100}
    groups = client.post(made, form | {"unit": "group", "is_blind": "on", "hides_truth": "on"})
    queue = ReviewQueue.objects.get()
    assert groups["Location"] == reverse("review:queue_detail", args=[queue.pk])
    item = queue.items.first()
    known = ResponseGroup.objects.get(run=item.run_id, step=item.step, kind=item.rollout_kind, group=item.group)
    assert 0 < known.rewarded < known.samples
    text = content_of(text_of(client, item_address(item)))
    assert text.count("Response ") == known.samples
    assert "named-to-hide" not in text
    assert "list of traces</a>" in text_of(client, groups["Location"])
    client.post(made, form | {"unit": "response", "name": "One of each"})
    one = ReviewQueue.objects.get(name="One of each")
    assert one.items.count() == queue.items.count()
    assert all(item.reward is not None for item in one.items.all())
    nothing = client.post(reverse("review:queue_of_groups") + "?domain=nowhere", form | {"unit": "group"})
    assert "own runs passes the filters" in flat(nothing)


def test_an_item_of_somebody_else_is_read_and_not_written(team, browser):
    queue = make_queue(team.run, team.ada, sample=1)
    item, ada, bob = queue.items.get(), browser(team.ada), browser(team.bob)
    assert "Take it" in text_of(ada, item_address(item))
    reviews.take_next(queue, team.bob)
    answer = ada.post(item_address(item, "item_take"), follow=True)
    assert "Somebody else has this item at the moment" in flat(answer)
    assert send(ada, item, 0).status_code == 409
    assert 'id="review"' in text_of(bob, item_address(item))
    assert 'id="review"' not in text_of(browser(team.eve), item_address(item))


def test_a_closed_queue_takes_nothing_and_shows_all(team, browser):
    queue = make_queue(team.run, team.ada, reviewers=[team.ada, team.bob], reviewers_per_item=2)
    item = queue.items.get(number=1)
    send(browser(team.ada), item, 0, note="ADA-SAID", submit=True)
    assert browser(team.bob).post(reverse("review:queue_close", args=[queue.pk])).status_code == 403
    browser(team.ada).post(reverse("review:queue_close", args=[queue.pk]))
    refused = send(browser(team.bob), item, 0)
    assert (refused.status_code, refused.json()["detail"]) == (422, reviews.CLOSED)
    assert "ADA-SAID" in text_of(browser(team.bob), item_address(item))


def test_label_sets_are_saved_in_versions_that_queues_keep(team, browser):
    queue = make_queue(team.run, team.ada)
    client, label_set = browser(team.ada), queue.version.label_set
    address = reverse("review:label_set_detail", args=[label_set.pk])
    text = "questions:\n- {name: verdict, kind: one, labels: [good, bad]}\n"
    assert client.post(address, {"text": text}).status_code == 302
    assert queue.name not in text_of(client, address)
    assert queue.name in text_of(client, f"{address}?version=1")
    assert "This is version 2 already" in flat(client.post(address, {"text": text}))
    assert "Lucky guess" in text_of(client, reverse("review:queue_detail", args=[queue.pk]))
    new = reverse("review:label_set_new")
    assert client.post(new, {"name": "Own", "text": text}).status_code == 302
    assert "has a label set “Own” already" in flat(client.post(new, {"name": "Own", "text": text}))
    assert "Own" in text_of(client, reverse("review:label_set_list"))
