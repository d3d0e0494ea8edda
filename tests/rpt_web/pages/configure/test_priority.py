"""The priority that a run, a suite and a sweep get when they are submitted: by their forms and by the API."""

from __future__ import annotations

import pytest

from rpt_web.runs import services
from rpt_web.runs.models import Experiment, Priority, Run
from rpt_web.teams.models import Role
from tests.factories import make_user
from tests.rpt_web.api_client import ROOT, RUNNABLE, client_of
from tests.rpt_web.markup import flat
from tests.rpt_web.pages.configure.test_new_run import NEW, typed
from tests.rpt_web.pages.configure.test_suite import NEW as SUITE
from tests.rpt_web.pages.configure.test_sweep import TINY

pytestmark = pytest.mark.usefixtures("nothing_found")
SUITE_VALUES = {"name": "My suite", "seeds": "5"}
LOW, HIGH = str(Priority.LOW.value), str(Priority.HIGH.value)
REFUSED = "Only administrators of the team give a run a high priority"


def test_a_member_submits_with_a_low_priority_and_not_with_a_high_one(page, client, ada):
    experiment = services.create_experiment("Origin", ada, preset="tiny")
    address = f"{NEW}?preset=tiny&run=base&experiment={experiment.pk}"
    data = typed(page(address))
    assert data["priority"] == "1"
    assert '<option value="2"' not in page(f"{SUITE}?preset=tiny").partition('name="priority"')[2].partition("</sel")[0]
    sweep = TINY | {"sweep": "batch_documents: 4, 8", "sweep_submit": "1"}
    for more, path in (({}, address), (sweep, address), (SUITE_VALUES, f"{SUITE}?preset=tiny")):
        before = Run.objects.count()
        typed_values = more if path != address else data | more
        refused = client.post(path, typed_values | {"priority": HIGH})
        assert refused.status_code == 422
        assert REFUSED in flat(refused)
        assert Run.objects.count() == before
        assert client.post(path, typed_values | {"priority": LOW}).status_code == 302
    assert set(Run.objects.values_list("priority", flat=True)) == {Priority.LOW}
    assert "A priority is low, normal or high" in flat(client.post(address, data | {"priority": "9"}))


def test_an_administrator_and_a_program_of_theirs_give_a_high_one(client, ada):
    head = make_user("head", Role.ADMINISTRATOR)
    client.force_login(head)
    assert client.post(f"{SUITE}?preset=tiny", SUITE_VALUES | {"priority": HIGH}).status_code == 302
    experiment = Experiment.objects.get(name="My suite")
    assert set(experiment.runs.values_list("priority", flat=True)) == {Priority.HIGH}, "those that wait, too"
    run = {"experiment": experiment.pk, "name": "one", "config": {"stage": "ntp"} | RUNNABLE, "priority": "high"}
    answer = client_of(ada).post(f"{ROOT}/runs", run, "application/json")
    assert answer.status_code == 422
    assert REFUSED in answer.json()["errors"]["priority"]
    made = client_of(head).post(f"{ROOT}/runs", run, "application/json")
    assert made.json()["priority"] == "high"
    suite = {"preset": "smoke", "priority": "low", "seeds": [9]}
    runs = client_of(ada).post(f"{ROOT}/experiments/{experiment.pk}/suite", suite, "application/json").json()
    assert {found["priority"] for found in runs} == {"low"}
