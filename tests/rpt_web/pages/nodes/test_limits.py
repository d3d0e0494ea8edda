"""The page of limits: who sets which, and what the queue says of a run that one keeps waiting."""

from __future__ import annotations

import pytest
from django.utils import timezone

from rpt_core.config import RptConfig
from rpt_web.runs import limits, nodes, services
from rpt_web.runs.models import Node, Priority, Run, RunLimit
from rpt_web.teams.membership import first_team
from rpt_web.teams.models import Role, User
from tests.factories import make_user
from tests.rpt_web.api_client import CONFIG, ROOT, client_of
from tests.rpt_web.markup import flat

pytestmark = pytest.mark.django_db
PAGE = "/nodes/limits"
FIGURES = ("memory_bytes", "used_bytes", "load")


@pytest.fixture
def administrator(client, db):
    client.force_login(make_user("head", Role.ADMINISTRATOR))
    return client


def test_an_administrator_sets_the_teams_limits_and_a_server_administrator_all(administrator, client):
    team = first_team()
    posted = {"of": team.pk, "each_person": "1", "queue": "gpu", "most": "2"}
    assert administrator.post(PAGE, posted).status_code == 302
    assert "At most 2 runs of each person at once in the queue gpu" in flat(administrator.get(PAGE))
    assert administrator.post(PAGE, posted | {"of": "server"}).status_code == 403
    wrong = administrator.post(PAGE, posted | {"most": "0"})
    assert (wrong.status_code, "Give 1 to 100,000 runs" in flat(wrong)) == (422, True)
    assert administrator.post(PAGE, posted | {"most": ""}).status_code == 302
    assert not RunLimit.objects.exists()
    client.force_login(User.objects.create_superuser("root"))
    assert client.post(PAGE, {"of": "server", "most": "3"}).status_code == 302
    assert RunLimit.objects.get().team is None
    client.force_login(make_user("grace"))
    assert "Set a limit" not in flat(client.get(PAGE)), "a member reads them"
    assert "At most 3 runs at once" in flat(client.get(PAGE))
    assert client.post(PAGE, posted).status_code == 403


def test_the_queue_says_what_a_run_waits_for(page, experiment, ada):
    Node.objects.all().delete()
    runs = [services.submit(experiment, name, RptConfig.model_validate(CONFIG), ada) for name in "abc"]
    one = [{"index": 0, "name": "H100", "memory_bytes": None, "used_bytes": None, "load": None}]
    nodes.register("big", ["default"], gpus=one)
    Run.objects.filter(pk=runs[2].pk).update(gpus=2)
    services.claim_next(runs[0].pk, "big:1")
    text = page("/runs/?status=queued")
    assert "waits: it asks for 1 GPU, and none is free on a node" in text
    assert "waits: it asks for 2 GPUs, and the largest node of its queue has 1" in text
    assert "GPU 0" in page(f"/runs/{runs[0].pk}/")
    limits.set_limit(None, "", True, 1)
    assert "Queued, and waits: ada already has 1 running, the limit." in page(f"/runs/{runs[1].pk}/")
    RunLimit.objects.all().delete()
    Node.objects.update(drained_at=timezone.now())
    assert "waits: big is drained and takes no runs" in page("/runs/?status=queued")


def test_priorities_are_given_in_the_queue_and_by_the_api(client, ada, page, experiment, caller):
    first, second = (services.submit(experiment, name, RptConfig.model_validate(CONFIG), ada) for name in "ab")
    client.force_login(ada)
    assert ">High<" not in page("/runs/?status=queued")
    client.post(f"/runs/{first.pk}/priority", {"priority": "0"})
    text = page("/runs/?status=queued")
    assert "low priority" in text
    assert text.index(f"/runs/{second.pk}/") < text.index(f"/runs/{first.pk}/")
    refused = client.post(f"/runs/{first.pk}/priority", {"priority": "2"}, follow=True)
    assert "Only administrators of the team give a run a high priority" in flat(refused)
    assert "A priority is low, normal or high" in flat(client.post(f"/runs/{first.pk}/priority", follow=True))
    answer = caller.post(f"{ROOT}/runs/{first.pk}/priority", {"priority": "normal"}, "application/json")
    assert (answer.json()["priority"], answer.json()["gpus"]) == ("normal", 1)
    assert Run.objects.get(pk=first.pk).priority == Priority.NORMAL
    client.force_login(make_user("head", Role.ADMINISTRATOR))
    client.post(f"/runs/{first.pk}/priority", {"priority": "2"})
    assert Run.objects.get(pk=first.pk).priority == Priority.HIGH


def test_a_server_administrator_drains_a_node_and_the_page_shows_what_its_gpus_do(client, page, experiment, ada):
    two = [
        {"index": 0, "name": "H100", "memory_bytes": 80e9, "used_bytes": 41e9, "load": 0.73},
        {"index": 1, "name": "H100", "memory_bytes": None, "used_bytes": None, "load": None},
    ]
    nodes.register("big", ["default"], [], gpus=two)
    run = services.submit(experiment, "a", RptConfig.model_validate(CONFIG), ada)
    services.claim_next(run.pk, "big:1")
    text = page("/nodes/")
    assert "41.0 GB of 80.0 GB" in text
    assert "73 %" in text
    assert f'<a href="/runs/{run.pk}/">First: a</a>' in text
    assert "not reported" in text
    assert "Drain" not in text
    key = Node.objects.get(name="big").pk
    client.force_login(User.objects.create_superuser("root"))
    assert client.post(f"/nodes/{key}/drain").status_code == 302
    assert "Drained" in flat(client.get("/nodes/"))
    assert "is drained already" in flat(client.post(f"/nodes/{key}/drain", follow=True))
    client.post(f"/nodes/{key}/undrain")
    assert not nodes.is_drained("big")
    assert client.post("/nodes/0/drain").status_code == 404


def test_the_api_lists_and_changes_nodes_and_limits(caller, ada):
    nodes.register("big", ["default"], [], gpus=[{"index": 0, "name": "H100"} | dict.fromkeys(FIGURES)])
    root = client_of(User.objects.create_superuser("root"))
    (found,) = (node for node in caller.get(f"{ROOT}/nodes").json() if node["name"] == "big")
    assert found["gpus"] == [{"index": 0, "name": "H100"} | dict.fromkeys(FIGURES)]
    place = f"{ROOT}/nodes/{found['id']}"
    assert caller.post(f"{place}/drain").status_code == 403
    assert root.post(f"{place}/drain").json()["drained_at"]
    assert root.post(f"{place}/drain").status_code == 409
    assert root.post(f"{place}/undrain").json()["drained_at"] is None
    limit = {"team": None, "queue": "gpu", "each_person": True, "most": 2}
    assert root.post(f"{ROOT}/limits", limit, "application/json").status_code == 200
    kept = [{"team_id": None, "queue": "gpu", "each_person": True, "most": 2}]
    assert caller.get(f"{ROOT}/limits").json() == kept
    wrong = root.post(f"{ROOT}/limits", limit | {"most": 0}, "application/json")
    assert (wrong.status_code, list(wrong.json()["errors"])) == (422, ["most"])
    assert root.post(f"{ROOT}/limits", limit | {"most": None}, "application/json").json() == []
