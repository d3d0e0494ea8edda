"""The API's lists: runs and what a run has recorded, paged by key and filtered."""

from __future__ import annotations

import pytest
from django.db import connection
from django.utils import timezone

from rpt_web.results.models import Evaluation, ResultTable
from rpt_web.runs import services
from rpt_web.runs.models import Run, RunEvent, StepMetrics
from rpt_web.traces.models import Rollout, rollout_id
from rpt_web.traces.partitions import ensure_partition, partition_name
from tests.factories import make_experiment
from tests.preset_runs import finish_run
from tests.rpt_web.api_client import CONFIG, ROOT

pytestmark = pytest.mark.django_db


def test_runs_are_paged_by_key_newest_first(caller, experiment, run, django_assert_max_num_queries):
    others = [
        Run.objects.create(experiment=experiment, name=f"r{i}", stage="rpt", config=CONFIG, code_version="x")
        for i in range(4)
    ]
    ids = [run.pk, *(other.pk for other in others)][::-1]
    with django_assert_max_num_queries(4):
        first = caller.get(f"{ROOT}/runs?limit=2").json()
    second = caller.get(f"{ROOT}/runs?limit=2&after={first['next']}").json()
    last = caller.get(f"{ROOT}/runs?limit=2&after={second['next']}").json()
    assert [item["id"] for page in (first, second, last) for item in page["items"]] == ids
    assert last["next"] is None
    assert "config" not in first["items"][0]


def test_a_run_says_what_it_came_from(caller, ada):
    experiment = make_experiment(ada)
    runs = {name: finish_run(experiment, name, ada) for name in ("base", "filter", "cold-filter", "cold", "rpt")}
    cold = runs["cold"]
    found = caller.get(f"{ROOT}/runs/{runs['rpt'].pk}").json()["parents"]
    last = cold.checkpoints.latest("step")
    assert found[0] == {"role": "start", "run_id": cold.pk, "step": last.step, "path": found[0]["path"]}
    assert {"role": "reads", "run_id": runs["filter"].pk, "step": None, "path": ""} in found
    assert caller.get(f"{ROOT}/runs/{runs['base'].pk}").json()["parents"] == []


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
    with django_assert_max_num_queries(5):
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
    cell = {"correct": 3, "n": 4, "value": 0.75, "low": 0.3, "high": 0.95, "no_box": 0.25, "above_nats": 1.5}
    cell |= {"position_set": "f" * 32, "tokenizer": "0" * 32}
    Evaluation.objects.create(run=run, attempt=1, step=5, mode="greedy", difficulty="hard", **cell)
    listed = caller.get(f"{ROOT}/runs/{run.pk}/evaluations").json()
    assert listed == [{"step": 5, "flops": None, "mode": "greedy", "difficulty": "hard", **cell}]


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


def test_rollouts_of_a_step_are_read_by_their_ids(caller, run, django_assert_max_num_queries):
    ensure_partition(run.pk)
    for step in (1, 2, 3):
        make_rollout(run, step, 0)
    with django_assert_max_num_queries(5) as asked:
        page = caller.get(f"{ROOT}/runs/{run.pk}/rollouts?step=2&kind=train").json()
    assert [item["step"] for item in page["items"]] == [2]
    assert '"traces_rollout"."id" >= ' in asked.captured_queries[-1]["sql"]
    assert '"traces_rollout"."step" = ' not in asked.captured_queries[-1]["sql"]
    assert caller.get(f"{ROOT}/runs/{run.pk}/rollouts?step=2&kind=greedy").json()["items"] == []
    assert caller.get(f"{ROOT}/runs/{run.pk}/rollouts?step={10**15}").json()["items"] == []


def test_a_runs_rollouts_of_a_kind_have_an_index(run):
    ensure_partition(run.pk)
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexdef FROM pg_indexes WHERE tablename = %s", [partition_name(run.pk)])
        assert any("(kind, id)" in definition for (definition,) in cursor.fetchall())


def test_alarms_of_a_run_come_in_pages(caller, run):
    from rpt_web.notices.models import AlarmKind
    from rpt_web.runs.alarms import raise_alarm

    for step in (3, 7):
        raise_alarm(
            run, AlarmKind.MONITOR, f"k{step}", "No box.", step=step, metric="share_no_box", value=0.8, limit=0.5
        )
    first = caller.get(f"{ROOT}/runs/{run.pk}/alarms?limit=1").json()
    (alarm,) = first["items"]
    assert (alarm["kind"], alarm["step"], alarm["value"], alarm["text"]) == ("monitor", 3, 0.8, "No box.")
    rest = caller.get(f"{ROOT}/runs/{run.pk}/alarms?after={first['next']}").json()
    assert ([found["step"] for found in rest["items"]], rest["next"]) == ([7], None)
