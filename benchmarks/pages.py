"""Time on the server of every page and API list of a full platform. Goal: 95 of 100 requests take under 100 ms.

    python benchmarks/pages.py [--json FILE] [--responses N] [--runs N] [--steps N] [--requests N] [--keep FOLDER]

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
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from _common import finish, parser, show

if TYPE_CHECKING:
    from django.test import Client
    from django.urls import URLPattern, URLResolver

GOAL_MS = 100.0
LONG_TOKENS, DOCUMENTS = 1_000_000, 5000
"""Of the scored documents: tokens of the first one, and how many there are."""
EXPECTED = {"login/link/nobody/": 410}
"""Statuses of what is not there."""
API = "api/v1/"
NOT_MEASURED = {
    "experiments/{experiment_id}/cancel": "changes something",
    "experiments/{experiment_id}/resubmit": "changes something",
    "runs/{run_id}/cancel": "changes something",
    "runs/{run_id}/retry": "changes something",
    "logout/": "changes something",
    "team/choose": "changes something",
    "account/app/": "shows a secret after a confirmation",
    "account/app/remove/": "changes something",
    "account/browsers/end": "changes something",
    "account/browsers/{session_id}/end": "changes something",
    "account/confirm/": "is one field",
    "account/confirm/code/": "is one field",
    "account/password": "changes something",
    "account/recovery-codes/": "shows secrets after a confirmation",
    "account/recovery-codes/file/": "shows secrets after a confirmation",
    "account/recovery-codes/new/": "changes something",
    "account/tokens": "changes something",
    "account/tokens/{token_id}/revoke": "changes something",
    "join/{secret}/": "the filled platform has no invitation",
    "login/code/": "is one field",
    "login/reset/": "there is no mail server",
    "login/reset/done/": "there is no mail server",
    "login/reset/sent/": "there is no mail server",
    "login/reset/{uidb36}-{key}/": "there is no mail server",
    "team/": "leads to the team",
    "teams/new": "changes something",
    "teams/{team_id}/invitations/{invitation_id}/withdraw": "changes something",
    "teams/{team_id}/invite": "changes something",
    "teams/{team_id}/people/{user_id}/activate": "changes something",
    "teams/{team_id}/people/{user_id}/factor": "changes something",
    "teams/{team_id}/people/{user_id}/link": "changes something",
    "teams/{team_id}/people/{user_id}/remove": "changes something",
    "teams/{team_id}/people/{user_id}/role": "changes something",
    "teams/{team_id}/people/{user_id}/transfer": "changes something",
    "teams/{team_id}/people/{user_id}/": "is one person's row of the team's page",
    "teams/{team_id}/rename": "changes something",
    "jobs/{job_id}/": "the filled platform has no job",
    "jobs/{job_id}/cancel": "changes something",
    "api/v1/jobs/{job_id}": "the filled platform has no job",
    "corpora/{corpus_id}/": "the filled platform has no corpus",
    "corpora/{corpus_id}/edit/": "the filled platform has no corpus",
    "corpora/{corpus_id}/versions/new": "the filled platform has no corpus",
    "corpora/{corpus_id}/versions/{number}/": "the filled platform has no corpus",
    "corpora/{corpus_id}/versions/{number}/documents/": "the filled platform has no corpus",
    "corpora/{corpus_id}/versions/{number}/documents/{row}/": "the filled platform has no corpus",
    "corpora/{corpus_id}/versions/{number}/files": "the filled platform has no corpus",
    "corpora/{corpus_id}/versions/{number}/files/{upload_id}/remove": "changes something",
    "corpora/{corpus_id}/versions/{number}/check": "changes something",
    "corpora/{corpus_id}/versions/{number}/look": "changes something",
    "corpora/uploads/": "takes a file",
    "corpora/uploads/{upload_id}": "takes a file",
    "api/v1/corpora/{corpus_id}/versions": "the filled platform has no corpus",
    "api/v1/versions/{version_id}": "the filled platform has no corpus",
    "api/v1/versions/{version_id}/check": "changes something",
    "api/v1/uploads/": "takes a file",
    "api/v1/uploads/{upload_id}": "takes a file",
    "wordings/{wording_id}/": "the filled platform has none",
    "wordings/preview": "takes what was typed",
    "models/{model_id}/": "the filled platform has no model",
    "models/{model_id}/check": "changes something",
    "models/{model_id}/files.tar": "is a file of any length",
    "runs/{run_id}/checkpoints/{step}/register": "changes something",
    "runs/{run_id}/log.txt": "is a file of any length",
    "runs/{run_id}/stream": "has no end; benchmarks/load.py has it",
    "api/v1/": "is no address of the API",
    "api/v1/{rest}": "is no address of the API",
    "api/v1/experiments/{experiment_id}/suite": "changes something",
    "api/v1/experiments/{experiment_id}/resubmit": "changes something",
    "api/v1/experiments/{experiment_id}/cancel": "changes something",
    "api/v1/runs/{run_id}/cancel": "changes something",
    "api/v1/runs/{run_id}/retry": "changes something",
    "api/v1/preflight": "changes nothing, but takes a process of its own for seconds",
}
"""Addresses that are no pages or lists -> why."""


@dataclass(frozen=True)
class Known:
    """Ids that the addresses are asked with: those that have the most."""

    run: int
    """With the most responses."""
    busiest: int
    """With the most metrics and events."""
    experiment: int
    step: int
    """A step in the middle of that run."""
    rollout: int
    """A response of the newest step, whose text is on disk."""
    metric: int
    """A step in the middle of the metrics."""
    filtered: int
    """A filter run, with a document of a million tokens among its scored documents."""
    team: int
    """Of the experiment."""


def addresses(known: Known) -> dict[str, list[str]]:
    """Each measured address as the URL conf has it -> how it is asked for."""
    run, busiest, experiment = f"runs/{known.run}", f"runs/{known.busiest}", f"experiments/{known.experiment}"
    filters = ("reason=match", "reason=empty", "reward=1", "reward=0&finish=length", "kind=all&reason=empty&reward=1")
    rollouts = f"{run}/rollouts/"
    middle = f"after={known.rollout // 2}"
    documents = f"runs/{known.filtered}/documents"
    long = f"{documents}/train/0"
    return {
        "healthz": ["healthz"],
        "": ["", "?q=trial+1", "?q=nothing+has+this", f"?before={known.experiment + 40}"],
        "experiments/{experiment_id}/": [f"{experiment}/"],
        "experiments/{experiment_id}/results/": [f"{experiment}/results/"],
        "runs/{run_id}/": [f"{run}/", f"{busiest}/"],
        "runs/{run_id}/metrics.json": [f"{busiest}/metrics.json"],
        "runs/{run_id}/log": [f"{run}/log"],
        "runs/{run_id}/config.json": [f"{run}/config.json"],
        "runs/{run_id}/rollouts/": [
            rollouts,
            f"{rollouts}?step={known.step}",
            f"{rollouts}?{middle}",
            *(f"{rollouts}?{query}" for query in filters),
        ],
        "runs/{run_id}/rollouts/{rollout_id}/": [
            f"{rollouts}{known.rollout}/",
            f"{rollouts}{known.rollout}/?kind=train&reason=empty",
        ],
        "runs/{run_id}/documents/": [f"{documents}/", f"{documents}/?from=4000", f"{documents}/?document=nobody"],
        "runs/{run_id}/documents/{split}/{row}/": [f"{documents}/train/4000/", f"{long}/?keep=threshold&at=1.00"],
        "runs/{run_id}/documents/{split}/{row}/tokens.json": [
            f"{long}/tokens.json?start=500000&keep={rule}" for rule in ("run", "threshold", "top_share", "random")
        ],
        "runs/{run_id}/documents/{split}/{row}/counts.json": [f"{long}/counts.json?keep=random&at=0.30"],
        "runs/{run_id}/documents/{split}/{row}/positions/{token}/": [f"{long}/positions/500001/"],
        "experiments/new/": ["experiments/new/"],
        "runs/new/": ["runs/new/", f"runs/new/?experiment={known.experiment}"],
        "nodes/": ["nodes/"],
        "corpora/": ["corpora/"],
        "corpora/new/": ["corpora/new/"],
        "models/": ["models/"],
        "wordings/": ["wordings/"],
        "wordings/new/": ["wordings/new/", "wordings/new/?kind=patterns"],
        "account/": ["account/"],
        "teams/": ["teams/"],
        "teams/{team_id}/": [f"teams/{known.team}/"],
        "teams/{team_id}/trail/": [f"teams/{known.team}/trail/"],
        "trail/{kind}/{pk}/": [f"trail/experiment/{known.experiment}/"],
        "login/": ["login/"],
        "login/link/{secret}/": ["login/link/nobody/"],
        "api/v1/openapi.json": ["api/v1/openapi.json"],
        "api/v1/presets": ["api/v1/presets"],
        "api/v1/teams": ["api/v1/teams"],
        "api/v1/corpora": ["api/v1/corpora"],
        "api/v1/experiments": ["api/v1/experiments?limit=500"],
        "api/v1/experiments/{experiment_id}": [f"{API}{experiment}"],
        "api/v1/runs": [
            "api/v1/runs?limit=50",
            "api/v1/runs?status=queued",
            "api/v1/runs?status=failed",
            f"api/v1/runs?experiment={known.experiment}",
        ],
        "api/v1/runs/{run_id}": [f"{API}{run}"],
        "api/v1/runs/{run_id}/metrics": [f"{API}{busiest}/metrics", f"{API}{busiest}/metrics?after={known.metric}"],
        "api/v1/runs/{run_id}/events": [f"{API}{busiest}/events"],
        "api/v1/runs/{run_id}/rollouts": [
            f"{API}{run}/rollouts",
            f"{API}{run}/rollouts?step={known.step}",
            f"{API}{run}/rollouts?step={known.step}&kind=greedy",
            f"{API}{run}/rollouts?kind=greedy",
            f"{API}{run}/rollouts?reason=empty",
            f"{API}{run}/rollouts?reason=match&{middle}",
        ],
        "api/v1/runs/{run_id}/evaluations": [f"{API}{run}/evaluations"],
        "api/v1/runs/{run_id}/tables": [f"{API}{run}/tables"],
        "api/v1/runs/{run_id}/splits": [f"{API}runs/{known.filtered}/splits"],
        "api/v1/runs/{run_id}/documents": [f"{API}{documents}?after=4000"],
    }


def all_addresses(patterns: Sequence[URLPattern | URLResolver], prefix: str = "") -> Iterator[str]:
    """What the URL conf has, with each parameter as {name}."""
    from django.urls import URLPattern

    for found in patterns:
        path = prefix + _written(found)
        if isinstance(found, URLPattern):
            yield path
        else:
            yield from all_addresses(found.url_patterns, path)


def _written(found: URLPattern | URLResolver) -> str:
    text = str(found.pattern)
    for name in found.pattern.converters:
        start, end = text.index("<"), text.index(">")
        text = f"{text[:start]}{{{name}}}{text[end + 1 :]}"
    return text


def forgotten(known: Known) -> set[str]:
    """Addresses of the platform of which this script does not know whether to measure them."""
    from django.urls import get_resolver

    return {*all_addresses(get_resolver().url_patterns)} - {*addresses(known), *NOT_MEASURED}


def known_ids() -> Known:
    """Which experiment, runs and response have the most."""
    from django.db.models import Count, Max

    from rpt_web.runs.models import Run
    from rpt_web.traces.models import Rollout, RolloutShard

    run = RolloutShard.objects.values("run_id").annotate(shards=Count("id")).latest("shards")["run_id"]
    newest = RolloutShard.objects.filter(run_id=run, kind="train").aggregate(step=Max("step"))["step"]
    first = Rollout.objects.filter(run_id=run, step=newest, kind="train").earliest("id")
    busiest = Run.objects.annotate(rows=Count("metrics")).latest("rows")
    experiment = Run.objects.select_related("experiment").get(pk=run).experiment
    filtered = Run.objects.filter(stage="filter", status="succeeded").earliest("id")
    put_documents(filtered)
    middle = busiest.metrics.count() // 2
    return Known(run, busiest.pk, experiment.pk, newest // 2, first.id, middle, filtered.pk, experiment.team_id)


def put_documents(run: Any) -> None:
    """A split's file with a document of a million tokens and many short ones, and the row that tells of it."""
    from rpt_core.positions.scored import in_groups, positions_writer, to_table
    from rpt_core.run.folder import RunDir, positions_file
    from rpt_web.corpora.models import ScoredSplit

    path = positions_file(RunDir(run.directory).positions, "train")
    if path.exists():
        return
    documents = [_scored(number, LONG_TOKENS if number == 0 else 120) for number in range(DOCUMENTS)]
    path.parent.mkdir(parents=True, exist_ok=True)
    with positions_writer(path, "made") as writer:
        for start in range(0, len(documents), 256):
            for part in in_groups(to_table(documents[start : start + 256])):
                writer.write_table(part)
    ScoredSplit.objects.update_or_create(run=run, split="train", defaults=_told(documents))


