"""The web server with very many callers: 500 requests at once, 500 viewers of a run that is running.

    python benchmarks/load.py [--json FILE] [--requests N] [--viewers N] [--seconds N] [--runs N] [--keep FOLDER]

A platform of our own (Postgres in a temporary folder, or in the one that --keep names, a little filled) and the web
server as `manage.py up` starts it.
- All requests are sent before the first is answered: to /healthz, to the list of experiments as 500 people see it, and
  to the API. Goal: all are answered, each with 200.
- Each viewer has a login and follows one run. While nothing is new, the web server takes less than 10 % of a core, and
  others' pages come within 100 ms (95 of 100). Then the run writes a metric each second: when has the last viewer it?
- Beyond what may wait or be followed there is a 503 with Retry-After, and nothing else.
Others may use the machine too: "alone" is the time less the longest for which a thread of the web server or of Postgres
stood ready and got no processor (/proc/PID/task/*/schedstat). Run it from the repository's root.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from _callers import Answer, Viewer, all_at_once, ask, logins, platform, running_run, token, view, web_server
from _common import finish, parser, show

if TYPE_CHECKING:
    from rpt_web.runs.models import Run

GOAL_CORE_SHARE, GOAL_MS = 0.10, 100.0
TICKS = os.sysconf("SC_CLK_TCK")
PAUSE_SECONDS = 0.2
"""Between two pages of somebody else."""


def core_seconds(pid: int) -> float:
    """Processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def waits(pid: int) -> dict[Path, float]:
    """Seconds for which each thread of the web server, and of Postgres for it, has stood ready without a processor."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND usename = current_user")
        backends = [backend for (backend,) in cursor.fetchall()]
    found = {}
    for path in [path for process in (pid, *backends) for path in Path(f"/proc/{process}/task").glob("*/schedstat")]:
        with suppress(OSError):  # ended in the meantime
            found[path] = int(path.read_text().split()[1]) / 1e9
    return found


def longest_wait(before: Mapping[Path, float], after: Mapping[Path, float]) -> float:
    """Of any one thread. A request passes through several, so this is less than it has waited."""
    return max((wait - before.get(path, wait) for path, wait in after.items()), default=0.0)


async def viewers_of(port: int, pid: int, run: Run, cookies: Sequence[str], seconds: float) -> dict[str, Any]:
    """What many viewers of one run cost, and what others and they themselves get meanwhile."""
    viewers = [Viewer() for _ in cookies]
    address, begin = stream_address(run), time.perf_counter()
    tasks = [
        asyncio.create_task(view(port, address, cookie, viewer))
        for cookie, viewer in zip(cookies, viewers, strict=True)
    ]
    while not all(viewer.arrived for viewer in viewers) and not any(task.done() for task in tasks):
        await asyncio.sleep(0.05)
    found: dict[str, Any] = {"statuses": dict(Counter(viewer.status for viewer in viewers))}
    found["seconds_until_all_follow"] = time.perf_counter() - begin
    await asyncio.sleep(3)
    found["core_share_quiet"] = await share_of_core(pid, seconds)
    found["others"] = await others(port, pid, run, cookies[0], seconds)
    found |= await news(run, viewers, pid, round(seconds))
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return found


def stream_address(run: Run) -> str:
    """As the run's page asks for it."""
    from urllib.parse import urlencode

    from rpt_web.runs import queries

    last = run.metrics.latest("step").step
    seen = {"at": f"{run.attempt}-{last}", "state": queries.head_of(run).key(run)}
    return f"/runs/{run.pk}/stream?{urlencode(seen | queries.newest_events(run)._asdict())}"


async def share_of_core(pid: int, seconds: float) -> float:
    """Of one core, that the web server uses in the next seconds."""
    begin, used = time.perf_counter(), core_seconds(pid)
    await asyncio.sleep(seconds)
    return (core_seconds(pid) - used) / (time.perf_counter() - begin)


async def others(port: int, pid: int, run: Run, cookie: str, seconds: float) -> dict[str, dict[str, float]]:
    """p50 and p95 of pages that somebody else opens one by one, in ms."""
    paths = ("/", f"/runs/{run.pk}/", f"/runs/{run.pk}/rollouts/", f"/experiments/{run.experiment_id}/")
    times: dict[str, list[tuple[float, float]]] = {path: [] for path in paths}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times[paths[0]]) < 20:
        for path in paths:
            before = waits(pid)
            answer = await ask(port, path, cookie)
            if answer.status != 200:
                raise SystemExit(f"{path} answered {answer.status}")
            times[path].append((answer.seconds, max(answer.seconds - longest_wait(before, waits(pid)), 0)))
            await asyncio.sleep(PAUSE_SECONDS)
    return {path: _quantiles(found[1:]) for path, found in times.items()}


def _quantiles(times: Sequence[tuple[float, float]]) -> dict[str, float]:
    clock, alone = (statistics.quantiles([pair[i] * 1000 for pair in times], n=20, method="inclusive") for i in (0, 1))
    figures = {"p50_alone_ms": alone[9], "p95_alone_ms": alone[18], "p50_ms": clock[9], "p95_ms": clock[18]}
    return {name: round(value, 1) for name, value in figures.items()}


def _has(viewer: Viewer, start: int, mark: bytes) -> bool:
    """Whether a mark has come since the viewer had so many parts; it may be cut in two by them."""
    return mark in b"".join(part for _, part in viewer.arrived[start:])


