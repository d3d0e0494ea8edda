"""A run whose responses are reviewed, and queues of them as people make them: for tests of reviewing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from django.db import transaction
from django.http import QueryDict

from rpt_core.config import RptConfig
from rpt_web.review import label_sets, queues
from rpt_web.review.models import ReviewQueue
from rpt_web.runs import services
from rpt_web.runs.models import Run
from rpt_web.teams.models import Role, User
from rpt_web.traces.models import Rollout
from rpt_web.traces.queries import Filters
from tests.card_rows import card_rows
from tests.factories import hostile_rows, make_user, record, start_run, write_shard
from tests.rpt_web.api_client import CONFIG


def reviewed_run(user: User, name: str = "named-to-hide") -> Run:
    """A run with 20 responses: hostile ones, and sums of cards of which some are right."""
    experiment = services.create_experiment("Sums", user)
    run = services.submit(experiment, name, RptConfig.model_validate(CONFIG), user)
    claimed, events = start_run(run)
    write_shard(claimed, events, "train", 1, [*hostile_rows(1, 0), *card_rows(1, 0.5, 4, 4)])
    record(claimed)
    return claimed


def make_queue(run: Run, user: User, query: str = "", **more: Any) -> ReviewQueue:
    """Three responses drawn from a run, with the built-in label set; `more` as `QueuePlan` has it."""
    filters = Filters.from_query(QueryDict(query))
    version = label_sets.built_in(run.experiment.team, user)
    plan = queues.QueuePlan(**({"name": "Second look", "version": version, "sample": 3} | more))
    rollouts = filters.apply(Rollout.objects.filter(run_id=run.pk))
    return queues.create_from_run(run, rollouts, filters.query(), plan, user)


@pytest.fixture(scope="module")
def rows(django_db_setup, django_db_blocker):
    """People and a run, made once; each test's own changes are undone."""
    with django_db_blocker.unblock(), transaction.atomic():
        people = {"ada": make_user("ada"), "bob": make_user("bob"), "eve": make_user("eve", Role.VIEWER)}
        yield SimpleNamespace(run=reviewed_run(people["ada"]), **people)
        transaction.set_rollback(True)


@pytest.fixture
def team(rows, db):
    """The same, within a test's own transaction."""
    return rows