def _scored(number: int, tokens: int) -> Any:
    import numpy as np

    from rpt_core.positions.scored import ScoredDocument
    from rpt_core.text.corpus import Document

    random = np.random.default_rng(number)
    entropies = np.minimum(random.gamma(0.9, 0.6, tokens), 2.7).astype(np.float32)
    entropies[0] = np.nan
    offsets = np.arange(0, 4 * tokens + 1, 4).tolist()
    text = ("the sum of a and b\n" * (tokens // 4))[: 4 * tokens].ljust(4 * tokens)
    kept = np.flatnonzero(entropies >= 1).tolist()
    ids = random.integers(0, 5000, tokens).tolist()
    return ScoredDocument(Document(f"d{number}", text), ids, offsets, entropies, 1, kept, np.exp(-entropies))


def _told(documents: Sequence[Any]) -> dict[str, Any]:
    import numpy as np

    from rpt_core.config import PAPER_NATS
    from rpt_core.positions.summary import summarise

    candidates = [document.candidates() for document in documents]
    ids, flat = [document.document.id for document in documents], np.concatenate(candidates)
    return {
        "documents": len(documents),
        "positions": len(flat),
        "kept": sum(len(document.kept) for document in documents),
        "by_difficulty": {name: int((flat > nats).sum()) for name, nats in PAPER_NATS.items()},
        "above_nats": PAPER_NATS,
        "summary": summarise(0, ids, candidates, [document.candidate_probabilities() for document in documents]),
    }


def clients() -> dict[str, Client]:
    """Who asks, by how the address begins: an administrator's program, a stranger, an administrator's browser."""
    from django.test import Client

    from rpt_web.teams.membership import first_team, join
    from rpt_web.teams.models import ApiToken, Role, User

    user, _ = User.objects.get_or_create(username="benchmark")
    join(user, first_team(), Role.ADMINISTRATOR)
    browser = Client()
    browser.force_login(user)
    token = ApiToken.issue(user, "benchmark", timedelta(days=1))
    return {API: Client(headers={"Authorization": f"Bearer {token}"}), "login/": Client(), "": browser}


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
    callers, pids = clients(), backends()
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
    if unknown := forgotten(known_ids()):
        raise SystemExit(f"benchmarks/pages.py does not know these addresses: {', '.join(sorted(unknown))}")
    return None if is_full else round(time.monotonic() - begin, 1)


def main() -> None:
    """Measure, show, write."""
    options = parser(__doc__)
    options.add_argument("--responses", type=int, default=20_000, help="responses stored (default: 20000)")
    options.add_argument("--runs", type=int, default=140, help="runs stored (default: 140)")
    options.add_argument("--steps", type=int, default=10_000, help="metrics of the longest run (default: 10000)")
    options.add_argument("--requests", type=int, default=20, help="requests of each address (default: 20)")
    options.add_argument("--keep", type=Path, metavar="FOLDER", help="data folder to fill and keep, or to use again")
    arguments = options.parse_args()
    amounts = {name: getattr(arguments, name) for name in ("responses", "runs", "steps")}
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
