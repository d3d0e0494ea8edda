"""Blind A/B: pairs drawn by a seed, sides at random, nothing that tells them apart until all are done, the result."""

from __future__ import annotations

import json
import re

import pytest
from django.test import Client
from django.urls import reverse

from rpt_core.config import RptConfig
from rpt_core.errors import UserError
from rpt_web import access
from rpt_web.review import label_sets, pairs, reviews, sides
from rpt_web.review.models import Review, ReviewItem, ReviewQueue
from rpt_web.review.pairs import Source
from rpt_web.review.queues import QueuePlan
from rpt_web.runs import services
from rpt_web.runs.models import Run
from rpt_web.traces.models import Rollout
from tests.factories import EventFile, record, response_row, start_run, write_shard
from tests.rpt_web.api_client import CONFIG, ROOT, client_of
from tests.rpt_web.markup import flat
from tests.rpt_web.review_rows import reviewed_run

pytestmark = pytest.mark.django_db
NAMES = ("run-to-hide", "other-to-hide")
PLACES = 12
THOUGHTS = {0: "slow and steady", 1: "fast and loose"}


def evaluated(user, name, which, places=PLACES):
    """A run that has answered at so many positions; at position 0 both wrote the same."""
    if which == 0:
        run = reviewed_run(user, name)
    else:
        experiment = Run.objects.get(name=NAMES[0]).experiment
        run, _ = start_run(services.submit(experiment, name, RptConfig.model_validate(CONFIG), user))
    events = EventFile(run, run.started_at)
    rows = [
        response_row(
            5,
            place,
            0,
            context=f"Text {place}, and then",
            thought="the same" if place == 0 else f"{THOUGHTS[which]} at {place}",
            answer=f"\\boxed{{{place}}}" if which == 0 or place == 0 else "\\boxed{x}",
            completion=b"%d " % place,
            boundaries=[len(str(place)), len(str(place)) + 1],
            document=f"doc-{place}",
        )
        for place in range(places)
    ]
    write_shard(run, events, "greedy", 5, rows)
    record(run)
    return run


@pytest.fixture(scope="module")
def compared(rows, django_db_blocker):
    """Two runs at the same positions, in the rows of the module."""
    with django_db_blocker.unblock():
        return [evaluated(rows.ada, name, which) for which, name in enumerate(NAMES)]


@pytest.fixture
def sources(compared, team):
    return [Source(run, 5, "greedy") for run in compared]


def make(sources, team, **more):
    version = pairs.label_set_of(sources[0].run.experiment.team, team.ada)
    plan = {"name": "Which one", "version": version, "sample": 6, "seed": 3, "reviewers": [team.ada, team.bob]}
    return pairs.create(*sources, QueuePlan(**(plan | {"reviewers_per_item": 2} | more)), team.ada)


def browser_of(user):
    client = Client()
    client.force_login(user)
    return client


def choose(review, side, **more):
    draft = reviews.Draft(review.version, {"better": side, **more.pop("answers", {})}, **more)
    return reviews.submit(review, draft)


def prefers(review, which):
    """Submit for the first or the second response, wherever it stands."""
    return choose(review, {"first": "ab", "second": "ba"}[which][review.is_swapped])


def one_of(item):
    """The first response of a pair."""
    return Rollout.objects.get(run_id=item.run_id, id=item.rollout_id)


def page_of(item):
    return reverse("traces:rollout_detail", args=[item.run_id, item.rollout_id])


def test_pairs_are_at_shared_positions_drawn_by_the_seed_and_equal_ones_are_left_out(sources, team):
    one, same, other = make(sources, team), make(sources, team), make(sources, team, seed=4)
    drawn = [list(queue.items.values_list("document", flat=True)) for queue in (one, same, other)]
    assert drawn[0] == drawn[1] != drawn[2]
    whole = make(sources, team, sample=None)
    assert (whole.items.count(), whole.source["found"], whole.source["equal"]) == (PLACES - 1, PLACES, 1)
    item = whole.items.first()
    assert (item.run.name, item.other_run.name) == NAMES
    assert item.rollout_id == item.other_rollout_id


def test_sides_are_at_random_for_each_item_and_reviewer_and_stay(sources, team):
    made = [make(sources, team, sample=None) for _ in range(4)]  # all sides alike in so many would be no accident
    swapped = {
        user: [r.is_swapped for r in user.reviews.filter(item__queue__in=made).order_by("id")]
        for user in (team.ada, team.bob)
    }
    assert all(0 < sum(found) < len(found) for found in swapped.values())
    assert swapped[team.ada] != swapped[team.bob]
    review = Review.objects.filter(item__queue=made[0]).first()
    assert review.is_swapped == sides.is_swapped(review.item, review.reviewer_id)