async def news(run: Run, viewers: Sequence[Viewer], pid: int, steps: int) -> dict[str, Any]:
    """A metric each second: seconds until the last viewer has it, and the web server's share of a core meanwhile."""
    from django.utils import timezone

    from rpt_web.runs.models import StepMetrics

    last = run.metrics.latest("step").step
    begin, used, delays = time.perf_counter(), core_seconds(pid), []
    for step in range(last + 1, last + steps + 1):
        now, written = timezone.now(), time.perf_counter()
        heard = [len(viewer.arrived) for viewer in viewers]
        StepMetrics.objects.create(run=run, attempt=run.attempt, step=step, time=now, values={"reward": 0.5})
        mark = f"id: {run.attempt}-{step}\n".encode()
        while not all(_has(viewer, start, mark) for viewer, start in zip(viewers, heard, strict=True)):
            await asyncio.sleep(0.05)
            if time.perf_counter() - written > 30:
                raise SystemExit("a viewer has not got a metric within 30 s")
        delays.append(max(viewer.arrived[-1][0] for viewer in viewers) - written)
        await asyncio.sleep(max(0.0, 1 - (time.perf_counter() - written)))
    share = (core_seconds(pid) - used) / (time.perf_counter() - begin)
    delay = {"median": statistics.median(delays), "most": max(delays)}
    return {"core_share_with_news": share, "delay_seconds": delay}


def measure_requests(number: int, cookies: Sequence[str]) -> dict[str, dict[str, Any]]:
    """All at once, for each of some addresses."""
    program = token()
    callers = {"/healthz": [""] * number, "/": cookies[:number], "/api/v1/runs": [program] * number}
    found = {}
    with web_server() as (port, _):
        for path, headers in callers.items():
            answers = asyncio.run(all_at_once(port, path, headers))
            statuses = dict(Counter(answer.status for answer in answers))
            found[path] = {"statuses": statuses, "seconds": max(answer.seconds for answer in answers)}
    return found


def measure_limits(run: Run, cookies: Sequence[str]) -> dict[str, dict[str, int]]:
    """What comes beyond the limits: statuses, and how many of the 503 say when to come again."""

    async def follow_all(port: int) -> list[Viewer]:
        viewers = [Viewer() for _ in cookies[:60]]
        address = stream_address(run)
        pairs = zip(cookies, viewers, strict=False)
        tasks = [asyncio.create_task(view(port, address, cookie, viewer)) for cookie, viewer in pairs]
        while not all(viewer.status for viewer in viewers):
            await asyncio.sleep(0.05)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return viewers

    with web_server(RPT_WEB_STREAMS="40") as (port, _):
        followed = asyncio.run(follow_all(port))
    with web_server(RPT_WEB_THREADS="1", RPT_WEB_QUEUE="20") as (port, _):
        asked = asyncio.run(all_at_once(port, "/", cookies))
    return {"60 streams where 40 may be": _told(followed), f"{len(asked)} requests where 21 may be": _told(asked)}


def _told(answers: Sequence[Answer | Viewer]) -> dict[str, int]:
    refused = [answer for answer in answers if answer.status == 503]
    counts = {str(status): number for status, number in Counter(answer.status for answer in answers).items()}
    return counts | {"503 with Retry-After": sum("retry-after" in answer.headers for answer in refused)}


def measure(requests: int, viewers: int, seconds: float) -> dict[str, Any]:
    """All of it."""
    cookies, run = logins(max(requests, viewers)), running_run()
    found: dict[str, Any] = {"requests": measure_requests(requests, cookies), "limits": measure_limits(run, cookies)}
    with web_server() as (port, pid):
        found["viewers"] = asyncio.run(viewers_of(port, pid, run, cookies[:viewers], seconds))
    return found


def main() -> None:
    """Measure, show, write."""
    options = parser(__doc__)
    options.add_argument("--requests", type=int, default=500, help="requests at once (default: 500)")
    options.add_argument("--viewers", type=int, default=500, help="viewers of one run (default: 500)")
    options.add_argument("--seconds", type=float, default=20, help="length of each part with viewers (default: 20)")
    options.add_argument("--runs", type=int, default=140, help="runs stored (default: 140)")
    options.add_argument("--keep", type=Path, metavar="FOLDER", help="data folder without runs, to fill and keep")
    arguments = options.parse_args()
    with platform(arguments.keep, arguments.runs):
        found = measure(arguments.requests, arguments.viewers, arguments.seconds)
    table = [(path, _words(item["statuses"]), f"{item['seconds']:.1f}") for path, item in found["requests"].items()]
    show(f"{arguments.requests} requests at once", ("", "answers", "last after s"), table)
    show("beyond the limits", ("", "answers"), [(name, _words(item)) for name, item in found["limits"].items()])
    seen = found["viewers"]
    rows = [
        ("answers", _words(seen["statuses"])),
        ("all follow after", f"{seen['seconds_until_all_follow']:.1f} s"),
        (f"of a core while quiet (goal: {GOAL_CORE_SHARE:.0%})", f"{seen['core_share_quiet']:.1%}"),
        ("of a core with a metric each second", f"{seen['core_share_with_news']:.1%}"),
        (
            "the last has a metric after",
            f"{seen['delay_seconds']['median']:.1f} s, at most {seen['delay_seconds']['most']:.1f}",
        ),
    ]
    show(f"{arguments.viewers} viewers of a run", ("", ""), rows)
    header = (f"others' pages (goal: p95 {GOAL_MS:g})", "p50 alone", "p95 alone", "p50 ms", "p95 ms")
    show("", header, [(path, *map(str, item.values())) for path, item in seen["others"].items()])
    finish("load", {"asked": vars(arguments) | {"json": None, "keep": None}} | found, arguments.json)


def _words(statuses: dict[Any, int]) -> str:
    return ", ".join(f"{number} x {status}" for status, number in statuses.items())


if __name__ == "__main__":
    main()
