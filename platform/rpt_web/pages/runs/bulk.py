"""Several runs of the list are changed at once: each as its own button would do it, and what was not done says why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from rpt_core.words import counted
from rpt_web import access
from rpt_web.runs import hanging, several
from rpt_web.runs.models import Run
from rpt_web.teams.models import User

REASONS_SHOWN = 10
NAMES_SHOWN = 10
WORDS = {
    "cancel": "Asked to stop",
    "retry": "Brought back to the queue",
    "archive": "Archived",
    "bring-back": "Shown in the lists again",
    several.DELETE: "A worker deletes",
}
"""Action -> the words for it in the message."""


@require_POST
def run_bulk(request: HttpRequest) -> HttpResponse:
    """Do with the chosen runs what the button says; to delete them asks first."""
    user, what = cast(User, request.user), request.POST.get("do", "")
    runs, others = _chosen(request, user)
    if not runs and not others:
        messages.error(request, "No run was chosen. Tick the runs first.")
    elif what == "delete" and request.POST.get("confirmed") != "yes" and runs:
        return _asked(request, runs, others)
    elif what in WORDS:
        found = several.change(what, runs, others, user)
        _tell(request, WORDS[what], found.done, found.refused)
        if found.job is not None:
            return redirect("jobs:job_detail", found.job.pk)
    else:
        messages.error(request, f"Runs can be changed at once by: {', '.join(WORDS)}.")
    return redirect(_back(request))


def _chosen(request: HttpRequest, user: User) -> tuple[list[Run], list[Run]]:
    """The chosen runs that the user may steer, and those that they only see; oldest first."""
    keys = [int(key) for key in request.POST.getlist("run")[: several.MOST] if key.isdecimal() and len(key) < 19]
    return access.split_by_steering(user, keys)


def _asked(request: HttpRequest, runs: Sequence[Run], others: Sequence[Run]) -> HttpResponse:
    teams = {run.experiment.team_id for run in runs}
    context = {
        "nav": "runs",
        "runs": runs,
        "others": others,
        "hanging": [hanging.hanging_on([r for r in runs if r.experiment.team_id == team], team) for team in teams],
        "query": request.POST.get("query", ""),
    }
    return render(request, "removal/delete_several.html", context)


def _tell(request: HttpRequest, words: str, done: Sequence[Run], refused: Sequence[tuple[Run, str]]) -> None:
    if done:
        named = ", ".join(f"“{run.name}”" for run in done[:NAMES_SHOWN])
        more = f" and {len(done) - NAMES_SHOWN} more" if len(done) > NAMES_SHOWN else ""
        messages.success(request, f"{words} {counted(len(done), 'run')}: {named}{more}.")
    for run, why in refused[:REASONS_SHOWN]:
        messages.error(request, f"“{run.name}” was left as it is: {why}")
    if len(refused) > REASONS_SHOWN:
        messages.error(request, f"{len(refused) - REASONS_SHOWN} more were left as they are.")


def _back(request: HttpRequest) -> str:
    """The list as it was filtered."""
    query = request.POST.get("query", "")[:500]
    is_plain = query.isprintable() and query.isascii()
    return reverse("runs:run_list") + (f"?{query}" if query and is_plain else "")
