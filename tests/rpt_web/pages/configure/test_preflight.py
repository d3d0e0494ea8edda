"""The form's Check button and the API's pre-flight: a real process looks at real files."""

from __future__ import annotations

import html
import re

import pytest

from rpt_core.run.folder import RunDir
from rpt_web.runs.models import Checkpoint, Run
from tests.preset_runs import put_real_files
from tests.rpt_web.api_client import ROOT, client_of
from tests.rpt_web.markup import flat
from tests.rpt_web.pages.configure.test_new_run import NEW, typed

pytestmark = pytest.mark.slow


@pytest.fixture
def experiment(prepared):
    return prepared


@pytest.fixture
def real_files(experiment, tmp_path):
    put_real_files(experiment, tmp_path)


def checked(page, client, experiment, **changes):
    address = f"{NEW}?preset=tiny&run=rpt&experiment={experiment.pk}"
    data = typed(page(address)) | {"check": "1", "hardware": "h100"} | changes
    return client.post(address, data)


def test_a_good_config_shows_what_it_takes_and_its_first_prompt(page, client, experiment, real_files):
    response = checked(page, client, experiment)
    text = flat(response)
    assert response.status_code == 200, text
    assert "No problems were found." in text
    assert "estimated for NVIDIA H100 SXM, 80 GB" in text
    assert "The first prompt, " in text
    assert "Digits" in text
    assert not Run.objects.filter(experiment=experiment, name__startswith="rpt").exists(), "nothing was queued"


def test_a_response_that_does_not_fit_the_model_is_shown_on_its_field(page, client, experiment, real_files):
    response = checked(page, client, experiment, **{"sampling.max_response_tokens": "5000"})
    text = flat(response)
    assert response.status_code == 422
    assert "This run would fail." in text
    field = text[text.index('id="id_sampling.max_response_tokens_error"') :]
    assert "but the model takes 1024" in field[:600]


def test_a_field_that_is_wrong_and_a_model_that_is_not_there_are_shown_together(page, client, experiment):
    response = checked(page, client, experiment, group_size="many")
    text = flat(response)
    assert response.status_code == 422
    assert "holds no config.json" in text
    field = text[text.index('id="id_group_size_error"') :]
    assert "Give a whole number. Given: &quot;many&quot;." in field[:300]


def test_all_that_is_wrong_is_told_at_once(page, client, experiment, real_files):
    """A name, a field, two rules, a reference, a set that is not among the data, a length that only the model knows."""
    changes = {
        "run_name": "a/b",
        "evaluation.position_set": "none",
        "group_size": "many",
        "grpo.minibatch_groups": "5",
        "evaluate_at_steps": "0, 200",
        "sampling.max_response_tokens": "5000",
        "positions": "@nobody/positions",
    }
    response = checked(page, client, experiment, **changes)
    text = html.unescape(flat(response))
    assert response.status_code == 422
    report = text[text.index('<div class="card-pad preflight"') :]
    bullets = re.findall(r"<tr>(.*?)</tr>", report[report.index("<tbody>") : report.index("</tbody>")], re.S)
    wanted = (
        "Leave out slashes",
        "This experiment has no run 'nobody'",
        "has no position set 'none'",
        "Give a whole number",
        "5 does not divide",
        "no evaluation after 200",
        "but the model takes 1024",
    )
    assert len(bullets) == len(wanted)
    for words in wanted:
        assert sum(words in bullet for bullet in bullets) == 1, words
    assert "Checks that depend on what is wrong follow once it is fixed" in report
    places = re.findall(r'href="#([^"]+)" data-to-field', report)
    assert len(places) >= len(bullets) - 1, "the length that the model has belongs to no field alone"
    assert all(f'id="{place}"' in text for place in places)


def test_a_submit_tells_all_that_the_config_itself_shows(page, client, experiment):
    address = f"{NEW}?preset=tiny&run=rpt&experiment={experiment.pk}"
    changes = {"run_name": "cold", "group_size": "many", "grpo.minibatch_groups": "5", "positions": "@nobody/positions"}
    text = html.unescape(flat(client.post(address, typed(page(address)) | changes)))
    for words in (
        "already has a run named",
        "Give a whole number",
        "5 does not divide",
        "This experiment has no run 'nobody'",
    ):
        assert text.count(words) == 1, words
    assert "See the marked fields below." in text
    for field in changes:
        assert f'<a href="#id_{field}" data-to-field>' in text
    assert not Run.objects.filter(experiment=experiment, name__startswith="rpt").exists()


