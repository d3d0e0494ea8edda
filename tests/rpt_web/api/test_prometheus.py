"""/metrics for Prometheus: behind a server administrator's token, with the numbers of this moment."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from rpt_web.jobs import services as jobs
from rpt_web.runs.models import Node, Run
from rpt_web.serving import latency
from rpt_web.teams.models import Scope, User
from tests.factories import start_run
from tests.rpt_web.api_client import client_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def scrape(db):
    """scrape() -> {name and labels: value}, as a server administrator's token reads it."""
    client = client_of(User.objects.create_superuser("root"), scope=Scope.READ)

    def scrape():
        answer = client.get("/metrics")
        assert answer.status_code == 200
        assert answer["Content-Type"].startswith("text/plain")
        families = text_string_to_metric_families(answer.content.decode())
        return {
            (sample.name, *sorted(sample.labels.values())): sample.value
            for family in families
            for sample in family.samples
        }

    return scrape


def test_only_a_server_administrators_token_reads_them(client, ada):
    assert client.get("/metrics").status_code == 401
    client.force_login(User.objects.create_superuser("root"))
    assert client.get("/metrics").status_code == 401  # a session is no token
    assert client_of(ada).get("/metrics").status_code == 403


def test_runs_queues_and_leases_are_counted(scrape, run, ada):
    Run.objects.filter(pk=run.pk).update(created_at=timezone.now() - timedelta(minutes=5))
    found = scrape()
    assert found["rpt_runs", "queued"] == found["rpt_queue_depth", "default"] == 1
    assert 300 <= found["rpt_queue_age_seconds", "default"] < 400
    assert found["rpt_queue_depth", "quick"] == 0
    Node.objects.create(name="gpu-node-1", version="1", last_seen=timezone.now(), gpus=[{"index": 0}, {"index": 1}])
    claimed, events = start_run(run)
    claimed.attempts.update(gpus=[1])
    events.emit("log", message="one", level="info")
    jobs.submit("check", {}, ada)
    found = scrape()
    assert (found["rpt_runs", "queued"], found["rpt_runs", "running"]) == (0, 1)
    assert (found["rpt_leases", "held", "run"], found["rpt_leases", "lapsed", "run"]) == (1, 0)
    assert (found["rpt_node_gpus", "gpu-node-1"], found["rpt_node_gpus_leased", "gpu-node-1"]) == (2, 1)
    assert found["rpt_recorder_lag_bytes",] == events.path.stat().st_size > 0
    assert found["rpt_queue_depth", "quick"] == 1
    Run.objects.filter(pk=run.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    assert scrape()["rpt_leases", "lapsed", "run"] == 1


def test_requests_are_timed_by_route_without_ids(scrape, page, run):
    page(f"/runs/{run.pk}/")
    Client().get("/nowhere/at/all")
    found = scrape()
    assert found["rpt_request_seconds_count", "/runs/<int:run_id>/", "200", "GET"] >= 1
    assert not any("nowhere" in str(label) for key in found for label in key)
    assert latency.NO_ROUTE in {label for key in found for label in key}
