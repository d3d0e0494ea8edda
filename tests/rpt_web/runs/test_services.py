"""The services of a run's life: what is allowed from which state, and that two callers never both win."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from rpt_core.config import ModelConfig, RewardConfig, RptConfig
from rpt_core.errors import UserError
from rpt_core.plans.preset import PlannedRun
from rpt_web.runs import display, services
from rpt_web.runs.models import Run, Status

pytestmark = pytest.mark.django_db
CONFIG = RptConfig(model=ModelConfig(path="m"), positions="p", steps=7, seed=5)


@pytest.fixture
def experiment():
    return services.create_experiment("  Services ", None, preset="tiny", seed=11)


@pytest.fixture
def run(experiment):
    return services.submit(experiment, "first", CONFIG, None, title="A title")


def set_status(run, status, **values):
    Run.objects.filter(pk=run.pk).update(status=status, **values)
    run.refresh_from_db()


def test_a_submitted_run_freezes_config_seed_and_code_version(run, experiment):
    run.refresh_from_db()
    assert experiment.name == "Services"
    assert (run.status, run.attempt, run.stage, run.seed, run.title) == (Status.QUEUED, 0, "rpt", 5, "A title")
    assert run.config == CONFIG.model_dump(mode="json")
    assert RptConfig.model_validate(run.config) == CONFIG
    assert run.code_version.startswith(("0.1.0", "0+"))


@pytest.mark.parametrize("name", ["", "   ", "a/b", "@a", "x" * 101, "a\x00", "a\ud800", "two\nlines"])
def test_a_run_name_that_would_make_trouble_is_refused(experiment, name):
    with pytest.raises(UserError, match="cannot be the name of this run"):
        services.submit(experiment, name, CONFIG, None)


def test_a_name_is_taken_once_in_an_experiment_and_free_in_another(run, experiment):
    with pytest.raises(UserError, match="already has a run named 'first'"):
        services.submit(experiment, "first", CONFIG, None)
    other = services.create_experiment("Other", None)
    assert services.submit(other, "first", CONFIG, None).pk


def test_a_config_that_postgres_cannot_store_is_refused(experiment):
    reward = RewardConfig(kind="custom", custom="a\x00b:c")
    with pytest.raises(UserError, match="NUL or half a character"):
        services.submit(experiment, "x", CONFIG.model_copy(update={"reward": reward}), None)


def test_a_claim_raises_the_attempt_and_sets_a_lease(run, settings):
    settings.RPT_LEASE_SECONDS = 60
    claimed = services.claim(run.pk, "host:1")
    assert (claimed.status, claimed.attempt, claimed.worker) == (Status.RUNNING, 1, "host:1")
    assert 50 < (claimed.lease_until - timezone.now()).total_seconds() < 70
    assert claimed.started_at is not None


@pytest.mark.parametrize("status", [status for status in Status if status != Status.QUEUED])
def test_only_a_queued_run_can_be_claimed(run, status):
    set_status(run, status)
    assert services.claim(run.pk, "w") is None
    run.refresh_from_db()
    assert (run.status, run.attempt) == (status, 0)


@pytest.mark.django_db(transaction=True)
def test_of_eight_claims_at_the_same_time_one_wins():
    run = services.submit(services.create_experiment("x", None), "x", CONFIG, None)
    barrier, won = threading.Barrier(8), []

    def claim(number):
        try:
            barrier.wait()
            won.append(services.claim(run.pk, f"w{number}"))
        finally:
            connection.close()

    threads = [threading.Thread(target=claim, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winners = [claimed for claimed in won if claimed is not None]
    assert len(won) == 8
    assert [claimed.attempt for claimed in winners] == [1]


def test_a_renewal_tells_of_a_cancel(run):
    claimed = services.claim(run.pk, "w")
    assert services.renew(claimed)
    assert claimed.cancel_requested_at is None
    assert not services.is_cancel_requested(claimed)
    services.request_cancel(run, None)
    assert services.renew(claimed)
    assert claimed.cancel_requested_at is not None
    assert services.is_cancel_requested(claimed)


def test_a_stale_attempt_can_neither_renew_nor_finish_nor_release(run):
    stale = services.claim(run.pk, "old")
    set_status(run, Status.QUEUED)
    services.claim(run.pk, "new")
    assert not services.renew(stale)
    assert not services.finish(stale, stale.attempt, Status.SUCCEEDED)
    assert services.hand_back(stale) is None
    assert services.interrupt(stale, "killed") is None
    assert services.requeue_or_lose(stale) is None
    run.refresh_from_db()
    assert (run.status, run.attempt, run.worker) == (Status.RUNNING, 2, "new")


def test_a_finished_run_keeps_how_it_ended(run):
    claimed = services.claim(run.pk, "w")
    assert services.finish(claimed, 1, Status.FAILED, error="bad \x00 input", log_tail="t\ud800", exit_code=2)
    run.refresh_from_db()
    assert (run.status, run.error, run.log_tail, run.exit_code) == (Status.FAILED, "bad \ufffd input", "t\ufffd", 2)
    assert run.finished_at is not None
    assert not services.finish(claimed, 1, Status.SUCCEEDED)


def test_a_queued_run_is_cancelled_at_once(run):
    services.request_cancel(run, None)
    run.refresh_from_db()
    assert run.status == Status.CANCELLED
    assert services.claim(run.pk, "w") is None


def test_a_running_run_is_asked_to_stop(run):
    services.claim(run.pk, "w")
    services.request_cancel(run, None)
    run.refresh_from_db()
    assert run.status == Status.RUNNING
    assert run.cancel_requested_at is not None


@pytest.mark.parametrize("status", [Status.SUCCEEDED, Status.FAILED, Status.CANCELLED, Status.LOST])
def test_a_run_that_has_ended_cannot_be_cancelled(run, status):
    set_status(run, status)
    with pytest.raises(UserError, match=rf"has ended \({status}\)"):
        services.request_cancel(run, None)


@pytest.mark.parametrize("status", [Status.FAILED, Status.CANCELLED, Status.LOST])
def test_a_run_that_ended_badly_can_be_retried_with_attempts_left(run, status):
    set_status(run, status, attempt=3, cancel_requested_at=timezone.now(), error="x", exit_code=1)
    services.retry(run, None)
    run.refresh_from_db()
    assert (run.status, run.attempt, run.max_attempts) == (Status.QUEUED, 3, 6)
    assert (run.cancel_requested_at, run.error, run.exit_code, run.finished_at) == (None, "", None, None)
    assert services.claim(run.pk, "w").attempt == 4


@pytest.mark.parametrize("status", [Status.QUEUED, Status.RUNNING, Status.SUCCEEDED])
def test_other_runs_cannot_be_retried(run, status):
    set_status(run, status)
    with pytest.raises(UserError, match=f"status {status}. Only failed, cancelled and lost runs"):
        services.retry(run, None)


def test_an_interrupted_run_is_queued_until_its_cap_and_then_fails(run):
    Run.objects.filter(pk=run.pk).update(max_attempts=2)
    assert services.interrupt(services.claim(run.pk, "w"), "killed") == Status.QUEUED
    assert services.interrupt(services.claim(run.pk, "w"), "killed", log_tail="t") == Status.FAILED
    run.refresh_from_db()
    assert (run.status, run.error, run.log_tail) == (Status.FAILED, "killed", "t")


def test_handing_back_any_number_of_times_does_not_use_up_the_attempts(run):
    for _ in range(5):
        assert services.hand_back(services.claim(run.pk, "w")) == Status.QUEUED
    run.refresh_from_db()
    assert (run.attempt, run.max_attempts) == (5, 8)


def test_a_run_handed_back_while_it_is_being_cancelled_is_cancelled(run):
    claimed = services.claim(run.pk, "w")
    services.request_cancel(run, None)
    assert services.hand_back(claimed) == Status.CANCELLED


def claim_ago(run, seconds):
    """Claim it, as if that had been some time ago by the database's clock."""
    claimed = services.claim(run.pk, "w")
    Run.objects.filter(pk=run.pk).update(started_at=Now() - timedelta(seconds=seconds))
    return claimed


