"""Alarms of runs: what the recorder, the runner and the ends of runs raise, and that each arises once."""

from __future__ import annotations

import json

import pytest

from rpt_core.run.folder import RunDir
from rpt_web.notices.models import Alarm, AlarmKind, Notice, NoticeKind
from rpt_web.runs import services
from rpt_web.runs.models import Run, Status
from tests.factories import make_user, record, start_run
from tests.workers.emitted import replay

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(db):
    return make_user("ada")


@pytest.fixture
def claimed(ada):
    from rpt_core.config import RptConfig
    from tests.rpt_web.api_client import CONFIG

    experiment = services.create_experiment("Cards", ada)
    return start_run(services.submit(experiment, "rpt", RptConfig.model_validate(CONFIG), ada))


def alarms(run):
    return [(alarm.kind, alarm.step, alarm.metric) for alarm in Alarm.objects.filter(run=run).order_by("id")]


def metrics(events, steps, **values):
    for step in steps:
        events.emit("metrics", step=step, values=values)


def test_a_monitor_that_is_crossed_is_an_alarm_of_the_run_and_in_the_inbox_of_its_owner_once(claimed, ada):
    run, events = claimed
    events.emit("started", start_step=0, total_steps=40)
    metrics(events, range(1, 5), share_no_box=0.1, loss=0.1)
    metrics(events, range(5, 9), share_no_box=0.8, loss=0.1)
    record(run)
    assert alarms(run) == [(AlarmKind.MONITOR, 7, "share_no_box")]
    alarm = Alarm.objects.get()
    assert (alarm.value, alarm.limit, alarm.attempt) == (0.8, 0.5, 1)
    notice = Notice.objects.get()
    assert (notice.user, notice.kind, notice.run) == (ada, NoticeKind.ALARM, run)
    assert notice.text.startswith("“rpt” of Cards: No box: share_no_box is 0.8, above 0.5 since step 5.")
    replay(run)
    assert len(alarms(run)) == Notice.objects.count() == 1


def test_an_attempt_that_goes_the_same_way_again_raises_no_second_alarm_but_finds_a_missed_one(claimed):
    run, events = claimed
    events.emit("started", start_step=0, total_steps=40)
    metrics(events, range(1, 5), share_no_box=0.1)
    metrics(events, range(5, 9), share_no_box=0.8)
    record(run)
    events.emit("started", start_step=4, total_steps=40)
    metrics(events, range(5, 20), share_no_box=0.8)
    record(run)
    assert len(alarms(run)) == 1
    Alarm.objects.all().delete()  # as if the worker had died before it was raised
    events.emit("started", start_step=12, total_steps=40)
    record(run)
    assert alarms(run) == [(AlarmKind.MONITOR, 7, "share_no_box")]


def test_numbers_that_are_not_finite_are_alarms_while_the_run_goes_on(claimed):
    run, events = claimed
    events.emit("log", level="warning", message="Step 3 is skipped: loss is not finite but nan. Its batch is in x.")
    events.emit("log", level="warning", message="Something else.")
    metrics(events, (4, 5), loss=None)
    record(run)
    assert alarms(run) == [(AlarmKind.NOT_FINITE, None, ""), (AlarmKind.NOT_FINITE, 4, "loss")]
    services.finish(run, 1, Status.FAILED, error="Step 6: loss is not finite but nan, so the run ends.")
    assert alarms(run)[2:] == [(AlarmKind.NOT_FINITE, 5, "")]
    assert Notice.objects.latest("id").kind == NoticeKind.FAILED


def test_a_fault_in_the_alarms_costs_no_row(claimed, caplog):
    run, events = claimed
    metrics(events, (1, 2), share_no_box=0.1)
    lines = RunDir(run.directory).events.read_text().splitlines()
    broken = json.loads(lines[0]) | {"values": {"share_no_box": "much"}}
    RunDir(run.directory).events.write_text("\n".join([json.dumps(broken), *lines[1:]]) + "\n")
    record(run)
    assert list(run.metrics.values_list("step", flat=True)) == [1, 2]
    assert "its alarms cannot be raised" in caplog.text


def test_a_stage_that_does_not_respond_and_one_that_is_queued_again_are_alarms(claimed, ada):
    run, _ = claimed
    services.note_quiet(run, 900.0)
    services.note_quiet(run, None)
    services.note_quiet(run, 1000.0)
    assert alarms(run) == [(AlarmKind.STALLED, None, "")]
    assert "for 15 min" in Notice.objects.get().text
    assert services.interrupt(run, "The stage was killed by SIGKILL.") == Status.QUEUED
    assert Alarm.objects.latest("id").text == "The stage was killed by SIGKILL. It is queued again."
    run = services.claim(run.pk, "w")
    Run.objects.filter(pk=run.pk).update(lease_until="2020-01-01T00:00Z")
    assert services.requeue_or_lose(run) == Status.QUEUED
    run = services.claim(run.pk, "w")
    Run.objects.filter(pk=run.pk).update(lease_until="2020-01-01T00:00Z")
    assert services.requeue_or_lose(run) == Status.LOST
    assert [kind for kind, *_ in alarms(run)] == ["stalled", "stalled", "stalled", "ended"]
    assert Notice.objects.filter(user=ada).latest("id").text.startswith("“rpt” of Cards: It was lost.")
