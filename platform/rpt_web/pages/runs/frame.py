"""What all tabs of a run's page share: the head with its state, the row of tabs, and where its news come from.

In: a request, a run, what a tab shows. Out: the tab, or the one part of it that htmx asks for by the id of the element
that it replaces. A tab stands in the row where it makes sense for the run's stage.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from rpt_core.config import STAGES
from rpt_web import access
from rpt_web.results.headline import TRAINING
from rpt_web.results.queries import has_tables
from rpt_web.runs import attempts, deeds, display, queries, queues, waiting
from rpt_web.runs.models import ENDED_BADLY, FINAL, Run, Status
from rpt_web.runs.postmortem import postmortem

Part = tuple[str, Callable[[HttpRequest, Run], dict[str, Any]]]
"""Its template, and what gives that its context."""
GROUPED = ("rpt", "rlvr", "expert_iteration")
"""The stages that learn from groups of responses."""


@dataclass(frozen=True)
class Tab:
    """One of the row."""

    name: str
    label: str
    address: str


def tabs_of(run: Run, *, has_rollouts: bool) -> list[Tab]:
    """Those that make sense for the run (at most 2 queries, none for a stage that trains by groups)."""
    stage, fields = run.stage, STAGES[run.stage].model_fields if run.stage in STAGES else {}
    evaluates = "evaluation" in fields
    shown = [
        ("overview", "Overview", "runs:run_detail", True),
        ("curves", "Curves", "runs:run_curves", stage in TRAINING or run.metrics.exists()),
        ("monitors", "Collapse", "runs:run_monitors", stage in GROUPED),
        ("groups", "Groups", "runs:run_groups", stage in GROUPED),
        (
            "evaluations",
            "Evaluations" if evaluates else "Tables",
            "runs:run_evaluations",
            evaluates or stage not in TRAINING or has_tables(run),
        ),
        ("responses", "Responses", "traces:rollout_list", "sampling" in fields or has_rollouts),
        ("documents", "Documents", "token_maps:document_list", stage == "filter" and run.status == Status.SUCCEEDED),
        ("log", "Log", "runs:run_log", True),
        ("config", "Config", "runs:run_settings", True),
        ("files", "Files", "runs:run_files", True),
    ]
    return [Tab(name, label, reverse(route, args=[run.pk])) for name, label, route, is_shown in shown if is_shown]


def render_tab(
    request: HttpRequest,
    run: Run,
    tab: str,
    template: str,
    parts: Mapping[str, Part],
    *,
    more: Callable[[], dict[str, Any]] = dict,
    also_told: Sequence[str] = (),
) -> HttpResponse:
    """A tab, or the part of it that is asked for.

    parts: by the ids of their elements. more: what stands beside them. also_told: what the stream tells beside changes
    of these parts.
    """
    asked = request.headers.get("HX-Target", "")
    if asked == "state":
        return render(request, "runs/_state.html", _head(request, run, request.GET.get("tab", "") or tab))
    if asked in parts:
        part_template, make = parts[asked]
        return render(request, part_template, _shared(run, tab) | make(request, run))
    if asked:  # a page that was opened before there were tabs asks for a part that has gone to another one
        return HttpResponse(headers={"HX-Refresh": "true"})
    context = frame(request, run, tab, ["state", *parts, *also_told])  # first: the stream tells what comes in meanwhile
    context |= more()
    for _, make in parts.values():
        context |= make(request, run)
    return render(request, template, context)


def frame(request: HttpRequest, run: Run, tab: str, parts: Sequence[str] = ("state",)) -> dict[str, Any]:
    """The head, the tabs and the address of the stream that tells of these parts."""
    seen = queries.newest_events(run)
    at = f"{run.attempt}-{queries.last_step(run)}"
    query = urlencode({"at": at, "parts": ",".join(parts), **seen._asdict()})
    return {"stream_query": query} | _head(request, run, tab)


def _shared(run: Run, tab: str) -> dict[str, Any]:
    return {"nav": "runs", "run": run, "tab": tab, "is_live": run.status not in FINAL}


def _head(request: HttpRequest, run: Run, tab: str) -> dict[str, Any]:
    """The run's state, and what may be done with it; on the first tab also how it came to that."""
    found = queries.head_of(run)
    more = _condition(run) if tab == "overview" else {}
    return (
        _shared(run, tab)
        | more
        | {
            "tabs": tabs_of(run, has_rollouts=found.has_rollouts),
            "state_key": found.key(run),
            "progress": queries.progress_of(run),
            "run_time": display.run_time(run),
            "attempt_time": display.attempt_time(run),
            "is_ticking": run.status == Status.RUNNING and not display.is_silent(run),
            "is_final": run.status in FINAL,
            "blockers": found.blockers,
            "needed": found.needed,
            "may_change_here": access.can_change(request.user, run.experiment.team_id),
            "may_cancel": run.status not in FINAL
            and not run.cancel_requested_at
            and access.can_steer(request.user, run),
            "may_retry": run.status in ENDED_BADLY and access.can_steer(request.user, run),
            "gpus": attempts.gpus_of(run) if run.worker else None,
            "code": attempts.newest_code(run),
            "code_title": attempts.newest_code_title(run),
        }
    )


def _condition(run: Run) -> dict[str, Any]:
    """What has become of it so far, in words."""
    return {
        "other_code": attempts.other_code(attempts.attempts_of(run)),
        "deeds": deeds.deeds_of(run),
        "death": postmortem(run),
        "heard_at": display.heard_at(run, settings.RPT_LEASE_SECONDS),
        "reason": waiting.reasons([run]).get(run.pk, "") if run.status == Status.QUEUED else "",
        "unheard": run.status == Status.QUEUED and not queues.is_heard(run.queue),
    }
