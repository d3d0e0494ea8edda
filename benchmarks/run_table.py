"""The table of runs: 500 runs with 100 columns. Goal: each page and each answer takes under a second on the server.

    python benchmarks/run_table.py [--runs N] [--requests N] [--json FILE] [--keep FOLDER]

Makes runs in a database of its own (Postgres in a temporary folder, or in the folder that --keep names, which stays):
each with the config of a real run, 48 metrics, 2,000 steps of which are summed up but not stored, and 16 accuracies at
two steps. Then it asks, in this process, from the request's first middleware to the last byte, for pages of the table
with 100 columns, by turns. "Alone" is the time less that for which no processor was free, as in benchmarks/pages.py.
Run it from the repository's root.
"""

from __future__ import annotations

import atexit
import os
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from _common import finish, parser, show

if TYPE_CHECKING:
    from django.test import Client

    from rpt_web.run_table.columns import RunColumn

GOAL_SECONDS = 1.0
COLUMNS = 100
STEPS = 2000
MODES, DIFFICULTIES = ("standard", "sampled", "majority", "greedy"), ("easy", "medium", "hard", "all")


def main() -> None:
    """Make the runs, ask, print."""
    options = parser(__doc__)
    options.add_argument("--runs", type=int, default=500, help="so many (500)")
    options.add_argument("--requests", type=int, default=10, help="of each address (10)")
    options.add_argument("--keep", type=Path, metavar="FOLDER", help="where the database stays")
    asked = options.parse_args()
    figures = _in_database(asked.keep, asked.runs, asked.requests)
    rows = [
        (name, *(f"{found[key]:.0f} ms" for key in ("p50_alone_ms", "p95_alone_ms", "p50_ms", "p95_ms")))
        for name, found in figures["asked"].items()
    ]
    header = ("asked for", "p50 alone", "p95 alone", "p50", "p95")
    show(f"{figures['runs']:,} runs, {figures['columns']} columns, goal {GOAL_SECONDS:g} s", header, rows)
    finish("run_table", figures, asked.json)


def _in_database(keep: Path | None, number: int, requests: int) -> dict[str, Any]:
    folder = keep or Path(tempfile.mkdtemp(prefix="rpt-bench-"))
    if keep is None:
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ.update(RPT_DATA_DIR=str(folder), DJANGO_SETTINGS_MODULE="rpt_web.settings", DATABASE_URL="")
    os.environ.update(RPT_ALLOWED_HOSTS="testserver", RPT_CONNECTION_POOL="yes", RPT_LOG_LEVEL="ERROR")

    import django
    from django.core.management import call_command

    django.setup()
    import rpt_web.asgi  # noqa: F401 - loads everything as in the web server
    from rpt_web.runs.models import Run
    from rpt_web.supervisor.embedded import EmbeddedPostgres

    server = EmbeddedPostgres(folder)
    server.start()
    try:
        call_command("migrate", verbosity=0, skip_checks=True)
        if not Run.objects.exists():
            _fill(number)
        columns = _columns()
        return {"runs": Run.objects.count(), "columns": len(columns), "asked": _measured(columns, requests)}
    finally:
        django.db.connections.close_all()
        django.db.connection.close_pool()
        server.stop()


