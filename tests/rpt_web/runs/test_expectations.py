"""When queued runs start and end: typical, at most, or unknown, from what runs like them took."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from rpt_core.config import RptConfig
from rpt_web.runs import nodes, services
from rpt_web.runs.expectations import Stretch, expected, in_words
from rpt_web.runs.models import Node, Run, Status, StepMetrics
from tests.rpt_web.api_client import CONFIG

pytestmark = pytest.mark.django_db
MINUTE = 60.0


@pytest.fixture
def submit(experiment, ada):
    def submit(name, steps=7, **fields):
        run = services.submit(experiment, name, RptConfig.model_validate(CONFIG | {"steps": steps}), ada)
        Run.objects.filter(pk=run.pk).update(**fields)
        return Run.objects.get(pk=run.pk)

    return submit


@pytest.fixture
def took(submit):
    """took(minutes, ...) -> runs like those of `submit` that took so long."""

    def took(*minutes, steps=7):
        for number, spent in enumerate(minutes):
            values = {"time_spent": timedelta(minutes=spent), "finished_at": timezone.now()}
            submit(f"done {number} {steps}", steps, status=Status.SUCCEEDED, **values)

    return took


def test_runs_start_one_after_another_as_long_as_their_like_took(submit, took):
    Node.objects.all().delete()
    nodes.register("small", ["default"])
    took(10, 12, 30)
    first, second = submit("first"), submit("second")
    found = expected([first, second])
    assert found[first.pk].start == Stretch(0, 0)
    assert found[first.pk].end == Stretch(12 * MINUTE, 30 * MINUTE)
    assert found[second.pk].start == Stretch(12 * MINUTE, 30 * MINUTE)
    assert in_words("start", found[second.pk].start) == "starts in about 12 min, about 30 min at most"
    nodes.register("another", ["default"])
    assert expected([second])[second.pk].start == Stretch(0, 0), "two nodes take two runs"


def test_what_is_not_known_is_said_to_be_unknown_and_so_is_all_behind_it(submit, took):
    Node.objects.all().delete()
    assert expected([submit("nobody listens")]).popitem()[1].start == Stretch()
    nodes.register("small", ["default"])
    took(10)
    strange, behind = submit("strange", 9), submit("behind")
    Run.objects.filter(name="nobody listens").delete()
    found = expected([strange, behind])
    assert found[strange.pk].start == Stretch(0, 0)
    assert found[strange.pk].end == Stretch()
    assert in_words("start", found[behind.pk].start) == "start unknown"


def test_a_running_run_ends_at_its_own_pace_and_gives_way_then(submit, took):
    Node.objects.all().delete()
    nodes.register("small", ["default"])
    took(10)
    run = services.claim(submit("runs").pk, "small:1")
    begun = timezone.now() - timedelta(minutes=5)
    Run.objects.filter(pk=run.pk).update(started_at=begun, step=3, total_steps=7)
    for step in (1, 2, 3):
        StepMetrics.objects.create(run=run, attempt=1, step=step, time=begun + timedelta(minutes=step), values={})
    run.refresh_from_db()
    queued = submit("queued")
    found = expected([run, queued])
    assert found[run.pk].end == Stretch(4 * MINUTE)
    assert in_words("end", found[run.pk].end) == "ends in about 4 min"
    assert found[queued.pk].start == Stretch(4 * MINUTE)