def test_a_model_that_is_not_there_is_found(page, client, experiment):
    response = checked(page, client, experiment)
    assert response.status_code == 422
    assert "holds no config.json" in flat(response)


@pytest.mark.parametrize("button", [{"check": "1", "hardware": "h100"}, {}], ids=["check", "submit"])
def test_what_verl_lacks_is_refused_before_anything_is_queued(page, client, experiment, button):
    address = f"{NEW}?preset=tiny&run=rpt&experiment={experiment.pk}"
    changes = {"engine": "verl", "grpo.overlong": "mask", "verl.gpus_per_node": "7", "evaluate_at_steps": "0"}
    response = client.post(address, typed(page(address)) | button | changes)
    text = flat(response)
    assert response.status_code == 422
    bullets = re.findall(r"<(?:li|p class=.errors).*?</(?:li|p)>", text, re.S)
    for words in ("The engine verl does not support mask.", "do not divide among 7 GPUs"):
        assert any(words in bullet for bullet in bullets)
    assert not any("have mask" in bullet and "divide among" in bullet for bullet in bullets), "one bullet for each"
    assert not Run.objects.filter(experiment=experiment, name__startswith="rpt").exists()


def test_the_api_gives_the_report(ada, experiment, real_files):
    cold = experiment.runs.get(name="cold")
    path = str(cold.directory / Checkpoint.objects.filter(run=cold).latest("step").path)
    config = {
        "stage": "evaluate",
        "model": {"path": path},
        "evaluation": {"positions": str(RunDir(experiment.runs.get(name="filter").directory).positions)},
        "prompt": {"template": "plain", "max_prompt_tokens": 100},
        "sampling": {"max_response_tokens": 50},
    }
    caller = client_of(ada)
    body = {"config": config, "hardware": "h100"}
    answer = caller.post(f"{ROOT}/preflight", body, content_type="application/json")
    assert answer.status_code == 200, answer.content
    assert answer.json()["problems"] == []
    assert answer.json()["most"]["rollouts"] > 0
    wrong = {"samples": 3, "modez": 1, "evaluation": {"positions": "nowhere", "samples": 0}}
    answer = caller.post(f"{ROOT}/preflight", {"config": config | wrong}, content_type="application/json")
    assert answer.status_code == 200, answer.content
    fields = {problem["field"] for problem in answer.json()["problems"]}
    assert fields == {"samples", "modez", "evaluation.samples", "evaluation.positions"}
    answer = caller.post(f"{ROOT}/preflight", {"config": {"stage": "x"}}, content_type="application/json")
    assert answer.status_code == 422
    assert "config" in answer.json()["errors"]
    answer = caller.post(f"{ROOT}/preflight", body | {"hardware": "abacus"}, content_type="application/json")
    assert answer.status_code == 422
    words = "There is no hardware 'abacus' in the list. Known: cpu-2, rtx-4090, a100-80, h100, h200, 8xh100, 8xh200."
    assert answer.json()["errors"] == {"hardware": words}


def test_the_api_warns_of_a_disk_that_is_too_small(ada, settings):
    config = {
        "stage": "ntp",
        "corpus": {"source": "tiny"},
        "scratch": {},
        "budget": {"steps": 10**9},
        "checkpoint_every_steps": 1,
    }
    answer = client_of(ada).post(f"{ROOT}/preflight", {"config": config}, content_type="application/json")
    assert answer.status_code == 200, answer.content
    disk, years = answer.json()["problems"]
    assert (disk["field"], disk["level"], disk["source"]) == ("checkpoint_every_steps", "warning", "the disk here")
    assert f"{settings.RPT_DATA_DIR} has " in disk["message"]
    assert (years["limit"], years["source"]) == ("a year", "2 CPU cores")
    assert " years on 2 CPU cores" in years["message"]