def _fill(number: int) -> None:
    from django.db import connection

    from rpt_core.config import RptConfig
    from rpt_core.run.metrics import METRICS
    from rpt_web.results.models import Evaluation
    from rpt_web.runs import services
    from rpt_web.runs.models import MetricSummary, Run, Status
    from rpt_web.teams.models import User

    user = User.objects.create_superuser("ada")
    experiment, rng = services.create_experiment("Many", user), random.Random(0)
    runs = []
    for place in range(number):
        asked = {"model": {"path": f"m{place % 7}"}, "positions": "p", "steps": STEPS, "seed": place % 4}
        config = RptConfig.model_validate({"stage": "rpt", **asked})
        known = {"stage": "rpt", "status": Status.SUCCEEDED, "seed": place % 4, "attempt": 1, "gpus": place % 3}
        made = Run(experiment=experiment, name=f"run {place}", config=config.model_dump(mode="json"), **known)
        made.flops, made.time_spent, made.created_by = 1e18 * rng.random(), timedelta(hours=rng.random()), user
        made.step = made.total_steps = STEPS
        runs.append(made)
    Run.objects.bulk_create(runs)
    numbers = {"last_step": STEPS, "min_step": 7, "max_step": 99}
    MetricSummary.objects.bulk_create(
        (
            MetricSummary(run=run, metric=metric, last=rng.random(), min=-rng.random(), max=1 + rng.random(), **numbers)
            for run in runs
            for metric in METRICS
        ),
        batch_size=5000,
    )
    cell = {"attempt": 1, "n": 700, "low": 0.1, "high": 0.9}
    Evaluation.objects.bulk_create(
        (
            Evaluation(run=run, step=step, mode=mode, difficulty=difficulty, value=rng.uniform(0.1, 0.9), **cell)
            for run in runs
            for step in (0, STEPS)
            for mode in MODES
            for difficulty in DIFFICULTIES
        ),
        batch_size=5000,
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _columns() -> list[RunColumn]:
    """A hundred: of the run, settings, metrics, all accuracies."""
    from rpt_web.run_table import choices
    from rpt_web.runs.models import Run

    found = {section.title: section.columns for section in choices.sections(Run.objects.all(), "", 1000)}
    lasts = [column for column in found["Metrics"] if column.name.endswith(".last")]
    own = [*found["Run and cost"][:20], *found["Accuracies"], *lasts]
    return [*own, *found["Settings"][: COLUMNS - len(own)]]


def _asked(columns: Sequence[RunColumn]) -> dict[str, str]:
    """Name -> address."""
    names = ",".join(column.name for column in columns)

    def of(base: str, **more: Any) -> str:
        return f"/{base}?{urlencode({'columns': names} | more, doseq=True)}"

    where = ["config.model.path!=m3", "metric.loss.last<0.9"]
    return {
        "a page of 100 runs, newest first": of("runs/table/"),
        "sorted by a metric, two conditions": of("runs/table/", sort="-metric.loss.last", where=where),
        "sorted by an accuracy": of("runs/table/", sort="-accuracy.hard.greedy"),
        "grouped by a setting, means over all runs": of("runs/table/", group="config.model.path"),
        "all 500 runs by the API": of("api/v1/runs/table", limit=500),
        "CSV of all": of("runs/table/file", type="csv"),
        "Parquet of all": of("runs/table/file", type="parquet"),
        "which columns there are": "/runs/table/columns/",
    }


def _measured(columns: Sequence[RunColumn], requests: int) -> dict[str, dict[str, float]]:
    from pages import backends, waited

    browser, program = _clients()
    wanted, pids = _asked(columns), backends()
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in wanted}
    for turn in range(requests + 1):  # the first one warms up
        for name, address in wanted.items():
            begin, waiting = time.perf_counter(), waited(pids)
            answer = (program if address.startswith("/api/") else browser).get(address)
            clock, waiting = time.perf_counter() - begin, max(waited(pids) - waiting, 0.0)
            if answer.status_code != 200:
                raise SystemExit(f"{name}: {answer.status_code} {answer.content[:300]!r}")
            if turn:
                times[name].append((clock, max(clock - waiting, 0.0)))
    return {name: _figures(found) for name, found in times.items()}


def _clients() -> tuple[Client, Client]:
    from django.test import Client

    from rpt_web.teams.models import ApiToken, User

    user = User.objects.get(username="ada")
    browser = Client()
    browser.force_login(user)
    token = ApiToken.issue(user, "benchmark", timedelta(days=1))
    return browser, Client(headers={"Authorization": f"Bearer {token}"})


def _figures(times: Sequence[tuple[float, float]]) -> dict[str, float]:
    found = {}
    for place, ending in ((1, "_alone_ms"), (0, "_ms")):
        values = statistics.quantiles([pair[place] * 1000 for pair in times], n=20, method="inclusive")
        found |= {f"p50{ending}": round(values[9], 1), f"p95{ending}": round(values[18], 1)}
    return found


if __name__ == "__main__":
    main()
