"""Comments by the API."""

from __future__ import annotations

import pytest

from rpt_web.comments import services
from rpt_web.comments.models import Comment
from rpt_web.comments.subjects import Subject
from rpt_web.comments.texts import response_text
from rpt_web.teams.models import Role
from rpt_web.traces.models import CorpusPosition, ResponseGroup
from tests.factories import make_user
from tests.rpt_web.api_client import ROOT, client_of

pytestmark = pytest.mark.django_db


def post(caller, path, **body):
    return caller.post(f"{ROOT}/{path}", body, content_type="application/json")


def test_a_thread_on_a_passage_is_written_answered_listed_and_settled(caller, response):
    run, key = response
    text = response_text(run, key)
    start = text.index("alert")
    made = post(caller, "comments", run=run.pk, rollout=key, text="@nobody look", start=start, end=start + 5)
    assert made.status_code == 201
    one = made.json()
    assert (one["quote"], one["not_told"], one["author"], one["rollout_id"]) == ("alert", ["nobody"], "ada", key)
    answer = post(caller, f"comments/{one['id']}/replies", text="I see").json()
    assert (answer["thread_id"], answer["run_id"]) == (one["id"], run.pk)
    listed = caller.get(f"{ROOT}/comments?run={run.pk}&limit=1").json()
    assert ([found["id"] for found in listed["items"]], listed["next"]) == ([one["id"]], one["id"])
    assert post(caller, f"comments/{answer['id']}/resolve").json()["resolved_by"] == "ada"
    assert caller.get(f"{ROOT}/comments?state=open").json()["items"] == []
    assert post(caller, f"comments/{one['id']}/reopen").json()["resolved_at"] is None
    assert post(caller, f"comments/{one['id']}", text="look").json()["text"] == "look"
    assert caller.delete(f"{ROOT}/comments/{one['id']}").status_code == 204
    assert caller.get(f"{ROOT}/comments/{one['id']}").json()["text"] == ""


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "Name what the comment is about"),
        ({"run": 1, "position": 1}, "Name what the comment is about"),
        ({"experiment": 10**9}, "There is no experiment"),
        ({"run": 10**9, "rollout": 3}, "There is no run"),
    ],
)
def test_what_it_is_about_must_be_one_thing_that_there_is(caller, body, words):
    answer = post(caller, "comments", text="x", **body)
    assert answer.status_code == 422
    assert words in answer.content.decode()


def test_comments_on_a_position_are_those_of_one_team(caller, response, ada, people):
    run, _ = response
    position = CorpusPosition.objects.create(text_hash=b"x" * 16, byte_offset=3)
    ResponseGroup.objects.filter(run_id=run.pk).update(position=position)
    made = post(caller, "comments", position=position.pk, text="@oda a hard one")
    assert (made.status_code, made.json()["not_told"]) == (201, ["oda"])
    other = client_of(people["oda"])
    assert other.get(f"{ROOT}/comments").json()["items"] == []
    assert post(other, "comments", position=position.pk, text="x").status_code == 422
    viewer = client_of(make_user("eve", Role.VIEWER))
    assert [found["position_id"] for found in viewer.get(f"{ROOT}/comments").json()["items"]] == [position.pk]
    assert Comment.objects.get().team_id == run.experiment.team_id


def test_a_passage_needs_a_response(caller, run, ada):
    services.write(Subject(run.experiment, run), "x", ada)
    answer = post(caller, "comments", run=run.pk, text="x", quote="y")
    assert "Only a response has passages." in answer.content.decode()
