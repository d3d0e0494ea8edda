"""How the API refuses: every wrong field and parameter in one answer, by its name; what is not there, by its id."""

from __future__ import annotations

import pytest

from rpt_web.runs.models import Experiment, Run
from tests.rpt_web.api_client import CONFIG, ROOT

pytestmark = pytest.mark.django_db
NO_NAME = "'' cannot be the name of this"


def post(caller, path, body):
    return caller.post(f"{ROOT}/{path}", body, content_type="application/json")


def test_a_parameter_that_there_is_not_is_refused_with_those_that_there_are(caller, run):
    answer = caller.get(f"{ROOT}/runs?experimnt=2")
    words = "There is no such parameter. The parameters are: after, limit, experiment, status, archived."
    assert answer.status_code == 422
    assert answer.json()["detail"] == "Some fields do not fit."
    assert answer.json()["errors"] == {"experimnt": words}
    assert caller.get(f"{ROOT}/runs?experiment={run.experiment_id}&limit=1&status=queued").status_code == 200


def test_a_wrong_name_and_a_wrong_value_in_a_query_are_told_at_once(caller):
    errors = caller.get(f"{ROOT}/runs?limit=0&statu=queued&x=1&x=2").json()["errors"]
    assert set(errors) == {"limit", "statu", "x"}


@pytest.mark.parametrize(
    ("method", "path"),
    [("get", "presets"), ("get", "runs/{}"), ("get", "runs/{}/evaluations"), ("post", "runs/{}/cancel")],
)
def test_an_operation_without_parameters_refuses_each(caller, run, method, path):
    answer = getattr(caller, method)(f"{ROOT}/{path.format(run.pk)}?step=1")
    assert answer.status_code == 422
    assert answer.json()["errors"] == {"step": "There is no such parameter. This address takes none."}
    run.refresh_from_db()
    assert run.status == "queued"


def test_a_query_is_looked_at_after_the_token(client):
    assert client.get(f"{ROOT}/runs?experimnt=2").status_code == 401


def test_the_parameters_of_the_document_are_those_that_are_taken(caller):
    document = caller.get(f"{ROOT}/openapi.json").json()["paths"]
    shown = {name["name"] for name in document[f"{ROOT}/runs"]["get"]["parameters"]}
    assert shown == {"after", "limit", "experiment", "status", "archived"}
    assert document[f"{ROOT}/presets"]["get"]["parameters"] == []


def test_all_wrong_fields_of_an_experiment_are_told_at_once(caller):
    errors = post(caller, "experiments", {"name": "", "preset": "smokey", "seed": 2**31, "zz": 1}).json()["errors"]
    assert set(errors) == {"name", "preset", "seed", "zz"}
    assert errors["name"].startswith(f"{NO_NAME} experiment.")
    assert errors["preset"].startswith("There is no preset 'smokey'. The presets are: ")
    assert not Experiment.objects.exists()


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"positions": "a\x00b"}])
def test_the_name_and_the_config_of_a_run_are_told_at_once(caller, experiment, wrong):
    body = {"experiment": experiment.pk, "name": "", "config": {**CONFIG, **wrong}}
    errors = post(caller, "runs", body).json()["errors"]
    assert {name.partition(".")[0] for name in errors} == {"name", "config"}
    assert errors["name"].startswith(f"{NO_NAME} run.")


def test_all_wrong_fields_of_a_suite_are_told_at_once(caller, experiment):
    run = {"name": "a", "stage": "rpt", "title": "A", "config": {**CONFIG, "steps": 0}}
    body = {"preset": "smokey", "runs": [run, run], "seeds": [1, 1], "zz": 1}
    errors = post(caller, f"experiments/{experiment.pk}/suite", body).json()["errors"]
    assert set(errors) == {"preset", "runs.0", "runs.1", "seeds", "zz"}
    assert errors["runs.0"] == "The run 'a' of the plan cannot run. steps: Give a number above 0."


def test_the_hardware_and_the_config_to_look_at_are_told_at_once(caller):
    errors = post(caller, "preflight", {"config": {"stage": "dream"}, "hardware": "abacus"}).json()["errors"]
    assert set(errors) == {"config", "hardware"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("get", "runs/9999"),
        ("get", "runs/9999/metrics"),
        ("post", "runs/9999/retry"),
        ("get", "experiments/9999"),
        ("post", "experiments/9999/cancel"),
    ],
)
def test_what_is_not_there_is_named(caller, method, path):
    answer = getattr(caller, method)(f"{ROOT}/{path}")
    noun = path.partition("s/")[0]
    words = f"There is no {noun} 9999 among those that you may see. The list of {noun}s shows them."
    assert (answer.status_code, answer.json()["detail"]) == (404, words)


@pytest.mark.parametrize("key", [99999, 10**20])
def test_a_run_of_an_unknown_experiment_is_refused_at_that_field(caller, key):
    answer = post(caller, "runs", {"experiment": key, "name": "a", "config": CONFIG})
    assert answer.status_code == 422
    assert answer.json()["errors"]["experiment"].startswith(f"There is no experiment {key} among those")
    assert not Run.objects.exists()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("{", "The body is not JSON. Line 1, column 2: Expecting property name enclosed in double quotes."),
        ('{"name": "x",\n "seed": 01}', "The body is not JSON. Line 2, column 11: Expecting ',' delimiter."),
        (b'{"name": "\xff"}', "The body cannot be read as JSON: 'utf-8' codec can't decode byte 0xff"),
        ("[" * 100_000, "The body cannot be used. More than 50 objects or lists are nested in each other"),
        ('{"name": "x", "zz": ' + "[" * 500 + "]" * 500 + "}", "The body cannot be used. More than 50 objects or"),
        ('{"name": "x", "zz": ' + '{"a": ' * 500 + "1" + "}" * 501, "The body cannot be used. More than 50 objects"),
    ],
)
def test_a_body_that_is_no_json_is_refused_where_it_is_wrong(caller, body, words):
    answer = post(caller, "experiments", body)
    assert (answer.status_code, set(answer.json())) == (400, {"title", "status", "detail"})
    assert answer.json()["detail"].startswith(words)
