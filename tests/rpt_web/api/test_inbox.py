"""The inbox and changes of several runs at once, by the API."""

from __future__ import annotations

import pytest

from rpt_core.config import NtpConfig
from rpt_web.notices import services as notices
from rpt_web.notices.models import NoticeKind
from rpt_web.runs import services
from rpt_web.runs.models import Run, Status
from rpt_web.teams.models import Scope
from tests.factories import make_user
from tests.rpt_web.api_client import ROOT, RUNNABLE, client_of

pytestmark = pytest.mark.django_db


def post(caller, path, **body):
    answer = caller.post(f"{ROOT}/{path}", body, content_type="application/json")
    return answer.status_code, answer.json()


def test_the_inbox_is_read_and_marked_by_its_owner_alone(caller, ada, run):
    other = make_user("bob")
    lines = [notices.tell([ada.pk], NoticeKind.FAILED, f"It failed {n}.", run_id=run.pk)[0] for n in range(3)]
    notices.tell([other.pk], NoticeKind.FAILED, "Not ada's.", run_id=run.pk)
    page = caller.get(f"{ROOT}/inbox?limit=2").json()
    assert [(line["text"], line["run"]) for line in page["items"]] == [
        ("It failed 2.", run.pk),
        ("It failed 1.", run.pk),
    ]
    assert [line["text"] for line in caller.get(f"{ROOT}/inbox?after={page['next']}").json()["items"]] == [
        "It failed 0."
    ]
    assert post(client_of(ada, scope=Scope.READ), "inbox/read", newest=lines[1].pk)[0] == 403
    assert post(caller, "inbox/read", newest=lines[1].pk) == (200, {"marked": 2})
    assert [line["text"] for line in caller.get(f"{ROOT}/inbox?unread=1").json()["items"]] == ["It failed 2."]
    assert len(client_of(other).get(f"{ROOT}/inbox?unread=1").json()["items"]) == 1


def test_several_runs_are_changed_and_each_other_one_says_why_not(caller, ada, experiment):
    config = NtpConfig.model_validate(RUNNABLE)
    mine = [services.submit(experiment, name, config, ada) for name in ("a", "b")]
    theirs = services.submit(experiment, "c", config, make_user("bob"))
    keys = [*(run.pk for run in mine), theirs.pk, 999_999, 0]
    status, told = post(caller, "runs/several", do="cancel", runs=keys)
    assert status == 200
    assert (told["done"], told["job"]) == ([run.pk for run in mine], None)
    assert {line["run"]: line["why"].split()[0] for line in told["left"]} == {
        theirs.pk: "somebody",
        999_999: "there",
        0: "there",
    }
    assert Run.objects.get(pk=theirs.pk).status == Status.QUEUED
    told = post(caller, "runs/several", do="cancel", runs=keys[:1])[1]
    assert "has ended" in told["left"][0]["why"]
    told = post(caller, "runs/several", do="delete", runs=keys[:3])[1]
    assert told["done"] == keys[:2]
    assert caller.get(f"{ROOT}/jobs/{told['job']}").status_code == 200
    assert post(caller, "runs/several", do="burn", runs=keys)[0] == 422
    assert post(caller, "runs/several", do="cancel", runs=[])[0] == 422
