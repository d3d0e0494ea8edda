"""What every template knows of its user: their teams, and whether it may offer what changes something."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from rpt_web import access
from rpt_web.teams.models import Team

CHOSEN = "team"
"""Under this the session remembers the team that was chosen in the menu."""
MOST_COUNTED = 100


def of_user(request: HttpRequest) -> dict[str, Any]:
    """`may_change`: the user may submit somewhere. `my_teams`, and `current_team`, where something new goes. `unread`:
    notices, counted up to MOST_COUNTED when a template asks."""
    return {
        "may_change": bool(access.teams_to_change(request.user)),
        "my_teams": list(access.roles_of(request.user)),
        "current_team": current_team(request),
        "unread": SimpleLazyObject(lambda: access.count_unread(request.user, MOST_COUNTED)),
    }


def current_team(request: HttpRequest) -> Team | None:
    """The team that was chosen in the menu, or else the first where the user may change things, or the first."""
    teams = list(access.roles_of(request.user))
    if len(teams) < 2:  # most people: nothing to choose
        return next(iter(teams), None)
    chosen = next((team for team in teams if team.pk == request.session.get(CHOSEN)), None)
    return chosen or next(iter((*access.teams_to_change(request.user), *teams)))


def team_to_change(request: HttpRequest) -> Team:
    """The current team, or another one when the user may only look there. Raises PermissionDenied without any."""
    access.require_change_somewhere(request.user)
    current, teams = current_team(request), access.teams_to_change(request.user)
    return current if current is not None and current in teams else teams[0]
