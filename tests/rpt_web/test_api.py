"""The API: nothing without a token, errors in plain words, lists paged by key."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from rpt_core.config import STAGES
from rpt_core.presets import load_preset, preset_names
from rpt_web.api import api
from rpt_web.results.models import Evaluation, ResultTable
from rpt_web.runs import services
from rpt_web.runs.models import Run, RunEvent, Status, StepMetrics
from rpt_web.teams.models import ApiToken, Role, User
from rpt_web.traces.models import Rollout, rollout_id
from rpt_web.traces.partitions import ensure_partition
from tests.api_client import ROOT, client_of

pytestmark = pytest.mark.django_db
CONFIG = {"stage": "rpt", "model": {"path": "m"}, "positions": "p", "steps": 7}


@pytest.fixture
def user():
    return User.objects.create_user("ada")


@pytest.fixture
def caller(user):
    return client_of(user)


@pytest.fixture
def experiment(user):
    return services.create_experiment("First", user)


@pytest.fixture
def run(caller, experiment):
    body = {"experiment": experiment.pk, "name": "a", "config": CONFIG}
    answer = caller.post(f"{ROOT}/runs", body, content_type="application/json")
    assert answer.status_code == 201
    return Run.objects.get(pk=answer.json()["id"])


def operations():
    """Every method and path of the document, with 1 for each id."""
    document = api.get_openapi_schema()
    for path, methods in document["paths"].items():
        for method in methods:
            yield method, path.replace("{run_id}", "1").replace("{experiment_id}", "1")


def test_every_operation_and_the_document_ask_for_a_token(client, user):
    client.force_login(user)  # a session is not a token
    paths = [*operations(), ("get", f"{ROOT}/openapi.json")]
    assert len(paths) == 19
    for method, path in paths:
        answer = getattr(client, method)(path)
        assert answer.status_code == 401, path
        assert answer.headers["Content-Type"].startswith("application/json")
        assert "Bearer" in answer.json()["detail"]


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Bearer rpt_wrong", "Basic YTpi", "rpt_x", "Bearer \x7f"])
def test_a_wrong_token_is_refused(header):
    assert Client(headers={"Authorization": header}).get(f"{ROOT}/runs").status_code == 401


def test_an_expired_token_is_refused(user):
    assert client_of(user, lifetime=timedelta(seconds=-1)).get(f"{ROOT}/runs").status_code == 401


def test_the_token_of_an_inactive_user_is_refused(caller, user):
    User.objects.filter(pk=user.pk).update(is_active=False)
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


def test_an_experiment_is_made_and_listed(caller, user):
    made = caller.post(f"{ROOT}/experiments", {"name": "New", "seed": 3}, content_type="application/json")
    assert made.status_code == 201
    listed = caller.get(f"{ROOT}/experiments").json()
    assert listed == {"items": [made.json()], "next": None}
    assert (listed["items"][0]["name"], listed["items"][0]["seed"]) == ("New", 3)


def test_an_experiment_of_an_unknown_preset_is_refused(caller):
    answer = caller.post(f"{ROOT}/experiments", {"name": "x", "preset": "nope"}, content_type="application/json")
    assert answer.status_code == 422
    assert "The presets are" in answer.json()["detail"]
    assert answer.json()["errors"] == {"preset": answer.json()["detail"]}


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
        ("experiments", {"name": "x"}, "name, description, preset, seed"),
        ("experiments/{}/suite", {"preset": "smoke"}, "preset, runs, seeds, anyway"),
        ("runs", {"name": "x", "config": CONFIG}, "experiment, name, title, config"),
        ("preflight", {"config": CONFIG}, "config, hardware"),
    ],
)
def test_a_field_that_there_is_not_is_refused_with_those_that_there_are(caller, experiment, path, body, fields):
    body = body | {"sede": 3} | ({"experiment": experiment.pk} if path == "runs" else {})
    answer = caller.post(f"{ROOT}/{path.format(experiment.pk)}", body, content_type="application/json")
    assert answer.status_code == 422
    assert answer.json()["errors"] == {"sede": f"There is no such field. The fields are: {fields}."}
    assert not Run.objects.exists()


@pytest.mark.parametrize("path", ["runs/abc", "nothing", "runs/1/", "experiments/-1"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_a_wrong_address_is_answered_in_json(user, path, method):
    caller = client_of(user, enforce_csrf_checks=True)
    answer = getattr(caller, method)(f"{ROOT}/{path}")
    assert answer.status_code == 404
    assert f"There is nothing at {ROOT}/{path}." in answer.json()["detail"]


def test_a_submitted_run_is_queued_with_its_whole_config_frozen(run, user):
    assert (run.status, run.stage, run.seed, run.created_by) == (Status.QUEUED, "rpt", 0, user)
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
    assert (answer.status_code, answer.json()) == (422, {"detail": "Some fields do not fit.", "errors": errors})
    assert not Run.objects.exists()


@pytest.mark.parametrize("stage", STAGES)
def test_a_run_of_every_stage_is_taken_and_its_wrong_fields_are_named(caller, experiment, stage):
    planned = next(run for name in preset_names() for run in load_preset(name).runs if run.stage == stage)
    config = planned.rehearse(0).model_dump(mode="json")
    body = {"experiment": experiment.pk, "name": "a", "config": config}
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


def test_tables_are_listed_and_filtered_by_name(caller, run):
    for step, name in ((0, "patterns"), (5, "patterns"), (5, "frontier")):
        ResultTable.objects.create(run=run, attempt=1, step=step, name=name, title="T", data={"rows": [step]})
    first = caller.get(f"{ROOT}/runs/{run.pk}/tables?limit=2").json()
    assert [(item["name"], item["step"], item["data"]) for item in first["items"]] == [
        ("patterns", 0, {"rows": [0]}),
        ("patterns", 5, {"rows": [5]}),
    ]
    rest = caller.get(f"{ROOT}/runs/{run.pk}/tables?after={first['next']}").json()
    assert ([item["name"] for item in rest["items"]], rest["next"]) == (["frontier"], None)
    assert len(caller.get(f"{ROOT}/runs/{run.pk}/tables?name=patterns").json()["items"]) == 2
    assert caller.get(f"{ROOT}/runs/{run.pk}/tables?name=%00").json()["items"] == []


def test_a_name_that_is_taken_is_refused(caller, run):
    body = {"experiment": run.experiment_id, "name": "a", "config": CONFIG}
    answer = caller.post(f"{ROOT}/runs", body, content_type="application/json")
    assert answer.status_code == 422
    assert answer.json()["detail"] == "This experiment already has a run named 'a'. Choose another name."
    assert list(answer.json()["errors"]) == ["name"]


@pytest.mark.parametrize("field", ["name", "title", "config"])
def test_a_nul_byte_is_no_internal_error(caller, experiment, field):
    body = {"experiment": experiment.pk, "name": "a", "config": CONFIG}
    body |= {field: {**CONFIG, "positions": "a\x00b"} if field == "config" else "a\x00b"}
    answer = caller.post(f"{ROOT}/runs", body, content_type="application/json")
    assert answer.status_code == (201 if field == "title" else 422)
    assert field == "title" or list(answer.json()["errors"]) == [field]


def test_an_unknown_experiment_is_not_found(caller):
    body = {"experiment": 10**20, "name": "a", "config": CONFIG}
    assert caller.post(f"{ROOT}/runs", body, content_type="application/json").status_code == 404


def test_a_body_that_is_no_json_is_refused(caller):
    assert caller.post(f"{ROOT}/runs", "{", content_type="application/json").status_code == 400


def test_a_run_shows_its_config(caller, run):
    shown = caller.get(f"{ROOT}/runs/{run.pk}").json()
    assert (shown["id"], shown["status"], shown["config"]["steps"]) == (run.pk, "queued", 7)
    assert caller.get(f"{ROOT}/runs/{run.pk + 1}").status_code == 404


def test_runs_are_paged_by_key_newest_first(caller, experiment, run, django_assert_max_num_queries):
    others = [
        Run.objects.create(experiment=experiment, name=f"r{i}", stage="rpt", config=CONFIG, code_version="x")
        for i in range(4)
    ]
    ids = [run.pk, *(other.pk for other in others)][::-1]
    with django_assert_max_num_queries(3):
        first = caller.get(f"{ROOT}/runs?limit=2").json()
    second = caller.get(f"{ROOT}/runs?limit=2&after={first['next']}").json()
    last = caller.get(f"{ROOT}/runs?limit=2&after={second['next']}").json()
    assert [item["id"] for page in (first, second, last) for item in page["items"]] == ids
    assert last["next"] is None
    assert "config" not in first["items"][0]


def test_runs_are_filtered_by_experiment_and_status(caller, run):
    other = services.create_experiment("Other", None)
    assert caller.get(f"{ROOT}/runs?experiment={other.pk}").json()["items"] == []
    assert len(caller.get(f"{ROOT}/runs?experiment={run.experiment_id}&status=queued").json()["items"]) == 1
    assert caller.get(f"{ROOT}/runs?status=failed").json()["items"] == []


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "limit=x", "after=x", "status=%00", "experiment=%00"])
def test_a_query_that_does_not_fit_is_explained(caller, query):
    answer = caller.get(f"{ROOT}/runs?{query}")
    assert answer.status_code == 422
    assert list(answer.json()["errors"]) == [query.partition("=")[0]]


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
    viewer = client_of(User.objects.create_user("vic", role=Role.VIEWER))
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


def test_metrics_are_paged_by_step(caller, run):
    now = timezone.now()
    StepMetrics.objects.bulk_create(
        StepMetrics(run=run, attempt=1, step=step, time=now, flops=1.5, values={"loss": None, "reward": step / 10})
        for step in range(1, 6)
    )
    first = caller.get(f"{ROOT}/runs/{run.pk}/metrics?limit=3").json()
    assert [item["step"] for item in first["items"]] == [1, 2, 3]
    assert first["items"][0]["values"] == {"loss": None, "reward": 0.1}
    assert first["next"] == 3
    rest = caller.get(f"{ROOT}/runs/{run.pk}/metrics?after=3").json()
    assert ([item["step"] for item in rest["items"]], rest["next"]) == ([4, 5], None)


def test_events_are_paged_by_number(caller, run):
    now = timezone.now()
    RunEvent.objects.bulk_create(
        RunEvent(run=run, attempt=1, seq=seq, time=now, type="log", data={"message": str(seq)}) for seq in (2, 5, 9)
    )
    page = caller.get(f"{ROOT}/runs/{run.pk}/events?after=2").json()
    assert [(item["seq"], item["data"]) for item in page["items"]] == [(5, {"message": "5"}), (9, {"message": "9"})]


def test_rollouts_are_paged_and_filtered(caller, run, django_assert_max_num_queries):
    ensure_partition(run.pk)
    for step in (1, 2):
        for row in range(3):
            make_rollout(run, step, row)
    with django_assert_max_num_queries(4):
        page = caller.get(f"{ROOT}/runs/{run.pk}/rollouts?limit=4").json()
    assert [(item["step"], item["row"]) for item in page["items"]] == [(1, 0), (1, 1), (1, 2), (2, 0)]
    assert page["next"] == rollout_id(2, "train", 0)
    assert page["items"][0]["prediction"] == "\\xff7"
    assert page["items"][0]["completion"] == "7é"
    filtered = caller.get(f"{ROOT}/runs/{run.pk}/rollouts?step=2&kind=train&reason=match").json()
    assert [(item["step"], item["row"]) for item in filtered["items"]] == [(2, 0), (2, 2)]
    assert caller.get(f"{ROOT}/runs/{run.pk}/rollouts?reason=%00").status_code == 422


def make_rollout(run, step, row):
    Rollout.objects.bulk_create(
        [
            Rollout(
                run=run,
                id=rollout_id(step, "train", row),
                attempt=1,
                step=step,
                kind="train",
                row=row,
                group=0,
                sample=row,
                document="d",
                position=4,
                entropy_nats=1.0,
                reward=float(row % 2 == 0),
                reason="match" if row % 2 == 0 else "mismatch",
                finish_reason="stop",
                prompt_tokens=3,
                response_tokens=4,
                prediction=b"\xff7",
                completion="7é".encode(),
                preview="so",
            )
        ]
    )


def test_evaluations_are_listed(caller, run):
    cell = {"correct": 3, "n": 4, "value": 0.75, "low": 0.3, "high": 0.95}
    Evaluation.objects.create(run=run, attempt=1, step=5, mode="greedy", difficulty="hard", **cell)
    listed = caller.get(f"{ROOT}/runs/{run.pk}/evaluations").json()
    assert listed == [{"step": 5, "flops": None, "mode": "greedy", "difficulty": "hard", **cell}]


def test_the_command_makes_a_token_that_works(user):
    out = StringIO()
    call_command("create_api_token", "ada", "notebook", "--days", "2", stdout=out)
    secret = out.getvalue().strip()
    assert Client(headers={"Authorization": f"Bearer {secret}"}).get(f"{ROOT}/runs").status_code == 200
    token = ApiToken.objects.get()
    assert secret not in (token.digest, token.name)
    assert timedelta(days=1) < token.expires_at - timezone.now() <= timedelta(days=2)


def test_the_command_names_the_users_there_are(user):
    with pytest.raises(CommandError, match=r"There is no user 'bob'. The users are: ada."):
        call_command("create_api_token", "bob", "x")
    with pytest.raises(CommandError, match="from 1 to 3650"):
        call_command("create_api_token", "ada", "x", "--days", "0")
