"""Positions as items: a queue of them from a list of traces, what a blind reviewer is shown, labels out and in."""

from __future__ import annotations

import json
import re
from collections import Counter

import pytest
from django.urls import reverse

from rpt_core.errors import UserError
from rpt_web import access
from rpt_web.comments import services as comments
from rpt_web.comments.subjects import Subject
from rpt_web.pages.position_addresses import place_of
from rpt_web.review import exports, imports, reviews
from rpt_web.review.models import ItemKind, ReviewQueue
from rpt_web.review.reviews import Draft
from rpt_web.review.shown_positions import shown_position
from rpt_web.traces.models import CorpusPosition, ResponseGroup, Rollout
from tests.rpt_web.api_client import ROOT, client_of
from tests.rpt_web.markup import flat
from tests.rpt_web.pages.review.test_reviewing import browser, content_of, item_address, send, text_of

__all__ = ["browser"]
FORM = {"name": "Places", "label_set": "built-in", "seed": 1, "reviewers_per_item": 2, "overlap_percent": 100}
BLIND = {"is_blind": "on", "hides_truth": "on"}


@pytest.fixture
def places(team):
    """The positions of the run's groups: two of these are at one."""
    made = [CorpusPosition.objects.create(text_hash=bytes([n] * 16), byte_offset=10 + n) for n in range(3)]
    groups = list(ResponseGroup.objects.filter(run=team.run).order_by("id"))
    for number, group in enumerate(groups):
        group.position = made[number % 3]
        group.save()
    return made


@pytest.fixture
def queue(team, places, browser):
    """All of them, for ada and bob."""
    sent = FORM | BLIND | {"unit": "position", "reviewers": [team.ada.pk, team.bob.pk]}
    answer = browser(team.ada).post(reverse("review:queue_of_groups") + "?kind=train", sent)
    assert answer.status_code == 302, flat(answer)
    return ReviewQueue.objects.get()


def place_item(queue, place):
    return queue.items.select_related("place").get(place=place)


def test_each_position_is_an_item_once_and_the_seed_decides_their_order(team, places, queue, browser):
    assert queue.kind == ItemKind.POSITION
    assert sorted(queue.items.values_list("place", flat=True)) == [place.pk for place in places]
    assert set(queue.items.values_list("run", flat=True)) == {None}
    again = FORM | {"unit": "position"}
    browser(team.ada).post(reverse("review:queue_of_groups") + "?kind=train", again)
    second = ReviewQueue.objects.latest("id")
    drawn = [list(found.items.order_by("number").values_list("place", flat=True)) for found in (queue, second)]
    assert drawn[0] == drawn[1]


def test_a_blind_reviewer_sees_the_text_and_what_was_predicted_and_neither_runs_nor_rewards(
    team, places, queue, browser
):
    item, bob = place_item(queue, places[1]), browser(team.bob)
    groups = ResponseGroup.objects.filter(position=places[1])
    text = content_of(text_of(bob, item_address(item)))
    assert "Text before the position" in text
    assert f"{sum(group.samples for group in groups)} responses, whatever run" in text
    hidden = (
        "named-to-hide",
        "/runs/",
        "/positions/",
        "continues",
        "By run and step",
        "Reward",
        places[1].text_hash.hex(),
    )
    assert [word for word in hidden if word in text] == []
    told = client_of(team.bob).get(f"{ROOT}/items/{item.pk}").json()
    assert [told[name] for name in ("run", "step", "reward", "text_hash", "byte_offset", "continuation")] == [None] * 6
    assert told["context"]
    assert sum(line["times"] for line in told["predictions"]) == sum(group.samples for group in groups)
    send(bob, item, 0, submit=True)
    text = content_of(text_of(bob, item_address(item)))
    assert "named-to-hide" in text
    assert f'href="{place_of(places[1])}"' in text
    assert "continues" in text
    told = client_of(team.bob).get(f"{ROOT}/items/{item.pk}").json()
    assert (told["text_hash"], told["byte_offset"]) == (bytes(places[1].text_hash).hex(), 11)


def test_what_all_runs_predicted_is_read_at_once(team, places, queue, django_assert_num_queries):
    item = place_item(queue, places[0])
    assert item.queue == queue
    with django_assert_num_queries(3):  # the groups, their responses, the shard of the first
        shown = shown_position(item, with_truth=True, with_origin=True)
    groups = list(ResponseGroup.objects.filter(position=places[0]).order_by("-step", "-id"))
    rows = Rollout.objects.filter(run_id=team.run.pk).order_by("id")
    found = Counter(row.prediction for group in groups for row in rows.filter(kind=group.kind, group=group.group))
    assert len(groups) > 1
    assert [(said.prediction, said.times) for said in shown.said] == found.most_common()
    assert (shown.groups, shown.responses) == (groups, sum(group.samples for group in groups))


