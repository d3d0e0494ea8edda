"""A submit is looked at before: red blocks, amber asks, in pages and API alike."""

from __future__ import annotations

import html
import re
import threading

import pytest

from rpt_web.runs import findings, preflight, reach, services
from rpt_web.runs.models import Experiment, Run
from tests.factories import make_experiment
from tests.rpt_web.api_client import ROOT
from tests.rpt_web.markup import flat
from tests.rpt_web.pages.configure.test_new_run import NEW, typed
from tests.rpt_web.runs.checked import TINY

pytestmark = [pytest.mark.django_db, pytest.mark.slow]  # checks are processes
DOUBTFUL = TINY | {"optimiser": {"warmup_steps": 100}}
SUITES = "/experiments/new/"


def post(caller, path, body):
    return caller.post(f"{ROOT}/{path}", body, content_type="application/json")


def run_of(experiment, config, **more):
    return {"experiment": experiment.pk, "name": "a", "config": config} | more


def plan_of(*configs):
    return {
        "runs": [{"name": f"r{n}", "stage": "ntp", "title": "T", "config": config} for n, config in enumerate(configs)]
    }


def test_a_run_that_nothing_speaks_against_is_queued(caller, experiment):
    assert post(caller, "runs", run_of(experiment, TINY)).status_code == 201


@pytest.mark.parametrize("anyway", [False, True])
@pytest.mark.parametrize(
    ("config", "field", "words"),
    [
        (TINY | {"corpus": {"paths": [""]}}, "corpus.paths.0", "The path is empty."),
        (TINY | {"corpus": {"paths": ["nothing.jsonl"]}}, "corpus.paths", "nothing.jsonl does not exist."),
        (TINY | {"scratch": None, "model": {"path": "./nothing"}}, "model.path", "holds no config.json"),
        (
            TINY | {"scratch": None, "model": {"path": "@base/checkpoint"}},
            "model.path",
            "this run is not part of a plan",
        ),
        (TINY | {"scratch": None, "model": {"path": "x" * 300}}, "model.path", "is too long"),
    ],
)
def test_what_would_fail_is_refused_by_field(caller, experiment, config, field, words, anyway):
    answer = post(caller, "runs", run_of(experiment, config, anyway=anyway))
    assert answer.status_code == 422
    assert words in answer.json()["errors"][f"config.{field}"]
    assert {"level": "error", "field": field, "runs": []}.items() <= answer.json()["findings"][0].items()
    assert "was not submitted" in answer.json()["detail"]
    assert not Run.objects.exists()


