"""A run is cancelled and retried on its page, by those who may."""

from __future__ import annotations

import pytest
from django.urls import reverse

from rpt_web.runs.models import Status
from tests.factories import make_experiment
from tests.preset_runs import failed_run, finish_runs, queued_rpt, running_rpt
from tests.rpt_web.markup import flat


@pytest.fixture
def experiment(ada):
    """What an RPT run needs has been made."""
    experiment = make_experiment(ada)
    finish_runs(experiment, ada)
    return experiment


def address(run, name="run_detail"):
    return reverse(f"runs:{name}", args=[run.pk])


def test_cancelling_a_queued_run_ends_it_at_once(client, ada, experiment):
    run = queued_rpt(experiment, ada)
    client.force_login(ada)
    response = client.post(address(run, "run_cancel"), follow=True)
    run.refresh_from_db()
    assert run.status == Status.CANCELLED
    assert "was requested" in flat(response)
    assert "Cancelled" in flat(response)


def test_cancelling_a_running_run_asks_its_worker(client, ada, experiment):
    run, _ = running_rpt(experiment, ada, done=1, groups=1)
    client.force_login(ada)
    text = flat(client.post(address(run, "run_cancel"), follow=True))
    run.refresh_from_db()
    assert run.status == Status.RUNNING
    assert run.cancel_requested_at is not None
    assert "Cancelling" in text
    assert address(run, "run_cancel") not in text


def test_cancelling_an_ended_run_says_why_not(client, ada):
    run = failed_run(make_experiment(ada), ada)
    client.force_login(ada)
    text = flat(client.post(address(run, "run_cancel"), follow=True))
    assert "Only waiting, queued and running runs can be cancelled." in text


def test_retry_queues_the_run_again(client, ada):
    run = failed_run(make_experiment(ada), ada)
    client.force_login(ada)
    text = flat(client.post(address(run, "run_retry"), follow=True))
    run.refresh_from_db()
    assert run.status == Status.QUEUED
    assert "continues from its newest checkpoint" in text


@pytest.mark.parametrize("name", ["run_cancel", "run_retry"])
def test_changes_need_a_post_and_a_members_role(client, viewer_client, ada, name):
    run = failed_run(make_experiment(ada), ada)
    assert viewer_client.get(address(run, name)).status_code == 405
    assert viewer_client.post(address(run, name)).status_code == 403
    run.refresh_from_db()
    assert run.status == Status.FAILED


def test_viewers_see_the_page_without_the_buttons(viewer_client, ada, experiment):
    run, _ = running_rpt(experiment, ada, done=1, groups=1)
    text = flat(viewer_client.get(address(run)))
    assert address(run, "run_cancel") not in text
