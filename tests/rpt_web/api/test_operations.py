"""The API: nothing without a token, runs submitted, watched and cancelled, errors in plain words."""

from __future__ import annotations

import re
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from rpt_core.config import STAGES
from rpt_core.plans.preset import load_preset, preset_names
from rpt_web.api.operations import api
from rpt_web.runs import services
from rpt_web.runs.models import Run, Status
from rpt_web.teams.models import ApiToken, Role, User
from tests.factories import make_user
from tests.rpt_web.api_client import CONFIG, ROOT, client_of

pytestmark = pytest.mark.django_db


def operations():
    """Every method and path of the document, with 1 for each id."""
    document = api.get_openapi_schema()
    for path, methods in document["paths"].items():
        for method in methods:
            yield method, path.replace("{run_id}", "1").replace("{experiment_id}", "1")


def test_every_operation_asks_for_a_token_and_the_document_for_any_login(client, ada):
    assert client.get(f"{ROOT}/openapi.json").status_code == 401
    client.force_login(ada)  # a session is not a token
    assert client.get(f"{ROOT}/openapi.json").status_code == 200  # what the pages of help say, too
    paths = list(operations())
    assert len(paths) > 70
    for method, path in paths:
        answer = getattr(client, method)(path)
        assert answer.status_code == 401, path
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert "Bearer" in answer.json()["detail"]


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Bearer rpt_wrong", "Basic YTpi", "rpt_x", "Bearer \x7f"])
def test_a_wrong_token_is_refused(header):
    assert Client(headers={"Authorization": header}).get(f"{ROOT}/runs").status_code == 401


def test_an_expired_token_is_refused(ada):
    assert client_of(ada, lifetime=timedelta(seconds=-1)).get(f"{ROOT}/runs").status_code == 401


def test_the_token_of_an_inactive_user_is_refused(caller, ada):
    User.objects.filter(pk=ada.pk).update(is_active=False)
    assert caller.get(f"{ROOT}/runs").status_code == 401


def test_the_last_use_of_a_token_is_noted_at_most_once_a_minute(caller):
    before = timezone.now()
    caller.get(f"{ROOT}/runs")
    first = ApiToken.objects.get().last_used_at
    assert first >= before
    caller.get(f"{ROOT}/runs")
    assert ApiToken.objects.get().last_used_at == first


def test_the_document_describes_each_stages_config(caller):
    document = caller.get(f"{ROOT}/openapi.json").json()
    assert document["components"]["schemas"]["RptConfig"]["properties"]["steps"]["description"] == "Optimiser steps."


def test_there_is_no_page_that_loads_scripts(caller):
    assert caller.get(f"{ROOT}/docs").status_code == 404


def test_an_experiment_is_made_and_listed(caller):
    made = caller.post(f"{ROOT}/experiments", {"name": "New", "seed": 3}, content_type="application/json")
    assert made.status_code == 201
    listed = caller.get(f"{ROOT}/experiments").json()
    assert listed == {"items": [made.json()], "next": None}
    assert (listed["items"][0]["name"], listed["items"][0]["seed"]) == ("New", 3)


def test_an_experiment_of_an_unknown_preset_is_refused(caller):
    answer = caller.post(f"{ROOT}/experiments", {"name": "x", "preset": "nope"}, content_type="application/json")
    assert answer.status_code == 422
    assert list(answer.json()["errors"]) == ["preset"]
    assert "The presets are" in answer.json()["errors"]["preset"]


@pytest.mark.parametrize("path", ["experiments", "runs"])
@pytest.mark.parametrize("name", ["", " ", "x" * 300])
def test_a_name_that_cannot_be_is_refused_at_its_field(caller, experiment, path, name):
    body = {"name": name} | ({"experiment": experiment.pk, "config": CONFIG} if path == "runs" else {})
    answer = caller.post(f"{ROOT}/{path}", body, content_type="application/json")
    assert (answer.status_code, list(answer.json()["errors"])) == (422, ["name"])
    assert "printable characters" in answer.json()["errors"]["name"]