def seconds_spent(run):
    run.refresh_from_db()
    return round(run.time_spent.total_seconds())


def test_the_time_of_every_attempt_is_kept_however_it_ended(run):
    assert services.hand_back(claim_ago(run, 100)) == Status.QUEUED
    assert seconds_spent(run) == 100
    assert services.interrupt(claim_ago(run, 20), "killed") == Status.QUEUED
    assert seconds_spent(run) == 120
    assert services.finish(claim_ago(run, 3), 3, Status.FAILED)
    assert seconds_spent(run) == 123
    services.retry(run, None)
    claimed = claim_ago(run, 1000)
    services.request_cancel(run, None)
    assert seconds_spent(run) == 123
    assert services.hand_back(claimed) == Status.CANCELLED
    assert seconds_spent(run) == 1123
    services.retry(run, None)
    assert services.finish(claim_ago(run, 10_000), 5, Status.SUCCEEDED)
    assert seconds_spent(run) == 11_123


def test_waiting_for_a_worker_counts_for_nothing(run):
    services.hand_back(claim_ago(run, 60))
    Run.objects.filter(pk=run.pk).update(started_at=Now() - timedelta(hours=5))
    run.refresh_from_db()
    assert round(display.run_time(run).total_seconds()) == 60
    services.request_cancel(run, None)
    assert seconds_spent(run) == 60


