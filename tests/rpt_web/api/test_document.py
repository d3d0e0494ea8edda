"""The OpenAPI document says all that the API does: schemathesis asks what it describes and compares the answers."""

from __future__ import annotations

import re
from copy import deepcopy
from datetime import timedelta
from functools import cache
from pathlib import Path

import pytest
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, transaction
from hypothesis import HealthCheck, Phase, given, settings, strategies
from schemathesis import GenerationMode, openapi
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from rpt_core.config import RptConfig
from rpt_web.api.errors import REFUSALS
from rpt_web.api.operations import api
from rpt_web.comments import services as comments
from rpt_web.comments.subjects import Subject
from rpt_web.compare import baskets
from rpt_web.corpora import services as corpora
from rpt_web.corpora import wordings
from rpt_web.corpora.models import RegisteredModel
from rpt_web.jobs import services as jobs
from rpt_web.jobs.models import Job
from rpt_web.reports import printing
from rpt_web.reports import services as reports
from rpt_web.run_table import saved
from rpt_web.run_table.rows import AskedTable
from rpt_web.runs import own_plans
from rpt_web.runs import services as runs
from rpt_web.teams.membership import first_team
from rpt_web.teams.models import ApiToken, Role
from rpt_web.traces.models import CorpusPosition, ResponseGroup, Rollout
from tests.factories import end_run, evaluation_results, hostile_rows, make_user, start_run, write_shard
from tests.rpt_web.api_client import CONFIG
from tests.rpt_web.review_rows import make_queue
from tests.rpt_web.world import compared, search

