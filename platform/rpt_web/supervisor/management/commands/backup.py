"""`manage.py backup FOLDER`: writes everything that the platform keeps into a new folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from rpt_core.errors import UserError
from rpt_web.supervisor.backups import backup


class Command(BaseCommand):
    """Backups a platform."""

    help = "Write the database, the runs and the secret key into a new folder, also while the platform runs."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """FOLDER."""
        parser.add_argument("folder", type=Path, help="folder to make; it must not exist yet")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it."""
        try:
            backup(options["folder"].expanduser().absolute(), self.stdout.write)
        except UserError as error:
            raise CommandError(str(error)) from None
