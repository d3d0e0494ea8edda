"""`manage.py fill`: fills a platform with made-up experiments and all around them; `--remove` takes them away."""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from rpt_core.words import counted
from rpt_web.runs.models import Experiment
from rpt_web.supervisor.filling.shape import Amounts
from rpt_web.supervisor.filling.store import Counts, fill, filled_experiments, remove

LIMITS = {
    "responses": (0, 100_000_000),
    "runs": (1, 100_000),
    "steps": (1, 1_000_000),
    "documents": (1, 10_000_000),
    "positions": (0, 500_000),
    "checkpoints": (0, 10_000),
}


class Command(BaseCommand):
    """Makes many experiments that never ran, with people, corpora, models and wordings."""

    help = "Fill the database with made-up experiments, for trials and measurements. A platform in use is left alone."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """[--responses N] [--runs N] [--steps N] [--documents N] [--among-others] [--remove]."""
        parser.add_argument("--responses", type=int, default=20_000, help="responses in all (default: 20000)")
        parser.add_argument("--runs", type=int, default=140, help="runs in all (default: 140)")
        parser.add_argument(
            "--steps", type=int, default=10_000, help="number of metrics in the largest run (default: 10000)"
        )
        parser.add_argument(
            "--documents",
            type=int,
            default=5000,
            help="documents of the largest corpus, and of the filter run that has scored any (default: 5000)",
        )
        parser.add_argument(
            "--positions", type=int, default=0, help="positions that one run is evaluated at, eight responses each"
        )
        parser.add_argument(
            "--checkpoints", type=int, default=0, help="number of these evaluations; their responses come on top"
        )
        parser.add_argument(
            "--among-others", action="store_true", help="also on a platform that has other people's experiments"
        )
        parser.add_argument("--remove", action="store_true", help="remove everything that this command has made")

    def handle(self, *args: Any, **options: Any) -> None:
        """Fill, or remove what was filled."""
        if options["remove"]:
            self._say("Removed", remove())
            return
        for name, (low, high) in LIMITS.items():
            if not low <= options[name] <= high:
                raise CommandError(
                    f"--{name} {options[name]} is not allowed. Give a whole number from {low} to {high}."
                )
        others = Experiment.objects.exclude(pk__in=filled_experiments()).count()
        if others and not options["among_others"]:
            raise CommandError(
                f"This database holds {counted(others, 'experiment')} that `fill` has not made. Fill a separate "
                "platform (RPT_DATA_DIR names another data folder), or give --among-others; --remove spares them."
            )
        begin = time.monotonic()
        counts = fill(Amounts(**{name: options[name] for name in LIMITS}), self.stderr.write)
        self._say(f"Made in {time.monotonic() - begin:.0f} s", counts)

    def _say(self, done: str, counts: Counts) -> None:
        self.stdout.write(f"{done}: {', '.join(f'{number:,} {name}' for name, number in counts.items())}.")