def test_sides_cannot_be_worked_out_from_what_a_reviewer_knows(sources, team):
    """The queue's number, the seed, an item's number and one's own are known, or easily guessed."""
    queue = make(sources, team, sample=None)
    items = list(queue.items.select_related("queue"))
    queues = [ReviewQueue(pk=queue.pk, kind="pair", source={"seed": 3, "sides": secret}) for secret in range(40)]
    by_queue = {
        tuple(sides.is_swapped(ReviewItem(queue=other, number=item.number, kind="pair"), 1) for item in items)
        for other in queues
    }
    assert len(by_queue) > 20
    assert len(queue.source["sides"]) == 32
    assert queue.source["sides"] != make(sources, team, sample=None).source["sides"]
    shown = client_of(team.bob).get(f"{ROOT}/queues/{queue.pk}").content.decode()
    shown += flat(browser_of(team.bob).get(reverse("review:queue_detail", args=[queue.pk])))
    assert queue.source["sides"] not in shown


def test_what_cannot_be_compared_is_refused_in_words(sources, team):
    with pytest.raises(UserError, match="the same run at the same step"):
        make([sources[0], sources[0]], team)
    with pytest.raises(UserError, match="share no position"):
        make([sources[0], Source(sources[1].run, 4, "greedy")], team)


@pytest.mark.parametrize(
    "text",
    [
        "questions:\n- {name: better, kind: several, labels: [a, b, tie, both_bad]}",
        "questions:\n- {name: better, kind: one, labels: [a, b]}",
        "questions:\n- {name: better, kind: one, required: false, labels: [a, b, tie, both_bad]}",
        "questions:\n- {name: other, kind: scale}",
    ],
)
def test_a_label_set_that_does_not_ask_which_one_is_better_is_refused(sources, team, text):
    own = pairs.label_set_of(sources[0].run.experiment.team, team.ada).label_set
    label_sets.save(own, text, team.ada)
    with pytest.raises(UserError, match=r"no question `better`.*Save a version"):
        make(sources, team)


def test_a_label_set_may_ask_for_reasons_in_another_way(sources, team):
    own = pairs.label_set_of(sources[0].run.experiment.team, team.ada).label_set
    better = "- {name: better, kind: one, labels: [a, b, tie, both_bad]}"
    label_sets.save(own, f"questions:\n{better}\n- {{name: reasons, kind: scale}}", team.ada)
    queue = make(sources, team, sample=1, reviewers=[team.ada], reviewers_per_item=1)
    choose(Review.objects.get(item__queue=queue), "a", answers={"reasons": 3})
    page = browser_of(team.ada).get(reverse("review:pairs_result", args=[queue.pk]))
    assert page.status_code == 200


def test_nothing_tells_the_sides_apart_before_all_are_done(sources, team):
    queue = make(sources, team, sample=2)
    client, caller = browser_of(team.bob), client_of(team.bob)
    own = list(Review.objects.filter(item__queue=queue, reviewer=team.bob).select_related("item"))
    secret = re.compile("|".join([*NAMES, "reward", "/runs/", "rollout", r"step 5", '"run":[1-9]']), re.IGNORECASE)
    for done in range(2):
        page = flat(client.get(reverse("review:item_detail", args=[own[done].item_id])))
        shown = page.partition('<main class="page-main"')[2].partition("</main>")[0]
        assert all(thought in shown for thought in THOUGHTS.values())
        assert not secret.search(shown), secret.search(shown)
        left = shown.index(THOUGHTS[own[done].is_swapped])
        assert left < shown.index(THOUGHTS[not own[done].is_swapped])
        answer = caller.get(f"{ROOT}/items/{own[done].item_id}").json()
        named = ("run", "rollout", "other_run", "other_rollout", "step", "reward", "response")
        assert [answer[name] for name in named] == [None] * 7
        assert THOUGHTS[own[done].is_swapped] in answer["sides"]["a"]["response"]
        for path in (f"queues/{queue.pk}/items", f"queues/{queue.pk}/labels", f"queues/{queue.pk}", "queues"):
            text = caller.get(f"{ROOT}/{path}").content.decode()
            assert not re.search("|".join([*NAMES, r'"(other_)?(run|rollout)": ?[1-9]']), text), path
        result = flat(client.get(reverse("review:pairs_result", args=[queue.pk])))
        assert "You still have pairs to review." in result
        told = flat(client.get(reverse("review:queue_detail", args=[queue.pk])))
        assert not re.search("|".join(NAMES), result + told)
        assert access.is_blind_on(team.bob, one_of(own[done].item))
        assert "You have yet to review this response" in flat(client.get(page_of(own[done].item)))
        prefers(own[done], "second")
        assert not access.seen_reviews(team.bob, queue).exists() or done == 1
    page = flat(client.get(reverse("review:item_detail", args=[own[0].item_id])))
    assert all(name in page for name in NAMES)
    assert caller.get(f"{ROOT}/items/{own[0].item_id}").json()["other_run"] == queue.source["second"]["run"]


