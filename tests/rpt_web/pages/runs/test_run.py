"""A run's page: its parts and its states."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db.models import Sum
from django.urls import reverse
from django.utils import timezone

from rpt_core.config import STAGES
from rpt_core.run.folder import RunDir
from rpt_core.run.tables import emit_table
from rpt_web.pages.templatetags import show
from rpt_web.runs import nodes, queries, services
from rpt_web.runs.models import Experiment, Run, Status, StepMetrics
from tests.factories import HOSTILE, end_run, make_experiment, make_user, record, start_run
from tests.played_tables import played_tables
from tests.preset_runs import (
    failed_run,
    finish_run,
    finish_runs,
    finished_experiment,
    queued_rpt,
    rpt_step,
    running_rpt,
)
from tests.rpt_web.module_rows import module_rows


@pytest.fixture(scope="module")
def made(django_db_setup, django_db_blocker):
    with module_rows(django_db_blocker):
        user = make_user("ada")
        experiment = make_experiment(user)
        finish_runs(experiment, user)
        yield experiment.pk


@pytest.fixture
def experiment(db, made):
    """What an RPT run needs has been made."""
    return Experiment.objects.get(pk=made)


@pytest.fixture
def ada(experiment):
    return experiment.created_by


def address(run, name="run_detail"):
    return reverse(f"runs:{name}", args=[run.pk])


def part(page, run, name, tab="run_detail", query=""):
    return page(address(run, tab) + query, headers={"HX-Request": "true", "HX-Target": name})


def test_the_question_before_a_cancel_says_what_the_engine_does(page, experiment, ada):
    run, _ = running_rpt(experiment, ada, done=1, groups=1)
    assert "It writes a checkpoint and stops." in page(address(run))
    Run.objects.filter(pk=run.pk).update(config={**run.config, "engine": "verl"})
    text = page(address(run))
    assert "verl stops at once and writes no checkpoint" in text
    assert "It writes a checkpoint and stops." not in text


def test_a_running_run_shows_progress_time_left_and_charts(page, experiment, ada):
    run, _ = running_rpt(experiment, ada, done=6, groups=1)
    text = page(address(run))
    assert '<strong data-live="step">6</strong>' in text
    assert '<span data-live="total">80</span>' in text
    assert "about 5 min left" in text  # 74 steps; the last 5 took 20 s, one evaluation included
    assert "data-figure" not in text
    assert 'data-state-key="1-Running-rollouts"' in text
    newest = f"event={run.events.latest('seq').seq}&amp;evaluation="
    assert f"at=1-6&amp;parts=state%2Crecords&amp;{newest}" in text
    assert "data-dialog" in text
    text = page(address(run, "run_curves"))
    assert 'data-figure="reward"' in text
    assert 'data-figure="form"' not in text
    assert f"at=1-6&amp;parts=state%2Ccharts%2Cmetrics&amp;{newest}" in text
    text = page(address(run, "run_monitors"))
    assert 'data-figure="form"' in text
    assert 'data-figure="reward"' not in text


def test_what_an_earlier_attempt_did_last_is_not_shown_of_the_next(page, experiment, ada):
    run, events = running_rpt(experiment, ada, done=6, groups=1)
    events.emit("progress", step=6, total_steps=80, what="sampling for step 7")
    record(run)
    assert "sampling for step 7" in page(address(run))
    end_run(run, events, Status.CANCELLED, exit_code=3)
    assert "sampling for step 7" not in page(address(run)).partition('id="records"')[0]

    services.retry(run, ada)
    run, events = start_run(run, timedelta(seconds=2))
    text = page(address(run)).partition('id="records"')[0]
    assert "sampling for step 7" not in text
    assert " left</span>" not in text  # nothing of this attempt tells its pace
    events.emit("started", start_step=6, total_steps=80)
    record(run)
    assert " left</span>" not in page(address(run))


def head(page, run):
    return " ".join(re.sub("<[^>]+>", "", part(page, run, "state").replace("</li>", " ")).split())


def test_the_time_shown_is_that_of_all_attempts(page, experiment, ada):
    run, events = start_run(queued_rpt(experiment, ada), timedelta(seconds=90))
    assert re.search(r"1 min 3\d s so far", head(page, run))
    assert "in this attempt" not in head(page, run)
    events.emit("log", after_seconds=300, level="info", message="stuck")
    run = end_run(run, events, Status.CANCELLED, exit_code=3)
    assert "took 5 min 00 s" in head(page, run)
    assert "attempts" not in head(page, run)

    services.retry(run, ada)
    assert "5 min 00 s so far" in head(page, run)
    run, events = start_run(run, timedelta(seconds=20))
    assert re.search(r"5 min 2\d s so far, 2\d s in this attempt", head(page, run))
    of_experiment = reverse("experiments:experiment_detail", args=[experiment.pk])
    events.emit("log", after_seconds=40, level="info", message="done")
    end_run(run, events)
    assert "took 5 min 40 s in 2 attempts" in head(page, run)
    others = experiment.runs.exclude(pk=run.pk).aggregate(time=Sum("time_spent"))["time"]
    total = show.duration(others + timedelta(seconds=340))
    text = page(of_experiment)
    assert "5 min 40 s</td>" in text
    assert f"<dt>Time in runs</dt><dd>{total}<small>all attempts</small>" in text


def test_the_attempt_is_a_number_and_the_cap_belongs_to_the_queue(page, experiment, ada):
    run = queued_rpt(experiment, ada)
    assert "attempt" not in head(page, run)
    run, events = start_run(run)
    end_run(run, events, Status.FAILED)
    services.retry(run, ada)
    run, _ = start_run(run)
    assert "attempt 2 started" in head(page, run)
    assert "queued again automatically, up to attempt 4" in part(page, run, "state")
    Run.objects.filter(pk=run.pk).update(max_attempts=2)
    assert "until attempt" not in part(page, run, "state")


def test_a_time_that_is_not_known_is_not_shown(page, experiment, ada):
    run, _ = start_run(queued_rpt(experiment, ada), timedelta(seconds=20))
    Run.objects.filter(pk=run.pk).update(attempt=2, time_spent=None)
    assert "so far" not in head(page, run)
    assert re.search(r"2\d s in this attempt", head(page, run))


def test_a_failed_run_shows_the_error_in_words_and_the_log(page, ada):
    run = failed_run(make_experiment(ada), ada)
    text = page(address(run))
    assert "3 of 857 records (0.35 %) are unusable" in text
    assert "reading omni.jsonl ... 100 %" in text
    assert "Exit code 2" in text
    assert "no text in <code>solution</code>" in text
    assert address(run, "run_retry") in text
    assert address(run, "run_cancel") not in text
    assert "data-is-live" not in text


def test_a_queued_run_says_that_it_waits(page, experiment, ada):
    nodes.register("node", ["default"])
    text = page(address(queued_rpt(experiment, ada)))
    assert "Queued. It starts when a worker is free" in text
    assert address(Run.objects.latest("id"), "run_cancel") in text


def test_a_run_whose_worker_is_silent_says_so(page, experiment, ada):
    run, _ = running_rpt(experiment, ada, done=1, groups=1)
    Run.objects.filter(pk=run.pk).update(lease_until=timezone.now() - timedelta(minutes=3))
    assert "Silent" in part(page, run, "state")


def test_positions_checkpoints_corpus_and_evaluations_are_shown(page, ada):
    experiment = finished_experiment(ada, steps=40, groups=1)
    run = experiment.runs.get(name="filter")
    text = page(address(run))
    kept = run.events.get(type="positions", data__split="train").data["kept"]
    assert "Positions by difficulty" in text
    assert f'<td class="number">{kept:,}</td>' in text
    run = experiment.runs.get(name="rpt")
    text = page(address(run, "run_files"))
    assert "checkpoints/step-000040" in text
    assert "2.3 MB" in text
    text = page(address(run, "run_evaluations"))
    assert "Next-token accuracy, reasoning, greedy" in text
    text = page(address(run))
    assert f'starts from</span> <a href="{address(experiment.runs.get(name="cold"))}">cold</a>' in text
    assert "reads what this run made" in page(address(experiment.runs.get(name="filter")))


def test_result_tables_are_shown_with_their_charts(page, ada, experiment):
    run, events = running_rpt(experiment, ada, done=1, groups=1)
    assert 'id="tables" aria-labelledby="tables-heading" data-empty' in page(address(run, "run_evaluations"))
    for table in played_tables("templates") + played_tables("analyse"):
        emit_table(RunDir(run.directory), events, table)
    record(run)
    text = part(page, run, "tables", "run_evaluations")
    assert "data-empty" not in text
    assert "<strong>20.0</strong> <span" in text
    assert "[16.4, 24.2]" in text
    assert "n 400" in text
    assert "Show all 120 rows" in text
    assert text.count('class="more-row"') == 80
    assert text.count("data-figure=") == 4
    assert "<script>alert" not in text
    assert text.count("&lt;script&gt;alert") >= 3


def test_tables_can_be_seen_as_of_an_earlier_step(page, client, ada, experiment):
    run, events = running_rpt(experiment, ada, done=1, groups=1)
    table = played_tables("rlvr")[0]
    for step, title in ((0, "at the start"), (10, "after ten")):
        emit_table(RunDir(run.directory), events, replace(table, step=step, title=title))
    record(run)
    assert "after ten" in part(page, run, "tables", "run_evaluations")
    assert "at the start" not in part(page, run, "tables", "run_evaluations")
    text = part(page, run, "tables", "run_evaluations", "?tables_at=0")
    assert "at the start" in text
    assert "after ten" not in text
    assert "after ten" in part(page, run, "tables", "run_evaluations", "?tables_at=99999")
    assert (
        address(run, "run_evaluations") + "?tables_at=0#tables" in client.get(address(run) + "?tables_at=0")["Location"]
    )


def test_the_config_is_shown_flat_and_in_the_models_order(page, experiment, ada):
    run = queued_rpt(experiment, ada)
    text = page(address(run, "run_settings"))
    assert "<dt>optimiser.learning_rate</dt><dd>0.0003</dd>" in text
    assert f"mv run-{run.pk}-config.json {run.name}/config.json" in text
    assert f".venv/bin/python -m rpt_core {run.stage} {run.name}</pre>" in text
    assert text.index("<dt>steps</dt>") < text.index("<dt>group_size</dt>") < text.index("<dt>grpo.normalise</dt>")


def test_the_downloaded_config_starts_the_same_stage(client, page, experiment, ada):
    run = queued_rpt(experiment, ada)
    response = client.get(address(run, "run_config"))
    assert response["Content-Disposition"] == f'attachment; filename="run-{run.pk}-config.json"'
    config = STAGES[run.stage].model_validate_json(response.content)
    assert config.model_dump(mode="json") == run.config


PARTS = {
    "run_detail": ["state", "records"],
    "run_curves": ["state", "charts"],
    "run_monitors": ["charts"],
    "run_groups": ["charts", "tables"],
    "run_evaluations": ["charts", "tables"],
    "run_log": ["log", "events"],
    "run_files": ["records"],
}


def test_a_part_of_a_tab_comes_alone(page, client, experiment, ada):
    run, _ = running_rpt(experiment, ada, done=2, groups=1)
    for tab, names in PARTS.items():
        for name in names:
            text = part(page, run, name, tab)
            assert f'id="{name}"' in text.partition(">")[0]
            assert "<html" not in text
    answer = client.get(address(run), headers={"HX-Request": "true", "HX-Target": "charts"})
    assert answer["HX-Refresh"] == "true", "of a page from before there were tabs"


def test_the_tabs_are_those_of_the_stage(page, client, experiment, ada):
    def tabs(run, name):
        bar = page(address(run, name)).partition('<nav class="tabs"')[2].partition("</nav>")[0]
        assert bar.count("aria-current") == 1
        return re.findall(r">([A-Z][a-z]+)<", bar)

    run, _ = running_rpt(experiment, ada, done=2, groups=1)
    whole = ["Overview", "Curves", "Collapse", "Groups", "Evaluations", "Responses", "Log", "Config", "Files"]
    assert tabs(run, "run_groups") == whole
    assert tabs(experiment.runs.get(name="filter"), "run_files") == [
        "Overview",
        "Tables",
        "Documents",
        "Log",
        "Config",
        "Files",
    ]
    assert tabs(experiment.runs.get(name="base"), "run_curves") == ["Overview", "Curves", "Log", "Config", "Files"]
    state = part(page, run, "state", query="?tab=responses")
    assert re.search(r'aria-current="page">Responses<', state)


def test_events_are_paged_by_key_and_none_is_lost(page, ada, monkeypatch):
    monkeypatch.setattr(queries, "EVENTS_PER_PAGE", 3)
    experiment = make_experiment(ada)
    run = finish_run(experiment, "base", ada)
    expected = list(run.events.order_by("-seq").values_list("seq", flat=True))
    before, seen = None, []
    while before is not None or not seen:
        found = queries.event_page(run, before)
        seen += [event.seq for event in found.events]
        before = found.older
    assert seen == expected
    assert f"events_before={expected[2]}" in part(page, run, "events", "run_log")
    assert f"#{expected[3]} " in part(page, run, "events", "run_log", f"?events_before={expected[2]}")


def test_what_a_stage_says_is_escaped(page, ada, experiment):
    run, events = running_rpt(experiment, ada, done=1, groups=1)
    events.emit("log", level="warning", message=HOSTILE)
    events.emit("progress", step=1, total_steps=80, what=HOSTILE)
    events.emit("metrics", step=2, values={HOSTILE: 1.0}, flops=1.0)
    bad = [{"file": HOSTILE, "line": 1, "problem": HOSTILE}]
    events.emit("corpus", name=HOSTILE, documents={"train": 1, "validation": 0}, bad=1, bad_records=bad)
    record(run)
    end_run(run, events, Status.FAILED, error=HOSTILE, log_tail=HOSTILE, exit_code=1)
    text = "".join(page(address(run, name)) for name in PARTS)
    assert "<script>alert" not in text
    assert text.count("&lt;script&gt;alert") >= 6


def test_long_runs_are_thinned_and_say_so(page, experiment, ada, django_assert_num_queries):
    run, _ = running_rpt(experiment, ada, done=1, groups=1)
    now = timezone.now()
    StepMetrics.objects.bulk_create(
        StepMetrics(run=run, attempt=1, step=step, time=now, values={"reward_mean": step / 9000})
        for step in range(2, 9000)
    )
    series = queries.metric_series(run)
    assert series.every == 9
    assert 999 <= len(series.steps) <= 1000
    assert series.last_step == 8999
    assert series.steps[:3] == [9, 18, 27]
    with django_assert_num_queries(3) as asked:  # and none of them counts or sorts all rows
        queries.metric_series(run)
    assert "LIMIT 1001" in asked.captured_queries[0]["sql"]
    assert "OVER (" not in asked.captured_queries[2]["sql"]
    assert "Every 9th step is drawn." in part(page, run, "charts", "run_curves")
    assert len(part(page, run, "charts", "run_curves")) < 800_000


def test_as_many_metrics_as_are_drawn_are_all_there_however_far_apart(experiment, ada):
    run, now, steps = queued_rpt(experiment, ada), timezone.now(), [1, 2, 3, 9, 10]
    StepMetrics.objects.bulk_create(
        StepMetrics(run=run, attempt=1, step=step, time=now, values={"loss": None, "reward": step / 10})
        for step in steps
    )
    assert queries.metric_series(run, cap=5).steps == steps
    few = queries.metric_series(run, cap=4)  # the last of 1 to 3, 4 to 6, 7 to 9, 10
    assert (few.every, few.steps) == (3, [3, 9, 10])
    assert few.values == {"loss": [None] * 3, "reward": [0.3, 0.9, 1.0]}


def test_metrics_come_as_json_for_notebooks(client, ada, experiment):
    run, _ = running_rpt(experiment, ada, done=3, groups=1)
    client.force_login(ada)
    data = json.loads(client.get(address(run, "run_metrics")).content)
    assert data["steps"] == [1, 2, 3]
    assert len(data["values"]["reward_mean"]) == 3


def test_a_metric_that_a_step_has_not_is_a_gap_and_no_zero(ada, experiment):
    run, events = running_rpt(experiment, ada, done=1, groups=1)
    events.emit("metrics", step=2, values={"reward_mean": 0.5}, flops=1.0)
    record(run)
    series = queries.metric_series(run)
    assert series.values["gradient_norm"][1] is None
    assert series.values["reward_mean"][1] == 0.5


def test_the_number_of_queries_does_not_grow_with_the_run(page, ada, experiment, django_assert_max_num_queries):
    run, events = running_rpt(experiment, ada, done=1, groups=1)
    with django_assert_max_num_queries(20) as few:
        page(address(run, "run_curves"))
    for step in range(2, 40):
        rpt_step(run, events, step, 1)
    record(run)
    with django_assert_max_num_queries(len(few)):
        page(address(run, "run_curves"))


def test_time_left_is_unknown_before_the_first_step(page, ada, experiment):
    run, events = start_run(queued_rpt(experiment, ada))
    events.emit("started", start_step=0, total_steps=80)
    record(run)
    assert '<span data-live="left"></span>' in part(page, run, "state")
