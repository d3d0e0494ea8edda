"""Each run's rollouts have a table of their own, made when missing and dropped with the run."""

import threading
import time

import pytest
from django.db import connection, transaction

from rpt_web.runs import services
from rpt_web.runs.models import Run
from rpt_web.traces.models import Rollout
from rpt_web.traces.partitions import drop_partition, ensure_partition, partition_name

pytestmark = pytest.mark.django_db


@pytest.fixture
def experiment():
    return services.create_experiment("Partitions", None)


def make_run(experiment, name="a"):
    return Run.objects.create(experiment=experiment, name=name, stage="rpt", config={}, code_version="x")


def tables():
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE relkind IN ('r', 'p')")
        return {row[0] for row in cursor.fetchall()}


def waiting_for_a_lock():
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        return cursor.fetchone()[0]


def make_rollout(run):
    values = {
        "document": "d",
        "reason": "match",
        "finish_reason": "stop",
        "completion": b"7",
        "preview": "",
        "kind": "train",
    }
    numbers = dict.fromkeys(
        ("attempt", "step", "row", "group", "sample", "position", "prompt_tokens", "response_tokens"), 1
    )
    Rollout.objects.bulk_create([Rollout(run=run, id=1, entropy_nats=1.0, reward=1.0, **values, **numbers)])


def test_a_partition_is_made_once(experiment):
    run = make_run(experiment)
    assert partition_name(run.pk) not in tables()
    ensure_partition(run.pk)
    ensure_partition(run.pk)
    assert partition_name(run.pk) in tables()


def test_rollouts_of_one_run_are_read_from_its_partition_only(experiment):
    first, second = make_run(experiment), make_run(experiment, "b")
    for run in (first, second):
        ensure_partition(run.pk)
        make_rollout(run)
    plan = Rollout.objects.filter(run_id=first.pk).explain()
    assert partition_name(first.pk) in plan
    assert partition_name(second.pk) not in plan


def test_a_partition_has_the_indexes_of_the_parent(experiment):
    run = make_run(experiment)
    ensure_partition(run.pk)
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexdef FROM pg_indexes WHERE tablename = %s", [partition_name(run.pk)])
        indexes = " ".join(row[0] for row in cursor.fetchall())
    assert all(columns in indexes for columns in ("(run_id, id)", "(reason, id)", '(document, "position", id)'))


def test_a_deleted_run_takes_its_partition_along(experiment):
    run = make_run(experiment)
    ensure_partition(run.pk)
    make_rollout(run)
    name = partition_name(run.pk)
    run.delete()
    assert name not in tables()


def test_a_deleted_experiment_takes_the_partitions_of_its_runs_along(experiment):
    runs = [make_run(experiment), make_run(experiment, "b")]
    for run in runs:
        ensure_partition(run.pk)
    experiment.delete()
    assert not {partition_name(run.pk) for run in runs} & tables()


def test_a_run_without_rollouts_is_deleted_too(experiment):
    make_run(experiment).delete()
    drop_partition(10**9)
    assert not Run.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_two_processes_make_one_partition_at_the_same_time():
    run = make_run(services.create_experiment("Partitions", None))
    errors = []

    def make():
        try:
            ensure_partition(run.pk)
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=make) for _ in range(3)]
    with transaction.atomic():
        ensure_partition(run.pk)  # held until the others wait for it
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + 30
        while waiting_for_a_lock() < len(threads) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert waiting_for_a_lock() == len(threads)
    for thread in threads:
        thread.join()
    assert errors == []
    assert partition_name(run.pk) in tables()