@pytest.mark.parametrize(
    ("path", "body", "fields"),
    [
        ("experiments", {"name": "x"}, "name, description, preset, seed, team"),
        ("experiments/{}/suite", {"preset": "smoke"}, "preset, runs, plan, seeds, hardware, anyway, priority"),
        ("runs", {"name": "x", "config": CONFIG}, "experiment, name, title, config, hardware, anyway, priority"),
        ("preflight", {"config": CONFIG}, "config, hardware"),
    ],
)
def test_a_field_that_there_is_not_is_refused_with_those_that_there_are(caller, experiment, path, body, fields):
    body = body | {"sede": 3} | ({"experiment": experiment.pk} if path == "runs" else {})
    answer = caller.post(f"{ROOT}/{path.format(experiment.pk)}", body, content_type="application/json")
    assert answer.status_code == 422
    assert answer.json()["errors"] == {"sede": f"There is no such field. The fields are: {fields}."}
    assert not Run.objects.exists()


@pytest.mark.parametrize("path", ["", "runs/abc", "nothing", "runs/1/", "experiments/-1"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_a_wrong_address_is_answered_in_json(ada, path, method):
    caller = client_of(ada, enforce_csrf_checks=True)
    answer = getattr(caller, method)(f"{ROOT}/{path}")
    assert answer.status_code == 404
    assert f"There is nothing at {ROOT}/{path}." in answer.json()["detail"]


@pytest.mark.parametrize(("method", "path", "allowed"), [("delete", "runs", "GET, POST"), ("put", "presets", "GET")])
def test_a_wrong_method_is_answered_in_json(caller, method, path, allowed):
    answer = getattr(caller, method)(f"{ROOT}/{path}")
    assert answer.status_code == 405
    assert answer.headers["Allow"] == allowed
    words = f"{ROOT}/{path} does not take {method.upper()}. It takes {allowed}."
    assert answer.json()["detail"] == words


def test_a_submitted_run_is_queued_with_its_whole_config_frozen(run, ada):
    assert (run.status, run.stage, run.seed, run.created_by) == (Status.QUEUED, "rpt", 0, ada)
    assert run.config["steps"] == 7
    assert run.config["grpo"]["clip_low"] == 0.2
    assert run.code_version == services.code_version()


@pytest.mark.parametrize(
    ("config", "errors"),
    [
        ({**CONFIG, "steps": 0}, {"config.steps": "Give a number above 0."}),
        ({**CONFIG, "steps": "many"}, {"config.steps": "Give a whole number."}),
        ({**CONFIG, "typo": 1}, {"config.typo": "There is no such field. Remove it or correct its name."}),
        ({**CONFIG, "model": {}}, {"config.model.path": "This field is required."}),
        ({**CONFIG, "sampling": {"temperature": -1}}, {"config.sampling.temperature": "Give a number of at least 0."}),
        (
            {"stage": "dream"},
            {"config": "'dream' is not a choice. Allowed: " + ", ".join(map(repr, STAGES)) + "."},
        ),
        ({}, {"config": "Name the 'stage'."}),
        (None, {"config": "Give an object with named fields."}),
    ],
)
def test_a_config_that_does_not_fit_is_explained_field_by_field(caller, experiment, config, errors):
    body = {"experiment": experiment.pk, "name": "a", "config": config}
    answer = caller.post(f"{ROOT}/runs", body, content_type="application/json")
    assert (answer.status_code, answer.json()["detail"]) == (422, "Some fields do not fit.")
    assert answer.json()["errors"] == errors
    assert not Run.objects.exists()


@pytest.mark.usefixtures("nothing_found")
@pytest.mark.parametrize("stage", STAGES)
def test_a_run_of_every_stage_is_taken_and_its_wrong_fields_are_named(caller, experiment, stage):
    planned = next(run for name in preset_names() for run in load_preset(name).runs if run.stage == stage)
    config = planned.resolve(0, lambda name, what: 1.0 if what == "flops" else "p").model_dump(mode="json")
    body = {"experiment": experiment.pk, "name": "a", "config": config, "anyway": True}  # its files are not here
    answer = caller.post(f"{ROOT}/runs", body, content_type="application/json")
    assert (answer.status_code, answer.json()["config"]) == (201, config)
    body["config"] = {**config, "typo": 1}
    answer = caller.post(f"{ROOT}/runs", body, content_type="application/json")
    assert answer.json()["errors"] == {"config.typo": "There is no such field. Remove it or correct its name."}


@pytest.mark.parametrize(
    ("config", "errors"),
    [
        (
            {"stage": "analyse"},
            {"config": "Nothing to do. Give at least one of comparisons, frontiers, patterns, scaling."},
        ),
        (
            {"stage": "analyse", "comparisons": [{"name": "x", "a": "p", "b": "q", "mode_a": "argmax"}]},
            {"config.comparisons.0.mode_a": "Allowed: 'standard', 'sampled' or 'greedy'."},
        ),
        (
            {
                "stage": "rlvr",
                "model": {"path": "m"},
                "questions": {"source": "tiny"},
                "budget": {"epochs": 1, "steps": 2},
            },
            {"config.budget": "Give exactly one of epochs, steps, tokens, flops, flops_of."},
        ),
        (
            {**CONFIG, "grpo": {"minibatch_groups": 7}},
            {"config.grpo.minibatch_groups": "7 does not divide `batch_problems`, 256."},
        ),
        (
            {**CONFIG, "steps": "x", "engine": "verl", "grpo": {"minibatch_groups": 7}, "verl": {"nodes": 5}},
            {
                "config.steps": "Give a whole number.",
                "config.grpo.minibatch_groups": "7 does not divide `batch_problems`, 256.",
                "config.verl": "56 responses of an update do not divide among 5 GPUs. Change `batch_problems`, "
                "`group_size`, `grpo.minibatch_groups` or the GPUs in `verl`.",
            },
        ),
    ],
)
def test_what_does_not_go_together_is_explained_where_it_stands(caller, experiment, config, errors):
    body = {"experiment": experiment.pk, "name": "a", "config": config}
    answer = caller.post(f"{ROOT}/runs", body, content_type="application/json")
    assert (answer.status_code, answer.json()["errors"]) == (422, errors)


def test_a_name_that_is_taken_is_refused(caller, run):
    body = {"experiment": run.experiment_id, "name": "a", "config": CONFIG}
    answer = caller.post(f"{ROOT}/runs", body, content_type="application/json")
    assert answer.status_code == 422
    assert answer.json()["detail"] == "This experiment already has a run named 'a'. Choose another name."
    assert list(answer.json()["errors"]) == ["name"]


UNFIT = ["bell\x07", "evil\u202egnp.exe", "zero\u200bwidth", "x" * 1_000_000, "two\x0bpages"]


@pytest.mark.parametrize("text", [*UNFIT, "two\nlines"])
def test_a_title_that_cannot_be_shown_is_refused_in_words(caller, experiment, text):
    body = {"experiment": experiment.pk, "name": "a", "config": CONFIG, "title": text}
    answer = caller.post(f"{ROOT}/runs", body, content_type="application/json")
    assert (answer.status_code, list(answer.json()["errors"])) == (422, ["title"])
    assert re.search("It holds U.00|It holds U.20|is too long for a title", answer.json()["errors"]["title"])
    planned = {"name": "a", "stage": "rpt", "title": text, "config": CONFIG}
    answer = caller.post(f"{ROOT}/experiments/{experiment.pk}/suite", {"runs": [planned]}, "application/json")
    assert (answer.status_code, list(answer.json()["errors"])) == (422, ["runs.0"])
    assert len(answer.content) < 1000


@pytest.mark.parametrize("text", UNFIT)
def test_a_description_that_cannot_be_shown_is_refused_in_words(caller, text):
    answer = caller.post(f"{ROOT}/experiments", {"name": "a", "description": text}, "application/json")
    assert (answer.status_code, list(answer.json()["errors"])) == (422, ["description"])
    assert re.search("holds U.|is too long: it has 1,000,000", answer.json()["errors"]["description"])


def test_a_description_may_have_lines(caller):
    answer = caller.post(f"{ROOT}/experiments", {"name": "a", "description": " one\r\n\ntwo\n"}, "application/json")
    assert (answer.status_code, answer.json()["description"]) == (201, "one\n\ntwo")


@pytest.mark.parametrize("text", UNFIT)
def test_a_heading_in_a_config_that_cannot_be_shown_is_refused_in_words(caller, experiment, text):
    config = {"stage": "analyse", "comparisons": [{"name": text, "a": "p", "b": "q"}]}
    body = {"experiment": experiment.pk, "name": "a", "config": config}
    answer = caller.post(f"{ROOT}/runs", body, content_type="application/json")
    assert answer.status_code == 422
    assert answer.json()["errors"]["config"].startswith("`comparisons.0.name`: ")


@pytest.mark.parametrize("field", ["name", "title", "config"])
def test_a_nul_byte_is_no_internal_error(caller, experiment, field):
    body = {"experiment": experiment.pk, "name": "a", "config": CONFIG}
    body |= {field: {**CONFIG, "positions": "a\x00b"} if field == "config" else "a\x00b"}
    answer = caller.post(f"{ROOT}/runs", body, content_type="application/json")
    assert (answer.status_code, list(answer.json()["errors"])) == (422, [field])


def test_a_run_shows_its_config(caller, run):
    shown = caller.get(f"{ROOT}/runs/{run.pk}").json()
    assert (shown["id"], shown["status"], shown["config"]["steps"]) == (run.pk, "queued", 7)
    assert caller.get(f"{ROOT}/runs/{run.pk + 1}").status_code == 404


def test_a_run_is_cancelled_and_retried(caller, run):
    cancelled = caller.post(f"{ROOT}/runs/{run.pk}/cancel")
    assert (cancelled.status_code, cancelled.json()["status"]) == (202, "cancelled")
    again = caller.post(f"{ROOT}/runs/{run.pk}/cancel")
    assert again.status_code == 409
    assert "Only waiting, queued and running runs can be cancelled." in again.json()["detail"]
    retried = caller.post(f"{ROOT}/runs/{run.pk}/retry")
    assert (retried.status_code, retried.json()["status"]) == (202, "queued")
    assert caller.post(f"{ROOT}/runs/{run.pk}/retry").status_code == 409


def test_seconds_are_those_of_all_attempts(caller, run):
    address = f"{ROOT}/runs/{run.pk}"
    assert caller.get(address).json()["seconds"] is None
    Run.objects.filter(pk=run.pk).update(attempt=2, time_spent=timedelta(seconds=70), started_at=timezone.now())
    assert caller.get(address).json()["seconds"] == 70
    document = caller.get(f"{ROOT}/openapi.json").json()["components"]["schemas"]["RunOut"]["properties"]
    assert "all its attempts" in document["seconds"]["description"]
    assert "newest attempt" in document["started_at"]["description"]


def test_a_viewer_sees_everything_and_changes_nothing(run):
    viewer = client_of(make_user("vic", Role.VIEWER))
    assert viewer.get(f"{ROOT}/runs/{run.pk}").status_code == 200
    body = {"experiment": run.experiment_id, "name": "b", "config": CONFIG}
    attempts = [
        ("runs", body),
        ("experiments", {"name": "x"}),
        (f"runs/{run.pk}/cancel", {}),
        (f"runs/{run.pk}/retry", {}),
        (f"experiments/{run.experiment_id}/suite", {"preset": "smoke"}),
        (f"experiments/{run.experiment_id}/resubmit", {}),
        (f"experiments/{run.experiment_id}/cancel", {}),
    ]
    for path, sent in attempts:
        answer = viewer.post(f"{ROOT}/{path}", sent, content_type="application/json")
        assert answer.status_code == 403, path
        assert "Ask an administrator" in answer.json()["detail"]
    run.refresh_from_db()
    assert run.status == Status.QUEUED


def test_the_command_makes_a_token_that_works(ada):
    out = StringIO()
    call_command("create_api_token", "ada", "notebook", "--days", "2", stdout=out)
    secret = out.getvalue().strip()
    assert Client(headers={"Authorization": f"Bearer {secret}"}).get(f"{ROOT}/runs").status_code == 200
    token = ApiToken.objects.get()
    assert secret not in (token.digest, token.name)
    assert timedelta(days=1) < token.expires_at - timezone.now() <= timedelta(days=2)


def test_the_command_names_the_users_there_are(ada):
    with pytest.raises(CommandError, match=r"There is no user 'bob'. The users are: ada."):
        call_command("create_api_token", "bob", "x")
    with pytest.raises(CommandError, match="from 1 to 3650"):
        call_command("create_api_token", "ada", "x", "--days", "0")
