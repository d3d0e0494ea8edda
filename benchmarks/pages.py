"""Time on the server of every page and API list of a full platform. Goal: 95 of 100 requests take under 100 ms.

    python benchmarks/pages.py [--json FILE] [--responses N] [--runs N] [--steps N] [--documents N]
                               [--positions N] [--checkpoints N] [--requests N] [--keep FOLDER]

`manage.py fill` fills a new database (Postgres of our own in a temporary folder, durable as in production; --keep names
a folder that stays, and is not filled again). Then each address is asked `--requests` times, by turns, in this process:
from the request's first middleware to the last byte of the answer, without the network. Others may use the machine too:
"alone" is the time less that for which this process or Postgres stood ready and got no processor (/proc/PID/schedstat);
the goal is for that. An address of the platform that this script does not know is an error, so that none is forgotten.
The default is small; benchmarks/results/pages.json has 2 million responses. Run it from the repository's root.
"""

from __future__ import annotations

import atexit
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from _addresses import API, addresses, forgotten
from _common import finish, parser, show
from _known import Known, known_ids

if TYPE_CHECKING:
    from django.test import Client

GOAL_MS = 100.0
AMOUNTS = ("responses", "runs", "steps", "documents", "positions", "checkpoints")
EXPECTED = {"login/link/nobody/": 410}
"""Statuses of what is not there."""


def clients(known: Known) -> dict[str, Client]:
    """Who asks, by how the address begins: an administrator's program, a stranger, an administrator's browser."""
    from django.test import Client

    from rpt_web.teams.models import ApiToken, User

    user = User.objects.get(pk=known.user)
    browser = Client()
    browser.force_login(user)
    token = ApiToken.issue(user, "benchmark", timedelta(days=1))
    program = Client(headers={"Authorization": f"Bearer {token}"})
    return {API: program, "login/": Client(), "shared/": Client(), "": browser}


@dataclass(frozen=True)
class Took:
    """Seconds of one request."""

    clock: float
    alone: float
    """Less what it waited for a processor."""


def waited(backends: Sequence[int]) -> float:
    """Seconds for which this process and those backends of Postgres have stood ready without a processor (Linux)."""
    total = 0
    for pid in (os.getpid(), *backends):
        with suppress(OSError):  # the pool has given it up
            total += int(Path(f"/proc/{pid}/schedstat").read_text().split()[1])
    return total / 1e9


