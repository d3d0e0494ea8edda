"""`manage.py restore FOLDER`: restores a platform's data from a backup."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from rpt_core.errors import UserError
from rpt_web.supervisor.backups import restore


class Command(BaseCommand):
    """Restores a platform."""

    help = "Restore the data folder and the database from a backup. Both must be empty, and the platform must not run."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """FOLDER."""
        parser.add_argument("folder", type=Path, help="folder that `manage.py backup` has made")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it."""
        try:
            restore(options["folder"].expanduser().absolute(), self.stdout.write)
        except UserError as error:
            raise CommandError(str(error)) from None