def test_labels_and_comments_on_a_position_are_absent_everywhere_until_it_is_submitted(team, places, queue, browser):
    item, ada, bob = place_item(queue, places[0]), browser(team.ada), browser(team.bob)
    send(ada, item, 0, note="ADA-SAID", answers={"thought": "hack"}, submit=True)
    subject = Subject(position=places[0], of_team=team.run.experiment.team_id)
    comments.write(subject, "ADA-WROTE", team.ada)
    labels = reverse("review:position_labels", args=[places[0].pk])
    page = place_of(places[0])
    assert "Hack" in text_of(ada, labels)
    assert "ADA-WROTE" in text_of(ada, page)

    assert "Hack" not in text_of(bob, labels)
    assert "You have yet to review this position" in text_of(bob, page)
    for part in ("film/", "run-again/form/"):
        assert "You have yet to review this position" in text_of(bob, f"{page}{part}")
        assert "named-to-hide" in text_of(bob, f"{page}{part}?anyway=1")
    looked = text_of(bob, f"{page}?anyway=1")
    assert re.search('hx-get="[^"]*run-again/form/[^"]*anyway=1"', looked), "the part, too"
    assert "ADA-WROTE" not in looked
    assert "ADA-WROTE" not in client_of(team.bob).get(f"{ROOT}/comments?position={places[0].pk}").content.decode()
    assert "ADA-SAID" not in client_of(team.bob).get(f"{ROOT}/queues/{queue.pk}/labels").content.decode()
    group = ResponseGroup.objects.filter(position=places[0]).first()
    response = reverse("traces:rollout_detail", args=[group.run_id, group.first_rollout])
    assert "You have yet to review this response" in text_of(bob, response)
    assert "named-to-hide" in text_of(bob, f"{response}?anyway=1")
    assert "You have yet to review" not in text_of(browser(team.eve), page), "viewers review nothing"

    send(bob, item, 0, submit=True)
    assert "Hack" in text_of(bob, labels)
    assert "ADA-WROTE" in text_of(bob, page)


def test_labels_of_positions_and_groups_go_out_and_come_in_by_what_names_them(team, places, queue, browser):
    for item in queue.items.all():
        own = reviews.take(item, team.ada)
        reviews.submit(own, Draft(own.version, {"thought": "sound"}, note=str(item.place_id)))
    rows = list(exports.label_rows(queue, access.seen_reviews(team.ada, queue)))
    assert {(row["text_hash"], row["byte_offset"]) for row in rows} == {
        (bytes(place.text_hash).hex(), place.byte_offset) for place in places
    }
    assert {row["run"] for row in rows} == {None}
    assert exports.as_file("parquet", queue, rows).startswith(b"PAR1")

    client = browser(team.ada)
    client.post(reverse("review:queue_of_groups"), FORM | {"unit": "position", "seed": 5, "name": "Again"})
    again = ReviewQueue.objects.get(name="Again")
    assert imports.import_labels(again, exports.as_file("jsonl", queue, rows), team.ada) == len(places)
    for review in access.seen_reviews(team.ada, again):
        assert review.note == str(review.item.place_id)

    client.post(reverse("review:queue_of_groups"), FORM | {"unit": "group", "name": "Groups"})
    groups = ReviewQueue.objects.get(name="Groups")
    lines = [
        {"run": item.run_id, "step": item.step, "kind": item.rollout_kind, "group": item.group,
         "answers": {"thought": "sound"}, "note": str(item.pk)}
        for item in groups.items.all()
    ]  # fmt: skip
    content = "\n".join(map(json.dumps, lines)).encode()
    assert imports.import_labels(groups, content, team.ada) == groups.items.count() > 1
    assert all(review.note == str(review.item_id) for review in access.seen_reviews(team.ada, groups))
    with pytest.raises(UserError, match="or by `text_hash` and `byte_offset` for a position"):
        imports.import_labels(
            again, json.dumps({"text_hash": "00", "byte_offset": 1, "answers": {}}).encode(), team.ada
        )


def test_a_submitted_group_leads_to_its_first_response(team, browser):
    client = browser(team.ada)
    client.post(reverse("review:queue_of_groups"), FORM | {"unit": "group"})
    item = ReviewQueue.objects.get().items.first()
    client.post(item_address(item, "item_take"))
    send(client, item, 0, submit=True)
    group = ResponseGroup.objects.get(run=item.run_id, step=item.step, kind=item.rollout_kind, group=item.group)
    text = text_of(client, item_address(item))
    assert reverse("traces:rollout_detail", args=[item.run_id, group.first_rollout]) in text


def test_the_api_makes_a_queue_of_what_a_list_of_traces_shows(team, places):
    caller = client_of(team.ada)
    body = {"name": "By the API", "traces": "?kind=train", "unit": "position", "reviewers": ["bob"]}
    made = caller.post(f"{ROOT}/queues", body, content_type="application/json")
    assert (made.status_code, made.json()["kind"], made.json()["items"]) == (201, "position", 3), made.content
    wrong = caller.post(f"{ROOT}/queues", body | {"traces": "domain=none"}, content_type="application/json")
    assert "own runs passes the filters" in wrong.json()["detail"]
    neither = caller.post(f"{ROOT}/queues", {"name": "x"}, content_type="application/json")
    assert "Give `run`, `traces` or `comparison`." in neither.content.decode()


def test_a_position_outlives_its_runs_as_an_item_and_says_so(team, places, queue, browser):
    item = place_item(queue, places[0])
    ResponseGroup.objects.filter(position=places[0]).delete()
    text = content_of(text_of(browser(team.bob), item_address(item)))
    assert "No run of the team has responses at this position any more" in text
    assert client_of(team.bob).get(f"{ROOT}/items/{item.pk}").json()["predictions"] == []


def test_reviewers_of_a_position_who_disagree_are_settled(team, places, queue, browser):
    item, ada, bob = place_item(queue, places[2]), browser(team.ada), browser(team.bob)
    send(ada, item, 0, submit=True)
    send(bob, item, 0, answers={"thought": "hack"}, submit=True)
    settle = item_address(item, "item_settle")
    assert "What was predicted here" in text_of(ada, settle)
    assert ada.post(settle, {"q-thought": "sound"}).status_code == 302
    assert item.decision.answers == {"thought": "sound"}
