"""`manage.py create_api_token USER NAME [--scope SCOPE] [--days N]`: prints a token for the API, once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from rpt_web.teams.models import ApiToken, Scope, User


class Command(BaseCommand):
    """Makes an API token for a user."""

    help = "Make a token for the API and print it. It cannot be shown again."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """USER NAME [--scope SCOPE] [--days N]."""
        parser.add_argument("user", help="name of the user who calls the API with it")
        parser.add_argument("name", help="what it is for")
        parser.add_argument(
            "--scope",
            choices=Scope.values,
            default=Scope.WRITE.value,
            help="what it may do of what its user may: read, write as a member does, or everything (default: write)",
        )
        parser.add_argument("--days", type=int, default=90, help="days until it expires (default: 90)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Make it."""
        if not 1 <= options["days"] <= 3650:
            raise CommandError(f"--days {options['days']} is not allowed. Give a whole number from 1 to 3650.")
        user = User.objects.filter(username=options["user"]).first()
        if user is None:
            names = ", ".join(User.objects.order_by("username").values_list("username", flat=True)[:20]) or "none yet"
            raise CommandError(f"There is no user {options['user']!r}. The users are: {names}.")
        lifetime, scope = timedelta(days=options["days"]), Scope(options["scope"])
        self.stdout.write(ApiToken.issue(user, options["name"][:100], lifetime, scope))
