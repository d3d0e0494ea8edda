"""Several runs of the list are changed at once: each as its own button would do it, and what was not done says why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from rpt_core.errors import UserError
from rpt_core.words import counted
from rpt_web import access
from rpt_web.runs import archive, deletion, hanging, services
from rpt_web.runs.models import Run
from rpt_web.teams.models import User

MOST = 500
REASONS_SHOWN = 10
NAMES_SHOWN = 10
NOT_YOURS = "somebody else has submitted it; ask them or an administrator"
ACTS: dict[str, tuple[str, Callable[[Run, User], None]]] = {
    "cancel": ("Asked to stop", services.request_cancel),
    "retry": ("Brought back to the queue", services.retry),
    "archive": ("Archived", archive.archive),
    "bring-back": ("Shown in the lists again", archive.bring_back),
}
"""Action -> the word for it in the message, and the function that does it to one run."""


@require_POST
def run_bulk(request: HttpRequest) -> HttpResponse:
    """Do with the chosen runs what the button says; to delete them asks first."""
    user, what = cast(User, request.user), request.POST.get("do", "")
    runs, others = _chosen(request, user)
    if not runs and not others:
        messages.error(request, "No run was chosen. Tick the runs first.")
    elif what == "delete" and request.POST.get("confirmed") != "yes" and runs:
        return _asked(request, runs, others)
    elif what == "delete":
        return _deleted(request, runs, others)
    elif what in ACTS:
        _done(request, what, runs, others)
    else:
        messages.error(request, f"Runs can be changed at once by: {', '.join(ACTS)}, delete.")
    return redirect(_back(request))


def _chosen(request: HttpRequest, user: User) -> tuple[list[Run], list[Run]]:
    """The chosen runs that the user may steer, and those that they only see; oldest first."""
    keys = [int(key) for key in request.POST.getlist("run")[:MOST] if key.isdecimal() and len(key) < 19]
    seen: QuerySet[Run] = access.runs_for(user).filter(pk__in=keys).select_related("deletion").order_by("id")
    own = set(access.runs_to_steer(user).filter(pk__in=keys).values_list("pk", flat=True))
    runs = list(seen)
    return [run for run in runs if run.pk in own], [run for run in runs if run.pk not in own]


def _done(request: HttpRequest, what: str, runs: Sequence[Run], others: Sequence[Run]) -> None:
    words, act = ACTS[what]
    done, refused = [], [(run, NOT_YOURS) for run in others]
    for run in runs:
        try:
            act(run, cast(User, request.user))
            done.append(run)
        except UserError as error:
            refused.append((run, str(error)))
    _tell(request, words, done, refused)


def _deleted(request: HttpRequest, runs: Sequence[Run], others: Sequence[Run]) -> HttpResponse:
    may, refused = [], [(run, NOT_YOURS) for run in others]
    for run in runs:
        try:
            deletion.refuse_needed([run])
            may.append(run)
        except UserError as error:
            refused.append((run, str(error)))
    job = None
    if may:
        try:
            job = deletion.ask(may, cast(User, request.user))
        except UserError as error:
            refused, may = refused + [(run, str(error)) for run in may], []
    _tell(request, "A worker deletes", may, refused)
    return redirect(_back(request)) if job is None else redirect("jobs:job_detail", job.pk)


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