def test_a_choice_is_kept_as_what_it_says_of_the_responses_and_shown_as_it_was_made(sources, team):
    queue = make(sources, team, sample=None)
    review = Review.objects.filter(item__queue=queue, is_swapped=True).first()
    client = browser_of(review.reviewer)
    body = {"version": 0, "answers": {"better": "a", "reasons": ["clearer"]}, "note": "", "flagged": False}
    path = reverse("review:item_draft", args=[review.item_id])
    assert client.post(path, json.dumps(body), "application/json").status_code == 200
    review.refresh_from_db()
    assert review.answers == {"better": "b", "reasons": ["clearer"]}
    shown = flat(client.get(reverse("review:item_detail", args=[review.item_id])))
    assert re.search(r'value="a"\s+data-label-key="a"\s+checked', shown)
    answered = client_of(review.reviewer).get(f"{ROOT}/items/{review.item_id}").json()
    assert answered["review"]["answers"]["better"] == "a"


def test_the_result_counts_positions_and_looks_at_the_order(sources, team):
    queue = make(sources, team, sample=None)
    for review in Review.objects.filter(item__queue=queue).select_related("item__queue__version"):
        number = review.item.number
        prefers(review, "first" if number == 1 else "second") if number != 2 else choose(review, "tie")
    found = pairs.result_of(list(access.seen_reviews(team.ada, queue)))
    assert (found.first, found.second, found.tie, found.first_items, found.second_items) == (2, 18, 2, 1, 9)
    assert found.p == pytest.approx(2 * (1 + 10) / 2**10)
    text = flat(browser_of(team.ada).get(reverse("review:pairs_result", args=[queue.pk])))
    assert "“other-to-hide, step 5” is preferred at 9 of 10 positions: more than chance explains." in text
    assert "p = 0.021" in text
    assert "90.0 %" in text
    decided = Review.objects.filter(item__queue=queue).exclude(answers__better="tie")
    lefts = sum((review.answers["better"] == "b") == review.is_swapped for review in decided)
    assert f"{lefts} of 20" in text
    assert browser_of(team.eve).get(reverse("review:pairs_result", args=[queue.pk])).status_code == 200


def test_a_blind_comparison_is_made_on_a_page(sources, team, compared):
    client = browser_of(team.ada)
    place = reverse("review:pairs_new")
    query = f"?run_a={compared[0].pk}&run_b={compared[1].pk}&kind=greedy"
    assert f"{PLACES} shared positions" in flat(client.get(place + query))
    form = {"name": "Blind", "sample": 3, "seed": 1, "reviewers_per_item": 1, "overlap_percent": 100}
    answer = client.post(place + query, form)
    queue = ReviewQueue.objects.get(name="Blind")
    assert answer["Location"] == reverse("review:queue_detail", args=[queue.pk])
    assert (queue.kind, queue.items.count(), queue.is_open_to_all) == ("pair", 3, True)
    refused = client.post(f"{place}?run_a={compared[0].pk}&run_b={compared[0].pk}&kind=greedy", form)
    assert refused.status_code == 422
    assert "the same run at the same step" in flat(refused)
    review = reviews.take_next(queue, team.bob)
    assert review.is_swapped == sides.is_swapped(review.item, team.bob.pk)
    assert browser_of(team.eve).get(place).status_code == 403


def test_a_blind_comparison_is_made_and_read_by_the_api(sources, team, compared):
    caller = client_of(team.ada)
    body = {"first": {"run": compared[0].pk, "step": 5}, "second": {"run": compared[1].pk, "step": 5}, "name": "By API"}
    made = caller.post(f"{ROOT}/pairs", {**body, "sample": 2, "reviewers": ["ada"]}, "application/json")
    assert (made.status_code, made.json()["kind"], made.json()["items"]) == (201, "pair", 2)
    path = f"{ROOT}/queues/{made.json()['id']}"
    assert caller.get(f"{path}/result").status_code == 409
    for _ in range(2):
        item = caller.post(f"{path}/next").json()
        review = {"version": 0, "answers": {"better": "tie"}, "submit": True}
        assert caller.post(f"{ROOT}/items/{item['id']}/review", review, "application/json").status_code == 200
    found = caller.get(f"{path}/result").json()
    assert (found["tie"], found["share"], found["bias"]["decided"]) == (2, None, 0)
    assert found["words"] == "Nobody has preferred one of the two yet."
    assert [source["run"] for source in found["sources"]] == [run.pk for run in compared]
    label = caller.get(f"{path}/labels").json()["items"][0]
    assert (label["run"], label["other_run"]) == (compared[0].pk, compared[1].pk)
