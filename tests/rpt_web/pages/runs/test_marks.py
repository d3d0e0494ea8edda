"""What is marked on a run's curves."""

from __future__ import annotations

import json
import re

from django.urls import reverse

from rpt_web.notices.models import AlarmKind
from rpt_web.runs import alarms, services
from rpt_web.runs.models import Status
from tests.factories import HOSTILE, end_run, record, start_run
from tests.preset_runs import finish_runs, rpt_step, running_rpt


def test_what_happened_is_marked_at_its_step(page, ada, experiment):
    finish_runs(experiment, ada)
    run, events = running_rpt(experiment, ada, done=42, groups=1)
    events.emit("log", level="warning", message=HOSTILE)
    record(run)
    end_run(run, events, Status.FAILED, error="no", exit_code=1)
    services.retry(run, ada)
    run, events = start_run(run)
    events.emit("started", start_step=40, total_steps=80)
    rpt_step(run, events, 41, 1)
    record(run)
    alarms.raise_alarm(run, AlarmKind.MONITOR, "k", "No box: above its limit.", step=41, metric="share_no_box")
    text = page(reverse("runs:run_curves", args=[run.pk]))
    found = json.loads(re.search(r'<script id="marks" type="application/json">(.*?)</script>', text)[1])
    by_kind = {kind: [mark["step"] for mark in found if mark["kind"] == kind] for kind in {m["kind"] for m in found}}
    assert by_kind["checkpoint"] == [40]
    assert by_kind["evaluation"] == [20, 10, 5, 0]
    assert by_kind["resumed"] == [40]
    assert by_kind["alarm"] == [42, 41]
    assert not any("<" in mark["words"] for mark in found), "Plotly would take it for markup"
    assert 'class="mark-kind resumed"' in text


def test_each_monitor_stands_with_its_value_its_limit_and_examples(page, ada, experiment):
    finish_runs(experiment, ada)
    run, _ = running_rpt(experiment, ada, done=12, groups=1)
    values = {**run.metrics.get(step=12).values, "share_no_box": 0.75, "share_several_boxes": 0.0}
    run.metrics.filter(step=12).update(values=values)
    text = page(reverse("runs:run_monitors", args=[run.pk])).partition("What is watched")[2]
    row = text[text.index("No box") : text.index("Several boxes")]
    assert "past its limit" in row
    assert '<td class="number" data-label="Now">0.75</td><td class="number" data-label="Limit">0.5</td>' in row
    assert f'href="/traces/?run={run.pk}&amp;kind=train&amp;step_from=12&amp;step_to=12&amp;reason=no_box"' in row
    assert "past its limit" not in text[text.index("Several boxes") : text.index("White space only")]
