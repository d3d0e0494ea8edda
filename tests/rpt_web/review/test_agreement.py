"""Agreement, decisions, labels out and in, and what the API keeps back."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest
from django.test import Client
from django.urls import reverse

from rpt_core.errors import UserError
from rpt_web import access
from rpt_web.comments import services as comments
from rpt_web.comments.subjects import Subject
from rpt_web.review import agreement, exports, imports, reviews
from rpt_web.review.models import AgreementFigures, Decision, Review
from rpt_web.review.reviews import Draft
from tests.rpt_web.api_client import ROOT, client_of
from tests.rpt_web.markup import flat
from tests.rpt_web.review_rows import make_queue

SAID = {
    "ada": ["sound", "sound", "loops", "hack"],
    "bob": ["sound", "lucky_guess", "loops", "sound"],
}


@pytest.fixture
def reviewed(team):
    """Four items for two people, who disagree about the second and the fourth."""
    queue = make_queue(
        team.run, team.ada, sample=4, reviewers=[team.ada, team.bob], reviewers_per_item=2, name="Four of them"
    )
    for name, labels in SAID.items():
        for label in labels:
            review = reviews.take_next(queue, getattr(team, name))
            reviews.submit(review, Draft(0, {"thought": label}, note=f"={name.upper()}-SAID", seconds=2))
    return SimpleNamespace(queue=queue, items=list(queue.items.order_by("number")), **vars(team))


def logged_in(user):
    client = Client()
    client.force_login(user)
    return client


def address(name, *arguments):
    return reverse(f"review:{name}", args=arguments)


def test_the_tables_of_agreement_leave_as_files(reviewed):
    page = flat(logged_in(reviewed.ada).get(address("queue_agreement", reviewed.queue.pk)))
    for which in ("labels", "confusion", "reviewers"):
        ref = f"queue/{reviewed.queue.pk}/agreement/thought/{which}"
        assert reverse("exhibits:exhibit_file", args=[ref, "csv"]) in page
    place = reverse("exhibits:exhibit_file", args=[f"queue/{reviewed.queue.pk}/agreement/thought/reviewers", "csv"])
    lines = logged_in(reviewed.ada).get(place).content.decode().splitlines()
    assert lines[0] == "first,second,items,same,kappa"
    assert lines[1].startswith("ada,bob,4,0.5,")
    assert logged_in(reviewed.ada).get(place.replace("reviewers/as", "nothing/as")).status_code == 404


def test_numbers_of_agreement_are_those_that_one_counts_by_hand(reviewed):
    rows = agreement.submitted_of(access.seen_reviews(reviewed.ada, reviewed.queue))
    questions = reviews.questions_of(reviewed.queue)
    found = agreement.of_question(questions[0], rows)
    assert (found.items, found.pairs, found.agreed, found.share) == (4, 4, 2, 0.5)
    labels = {label.title: label for label in found.labels}
    sound = labels["Sound"]
    assert (sound.given, sound.pairs, sound.agreed) == (4, 3, 1)
    assert (labels["Loops"].share_agreed, labels["Copied from context"].share_agreed) == (1.0, None)
    rewards = [item.reward for item in reviewed.items]
    assert sound.of_rewarded == 2 * sum(reward > 0 for reward in rewards)
    said = list(zip(SAID["ada"], SAID["bob"], rewards, strict=True))
    assert sound.rewarded == sum((a == "sound") + (b == "sound") for a, b, reward in said if reward > 0)
    confusion = {title: dict(zip(found.answers, counts, strict=True)) for title, counts in found.confusion}
    assert confusion["Sound"] == dict.fromkeys(found.answers, 0) | {"Sound": 1, "Lucky guess": 1, "Hack": 1}
    assert confusion["Hack"]["Sound"] == 1
    [pair] = found.people
    assert (pair.first, pair.second, pair.items, pair.agreed) == ("ada", "bob", 4, 2)
    assert agreement.disagreements(questions, rows) == [reviewed.items[1].pk, reviewed.items[3].pk]


def test_alpha_and_kappa_stand_on_the_page_and_are_computed_once(reviewed, monkeypatch):
    client, page = logged_in(reviewed.ada), address("queue_agreement", reviewed.queue.pk)
    text = flat(client.get(page))
    kept = AgreementFigures.objects.get(queue=reviewed.queue)
    thought = kept.figures["questions"]["thought"]
    alpha = thought["alpha"]
    # of 8 answers 4 are sound, 2 loops, 1 each lucky and hack; 4 of 8 coincidences differ, by chance 42 of 56
    assert alpha["value"] == pytest.approx(1 - (4 / 8) / (42 / 56))
    assert f"{alpha['value']:.2f}" in text
    [pair] = thought["pairs"].values()
    assert pair["value"] == pytest.approx((0.5 - 5 / 16) / (1 - 5 / 16))
    monkeypatch.setattr("rpt_web.review.figures._computed", None)
    assert f"{pair['value']:.2f}" in flat(client.get(page))
    assert AgreementFigures.objects.count() == 1


def test_disagreements_are_settled_one_after_the_other_and_reviews_stay(reviewed):
    client, page = logged_in(reviewed.ada), address("queue_agreement", reviewed.queue.pk)
    _, second, _, fourth = reviewed.items
    text = flat(client.get(page))
    assert "2 items, 2 of them to settle" in text
    assert "2 of 4 pairs of reviews" in text
    assert address("item_settle", second.pk) in text
    shown = flat(client.get(address("item_settle", second.pk)))
    assert "=BOB-SAID" in shown
    before = list(Review.objects.order_by("pk").values_list("answers", flat=True))
    refused = flat(client.post(address("item_settle", second.pk), {}))
    assert "needs an answer" in refused
    answer = client.post(address("item_settle", second.pk), {"q-thought": "lucky_guess", "note": "no ground"})
    assert answer["Location"] == address("item_settle", fourth.pk)
    answer = client.post(address("item_settle", fourth.pk), {"q-thought": "hack"})
    assert answer["Location"] == page
    assert list(Review.objects.order_by("pk").values_list("answers", flat=True)) == before
    assert Decision.objects.get(item=second).answers == {"thought": "lucky_guess"}
    assert "All are settled." in flat(client.get(page))
    assert "settled by ada" in flat(client.get(f"{page}?show=all"))


def test_who_is_blind_sees_no_agreement_of_an_item_and_settles_nothing(team):
    queue = make_queue(team.run, team.ada, sample=1, reviewers=[team.ada, team.bob], reviewers_per_item=2)
    review = reviews.take_next(queue, team.ada)
    reviews.submit(review, Draft(0, {"thought": "hack"}, note="ADA-SAID"))
    client, item = logged_in(team.bob), review.item
    text = flat(client.get(address("queue_agreement", queue.pk)))
    assert "Of 0 submitted reviews" in text
    assert "1 item that you have yet to review" in text
    assert client.get(address("item_settle", item.pk))["Location"] == address("item_detail", item.pk)
    for ending in exports.FORMATS:
        assert b"ADA-SAID" not in client.get(address("queue_export", queue.pk, ending)).content
    caller = client_of(team.bob)
    assert caller.get(f"{ROOT}/queues/{queue.pk}/labels").json()["items"] == []
    assert caller.post(f"{ROOT}/items/{item.pk}/decision", {"answers": {}}, "application/json").status_code == 409
    for path in (f"items/{item.pk}", f"queues/{queue.pk}/items"):
        text = caller.get(f"{ROOT}/{path}").content.decode()
        assert "ADA-SAID" not in text
        assert "named-to-hide" not in text
    one = caller.get(f"{ROOT}/items/{item.pk}").json()
    assert (one["run"], one["rollout"], one["reward"], one["continuation"]) == (None, None, None, None)
    assert one["response"]


def test_comments_on_a_response_and_its_labels_are_hidden_from_who_has_yet_to_review_it(team):
    queue = make_queue(team.run, team.ada, sample=1, reviewers=[team.ada, team.bob], reviewers_per_item=2)
    [item] = queue.items.all()
    for person in (team.ada, team.bob):
        comments.write(Subject(team.run.experiment, team.run, item.rollout_id), f"{person}'s.", person)
    comments.write(Subject(team.run.experiment, team.run), "On the run.", team.ada)

    def read(user):
        return [comment.body for comment in access.comments_for(user)]

    part = address("response_labels", team.run.pk, item.rollout_id)
    reviews.submit(reviews.take_next(queue, team.ada), Draft(0, {"thought": "sound"}))
    assert "Sound" not in flat(logged_in(team.bob).get(part))
    assert read(team.bob) == ["bob's.", "On the run."]
    reviews.submit(reviews.take_next(queue, team.bob), Draft(0, {"thought": "hack"}))
    assert read(team.bob) == ["ada's.", "bob's.", "On the run."]
    assert "Sound" in flat(logged_in(team.bob).get(part))


def test_labels_come_out_with_ids_that_join_to_the_rollouts(reviewed):
    client = logged_in(reviewed.ada)
    content = client.get(address("queue_export", reviewed.queue.pk, "jsonl")).content
    rows = [json.loads(line) for line in content.splitlines()]
    assert len(rows) == 8
    item = reviewed.items[0]
    place = {"run": item.run_id, "step": item.step, "kind": item.rollout_kind, "row": item.row}
    assert rows[0].items() >= {**place, "rollout": item.rollout_id, "reviewer": "ada", "item": 1}.items()
    table = pq.read_table(io.BytesIO(client.get(address("queue_export", reviewed.queue.pk, "parquet")).content))
    assert table["rollout"].to_pylist() == [row["rollout"] for row in rows]
    assert table["answer_thought"].to_pylist() == [row["answers"]["thought"] for row in rows]
    text = client.get(address("queue_export", reviewed.queue.pk, "csv")).content.decode()
    assert "'=ADA-SAID" in text, "no spreadsheet calculates it"
    assert client.get(address("queue_export", reviewed.queue.pk, "xlsx")).status_code == 404


def test_labels_come_in_all_or_none(team, reviewed):
    rows = list(exports.label_rows(reviewed.queue, access.seen_reviews(team.ada, reviewed.queue)))
    other = make_queue(team.run, team.ada, sample=4, name="The same again")
    lines = [json.dumps(row) for row in rows]
    wrong = [*lines, '{"item": 99, "answers": {}}', "no JSON", '{"item": 1, "answers": {"thought": "x"}}', lines[0]]
    with pytest.raises(UserError) as raised:
        imports.import_labels(other, "\n".join(wrong).encode(), team.ada)
    told = str(raised.value)
    assert told.startswith("Nothing was imported.\nLine 9: The queue has no such item.")
    assert "Line 10: This is no JSON." in told
    assert "Line 11: “What is this chain of thought?” does not have this answer." in told
    assert "Line 12: ada has submitted item 1 already." in told
    assert not Review.objects.filter(item__queue=other).exists()
    begun = reviews.take_next(other, team.bob)
    assert imports.import_labels(other, "\n".join(lines).encode(), team.ada) == 8
    assert Review.objects.get(pk=begun.pk).is_submitted, "a draft gives way to what comes in"
    assert set(other.items.values_list("submitted", flat=True)) == {2}
    client = logged_in(team.ada)
    third = make_queue(team.run, team.ada, sample=4, name="By the page")
    answer = client.post(address("queue_import", third.pk), {"text": "{}"})
    assert "Line 1: The queue has no such item." in flat(answer)


def test_a_queue_is_made_reviewed_and_read_by_the_api(team):
    caller = client_of(team.ada)

    def post(path, body, status=200):
        answer = caller.post(f"{ROOT}/{path}", body, "application/json")
        assert answer.status_code == status, answer.content
        return answer.json()

    body = {"run": team.run.pk, "filter": "kind=train&reward=0", "name": "By a program", "sample": 2, "seed": 5}
    assert "reviewers" in post("queues", body | {"reviewers": ["eve"]}, 422)["errors"]
    queue = post("queues", body | {"reviewers": ["ada"]}, 201)
    assert (queue["items"], queue["wanted"], queue["own_open"]) == (2, 2, 2)
    item = post(f"queues/{queue['id']}/next", {})
    draft = {"version": item["review"]["version"], "answers": {"thought": "loops"}, "submit": True}
    assert post(f"items/{item['id']}/review", draft)["submitted"]
    assert post(f"items/{item['id']}/review", draft)["version"] == 1, "sent twice"
    assert "submitted this item already" in post(f"items/{item['id']}/review", draft | {"note": "x"}, 409)["detail"]
    assert caller.get(f"{ROOT}/items/{item['id']}").json()["reward"] == 0
    [label] = caller.get(f"{ROOT}/queues/{queue['id']}/labels").json()["items"]
    assert (label["answers"], label["run"]) == ({"thought": "loops"}, team.run.pk)
    assert post(f"items/{item['id']}/decision", {"answers": {"thought": "hack"}})["answers"] == {"thought": "hack"}
    labels = [{"item": 2, "answers": {"thought": "sound"}}]
    assert post(f"queues/{queue['id']}/labels", {"labels": labels}, 201) == {"labels": 1}
    assert post(f"queues/{queue['id']}/close", {})["closed_at"]
    text = "questions: [{name: a, kind: text}]"
    version = post("label-sets", {"name": "Own", "text": text}, 201)
    refused = post(f"label-sets/{version['label_set_id']}/versions", {"text": text}, 422)
    assert "This is version 1 already" in refused["errors"]["text"]
