"""Roles: what a user is in which team, and the words of a refusal. The rest of this folder asks here."""

from __future__ import annotations

from typing import TypeVar

from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.db.models import Model, Q, QuerySet
from django.http import Http404

from rpt_web.teams import sharing
from rpt_web.teams.models import (
    CHANGING,
    Role,
    Scope,
    Team,
    User,
)

Actor = User | AnonymousUser
Row = TypeVar("Row", bound=Model)
VIEWER = "Viewers cannot change anything. Ask an administrator to make you a member."
SHARED = "It belongs to another team, which shares it read-only. Ask that team to change it."
LIMITED = "This token has the scope {}, which is not enough. Make one with a wider scope on the page of your account."


def roles_of(user: Actor) -> dict[Team, Role]:
    """The teams that the user may see things of, by name, each with the role in it."""
    return user.roles if isinstance(user, User) and user.is_active else {}


def role_in(user: Actor, team_id: int) -> Role | None:
    """The user's role in a team; None for a team that they are not in."""
    return user.role_in(team_id) if isinstance(user, User) and user.is_active else None


def teams_to_change(user: Actor) -> list[Team]:
    """The teams in which the user may submit, by name."""
    return [team for team, role in roles_of(user).items() if role in CHANGING]


def can_change(user: Actor, team_id: int) -> bool:
    """Whether the user may submit in this team, and cancel and retry what is theirs."""
    return role_in(user, team_id) in CHANGING


def require_change(user: Actor, team_id: int) -> None:
    """Raises PermissionDenied unless the user may change things of this team."""
    if not can_change(user, team_id):
        raise refusal(user, SHARED if role_in(user, team_id) is None else VIEWER)


def require_change_somewhere(user: Actor) -> None:
    """Raises PermissionDenied for somebody who is no more than a viewer in any team."""
    if not teams_to_change(user):
        raise refusal(user, VIEWER)


def can_administer(user: Actor, team_id: int) -> bool:
    """Whether the user decides who is in this team."""
    return role_in(user, team_id) == Role.ADMINISTRATOR


def is_server_administrator(user: Actor) -> bool:
    """Whether the user makes teams and decides about the machines."""
    return isinstance(user, User) and user.is_active and user.is_superuser and user.scope == Scope.ADMIN


def require_server_administrator(user: Actor) -> None:
    """Raises PermissionDenied for everybody else."""
    if not is_server_administrator(user):
        raise PermissionDenied("Only a server administrator does this.")


def can_manage(user: Actor, person: User) -> bool:
    """Whether the user decides about somebody's account: who administers every team that the person is in."""
    if not isinstance(user, User) or not user.is_active or user.pk == person.pk:
        return False
    if is_server_administrator(user):
        return True
    teams = set(person.memberships.values_list("team", flat=True))
    return not person.is_superuser and bool(teams) and all(can_administer(user, team) for team in teams)


def seen(user: Actor, kind: str, path: str = "") -> Q:
    """Of a kind: what belongs to the user's teams or is shared with them.

    path: how the filtered rows lead to it, such as `run__experiment__`; empty where they are the things themselves.
    """
    teams = list(roles_of(user))
    own = Q(**{f"{path}team__in": [team.pk for team in teams]})
    shown = [team for team in teams if team.is_shown]  # mostly none, and each page asks several times
    return own | Q(**{f"{path}pk__in": sharing.received(shown, kind)}) if shown else own


def refusal(user: Actor, words: str) -> PermissionDenied:
    """The words; of a token that may do less than its user, that it is to blame."""
    if isinstance(user, User) and user.roles != user.own_roles:
        words = LIMITED.format(user.scope)
    return PermissionDenied(words)


def found_or_404(rows: QuerySet[Row], noun: str, key: int, where: str = "") -> Row:
    found = rows.first()
    if found is None:
        raise missing(noun, key, where or f"The list of {rows.model._meta.verbose_name_plural} shows them.")
    return found


def missing(noun: str, key: int, where: str) -> Http404:
    return Http404(f"There is no {noun} {key} among those that you may see. {where}")
