"""`manage.py list_api_tokens [USER]`: each token with its number, user, name, scope and times; never its secret."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from rpt_web.teams.models import ApiToken


class Command(BaseCommand):
    """Lists API tokens."""

    help = "List the tokens of the API, expired ones too. `revoke_api_token NUMBER` takes one away."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """[USER]."""
        parser.add_argument("user", nargs="?", help="only this user's")

    def handle(self, *args: Any, **options: Any) -> None:
        """List them."""
        tokens = ApiToken.objects.select_related("user").order_by("id")
        if options["user"]:
            tokens = tokens.filter(user__username=options["user"])
        for token in tokens:
            used = f"used {token.last_used_at:%Y-%m-%d}" if token.last_used_at else "never used"
            times = f"made {token.created_at:%Y-%m-%d}, expires {token.expires_at:%Y-%m-%d}, {used}"
            self.stdout.write(f"{token.pk}  {token.user.username}  {token.name}  {token.scope}  ({times})")
