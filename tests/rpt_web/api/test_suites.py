"""The API's suites: presets and plans of one's own, submitted whole, watched, resubmitted."""

from __future__ import annotations

import pytest

from rpt_core.plans.preset import PlannedRun, Requirements, load_preset
from rpt_web.runs import services
from rpt_web.runs.models import Run
from tests.rpt_web.api_client import ROOT

pytestmark = pytest.mark.django_db


def test_presets_are_listed_with_their_runs(caller):
    listed = caller.get(f"{ROOT}/presets").json()
    assert {"name", "description", "hardware", "time", "requires", "missing", "seeds", "runs"} == set(listed[0])
    assert all(run["stage"] for preset in listed for run in preset["runs"])
    by_name = {preset["name"]: preset for preset in listed}
    assert by_name["smoke"]["missing"] == []
    assert by_name["tiny-paper"]["seeds"] == [0, 1, 2]


def test_a_preset_says_what_it_lacks_here(caller, monkeypatch):
    reader = PlannedRun(name="a", stage="ntp", title="A", config={"corpus": {"paths": ["/no/such/file"]}})
    needy = load_preset("smoke").model_copy(
        update={"requires": Requirements(paths=("/no/such/file", "/no/other")), "runs": (reader,)}
    )
    monkeypatch.setattr("rpt_web.api.operations.load_preset", lambda name: needy)
    listed = caller.get(f"{ROOT}/presets").json()
    assert listed[0]["missing"] == ["It needs /no/such/file, which does not exist. Put it there."]
    assert listed[0]["requires"]["paths"] == ["/no/such/file", "/no/other"]


def post(caller, path, body):
    return caller.post(f"{ROOT}/{path}", body, content_type="application/json")


def planned(name, model=None):
    start = {"scratch": {}} if model is None else {"model": {"path": model}}
    corpus = {"source": "tiny", "tiny_documents": 50}
    config = {"corpus": corpus, "budget": {"steps": 20}, "seed": "@seed", **start}
    return {"name": name, "stage": "ntp", "title": name, "config": config}


def test_a_preset_is_submitted_as_a_suite_and_its_runs_can_be_watched(caller, experiment):
    answer = post(caller, f"experiments/{experiment.pk}/suite", {"preset": "smoke", "seeds": [3, 4]})
    assert answer.status_code == 201
    runs = answer.json()
    assert len(runs) == 28
    assert [(run["name"], run["status"], run["seed"]) for run in runs[:2]] == [
        ("s3-base", "queued", 3),
        ("s3-filter", "waiting", 3),
    ]
    assert runs[1]["needs"] == ["s3-base"]
    shown = caller.get(f"{ROOT}/experiments/{experiment.pk}").json()
    assert shown["is_in_progress"]
    assert shown["name"] == "First"
    assert [run["name"] for run in shown["runs"]] == [run["name"] for run in runs]
    waiting = caller.get(f"{ROOT}/runs/{runs[1]['id']}").json()
    assert (waiting["config"], waiting["plan"]["proxy"]) == ({}, {"path": "@s3-base/checkpoint"})
    assert len(caller.get(f"{ROOT}/runs?status=waiting").json()["items"]) == 26


def test_a_suite_of_ones_own_runs_is_taken_and_resubmitted(caller, experiment):
    body = {"runs": [planned("a"), planned("b", "@a/checkpoint")]}
    assert post(caller, f"experiments/{experiment.pk}/suite", body).status_code == 201
    first, second = experiment.runs.order_by("id")
    assert caller.post(f"{ROOT}/experiments/{experiment.pk}/resubmit").status_code == 409
    assert caller.post(f"{ROOT}/runs/{first.pk}/cancel").json()["status"] == "cancelled"
    shown = caller.get(f"{ROOT}/experiments/{experiment.pk}").json()
    assert (shown["is_in_progress"], shown["runs"][1]["blocked_by"]) == (False, ["a"])
    assert caller.get(f"{ROOT}/runs/{second.pk}").json()["blocked_by"] == ["a"]
    back = caller.post(f"{ROOT}/experiments/{experiment.pk}/resubmit")
    assert (back.status_code, [run["status"] for run in back.json()]) == (202, ["queued"])


def test_a_suite_is_cancelled_whole(caller, experiment):
    post(caller, f"experiments/{experiment.pk}/suite", {"preset": "smoke"})
    running = services.claim(experiment.runs.get(name="base").pk, "w")
    answer = caller.post(f"{ROOT}/experiments/{experiment.pk}/cancel")
    assert answer.status_code == 202
    assert [run["status"] for run in answer.json()] == ["running", *["cancelled"] * 13]
    assert all(run["cancel_requested_at"] for run in answer.json())
    assert services.finish(running, running.attempt, "cancelled")
    again = caller.post(f"{ROOT}/experiments/{experiment.pk}/cancel")
    assert (again.status_code, "nothing to cancel" in again.json()["detail"]) == (409, True)


def test_the_preset_of_the_experiment_is_taken_when_none_is_named(caller, ada):
    experiment = services.create_experiment("x", ada, preset="smoke", seed=8)
    runs = post(caller, f"experiments/{experiment.pk}/suite", {}).json()
    assert (len(runs), {run["seed"] for run in runs}) == (14, {8})


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "There is no preset ''. The presets are: "),
        ({"preset": "smoke", "runs": [planned("a")]}, "Give either `preset` or `runs`, not both."),
        ({"runs": [planned("a"), planned("b", "@c/checkpoint")]}, "'b' refers to 'c', which is not a run before it"),
        ({"runs": []}, "These runs do not make a plan. "),
        ({"runs": [planned("a") | {"stage": "rpt", "config": {"steps": 0}}]}, "steps: Give a number above 0."),
        ({"preset": "smoke", "seeds": [1, 1]}, "Give at least one, each once"),
    ],
)
def test_a_suite_that_cannot_be_is_refused_whole(caller, experiment, body, words):
    answer = post(caller, f"experiments/{experiment.pk}/suite", body)
    assert answer.status_code == 422
    assert words in " ".join(answer.json()["errors"].values())
    assert not Run.objects.exists()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"preset": "smoke", "seeds": []}, "seeds"),
        ({"preset": "smoke", "seeds": [1, 1]}, "seeds"),
        ({"preset": "smoke", "seeds": [2**31]}, "seeds.0"),
        ({"runs": [{"name": "a"}]}, "runs.0.stage"),
        ({"runs": [planned("a") | {"stage": "dream"}]}, "runs.0.stage"),
    ],
)
def test_a_field_of_a_suite_that_does_not_fit_is_named(caller, experiment, body, field):
    answer = post(caller, f"experiments/{experiment.pk}/suite", body)
    assert answer.status_code == 422
    assert field in answer.json()["errors"]
