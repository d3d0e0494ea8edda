"""`/metrics`: what the platform is doing, for Prometheus. docs/operations.md names each number.

In: the token of a server administrator, since the numbers are of all teams. Out: Prometheus's text format. What is in
the database is counted at each scrape, by a handful of small queries.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.db.models import Count, Min
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from rpt_core.run.folder import RunDir
from rpt_web.jobs.models import QUICK_QUEUE, Job, JobState
from rpt_web.runs.models import DEFAULT_QUEUE, GPU_QUEUE, Node, Run, RunAttempt, Status
from rpt_web.serving import latency
from rpt_web.serving.problems import problem
from rpt_web.teams.tokens import token_required

NOT_YOURS = "The metrics are of all teams. Give the token of a server administrator; its scope may be read."


@login_not_required
@csrf_exempt
@never_cache
@require_safe
@token_required
def metrics(request: HttpRequest) -> HttpResponseBase:
    """All of them, in the format that the scraper asks for."""
    if not request.user.is_superuser:
        return problem(403, NOT_YOURS)
    written, content_type = choose_encoder(request.headers.get("Accept", ""))
    own = CollectorRegistry()
    own.register(_Stored())
    return HttpResponse(written(own) + written(latency.registry), content_type=content_type)


class _Stored(Collector):
    """What the database and the runs' folders say at this moment."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Every family, read when it is asked for."""
        yield _runs()
        yield from _queues(timezone.now())
        yield _leases()
        yield from _gpus()
        yield from _recorder()


def _family(name: str, words: str, labels: list[str], values: Mapping[Any, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, words, labels=labels)
    for key, value in values.items():
        family.add_metric([key] if isinstance(key, str) else list(key), value)
    return family


def _runs() -> GaugeMetricFamily:
    counted = dict(Run.objects.values_list("status").annotate(Count("pk")).order_by())
    return _family("rpt_runs", "Runs by state.", ["state"], {state.value: counted.get(state, 0) for state in Status})


def _queues(now: datetime) -> Iterator[GaugeMetricFamily]:
    queued = Run.objects.filter(status=Status.QUEUED).values_list("queue").annotate(Count("pk"), Min("created_at"))
    found = {queue: (count, since) for queue, count, since in queued.order_by()}
    jobs = Job.objects.filter(state=JobState.QUEUED).aggregate(count=Count("pk"), since=Min("created_at"))
    found[QUICK_QUEUE] = (jobs["count"], jobs["since"])
    names = dict.fromkeys((DEFAULT_QUEUE, GPU_QUEUE, QUICK_QUEUE, *found))
    depth = {queue: found.get(queue, (0, None))[0] for queue in names}
    since = {queue: found.get(queue, (0, None))[1] for queue in names}
    age = {queue: (now - first).total_seconds() if first else 0.0 for queue, first in since.items()}
    yield _family("rpt_queue_depth", "Runs, or jobs of the quick lane, that wait for a worker.", ["queue"], depth)
    yield _family("rpt_queue_age_seconds", "Since when the oldest of them was submitted.", ["queue"], age)


def _leases() -> GaugeMetricFamily:
    now = timezone.now()
    held = {
        "run": Run.objects.filter(status=Status.RUNNING),
        "job": Job.objects.filter(state=JobState.RUNNING),
    }
    values = {(kind, "held"): rows.filter(lease_until__gte=now).count() for kind, rows in held.items()}
    values |= {(kind, "lapsed"): rows.filter(lease_until__lt=now).count() for kind, rows in held.items()}
    return _family(
        "rpt_leases", "Leases of workers; one that has lapsed is a silent worker's.", ["of", "state"], values
    )


def _gpus() -> Iterator[GaugeMetricFamily]:
    nodes = list(Node.objects.all())
    leased: dict[str, float] = {node.name: 0 for node in nodes}
    running = RunAttempt.objects.filter(run__status=Status.RUNNING).values_list(
        "number", "run__attempt", "worker", "gpus"
    )
    for number, newest, worker, gpus in running:
        node = worker.rpartition(":")[0]
        if number == newest and node in leased:
            leased[node] += len(gpus or ())
    total = {node.name: float(len(node.gpus or ())) for node in nodes}
    silent = {node.name: (timezone.now() - node.last_seen).total_seconds() for node in nodes}
    yield _family("rpt_node_gpus", "GPUs that a node has reported.", ["node"], total)
    yield _family("rpt_node_gpus_leased", "GPUs of a node that runs have leased.", ["node"], leased)
    yield _family("rpt_node_silence_seconds", "Since when a node was last heard.", ["node"], silent)


def _recorder() -> Iterator[GaugeMetricFamily]:
    behind = [_unread(run) for run in Run.objects.filter(status=Status.RUNNING).only("id", "recorded_offset")]
    words = "Events that are written and not yet stored: of the running run with most of them."
    yield _family("rpt_recorder_lag_bytes", words, [], {(): float(max(behind, default=0))})


def _unread(run: Run) -> int:
    """Bytes of the run's events that the recorder has not read; 0 where its folder is not here."""
    try:
        return max(0, RunDir(run.directory).events.stat().st_size - run.recorded_offset)
    except OSError:
        return 0
