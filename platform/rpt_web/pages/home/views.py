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
from rpt_web.notices.models import Notice
from rpt_web.pages.rights import MOST_COUNTED
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
    unread = access.unread_keys(request.user, MOST_COUNTED)
    failed = list(_failed(request)[: LINES + 1])
    queues = list(_queues(request)[: LINES + 1])
    context |= {
        "queues": queues[:LINES],
        "has_more_queues": len(queues) > LINES,
        "unread": len(unread),  # as every page shows it, without asking again
        "notices": Notice.objects.filter(pk__in=unread[:LINES]).order_by("-id"),
        "has_more_notices": len(unread) > LINES,
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
    told = runs.order_by("-finished_at", "-id").values_list(
        "pk", "name", "finished_at", "experiment", "experiment__name", "created_by__username", named=True
    )
    by_experiment: dict[int, list[Any]] = {}
    for run in told[:SUCCEEDED_LOOKED_AT]:
        by_experiment.setdefault(run.experiment, []).append(run)
    return [_of_runs(found) for found in list(by_experiment.values())[:LINES]]


def _of_runs(runs: Sequence[Any]) -> ChangeLine:
    newest, count = runs[0], len(runs)
    what, name, place = "Run succeeded:", newest.name, ("runs:run_detail", newest.pk)
    if count > 1:
        what, name = f"{counted(count, 'run')} succeeded in", newest.experiment__name
        place = ("experiments:experiment_detail", newest.experiment)
    return _line(newest.finished_at, "circle-check", what, name, place, newest.created_by__username)


def _experiments(request: HttpRequest) -> Iterable[ChangeLine]:
    in_sight = access.experiments_for(request.user).filter(archived_at=None).order_by("-id")
    for pk, name, at, by in in_sight.values_list("pk", "name", "created_at", "created_by__username")[:LINES]:
        yield _line(at, "flask", "New experiment:", name, ("experiments:experiment_detail", pk), by)


def _models(request: HttpRequest) -> Iterable[ChangeLine]:
    found = access.models_for(request.user).values_list("pk", "name", "created_at", "created_by__username")
    for pk, name, at, by in found[:LINES]:
        yield _line(at, "brain", "New model:", name, ("models:model_detail", pk), by)


def _versions(request: HttpRequest) -> Iterable[ChangeLine]:
    found = CorpusVersion.objects.filter(corpus__in=access.corpora_for(request.user)).exclude(checked_at=None)
    told = found.order_by("-checked_at").values_list(
        "corpus", "number", "corpus__name", "checked_at", "created_by__username"
    )
    for corpus, number, name, at, by in told[:LINES]:
        assert at is not None
        place = ("corpora:version_detail", corpus, number)
        yield _line(at, "database", "Corpus checked:", f"{name}, version {number}", place, by)


def _line(at: datetime, icon: str, what: str, name: str, place: tuple[Any, ...], by: str | None) -> ChangeLine:
    """place: the name of an address, and what stands in it."""
    route, *values = place
    return ChangeLine(at, icon, what, name, reverse(route, args=values), by or "a program")
