"""`manage.py revoke_api_token NUMBER`: the token is worth nothing from then on."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from rpt_web.teams.models import ApiToken


class Command(BaseCommand):
    """Takes an API token away."""

    help = "Revoke a token of the API by its number; `list_api_tokens` shows the numbers."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """NUMBER."""
        parser.add_argument("number", type=int, help="the token's number")

    def handle(self, *args: Any, **options: Any) -> None:
        """Revoke it."""
        token = ApiToken.objects.select_related("user").filter(pk=options["number"]).first()
        if token is None:
            raise CommandError(f"There is no token {options['number']}. `manage.py list_api_tokens` shows them.")
        token.delete()
        self.stdout.write(f"The token {token.name!r} of {token.user.username} is revoked.")
