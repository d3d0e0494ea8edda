"""The page of limits: how many runs may run at once, of the server and of the teams that one is in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from rpt_core.errors import UserError
from rpt_web import access
from rpt_web.runs import limits
from rpt_web.runs.models import RunLimit
from rpt_web.teams.models import Team

SERVER = "server"


class LimitForm(forms.Form):
    """A limit to make, change or remove."""

    of = forms.ChoiceField(label="Whose runs")
    each_person = forms.ChoiceField(
        label="Counted",
        choices=[("", "all together"), ("1", "of each person")],
        required=False,
    )
    queue = forms.ChoiceField(
        label="Queue",
        choices=[("", "any"), *((queue, queue) for queue in limits.QUEUES)],
        required=False,
    )
    most = forms.IntegerField(
        label="At most",
        required=False,
        help_text="Runs at once. Empty removes the limit.",
        widget=forms.TextInput(attrs={"class": "form-control", "inputmode": "numeric", "autocomplete": "off"}),
    )

    def __init__(self, owners: list[tuple[str, str]], *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        of = self.fields["of"]
        assert isinstance(of, forms.ChoiceField)
        of.choices = owners


@dataclass(frozen=True)
class LimitLine:
    """A limit as the page shows it."""

    limit: RunLimit
    words: str
    owner: str
    of: str
    may_change: bool


@require_http_methods(["GET", "HEAD", "POST"])
def limit_list(request: HttpRequest) -> HttpResponse:
    """All limits that are about the user's runs; administrators set their own."""
    owners = _owners(request)
    form = LimitForm(owners, request.POST if request.method == "POST" else None)
    if request.method == "POST":
        team = _team(request)
        if form.is_valid():
            values = form.cleaned_data
            try:
                limits.set_limit(team, values["queue"], bool(values["each_person"]), values["most"])
                messages.success(request, "The limits were stored. They hold from the next start of a run on.")
                return redirect("nodes:limit_list")
            except UserError as error:
                form.add_error("most", str(error))
    context = {"nav": "nodes", "lines": _lines(request), "form": form, "may_change": bool(owners)}
    return render(request, "nodes/limits.html", context, status=422 if form.errors else 200)


def _owners(request: HttpRequest) -> list[tuple[str, str]]:
    """Whose limits the user sets: the server's, those of teams."""
    server = [(SERVER, "all teams")] if access.is_server_administrator(request.user) else []
    teams = [team for team in access.roles_of(request.user) if access.can_administer(request.user, team.pk)]
    return server + [(str(team.pk), f"the team {team}") for team in teams]


def _team(request: HttpRequest) -> Team | None:
    """Whose limit is posted. Raises PermissionDenied, or Http404, when it is not the user's to set."""
    of = request.POST.get("of", "")
    if of.isdecimal() and len(of) < 19:
        return access.get_team_or_404(request.user, int(of), to_administer=True)
    access.require_server_administrator(request.user)
    return None


def _lines(request: HttpRequest) -> list[LimitLine]:
    server = access.is_server_administrator(request.user)
    lines = [LimitLine(found, limits.in_words(found), "all teams", SERVER, server) for found in limits.of_server()]
    for team in access.roles_of(request.user):
        may = access.can_administer(request.user, team.pk)
        lines += [
            LimitLine(found, limits.in_words(found), f"the team {team}", str(team.pk), may)
            for found in limits.of_team(team)
        ]
    return lines
