"""The page of all runs: what is running, what comes next, what ended badly; and the order of the queue."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.db.models import Count, Max, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from rpt_core.config import STAGES
from rpt_core.errors import UserError
from rpt_web import access
from rpt_web.pages.addresses import number_asked, text_asked
from rpt_web.runs import archive, display, gpus, places, queues, waiting
from rpt_web.runs.expectations import Expected, expected, in_words
from rpt_web.runs.models import ACTIVE, ENDED_BADLY, NEEDED, Checkpoint, Priority, Run, Status, blocked_by
from rpt_web.teams.models import User

RUNS_PER_PAGE = 30
_LONG = ("config", "plan", "result", "error", "log_tail")


@dataclass(frozen=True)
class RunFilters:
    """What the address asks for."""

    search: str
    status: str
    stage: str
    mine: bool
    archived: bool

    @classmethod
    def of(cls, request: HttpRequest) -> RunFilters:
        """What does not fit is taken as not asked."""
        status, stage = request.GET.get("status", ""), request.GET.get("stage", "")
        return cls(
            text_asked(request, "q", 100).strip(),
            status if status in Status.values else "",
            stage if stage in STAGES else "",
            request.GET.get("mine") == "1",
            request.GET.get("archived") == "1",
        )

    def query(self, **changes: str) -> str:
        """The same as the query of an address, with changes."""
        values = {"q": self.search, "status": self.status, "stage": self.stage}
        values |= {name: "1" for name in ("mine", "archived") if getattr(self, name)}
        return urlencode({name: value for name, value in (values | changes).items() if value})

    def without_status(self, runs: QuerySet[Run], user: User) -> QuerySet[Run]:
        """The runs that all other filters leave."""
        runs = runs.exclude(archive.RUN_IN_SIGHT) if self.archived else runs.filter(archive.RUN_IN_SIGHT)
        if self.search:
            found = ("name", "title", "experiment__name")
            runs = runs.filter(Q(*((f"{field}__icontains", self.search) for field in found), _connector=Q.OR))
        runs = runs.filter(stage=self.stage) if self.stage else runs
        return runs.filter(created_by=user) if self.mine else runs


@dataclass(frozen=True)
class RunRow:
    """A run with what its row does not hold."""

    run: Run
    rank: int | None
    """Of a queued run: its place in the queue, from 1."""
    may_steer: bool
    is_heard: bool
    """Whether a worker listens to its queue."""
    reason: str
    """Why a queued run waits beyond its turn."""
    may_raise: bool
    """Whether the user may give it a high priority."""
    expected: Expected | None
    """Of a queued or running run: when it starts and ends."""
    gpus: Sequence[int]
    """Those that it has now."""
    resumes_from: int | None
    """Of one that ended badly: the step of its newest checkpoint."""
    blockers: Sequence[str]
    waits_for: Sequence[str]

    @property
    def share(self) -> float | None:
        """How much of its steps is done."""
        return display.share_done(self.run)

    @property
    def start(self) -> str:
        """When a queued run starts, in words."""
        return in_words("start", self.expected.start) if self.expected and self.rank else ""

    @property
    def end(self) -> str:
        """When a running run ends, in words."""
        return in_words("end", self.expected.end) if self.expected and not self.rank else ""

    @property
    def heard_at(self) -> datetime | None:
        """When the worker of a running run last held its lease on."""
        if self.run.status != Status.RUNNING or self.run.lease_until is None:
            return None
        return self.run.lease_until - timedelta(seconds=settings.RPT_LEASE_SECONDS)

    @property
    def time(self) -> timedelta | None:
        """Of all its attempts."""
        return display.run_time(self.run)


@require_safe
def run_list(request: HttpRequest) -> HttpResponse:
    """Runs of all experiments, newest first, or in the order of the queue. htmx asks for the list alone."""
    user, filters = cast(User, request.user), RunFilters.of(request)
    found = filters.without_status(access.runs_for(user), user)
    by_status = dict(found.order_by().values_list("status").annotate(count=Count("pk")))
    before = number_asked(request, "before")
    shown, older = _page(found.filter(status=filters.status) if filters.status else found, filters, before)
    rows = _rows(user, shown)
    context = {
        "nav": "runs",
        "filters": filters,
        "states": _states(filters, by_status),
        "stages": [(stage, stage) for stage in STAGES],
        "rows": rows,
        "newest": filters.query() if before else None,
        "older": filters.query(before=str(older)) if older else "",
        "priorities": Priority.choices,
        "may_pick": any(row.may_steer for row in rows),
        "is_active": any(run.status in ACTIVE for run in shown),
    }
    part = request.headers.get("HX-Target") == "runs"
    return render(request, "runs/_run_list.html" if part else "runs/run_list.html", context)


@require_POST
def run_move(request: HttpRequest, run_id: int) -> HttpResponse:
    """Change a run's place in the queue, among the runs that the user may move."""
    user = cast(User, request.user)
    run = access.get_run_or_404(user, run_id, to_change=True)
    try:
        places.move(run, user, access.runs_to_steer(user), places.Move(request.POST.get("to", "")))
    except UserError as error:
        messages.error(request, str(error))
    except ValueError:
        messages.error(request, "A run can go up, down or first in the queue.")
    return redirect(f"{reverse('runs:run_list')}?status=queued")