def test_the_attempt_of_a_silent_worker_lasted_as_long_as_its_lease(run):
    for attempt in (1, 2, 3):
        claimed = claim_ago(run, 600)
        Run.objects.filter(pk=run.pk).update(lease_until=Now() - timedelta(seconds=200))
        run.refresh_from_db()
        assert round(display.attempt_time(run).total_seconds()) == 400
        assert services.requeue_or_lose(claimed) == (Status.QUEUED if attempt < 3 else Status.LOST)
        assert seconds_spent(run) == 400 * attempt


def test_an_attempt_that_is_not_ours_adds_no_time(run):
    stale = claim_ago(run, 50)
    services.hand_back(stale)
    claim_ago(run, 10)
    assert not services.finish(stale, stale.attempt, Status.FAILED)
    assert services.hand_back(stale) is None
    assert seconds_spent(run) == 50


def test_a_time_that_is_not_known_stays_so(run):
    claimed = claim_ago(run, 50)
    Run.objects.filter(pk=run.pk).update(time_spent=None)
    assert services.finish(claimed, 1, Status.SUCCEEDED)
    run.refresh_from_db()
    assert (run.time_spent, display.run_time(run)) == (None, None)


def test_a_planned_run_gets_what_it_refers_to(experiment, run):
    planned = PlannedRun(
        name="second",
        stage="rpt",
        title="Second",
        config={"model": {"path": "@first/checkpoint"}, "positions": "@first/positions", "seed": "@seed"},
    )
    set_status(run, Status.SUCCEEDED)
    for folder in ("checkpoints/step-000005", "checkpoints/step-000020", "checkpoints/step-000010", "positions"):
        (run.directory / folder).mkdir(parents=True)
    second = services.submit_planned(experiment, planned, None)
    assert second.config["model"]["path"] == str(run.directory / "checkpoints/step-000020")
    assert second.config["positions"] == str(run.directory / "positions")
    assert (second.seed, second.name, second.title) == (11, "second", "Second")
    assert (second.plan, second.needs) == (planned.config, ["first"])


@pytest.mark.parametrize(
    ("reference", "status", "message"),
    [
        ("@first/checkpoint", Status.RUNNING, "has not succeeded; it is running"),
        ("@first/checkpoint", Status.SUCCEEDED, "Run 'first': The run in .* has no checkpoint"),
        ("@first/flops", Status.SUCCEEDED, "has no flops"),
        ("@first/dreams", Status.SUCCEEDED, "refers to 'dreams' of a run. It can refer to: checkpoint"),
        ("@other/checkpoint", Status.SUCCEEDED, "needs the run 'other' of this experiment"),
    ],
)
def test_a_planned_run_whose_needs_are_not_met_is_refused(experiment, run, reference, status, message):
    set_status(run, status)
    config = {"model": {"path": reference}, "positions": "p"}
    with pytest.raises(UserError, match=message):
        services.submit_planned(experiment, PlannedRun(name="x", stage="rpt", title="", config=config), None)
    assert experiment.runs.count() == 1


def test_each_change_of_state_is_a_fixed_number_of_queries(run, django_assert_max_num_queries):
    with django_assert_max_num_queries(5):
        claimed = services.claim(run.pk, "w")
    with django_assert_max_num_queries(2):
        services.renew(claimed)
    # A transaction with the run's row, the experiment's, what its owner reads, and who gets it elsewhere.
    with django_assert_max_num_queries(9):
        services.finish(claimed, 1, Status.SUCCEEDED)