PLAN = """
description: one run
runs:
- {name: a, stage: ntp, title: A, config: {corpus: {source: tiny}, scratch: {}, budget: {steps: 1}}}
"""
ROOT = Path(__file__).resolve().parents[3]
DOCUMENT = api.get_openapi_schema()
OPERATIONS = [(method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in methods]
EXAMPLES = {
    "/api/v1/preflight": 1,
    "/api/v1/presets": 1,
    "/api/v1/runs": 2,
    "/api/v1/experiments/{experiment_id}/suite": 2,
}
"""Where an answer takes a process of its own, or reads all presets; elsewhere:"""
ENOUGH = 5
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_an_operation_names_all_that_its_kind_may_be_refused_with(method, path):
    operation = DOCUMENT["paths"][path][method.lower()]
    named = {status for status in operation["responses"] if status >= 400}
    expected = {401, 422, 500, 503}
    expected |= {400, 408, 413} if "requestBody" in operation else set()
    expected |= {404} if "_id}" in path else set()
    expected |= {403} if method != "GET" else set()
    is_deletion = method == "DELETE" and not path.endswith(
        ("comment_id}", "plan_id}", "view_id}", "basket_id}", "link_id}")
    )  # of what runs may need
    expected |= {409} if is_deletion or path.endswith(("/cancel", "/retry", "/resubmit", "/check")) else set()
    of_state = ("/labels", "/next", "/review", "/decision", "/stop")  # and searches
    expected |= {409} if method == "POST" and path.endswith(of_state) else set()
    expected |= {409} if path.endswith("/result") else set()  # of a blind A/B, which waits for the reader's part
    expected |= (
        {409}
        if method == "POST"
        and path.endswith(("/suite", "/runs", "/archive", "/bring-back", "/priority", "drain", "{plan_id}"))
        else set()
    )
    assert named == expected
    for status in named:
        assert operation["responses"][status]["description"] == REFUSALS[status]


def test_the_page_about_the_api_explains_each_status():
    rows = re.findall(r"^\| (\d{3}) \|", (ROOT / "docs/api.md").read_text(), re.MULTILINE)
    assert [int(row) for row in rows] == sorted({*REFUSALS, 405})


def test_the_document_is_made_once():
    assert api.get_openapi_schema() is DOCUMENT


@cache
def described():
    """The document as schemathesis reads it, which changes what it is given, with the platform that it calls.

    One platform for all tests: of each other one it would read all source code again, for what a call might hold.
    """
    schema = openapi.from_dict(deepcopy(DOCUMENT))
    schema.app = get_wsgi_application()
    return schema


@pytest.fixture(scope="module")
def made(django_db_setup, django_db_blocker):
    """The ids of one of everything, and a token of each role: for all tests here, in a transaction of its own."""
    with django_db_blocker.unblock(), transaction.atomic():
        ids = ids_of_everything()
        tokens = [ApiToken.issue(make_user(role.value, role), "document", timedelta(days=1)) for role in Role]
        Job.objects.update(created_by=ApiToken.objects.earliest("id").user)  # a person sees their own alone
        yield ids, tokens
        transaction.set_rollback(True)


def ids_of_everything():
    """The ids of an experiment and of its run, which has written something of everything."""
    ada = make_user("ada")
    run = runs.submit(runs.create_experiment("First", ada), "a", RptConfig.model_validate(CONFIG), ada)
    claimed, events = start_run(run)
    events.emit("log", message="one", level="info")
    events.emit("metrics", step=1, values={"loss": 1.5}, flops=1e9)
    events.emit("evaluation", step=1, flops=1e9, results=evaluation_results({"greedy": {"hard": 0.5}}), outcomes="o/1")
    write_shard(claimed, events, "train", 1, hostile_rows(1, 0))
    end_run(claimed, events)
    version = corpora.new_version(corpora.create_corpus("Sums", ada), ada)
    job = jobs.submit("check", {}, ada)
    model = RegisteredModel.objects.create(team=first_team(), name="one", source="folder", path="/one", job=job)
    wording = wordings.create(first_team(), "template", "mine", "{context}", ada).wording_id
    names = {"corpus_id": version.corpus_id, "version_id": version.pk, "job_id": job.pk, "model_id": model.pk}
    names |= {"wording_id": wording, "plan_id": own_plans.create(first_team(), "mine", PLAN, ada).pk}
    names["view_id"] = saved.create(first_team(), ada, "mine", AskedTable.of(["seed"]), is_shared=True).pk
    note = comments.write(Subject(run.experiment, run), "A note.", ada)
    names["comment_id"] = note.comment.pk
    names["rollout_id"] = Rollout.objects.filter(run_id=run.pk).earliest("id").id
    names["basket_id"] = baskets.create(first_team(), "Two", f"{run.pk},{run.pk}@1", ada).pk
    names["comparison_id"] = compared(run).pk
    names["search_id"] = search(first_team(), ada, run).pk
    group = ResponseGroup.objects.filter(run=run).earliest("id")
    group.position = CorpusPosition.objects.create(text_hash=bytes(16), byte_offset=7)
    group.save()
    names["position_id"] = group.position_id
    report = reports.create(first_team(), "What we found", ada)
    for is_anonymous in (False, True):
        printing.store(report, b"%PDF-1.4", is_anonymous=is_anonymous)
    names |= {"report_id": report.pk, "link_id": reports.share(report, ada, 3, is_anonymous=True)[0].pk}
    queue = make_queue(claimed, ada, sample=1)
    names |= {"queue_id": queue.pk, "item_id": queue.items.get().pk, "label_set_id": queue.version.label_set_id}
    return {"run_id": run.pk, "experiment_id": run.experiment_id, **names}


@pytest.fixture
def own_connection():
    """The platform, called in this thread, continues with the connection of the test."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


def cases_of(operation, ids):
    """A call as it is described, one that is not, and, where there are ids in the address, one with ids of nothing."""
    known = {name: value for name, value in ids.items() if f"{{{name}}}" in operation.path} or None
    kinds = [(mode, known) for mode in GenerationMode] + ([(GenerationMode.POSITIVE, None)] if known else [])
    return strategies.tuples(*(operation.as_strategy(mode, path_parameters=found) for mode, found in kinds))


@pytest.mark.slow
@pytest.mark.django_db
@pytest.mark.usefixtures("own_connection")
@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_every_answer_is_one_that_the_document_names(method, path, made):
    ids, tokens = made
    seen = set()

    @settings(
        max_examples=EXAMPLES.get(path, ENOUGH),
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases_of(described()[path][method], ids))
    def ask(cases):
        for case in cases:
            for token in (*tokens, "rpt_wrong"):
                headers = {"Authorization": f"Bearer {token}", "Accept-Encoding": "identity"}  # it unpacks nothing
                seen.add(case.call_and_validate(checks=CHECKS, headers=headers).status_code)

    ask()
    usual = 404 if path.endswith(".parquet") else 200  # no step that comes by chance has a file
    usual = 422 if "/exhibits" in path else usual  # no ref that comes by chance names one
    usual = 409 if path.endswith("/result") else usual  # the queue is no blind A/B
    by_chance = ("/compared-settings", "/{comparison_id}/positions")  # what they ask for is not met by chance
    usual = 422 if path.endswith(by_chance) else usual
    assert {401, usual} <= seen if method == "GET" else {401, 403, 422} & seen