@require_POST
def run_priority(request: HttpRequest, run_id: int) -> HttpResponse:
    """Give a run that waits another priority; only administrators a high one."""
    user = cast(User, request.user)
    run = access.get_run_or_404(user, run_id, to_change=True)
    try:
        wanted = Priority(int(request.POST.get("priority", "")))
        places.set_priority(run, user, wanted, may_raise=access.can_administer(user, run.experiment.team_id))
    except UserError as error:
        messages.error(request, str(error))
    except ValueError:
        messages.error(request, "A priority is low, normal or high.")
    return redirect(f"{reverse('runs:run_list')}?status=queued")


def _page(runs: QuerySet[Run], filters: RunFilters, before: int | None) -> tuple[list[Run], int | None]:
    """The runs of a page, and the key from which older ones go on. All queued runs are one page, in their order."""
    runs = runs.defer(*_LONG)
    if filters.status == Status.QUEUED:
        return list(runs.order_by("queue", *places.ORDER)[:500]), None
    if before is not None:
        runs = runs.filter(pk__lt=before)
    found = list(runs.order_by("-id")[: RUNS_PER_PAGE + 1])
    shown = found[:RUNS_PER_PAGE]
    return shown, shown[-1].pk if len(found) > len(shown) else None


def _states(filters: RunFilters, by_status: Mapping[str, int]) -> list[dict[str, Any]]:
    """The filters by state, each with how many runs have it."""
    chosen = [("", "All", sum(by_status.values()))] + [(s.value, s.label, by_status.get(s.value, 0)) for s in Status]
    return [
        {"label": label, "count": count, "query": filters.query(status=value), "is_chosen": value == filters.status}
        for value, label, count in chosen
        if count or value in ("", filters.status)
    ]


def _rows(user: User, runs: Sequence[Run]) -> list[RunRow]:
    """The runs with ranks and with what they wait for (at most 16 queries)."""
    queued = {run.queue for run in runs if run.status == Status.QUEUED}
    ranks = places.ranks(queued) if queued else {}
    heard = queues.heard_queues() if queued else set()
    own = set(access.runs_to_steer(user).filter(pk__in=[run.pk for run in runs]).values_list("pk", flat=True))
    why = waiting.reasons([run for run in runs if run.status == Status.QUEUED])
    when, leased, steps = expected(runs), gpus.leased_by(runs), _newest_checkpoints(runs)
    waited_for = _waited_for([run for run in runs if run.status == Status.WAITING])
    return [
        RunRow(
            run,
            ranks.get(run.pk),
            run.pk in own,
            run.queue in heard,
            why.get(run.pk, ""),
            access.can_administer(user, run.experiment.team_id),
            when.get(run.pk),
            leased.get(run.pk, ()),
            steps.get(run.pk),
            *waited_for.get(run.pk, ((), ())),
        )
        for run in runs
    ]


def _newest_checkpoints(runs: Sequence[Run]) -> dict[int, int]:
    """Of those that ended badly (1 query)."""
    ended = [run.pk for run in runs if run.status in ENDED_BADLY]
    rows = Checkpoint.objects.filter(run__in=ended).order_by().values_list("run").annotate(Max("step"))
    return dict(rows) if ended else {}


def _waited_for(waiting: Sequence[Run]) -> dict[int, tuple[Sequence[str], Sequence[str]]]:
    """Each waiting run -> the runs that block it, and those that it still waits for (1 query)."""
    if not waiting:
        return {}
    beside: dict[int, list[Run]] = defaultdict(list)
    for other in Run.objects.filter(experiment__in={run.experiment_id for run in waiting}).only("experiment", *NEEDED):
        beside[other.experiment_id].append(other)
    blocked = {experiment: blocked_by(runs) for experiment, runs in beside.items()}
    done = {key: {run.name for run in runs if run.status == Status.SUCCEEDED} for key, runs in beside.items()}
    return {
        run.pk: (
            blocked[run.experiment_id].get(run.name, ()),
            [name for name in run.needs if name not in done[run.experiment_id]],
        )
        for run in waiting
    }
