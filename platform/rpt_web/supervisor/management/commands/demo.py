"""`manage.py demo`: starts the platform, runs the small experiment on it, prints what it found, serves the results."""

from __future__ import annotations

import json
import sys
from argparse import BooleanOptionalAction
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.urls import reverse

from rpt_core.errors import UserError
from rpt_core.files import write_whole
from rpt_core.words import counted
from rpt_web.runs.models import Experiment
from rpt_web.supervisor.demo import course
from rpt_web.supervisor.demo.progress import DemoProgress
from rpt_web.supervisor.demo.report import build_report, table
from rpt_web.supervisor.management.commands.invite import login_address
from rpt_web.supervisor.management.commands.up import add_options, host_advice, read_options
from rpt_web.supervisor.stopping import Interrupted
from rpt_web.supervisor.tree import ProcessTree
from rpt_web.teams.models import User


class Command(BaseCommand):
    """Runs a preset through the services, the queue and the worker that the browser uses."""

    help = "Start the platform, run the small experiment on it, print a table, and serve the results until Ctrl-C."
    requires_system_checks = []  # the start runs them with the migrations

    def add_arguments(self, parser: CommandParser) -> None:
        """The options of `up`, and the demo's own."""
        add_options(parser)
        parser.set_defaults(workers=2)  # runs that do not need each other; the small model uses one core
        parser.add_argument("--preset", default="tiny", help="which preset to run (default: tiny)")
        parser.add_argument("--seed", type=int, help="seed of every run (default: 0, or each of the preset's seeds)")
        parser.add_argument("--report", type=Path, metavar="FILE", help="write the results there as JSON")
        parser.add_argument("--serve", action=BooleanOptionalAction, default=True, help="serve the results at the end")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the demo; exits with 1 when one of its runs fails."""
        try:
            copies = course.Copies(course.checked_preset(options["preset"]), options["seed"])
            check_report(options["report"], copies)
            self.progress = DemoProgress(sys.stdout, len(copies.plan.runs))
            with ProcessTree(read_options(options), self.progress.say, self._cancel_leftovers) as tree:
                self._run(tree, copies, options)
        except Interrupted:
            self.progress.say("Stopped.")
        except course.RunFailed as failed:
            raise CommandError("\n".join(course.explain(failed.run))) from None
        except UserError as error:
            raise CommandError(str(error)) from None

    def _run(self, tree: ProcessTree, copies: course.Copies, options: dict[str, Any]) -> None:
        user = course.demo_user()
        experiment = course.new_experiment(copies, user)
        self._announce(tree, experiment, user, options)
        runs = course.DemoRuns(copies.plan, experiment, user, self.progress).follow(tree.pause)
        for seed, its in copies.each(runs):
            report = build_report(experiment, seed, its)
            self._show(report, options["report"], heading="" if copies.is_single else f"Seed {seed}")
        if options["serve"]:
            self._serve(tree, experiment, user)

    def _show(self, report: dict[str, Any], path: Path | None, heading: str) -> None:
        for line in [heading, *table(report), ""]:
            self.progress.say(line)
        if path:
            write_whole(path, (json.dumps(report, indent=2, allow_nan=False) + "\n").encode())
            self.progress.say(f"Written to {path}")

    def _cancel_leftovers(self) -> None:
        if left := course.cancel_leftovers(course.demo_user()):
            self.progress.say(f"Cancelled {counted(left, 'run')} that earlier demos had left unfinished.")

    def _announce(self, tree: ProcessTree, experiment: Experiment, user: User, options: dict[str, Any]) -> None:
        self.progress.say(f"\n{experiment.name}. Running for real; this takes minutes. Ctrl-C stops everything.")
        if options["serve"]:
            self.progress.say(f"Watch it (the link logs you in once): {login_address(tree.address, user)}\n")
            for line in host_advice(tree.options.host):
                self.progress.say(line)

    def _serve(self, tree: ProcessTree, experiment: Experiment, user: User) -> None:
        self.progress.say(f"The results: {tree.address}{reverse('results:experiment_results', args=[experiment.pk])}")
        self.progress.say(f"Log in (once, within 7 days): {login_address(tree.address, user)}")
        self.progress.say("Ctrl-C stops it; `make up` starts it again with everything that was made.")
        while True:
            tree.pause(60)


def check_report(path: Path | None, copies: course.Copies) -> None:
    """Raises UserError now rather than after the training when the report cannot be written."""
    if path is None:
        return
    if not copies.is_single:
        raise UserError(
            f"--report holds one seed, and {copies.preset.name!r} has several. Add --seed with one of them."
        )
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise UserError(f"--report {path} cannot be written. Name a file in a folder that exists.")