def test_a_hub_out_of_reach_is_red(caller, experiment, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    answer = post(caller, "runs", run_of(experiment, TINY | {"scratch": None, "model": {"path": "org/model"}}))
    assert answer.status_code == 422
    assert "the hub cannot be reached from this machine" in answer.json()["errors"]["config.model.path"]


def test_what_is_doubtful_asks_and_goes_on_anyway(caller, experiment):
    answer = post(caller, "runs", run_of(experiment, DOUBTFUL))
    assert answer.status_code == 409
    [finding] = answer.json()["findings"]
    assert (finding["level"], finding["field"]) == ("warning", "optimiser.warmup_steps")
    assert "submit anyway" in answer.json()["detail"]
    assert not Run.objects.exists()
    assert post(caller, "runs", run_of(experiment, DOUBTFUL, anyway=True)).status_code == 201


def test_memory_is_compared_with_the_machine_that_is_named(caller, experiment):
    large = TINY | {"scratch": {"hidden_size": 8192, "layers": 64, "heads": 64, "intermediate_size": 32768}}
    asked = post(caller, "runs", run_of(experiment, large, hardware="h100"))
    assert asked.status_code == 409
    assert any("NVIDIA H100 SXM, 80 GB has 80 GB" in found["message"] for found in asked.json()["findings"])
    assert post(caller, "runs", run_of(experiment, large, hardware="abacus")).status_code == 422


def test_a_name_that_is_taken_and_a_user_who_may_not_are_told_before_anything_is_looked_at(
    caller, viewer_client, experiment, program
):
    program("raise SystemExit('nobody should ask')")
    services.submit_suite(experiment, plan_object(), None)
    answer = post(caller, "runs", run_of(experiment, TINY) | {"name": "r0"})
    assert answer.json()["errors"] == {"name": "This experiment already has a run named 'r0'. Choose another name."}
    answer = post(caller, f"experiments/{experiment.pk}/suite", plan_of(TINY))
    assert (answer.status_code, "already has a run named 'r0'" in answer.json()["detail"]) == (422, True)
    assert viewer_client.post(NEW, {}).status_code == 403


def plan_object():
    from rpt_web.api.bodies import SuiteIn
    from rpt_web.api.bodies import plan_of as as_plan

    return as_plan(SuiteIn.model_validate(plan_of(TINY)).runs)


def test_what_earlier_runs_of_a_suite_will_make_is_not_missing(caller, experiment):
    second = TINY | {"scratch": None, "model": {"path": "@r0/checkpoint"}, "budget": {"flops_of": "@r0/folder"}}
    answer = post(caller, f"experiments/{experiment.pk}/suite", plan_of(TINY, second))
    assert answer.status_code == 201, answer.json()
    assert [run["status"] for run in answer.json()] == ["queued", "waiting"]


def test_the_findings_of_a_suite_name_their_runs_and_nothing_is_stored(caller, experiment):
    bad = TINY | {"corpus": {"paths": ["nothing.jsonl"]}}
    answer = post(caller, f"experiments/{experiment.pk}/suite", plan_of(TINY, bad, DOUBTFUL, bad))
    assert answer.status_code == 422
    red, amber = answer.json()["findings"]
    assert (red["level"], red["field"], red["runs"]) == ("error", "corpus.paths", ["r1", "r3"])
    assert (amber["level"], amber["runs"]) == ("warning", ["r2"])
    assert not Run.objects.exists()
    asked = post(caller, f"experiments/{experiment.pk}/suite", plan_of(TINY, DOUBTFUL))
    assert asked.status_code == 409
    anyway = post(caller, f"experiments/{experiment.pk}/suite", plan_of(TINY, DOUBTFUL) | {"anyway": True})
    assert anyway.status_code == 201


def test_a_check_that_does_not_end_asks(caller, experiment, program, monkeypatch):
    monkeypatch.setattr(preflight, "TIMEOUT_SECONDS", 0.5)
    program("import time; time.sleep(60)")
    answer = post(caller, "runs", run_of(experiment, TINY))
    assert answer.status_code == 409
    [finding] = answer.json()["findings"]
    assert "the check did not finish. The check took longer than 0.5 s." in finding["message"]
    assert post(caller, "runs", run_of(experiment, TINY, anyway=True)).status_code == 201


def test_a_submit_waits_for_other_checks_and_is_refused_with_a_time_after_which_to_come_again(
    caller, experiment, monkeypatch
):
    monkeypatch.setattr(findings, "PATIENCE_SECONDS", 0.3)
    with preflight.slot(), preflight.slot():
        answer = post(caller, "runs", run_of(experiment, TINY))
        assert (answer.status_code, answer["Retry-After"]) == (503, "10")
        assert not Run.objects.exists()
    monkeypatch.setattr(findings, "PATIENCE_SECONDS", 30)
    holding = preflight.slot()
    with preflight.slot():
        holding.__enter__()
        threading.Timer(0.5, holding.__exit__, (None, None, None)).start()
        assert post(caller, "runs", run_of(experiment, TINY)).status_code == 201


def test_only_a_few_wait(monkeypatch):
    monkeypatch.setattr(preflight, "waiting", threading.BoundedSemaphore(1))
    with preflight.slot(), preflight.slot():
        preflight.waiting.acquire()
        with pytest.raises(preflight.TooManyChecks), preflight.slot(patience_seconds=60):
            pass
        preflight.waiting.release()


def test_a_file_that_a_shipped_preset_requires_may_be_on_another_machine(caller, experiment, settings, tmp_path):
    path = "data/omni_math.jsonl"
    assert not (settings.ROOT / path).exists()
    assert str(settings.ROOT / path) in reach.of_presets()[1]
    answer = post(caller, "runs", run_of(experiment, TINY | {"corpus": {"paths": [path], "mapping": "omni_math"}}))
    assert answer.status_code == 409
    [finding] = answer.json()["findings"]
    assert "is not on this machine. Only a worker on a machine that has it" in finding["message"]


@pytest.fixture
def base_form(page, ada):
    """(address, what a browser would send) of a run that trains a new model."""
    experiment = make_experiment(ada, seed=7)
    address = f"{NEW}?preset=smoke&run=base&experiment={experiment.pk}"
    return address, typed(page(address))


def test_the_form_shows_what_asks_keeps_what_was_typed_and_goes_on_anyway(client, base_form):
    address, data = base_form
    data |= {"optimiser.warmup_steps": "100000", "run_title": "kept"}
    response = client.post(address, data)
    text = html.unescape(flat(response))
    assert response.status_code == 409
    note = text[text.index('<div class="note amber" role="alert"') :]
    note = note[: note.index("</div></div></div>")]
    assert 'tabindex="-1" data-focus' in note
    assert "<code>optimiser.warmup_steps</code>: Training ends at step" in note
    assert 'name="anyway"' in note
    assert (typed(text)["optimiser.warmup_steps"], typed(text)["run_title"]) == ("100000", "kept")
    assert not Run.objects.exists()
    assert client.post(address, data | {"anyway": "on"}).status_code == 302
    assert Run.objects.get().config["optimiser"]["warmup_steps"] == 100000


def test_the_form_shows_what_is_red_on_its_field_and_offers_no_way_on(client, base_form):
    address, data = base_form
    data |= {
        "corpus.source": "files",
        "corpus.paths": "nothing.jsonl",
        "loss_on": "document",
        "optimiser.warmup_steps": "100000",
    }
    for more in ({}, {"anyway": "on"}):
        response = client.post(address, data | more)
        text = flat(response)
        assert response.status_code == 422
        [marked] = text.split('<div class="field wrong')[1:]
        assert 'name="corpus.paths"' in marked
        assert "nothing.jsonl does not exist." in marked
        assert "Look at this as well." in text
        assert 'name="anyway"' not in text
    assert not Run.objects.exists()


def test_the_form_says_that_too_much_is_checked_and_keeps_what_was_typed(client, base_form, monkeypatch):
    monkeypatch.setattr(findings, "PATIENCE_SECONDS", 0.2)
    address, data = base_form
    with preflight.slot(), preflight.slot():
        response = client.post(address, data | {"run_title": "kept"})
    assert (response.status_code, response["Retry-After"]) == (503, "10")
    text = flat(response)
    assert "could not be checked. 2 checks are running already" in text
    assert typed(text)["run_title"] == "kept"


def test_a_whole_preset_asks_and_goes_on_anyway(client, ada, program):
    reports = "[{'problems': [{'level': 'warning', 'field': 'steps', 'message': 'Hm.'}]}] + [{'problems': []}] * 13"
    program(f"import json; print(json.dumps({reports}))")
    client.force_login(ada)
    data = {"name": "S", "seeds": "0"}
    response = client.post(f"{SUITES}?preset=smoke", data)
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", flat(response)))
    assert response.status_code == 409
    assert "Not submitted yet: look at this first. 1 run (base): steps : Hm." in text
    assert not Experiment.objects.exists()
    assert client.post(f"{SUITES}?preset=smoke", data | {"anyway": "on"}).status_code == 302


def test_a_whole_preset_that_would_fail_is_not_stored(client, ada, program):
    reports = "[{'problems': [{'level': 'error', 'field': 'steps', 'message': 'No.'}]}] * 14"
    program(f"import json; print(json.dumps({reports}))")
    client.force_login(ada)
    response = client.post(f"{SUITES}?preset=smoke", {"name": "S", "seeds": "0", "anyway": "on"})
    assert response.status_code == 422
    assert "14 runs (base, filter," in flat(response)
    assert not Experiment.objects.exists()


@pytest.mark.slow
def test_nothing_speaks_against_the_presets_that_any_machine_can_play():
    from rpt_core.plans.preset import load_preset

    for name in ("smoke", "tiny"):
        assert findings.of_plan(load_preset(name), 0, "cpu-2", None) == []
