"""Several runs of the list are changed at once: each as its own button would do it, and what was not done says why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from rpt_core.errors import UserError
from rpt_core.words import counted
from rpt_web import access
from rpt_web.runs import hanging, several, tags
from rpt_web.runs.conclusions import tags_in
from rpt_web.runs.models import Run
from rpt_web.teams.models import User

REASONS_SHOWN = 10
NAMES_SHOWN = 10
LONGEST_QUERY = 50_000
"""Of a table with as many columns as it may have."""
WORDS = {
    "cancel": "Asked to stop",
    "retry": "Brought back to the queue",
    "archive": "Archived",
    "bring-back": "Shown in the lists again",
    several.DELETE: "A worker deletes",
}
TAGGING = {"tag": "Tagged", "untag": "Took tags from"}
"""Action -> the words for it in the message."""


@require_POST
def run_bulk(request: HttpRequest) -> HttpResponse:
    """Do with the chosen runs what the button says; to delete them asks first."""
    user, what = cast(User, request.user), request.POST.get("do", "")
    runs, others = _chosen(request, user)
    if what == "compare":
        return _compared(request, [*runs, *others])
    if not runs and not others:
        messages.error(request, "No run was chosen. Tick the runs first.")
    elif what == "delete" and request.POST.get("confirmed") != "yes" and runs:
        return _asked(request, runs, others)
    elif what in TAGGING:
        _tag(request, what, [*runs, *others])
    elif what in WORDS:
        found = several.change(what, runs, others, user)
        _tell(request, WORDS[what], found.done, found.refused)
        if found.job is not None:
            return redirect("jobs:job_detail", found.job.pk)
    else:
        messages.error(request, f"Runs can be changed at once by: {', '.join([*WORDS, *TAGGING])}.")
    return redirect(_back(request))


def _compared(request: HttpRequest, runs: Sequence[Run]) -> HttpResponse:
    if len(runs) < 2:
        messages.error(request, "Tick two runs or more to compare them; the first is what the others are held against.")
        return redirect(_back(request))
    oldest_first = ",".join(str(key) for key in sorted(run.pk for run in runs))
    return redirect(f"{reverse('compare:basket')}?runs={oldest_first}")


def _tag(request: HttpRequest, what: str, runs: Sequence[Run]) -> None:
    """Tag those of the runs that the user may tag; of the others say so."""
    may = {run.pk for run in access.runs_to_tag(request.user).filter(pk__in=[run.pk for run in runs])}
    own = [run for run in runs if run.pk in may]
    try:
        given = tags_in(request.POST.get("tags", ""))
        if not given:
            raise UserError("Write the tags first, with commas between.")
        done = (tags.add if what == "tag" else tags.take)(own, given)
    except UserError as error:
        messages.error(request, str(error))
        return
    refused = [(run, access.VIEWER) for run in runs if run.pk not in may]
    refused += [(run, "nothing was to be changed there") for run in own if run not in done]
    _tell(request, TAGGING[what], done, refused)


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
    is_table = request.POST.get("from") == "table"
    query = request.POST.get("query", "")[: LONGEST_QUERY if is_table else 500]
    is_plain = query.isprintable() and query.isascii()
    return reverse("runs:run_table" if is_table else "runs:run_list") + (f"?{query}" if query and is_plain else "")
