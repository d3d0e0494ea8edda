"""Home: what waits for the reader, what failed, what is running, what changed. Each line leads to the thing.

A fixed number of queries, whatever there is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from typing import Any, cast

from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from rpt_core.words import counted
from rpt_web import access
from rpt_web.corpora.models import CorpusVersion
from rpt_web.review.models import ReviewQueue
from rpt_web.runs import display
from rpt_web.runs.archive import RUN_IN_SIGHT
from rpt_web.runs.models import Run, Status
from rpt_web.teams.models import User

LINES = 8
"""Of each part."""
RECENT_DAYS = 14
SUCCEEDED_LOOKED_AT = 100
"""So many runs are grouped by experiment."""
_LONG = ("config", "plan", "result", "log_tail")


@dataclass(frozen=True)
class ChangeLine:
    """Something new."""

    at: datetime
    icon: str
    what: str
    name: str
    place: str
    by: str


@dataclass(frozen=True)
class UnderWay:
    """A running run, as home shows it."""

    run: Run
    share: float | None


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """The page, or its live part."""
    context = {"nav": "home"} | _running(request)
    if request.headers.get("HX-Target") == "running":
        return render(request, "home/_running.html", context)
    notices = list(access.notices_for(request.user).filter(read_at=None)[: LINES + 1])
    failed = list(_failed(request)[: LINES + 1])
    queues = list(_queues(request)[: LINES + 1])
    context |= {
        "queues": queues[:LINES],
        "has_more_queues": len(queues) > LINES,
        "notices": notices[:LINES],
        "has_more_notices": len(notices) > LINES,
        "failed": failed[:LINES],
        "has_more_failed": len(failed) > LINES,
        "recent_days": RECENT_DAYS,
        "changes": _changes(request)[:LINES],
    }
    return render(request, "home/home.html", context)


def _running(request: HttpRequest) -> dict[str, Any]:
    """Running runs, and how many there are of each state that has not ended (2 queries)."""
    runs = access.runs_for(request.user)
    found = runs.filter(status=Status.RUNNING).defer(*_LONG).order_by("-started_at", "-id")[:LINES]
    unended = (Status.RUNNING, Status.QUEUED, Status.WAITING)
    counts = dict(runs.filter(status__in=unended).order_by().values_list("status").annotate(Count("id")))
    return {
        "running": [UnderWay(run, display.share_done(run)) for run in found],
        "counts": {status.value: counts.get(status.value, 0) for status in unended},
    }


def _queues(request: HttpRequest) -> QuerySet[ReviewQueue]:
    """Open queues with items that were given to the reader, or taken, and are not submitted; how many (1 query)."""
    queues = access.queues_for(request.user).filter(closed_at=None, team__in=access.teams_to_change(request.user))
    mine = queues.filter(items__reviews__reviewer=cast(User, request.user), items__reviews__submitted_at=None)
    return mine.annotate(own_open=Count("items__reviews"))


def _failed(request: HttpRequest) -> QuerySet[Run]:
    """What ended badly of late and was not brought back."""
    since = timezone.now() - timedelta(days=RECENT_DAYS)
    runs = access.runs_for(request.user).filter(status__in=(Status.FAILED, Status.LOST), finished_at__gte=since)
    return runs.filter(RUN_IN_SIGHT).defer(*_LONG).order_by("-finished_at", "-id")


def _changes(request: HttpRequest) -> list[ChangeLine]:
    """What is new, newest first (4 queries)."""
    found = chain(_succeeded(request), _experiments(request), _models(request), _versions(request))
    return sorted(found, key=lambda line: line.at, reverse=True)


def _succeeded(request: HttpRequest) -> Iterable[ChangeLine]:
    """Runs that succeeded, those of an experiment in one line."""
    runs = access.runs_for(request.user).filter(RUN_IN_SIGHT, status=Status.SUCCEEDED).exclude(finished_at=None)
    by_experiment: dict[int, list[Run]] = {}
    for run in runs.defer(*_LONG, "error").order_by("-finished_at", "-id")[:SUCCEEDED_LOOKED_AT]:
        by_experiment.setdefault(run.experiment_id, []).append(run)
    return [_of_runs(found) for found in list(by_experiment.values())[:LINES]]


def _of_runs(runs: Sequence[Run]) -> ChangeLine:
    newest, count = runs[0], len(runs)
    at, by = newest.finished_at or newest.created_at, _who(newest.created_by)
    if count == 1:
        place = reverse("runs:run_detail", args=[newest.pk])
        return ChangeLine(at, "circle-check", "Run succeeded:", newest.name, place, by)
    place = reverse("experiments:experiment_detail", args=[newest.experiment_id])
    return ChangeLine(at, "circle-check", f"{counted(count, 'run')} succeeded in", newest.experiment.name, place, by)


def _experiments(request: HttpRequest) -> Iterable[ChangeLine]:
    in_sight = access.experiments_for(request.user).filter(archived_at=None)
    for found in in_sight.select_related("created_by").order_by("-id")[:LINES]:
        place = reverse("experiments:experiment_detail", args=[found.pk])
        yield ChangeLine(found.created_at, "flask", "New experiment:", found.name, place, _who(found.created_by))


def _models(request: HttpRequest) -> Iterable[ChangeLine]:
    for found in access.models_for(request.user)[:LINES]:
        place = reverse("models:model_detail", args=[found.pk])
        yield ChangeLine(found.created_at, "brain", "New model:", found.name, place, _who(found.created_by))


def _versions(request: HttpRequest) -> Iterable[ChangeLine]:
    versions = CorpusVersion.objects.filter(corpus__in=access.corpora_for(request.user)).exclude(checked_at=None)
    for found in versions.select_related("corpus", "created_by").order_by("-checked_at")[:LINES]:
        assert found.checked_at is not None
        place = reverse("corpora:version_detail", args=[found.corpus_id, found.number])
        name = f"{found.corpus.name}, version {found.number}"
        yield ChangeLine(found.checked_at, "database", "Corpus checked:", name, place, _who(found.created_by))


def _who(user: Any) -> str:
    return "a program" if user is None else str(user)
