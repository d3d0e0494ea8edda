"""Who is in which team, with which role.

In: users and teams. Out: rows of `Membership`, and the team that something new belongs to.
"""

from __future__ import annotations

from rpt_web.teams.models import CHANGING, Membership, Role, Team, User

FIRST_TEAM = "Team"
"""What the first team is called until somebody gives it another name."""


def first_team() -> Team:
    """The oldest team, made when there is none: for programs, and for whoever is in no team yet."""
    return Team.objects.order_by("id").first() or Team.objects.create(name=FIRST_TEAM)


def join(user: User, team: Team, role: Role = Role.MEMBER) -> Membership:
    """Let somebody into a team, or change their role there."""
    membership, _ = Membership.objects.update_or_create(user=user, team=team, defaults={"role": role})
    vars(user).pop("roles", None)
    return membership


def home_of(user: User | None) -> Team:
    """The team that something new of this user belongs to when nobody says: the first where they may change things.

    A program, and somebody who is in none, has the oldest team.
    """
    roles = user.roles if user is not None and not user.is_superuser else {}
    return next((team for team, role in roles.items() if role in CHANGING), None) or first_team()
