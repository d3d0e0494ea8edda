"""A part of a position's page: the position is run again, and its group appears on the page."""

from __future__ import annotations

from typing import cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from rpt_core.errors import UserError
from rpt_web import access
from rpt_web.pages.once import made_once
from rpt_web.pages.position_addresses import place_of
from rpt_web.pages.positions import views
from rpt_web.pages.positions.film import film_of, must_not_know, query_for
from rpt_web.pages.positions.rerun_form import RerunForm
from rpt_web.pages.rights import team_to_change
from rpt_web.pages.traces.detail import yet_to_review
from rpt_web.runs import findings
from rpt_web.runs.models import Run
from rpt_web.teams.models import Team, User
from rpt_web.traces import reruns
from rpt_web.traces.models import ResponseGroup


@require_safe
def again_form(request: HttpRequest, text_hash: str, byte_offset: int) -> HttpResponse:
    """The form, which comes after the page: to look up what it offers takes a while."""
    position = access.get_place_or_404(request.user, text_hash, byte_offset)
    access.require_change_somewhere(request.user)
    if must_not_know(request, position):
        return yet_to_review(request, "position")
    film = film_of(request, position)
    run = access.runs_for(request.user).get(pk=film.chosen.run_id)
    form = RerunForm(_team_of(request, run), run, film.chosen)
    return render(request, "positions/_run_again.html", views.again_context(request, position, film, run, form))


@require_POST
@made_once
def run_again(request: HttpRequest, text_hash: str, byte_offset: int) -> HttpResponse:
    """Submit a run at this position or question alone; the address names the group whose settings it takes."""
    position = access.get_place_or_404(request.user, text_hash, byte_offset)
    access.require_change_somewhere(request.user)
    film = film_of(request, position)
    group = ResponseGroup.objects.get(pk=film.chosen.id)
    group.position = position
    run = access.runs_for(request.user).get(pk=group.run_id)
    team = _team_of(request, run)
    form = RerunForm(team, run, film.chosen, request.POST)
    if form.is_valid():
        try:
            made = reruns.rerun(team, run, group, form.wanted(), cast(User, request.user))
        except findings.HeldBack as error:
            for finding in error.findings:
                form.add_error(None, finding.message)
        except UserError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, f"The run “{made.name}” goes ahead of others. Its responses will appear here.")
            return redirect(f"{place_of(position)}?{query_for(request, film.chosen)}#film")
    return views.page_of(request, position, form)


def _team_of(request: HttpRequest, run: Run) -> Team:
    """In whose name the reader runs a position again: the run's team, or else their own. Raises PermissionDenied."""
    own = run.experiment.team
    return own if access.can_change(request.user, own.pk) else team_to_change(request)
