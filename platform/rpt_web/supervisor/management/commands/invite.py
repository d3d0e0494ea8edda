"""`manage.py invite USER [--role member|viewer]`: prints a link that logs the user in once; makes a new user first."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.urls import reverse

from rpt_web.supervisor.claims import served_address
from rpt_web.supervisor.management.commands.up import LOOPBACK
from rpt_web.teams.models import LoginLink, Role, User


class Command(BaseCommand):
    """Lets somebody in: a new member or viewer, or one without a password."""

    help = "Print a link that logs a user in, once, within 7 days. A user who does not exist yet is made."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """USER [--role ROLE] [--address URL]."""
        parser.add_argument("user", help="name of the user")
        parser.add_argument(
            "--role",
            choices=Role.values,
            help="a viewer sees everything and changes nothing (default: member for a new user; others keep theirs)",
        )
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
        user = _user(options["user"], options["role"])
        self.stderr.write(f"This logs {user} ({user.role}) in, once, within 7 days:")
        self.stdout.write(login_address(address, user))
        if urlsplit(address).hostname in LOOPBACK:
            self.stderr.write("It opens on this machine. For other machines add --address http://NAME:PORT")


def login_address(address: str, user: User) -> str:
    """A fresh link that logs the user in, once."""
    return address.rstrip("/") + reverse("teams:login_link", args=[LoginLink.issue(user)])


def _user(name: str, role: str | None) -> User:
    """The user of that name, made without a password when there is none; with that role if one is asked for."""
    user = User.objects.filter(username=name).first() or User(username=name)
    user.role = role or user.role
    if not user.password:
        user.set_unusable_password()
    try:
        user.full_clean()
    except ValidationError as error:
        raise CommandError(" ".join(error.messages)) from None
    user.save()
    return user
