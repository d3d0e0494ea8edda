"""`manage.py invite USER [--role ROLE] [--team TEAM]`: prints a link that logs the user in once; a new user is made."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from django.urls import reverse

from rpt_web.supervisor.claims import served_address
from rpt_web.supervisor.management.commands.up import LOOPBACK
from rpt_web.teams.membership import first_team, join
from rpt_web.teams.models import LoginLink, Role, Team, User


class Command(BaseCommand):
    """Lets somebody in: a new member or viewer, or one without a password."""

    help = "Print a link that logs a user in, once, within 7 days. A user who does not exist yet is made."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """USER [--role ROLE] [--team TEAM] [--address URL]."""
        parser.add_argument("user", help="name of the user")
        parser.add_argument(
            "--role",
            choices=Role.values,
            help="a viewer sees everything of the team and changes nothing, an administrator changes all of it "
            "(default: member for a new user; others keep theirs)",
        )
        parser.add_argument("--team", help="name of the team (default: the user's, and for a new user the oldest)")
        parser.add_argument(
            "--address", help="where people reach the platform (default: where it runs on this machine)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Make the user if need be, then the link."""
        address = options["address"] or served_address(settings.RPT_DATA_DIR)
        if not address or not urlsplit(address).netloc:
            raise CommandError(
                f"No platform runs from the data folder {settings.RPT_DATA_DIR}. Start it with `make up`, or say where "
                "people reach it: --address http://NAME:PORT"
            )
        with transaction.atomic():
            user = _user(options["user"])
            role = _role(user, _team(user, options["team"]), options["role"])
        self.stderr.write(f"This logs {user} ({role}) in, once, within 7 days:")
        self.stdout.write(login_address(address, user))
        if urlsplit(address).hostname in LOOPBACK:
            self.stderr.write("It opens on this machine. For other machines add --address http://NAME:PORT")


def login_address(address: str, user: User) -> str:
    """A fresh link that logs the user in, once."""
    return address.rstrip("/") + reverse("teams:login_link", args=[LoginLink.issue(user)])


def _team(user: User, name: str | None) -> Team:
    """The team of that name; without one, the user's first, or the oldest. Raises CommandError for one that is not."""
    if name is None:
        return next(iter(user.roles), None) or first_team()
    if (team := Team.objects.filter(name=name).first()) is None:
        names = ", ".join(Team.objects.values_list("name", flat=True)[:20]) or "none yet"
        raise CommandError(f"There is no team {name!r}. The teams are: {names}.")
    return team


def _role(user: User, team: Team, asked: str | None) -> str:
    """What the user is in the team afterwards; only what is asked for changes what somebody is already."""
    if user.is_superuser:
        return "server administrator"
    role = user.role_in(team.pk)
    if asked is not None or role is None:
        role = Role(join(user, team, Role(asked or Role.MEMBER)).role)
    return role.value


def _user(name: str) -> User:
    """The user of that name, made without a password when there is none."""
    user = User.objects.filter(username=name).first() or User(username=name)
    if not user.password:
        user.set_unusable_password()
    try:
        user.full_clean()
    except ValidationError as error:
        raise CommandError(" ".join(error.messages)) from None
    user.save()
    return user