def backends() -> list[int]:
    """The processes that Postgres has for our connections."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'")
        return [pid for (pid,) in cursor.fetchall()]


def measure(known: Known, requests: int) -> dict[str, list[Took]]:
    """Times of each address. They take turns, so that a busy moment of the machine hits them alike."""
    callers, pids = clients(known), backends()
    wanted = [address for found in addresses(known).values() for address in found]
    times: dict[str, list[Took]] = {address: [] for address in wanted}
    for turn in range(requests + 1):  # the first one warms up
        for address in wanted:
            client = next(caller for start, caller in callers.items() if address.startswith(start))
            begin, waiting = time.perf_counter(), waited(pids)
            answer = client.get(f"/{address}")
            clock, waiting = time.perf_counter() - begin, max(waited(pids) - waiting, 0.0)
            if answer.status_code != EXPECTED.get(address, 200):
                raise SystemExit(f"/{address} answered {answer.status_code}")
            if turn:
                times[address].append(Took(clock, max(clock - waiting, 0)))
    if not {*backends()} <= {*pids}:
        raise SystemExit("Postgres has other processes for us than in the beginning: measure again.")
    return times


def figures_of(times: Mapping[str, Sequence[Took]]) -> dict[str, dict[str, float]]:
    """p50 and p95 of each address, in ms."""
    found = {}
    for address, values in times.items():
        alone = statistics.quantiles([took.alone * 1000 for took in values], n=20, method="inclusive")
        clock = statistics.quantiles([took.clock * 1000 for took in values], n=20, method="inclusive")
        figures = {"p50_alone_ms": alone[9], "p95_alone_ms": alone[18], "p50_ms": clock[9], "p95_ms": clock[18]}
        found[f"/{address}"] = {name: round(value, 1) for name, value in figures.items()}
    return found


def filled_platform(keep: Path | None, amounts: Mapping[str, int], requests: int) -> dict[str, Any]:
    """Start a database of our own, fill it unless it is full, measure."""
    folder = keep or Path(tempfile.mkdtemp(prefix="rpt-bench-"))
    if keep is None:
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ.update(RPT_DATA_DIR=str(folder), DJANGO_SETTINGS_MODULE="rpt_web.settings", DATABASE_URL="")
    os.environ.update(RPT_ALLOWED_HOSTS="testserver", RPT_CONNECTION_POOL="yes", RPT_LOG_LEVEL="ERROR")

    import django
    from django.core.management import call_command

    django.setup()
    import rpt_web.asgi  # noqa: F401 - loads everything as in the web server
    from rpt_web.supervisor.embedded import EmbeddedPostgres

    server = EmbeddedPostgres(folder)
    server.start()
    try:
        call_command("migrate", verbosity=0, skip_checks=True)
        return {"fill_seconds": filled(amounts), "pages": figures_of(measure(known_ids(), requests))}
    finally:
        django.db.connections.close_all()
        django.db.connection.close_pool()
        server.stop()


def filled(amounts: Mapping[str, int]) -> float | None:
    """Fill the database and look whether each address is known. Gives the seconds; None where it was full."""
    from django.core.management import call_command

    from rpt_web.runs.models import Run

    begin, is_full = time.monotonic(), Run.objects.exists()
    if not is_full:
        call_command("fill", **amounts)
        do_jobs()
    if unknown := forgotten(known_ids()):
        raise SystemExit(f"benchmarks/pages.py does not know these addresses: {', '.join(sorted(unknown))}")
    return None if is_full else round(time.monotonic() - begin, 1)


def do_jobs() -> None:
    """The comparisons and the search that `fill` has asked workers for."""
    from rpt_web.jobs import services
    from rpt_web.jobs.models import Job, JobState
    from workers.jobs import execute

    for key in Job.objects.filter(state=JobState.QUEUED).order_by("id").values_list("pk", flat=True):
        if (job := services.claim(key, "benchmark")) is not None:
            execute(job)
            job.refresh_from_db()
            print(f"{job.kind}: {job.state} {job.error}", file=sys.stderr)


def main() -> None:
    """Measure, show, write."""
    options = parser(__doc__)
    options.add_argument("--responses", type=int, default=20_000, help="responses stored (default: 20000)")
    options.add_argument("--runs", type=int, default=140, help="runs stored (default: 140)")
    options.add_argument("--steps", type=int, default=10_000, help="metrics of the longest run (default: 10000)")
    options.add_argument(
        "--documents", type=int, default=5000, help="documents of a corpus, and scored (default: 5000)"
    )
    options.add_argument("--positions", type=int, default=0, help="positions of one run's evaluations (default: 0)")
    options.add_argument("--checkpoints", type=int, default=0, help="number of these evaluations (default: 0)")
    options.add_argument("--requests", type=int, default=20, help="requests of each address (default: 20)")
    options.add_argument("--keep", type=Path, metavar="FOLDER", help="data folder to fill and keep, or to use again")
    arguments = options.parse_args()
    amounts = {name: getattr(arguments, name) for name in AMOUNTS}
    figures = filled_platform(arguments.keep, amounts, arguments.requests)
    slowest = sorted(figures["pages"].items(), key=lambda found: -found[1]["p95_alone_ms"])
    table = [(name, *(f"{value:,.1f}" for value in found.values())) for name, found in slowest]
    header = ("", "p50 alone", "p95 alone", "p50 ms", "p95 ms")
    show(f"{arguments.responses:,} responses, {arguments.runs:,} runs", header, table)
    slow = [name for name, found in slowest if found["p95_alone_ms"] > GOAL_MS]
    print(f"\n  {len(slow)} of {len(table)} are above the goal of {GOAL_MS:g} ms")
    finish("pages", amounts | {"requests": arguments.requests} | figures, arguments.json)


if __name__ == "__main__":
    main()
