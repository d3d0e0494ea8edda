"""Who is in which team, with which role.

In: users and teams; who may decide it is the business of `access`. Out: rows of `Membership`, the team that something
new belongs to, and UserError for what a team cannot be without.
"""

from __future__ import annotations

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from rpt_core.errors import UserError
from rpt_web.characters import has_something_to_see, unfit_for_a_name
from rpt_web.teams.models import CHANGING, Invitation, LoginLink, Membership, Role, Team, User, digest

FIRST_TEAM = "Team"
"""What the first team is called until somebody gives it another name."""


def first_team() -> Team:
    """The oldest team, made when there is none: for programs, and for whoever is in no team yet."""
    return Team.objects.order_by("id").first() or Team.objects.create(name=FIRST_TEAM)


def join(user: User, team: Team, role: Role = Role.MEMBER) -> Membership:
    """Let somebody into a team, or change their role there. Login links of theirs end: they would let into it, too."""
    LoginLink.withdraw(user)
    membership, _ = Membership.objects.update_or_create(user=user, team=team, defaults={"role": role})
    vars(user).pop("own_roles", None)
    return membership


def home_of(user: User | None) -> Team:
    """The team that something new of this user belongs to when nobody says: the first where they may change things.

    A program, and somebody who is in none, has the oldest team.
    """
    roles = user.roles if user is not None and not user.is_superuser else {}
    return next((team for team, role in roles.items() if role in CHANGING), None) or first_team()


def found(name: str) -> Team:
    """A new team. Raises UserError for a name that cannot be, or is taken."""
    name = checked_name(name)
    team, is_new = Team.objects.get_or_create(name=name)
    if not is_new:
        raise UserError(f"There is a team named {name!r} already. Choose another name.")
    return team


def rename(team: Team, name: str) -> None:
    """Give a team another name. Raises UserError for one that cannot be, or is taken."""
    name = checked_name(name)
    try:
        with transaction.atomic():
            Team.objects.filter(pk=team.pk).update(name=name)
    except IntegrityError:
        raise UserError(f"There is a team named {name!r} already. Choose another name.") from None
    team.name = name


def checked_name(name: str) -> str:
    """The name of a team without blanks around it. Raises UserError for one that cannot be shown."""
    name = name.strip()
    if unfit_for_a_name(name) is not None or len(name) > 100 or not has_something_to_see(name):
        raise UserError("This cannot be the name of a team. Give 1 to 100 printable characters.")
    return name


def change_role(team: Team, user: User, role: Role) -> None:
    """Give somebody another role. Raises UserError when the team would have no administrator left."""
    with transaction.atomic():
        if role != Role.ADMINISTRATOR:
            _require_another_administrator(team, user)
        Membership.objects.filter(team=team, user=user).update(role=role)


def leave(team: Team, user: User) -> None:
    """Take somebody out of a team. Raises UserError when it would have no administrator left."""
    with transaction.atomic():
        _require_another_administrator(team, user)
        Membership.objects.filter(team=team, user=user).delete()


def set_active(user: User, is_active: bool) -> None:
    """Switch an account off, or on again. UserError when a team would have no administrator who can log in."""
    with transaction.atomic():
        for team in Team.objects.filter(memberships__user=user) if not is_active else ():
            _require_another_administrator(team, user)
        User.objects.filter(pk=user.pk).update(is_active=is_active)


def accept(secret: str, user: User) -> Membership | None:
    """Use an invitation up; None when somebody was faster, or it has expired. Nobody loses a role by it."""
    with transaction.atomic():
        if (invitation := Invitation.of(secret)) is None:
            return None
        open_one = Invitation.open_ones().filter(digest=digest(secret))
        if not open_one.update(used_at=Now(), used_by=user):  # one conditional UPDATE: two clicks cannot both win
            return None
        there = Membership.objects.filter(user=user, team=invitation.team).first()
        role = Role(invitation.role)
        if there is not None and list(Role).index(Role(there.role)) >= list(Role).index(role):
            return there
        return join(user, invitation.team, role)


def _require_another_administrator(team: Team, user: User) -> None:
    """Locks the team, so that two of them cannot go at the same time."""
    Team.objects.select_for_update().get(pk=team.pk)
    heads = Membership.objects.filter(team=team, role=Role.ADMINISTRATOR, user__is_active=True)
    if heads.filter(user=user).exists() and not heads.exclude(user=user).exists():
        raise UserError(f"{user} is the only administrator of {team}. Make somebody else one first.")
