"""Pages of experiments: the list, and one with its runs in order. Changes go through the services."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from rpt_core.errors import UserError
from rpt_web import access, prose
from rpt_web.pages.addresses import number_asked, text_asked
from rpt_web.results.headline import Headline
from rpt_web.results.headlines import headlines, ranked_headlines
from rpt_web.results.lineage import listed, seeds_in_words
from rpt_web.runs import display, graph, queries, services
from rpt_web.runs.conclusions import LONGEST_TAG
from rpt_web.runs.models import ENDED_BADLY, Experiment, Run, Status, blocked_by, is_in_progress
from rpt_web.teams.models import User


@dataclass(frozen=True)
class RunLine:
    """A run as the lists show it."""

    run: Run
    share: float | None
    time: timedelta | None
    """Of all its attempts."""
    blockers: Sequence[str]
    """The runs that block it."""
    waits_for: Sequence[str]
    """What a waiting run needs that has not succeeded yet."""

    @classmethod
    def of(cls, run: Run, blocked: Mapping[str, Sequence[str]], succeeded: Set[str] = frozenset()) -> RunLine:
        """Work out what the row does not hold, from what is known of all runs of its experiment."""
        waits_for = [name for name in run.needs if name not in succeeded] if run.status == Status.WAITING else []
        return cls(run, display.share_done(run), display.run_time(run), blocked.get(run.name, ()), waits_for)

    @classmethod
    def of_all(cls, runs: Sequence[Run]) -> list[RunLine]:
        """The lines of all runs of an experiment."""
        blocked = blocked_by(runs)
        succeeded = {run.name for run in runs if run.status == Status.SUCCEEDED}
        return [cls.of(run, blocked, succeeded) for run in runs]


@dataclass(frozen=True)
class ExperimentLine:
    """An experiment as the list shows it."""

    experiment: Experiment
    runs: list[Run]
    headline: Headline | None

    @property
    def succeeded(self) -> int:
        """How many runs are done."""
        return sum(run.status == Status.SUCCEEDED for run in self.runs)

    @property
    def current(self) -> RunLine | None:
        """The run that is being worked on, or else one that waits for a worker."""
        active = [run for run in self.runs if run.is_active]
        running = [run for run in active if run.status == Status.RUNNING]
        return RunLine.of((running or active)[0], {}) if active else None

    @property
    def pips(self) -> list[tuple[Run, Sequence[str]]]:
        """Each run with those that block it."""
        blocked = blocked_by(self.runs)
        return [(run, blocked.get(run.name, ())) for run in self.runs]

    @property
    def seeds(self) -> str:
        """Those of its runs; its own while it has none."""
        return listed([run.seed for run in self.runs] or [self.experiment.seed])

    @property
    def goes_on(self) -> bool:
        """Whether something is still to come without anybody's doing."""
        return is_in_progress(self.runs)

    @property
    def last_change(self) -> Any:
        """When something last happened."""
        times = [run.finished_at or run.started_at or run.created_at for run in self.runs]
        return max(times, default=self.experiment.created_at)


@require_safe
def experiment_list(request: HttpRequest) -> HttpResponse:
    """All experiments, newest first, with the state of their runs and their headline result."""
    search = text_asked(request, "q", 100).strip()
    archived, tag = request.GET.get("archived") == "1", text_asked(request, "tag", LONGEST_TAG)
    experiments = access.experiments_for(request.user).filter(archived_at__isnull=not archived)
    page = queries.experiment_page(experiments, search=search, tag=tag, before=number_asked(request, "before"))
    by_experiment = headlines(page.experiments)
    lines = [ExperimentLine(found, list(found.runs.all()), by_experiment.get(found.pk)) for found in page.experiments]
    context = {
        "nav": "experiments",
        "lines": lines,
        "older": page.older,
        "search": search,
        "tag": tag,
        "archived": archived,
        "filters": urlencode(
            {name: value for name, value in (("q", search), ("tag", tag), ("archived", int(archived))) if value}
        ),
        "before": request.GET.get("before", ""),
        "is_active": any(line.goes_on for line in lines),
    }
    parts = {"experiments": "experiments/_experiments.html"}
    return render(request, _template(request, "experiments/experiment_list.html", parts), context)


@require_safe
def experiment_detail(request: HttpRequest, experiment_id: int) -> HttpResponse:
    """An experiment's runs in order."""
    experiment = access.get_experiment_or_404(request.user, experiment_id)
    runs, archived = queries.runs_in_order(experiment), request.GET.get("archived") == "1"
    lines = RunLine.of_all(runs)
    steered = [run for run in runs if access.can_steer(request.user, run)]
    times = [line.time for line in lines if line.time is not None]
    flops = [run.flops for run in runs if run.flops is not None]
    context = {
        "nav": "experiments",
        "experiment": experiment,
        "may_change_here": access.can_change(request.user, experiment.team_id),
        "may_steer": access.can_steer(request.user, experiment),
        "seeds": seeds_in_words([run.seed for run in runs] or [experiment.seed]),
        "lines": [line for line in lines if archived or line.run.archived_at is None],
        "hidden": 0 if archived else sum(run.archived_at is not None for run in runs),
        "succeeded": sum(run.status == Status.SUCCEEDED for run in runs),
        "failed": sum(run.status in (Status.FAILED, Status.LOST) for run in runs),
        "is_active": is_in_progress(runs),
        "waiting": sum(run.status == Status.WAITING for run in runs),
        "unended": display.unended(steered),
        "missing": sum(run.status in ENDED_BADLY for run in steered),
        "total_time": sum(times, timedelta(0)) if times else None,
        "total_flops": sum(flops) if flops else None,
        "findings": prose.rendered(experiment.findings),
        "graph": graph.graph_of([_step(line) for line in lines]),
        "headline": next(iter(ranked_headlines(experiment, runs)), None),
    }
    parts = {"runs": "experiments/_runs.html"}
    return render(request, _template(request, "experiments/experiment_detail.html", parts), context)


def _step(line: RunLine) -> graph.Step:
    """A run in the figure of what needs what."""
    state = "blocked" if line.blockers else line.run.status
    return graph.Step(line.run.name, line.run.needs, line.run.stage, state, line.run.pk)


@require_POST
def experiment_resubmit(request: HttpRequest, experiment_id: int) -> HttpResponse:
    """Bring back what failed, was cancelled or lost; what waits for it goes on then."""
    experiment = access.get_experiment_or_404(request.user, experiment_id, to_change=True)
    user = cast(User, request.user)
    try:
        runs = services.resubmit(experiment, user, of=access.steered_by(user, experiment))
        names = ", ".join(f"“{run.name}”" for run in runs)
        messages.success(request, f"Submitted again: {names}. The runs that wait for them will follow.")
    except UserError as error:
        messages.error(request, str(error))
    return redirect("experiments:experiment_detail", experiment.pk)


@require_POST
def experiment_cancel(request: HttpRequest, experiment_id: int) -> HttpResponse:
    """Cancel what waits or is queued, and ask what runs to stop."""
    experiment = access.get_experiment_or_404(request.user, experiment_id, to_change=True)
    user = cast(User, request.user)
    try:
        runs = services.cancel_experiment(experiment, user, of=access.steered_by(user, experiment))
        messages.success(request, f"Cancellation was requested for {display.unended(runs)}.")
    except UserError as error:
        messages.error(request, str(error))
    return redirect("experiments:experiment_detail", experiment.pk)


def _template(request: HttpRequest, page: str, parts: dict[str, str]) -> str:
    """The part that htmx replaces, or the whole page."""
    return parts.get(request.headers.get("HX-Target", ""), page)
