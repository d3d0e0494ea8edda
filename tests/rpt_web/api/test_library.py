"""Models and wordings by the API: what the pages do, by the same services."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.utils import timezone

from rpt_web.corpora.models import RegisteredModel, WordingVersion
from rpt_web.runs.models import Checkpoint
from rpt_web.teams.membership import first_team
from rpt_web.teams.models import Team
from tests.rpt_web.api_client import ROOT

pytestmark = pytest.mark.django_db
TEXT = "{context} Think, then </think> and \\boxed{}."


def post(caller, path, /, **body):
    answer = caller.post(f"{ROOT}/{path}", body, content_type="application/json")
    return answer.status_code, answer.json()


def test_a_folder_is_registered_shown_and_checked_again(caller, tmp_path):
    status, made = post(caller, "models", path=str(tmp_path), name="Mine")
    assert status == 201
    told = [made[name] for name in ("name", "path", "source", "team_id", "is_fit")]
    assert told == ["Mine", str(tmp_path), "folder", first_team().pk, None]
    assert caller.get(f"{ROOT}/models").json() == {"items": [made], "next": None}
    assert caller.get(f"{ROOT}/models/{made['id']}").json() == made
    assert post(caller, f"models/{made['id']}/check")[0] == 409, "the first check waits"
    model = RegisteredModel.objects.get()
    fault = {"level": "error", "message": "It has no weights."}
    RegisteredModel.objects.update(checked_at=timezone.now(), loads=False, faults=[fault])
    model.job.state = "succeeded"
    model.job.save()
    shown = caller.get(f"{ROOT}/models/{made['id']}").json()
    assert (shown["is_fit"], shown["faults"]) == (False, [fault])
    status, job = post(caller, f"models/{made['id']}/check")
    assert (status, job["state"], job["kind"]) == (202, "queued", "check_model")


def test_a_checkpoint_is_registered_for_the_team_of_its_run(caller, run):
    Checkpoint.objects.create(run=run, attempt=1, step=7, path="c", bytes=1, created_at=timezone.now())
    status, made = post(caller, "models", run=run.pk, step=7)
    assert (status, made["source"], made["run_id"], made["step"]) == (201, "checkpoint", run.pk, 7)
    assert made["name"] == f"{run.name}, step 7"
    again = post(caller, "models", run=run.pk, step=7)
    assert (again[0], again[1]["errors"]) == (422, {"step": again[1]["detail"]})
    assert "registered already" in again[1]["detail"]
    assert "no checkpoint of step 8" in post(caller, "models", run=run.pk, step=8)[1]["errors"]["step"]
    assert list(post(caller, "models", run=run.pk + 1, step=7)[1]["errors"]) == ["run"]


@pytest.mark.parametrize(
    "body", [{}, {"path": " "}, {"run": 1}, {"step": 1}, {"path": "/a", "run": 1, "step": 1}, {"path": "/a", "step": 1}]
)
def test_a_model_has_one_place(caller, body):
    status, told = post(caller, "models", **body)
    assert status == 422
    assert "Give either `path`, or `run` and `step`." in str(told["errors"])


@pytest.mark.parametrize("path", ["/etc", "some/model", "/tmp/\x00", "x" * 3000])
def test_a_model_that_may_not_be_read_is_refused_at_its_path(caller, path, settings):
    settings.RPT_HUB_MODELS = ["*"] if path.startswith("x") else []
    status, told = post(caller, "models", path=path, name="one")
    assert (status, list(told["errors"])) == (422, ["path"])
    assert not RegisteredModel.objects.exists()


def test_a_wording_is_saved_in_versions(caller):
    status, first = post(caller, "wordings", kind="template", name="mine", text=TEXT)
    assert (status, first["number"], first["text"]) == (201, 1, TEXT)
    assert Path(first["path"]).read_text() == TEXT
    versions = f"wordings/{first['wording_id']}/versions"
    status, second = post(caller, versions, text=f"{TEXT}!")
    assert (status, second["number"]) == (201, 2)
    assert post(caller, versions, text=f"{TEXT}!")[1]["errors"] == {
        "text": "This is version 2 already. Change the text first."
    }
    assert list(post(caller, versions, text="no place")[1]["errors"]) == ["text"]
    assert post(caller, "wordings", kind="template", name="mine", text=TEXT)[0] == 422
    assert post(caller, "wordings", kind="patterns", name="a list", text=TEXT)[0] == 422
    assert caller.get(f"{ROOT}/{versions}").json() == {"items": [second, first], "next": None}
    page = caller.get(f"{ROOT}/{versions}?limit=1").json()
    assert (page["items"], page["next"]) == ([second], 2)
    assert caller.get(f"{ROOT}/{versions}?after=2").json()["items"] == [first]
    assert WordingVersion.objects.count() == 2


def test_wordings_are_listed_by_kind(caller):
    post(caller, "wordings", kind="template", name="mine", text=TEXT)
    (only,) = caller.get(f"{ROOT}/wordings?kind=template").json()["items"]
    assert (only["name"], only["kind"], only["team_id"]) == ("mine", "template", first_team().pk)
    assert caller.get(f"{ROOT}/wordings/{only['id']}").json() == only
    assert caller.get(f"{ROOT}/wordings?kind=patterns").json()["items"] == []
    assert caller.get(f"{ROOT}/wordings?kind=else").status_code == 422


def test_a_team_of_others_is_refused(caller):
    other = Team.objects.create(name="Other")
    for path, body in {"wordings": {"kind": "template", "name": "x", "text": TEXT}, "models": {"path": "/tmp"}}.items():
        status, told = post(caller, path, team=other.pk, **body)
        assert (status, list(told["errors"])) == (422, ["team"])
