"""Rollouts recorded per second, from shard to rows, against Django's bulk_create of the same rows. Goal: twice as many.

    python benchmarks/recorder_speed.py [--json FILE] [--steps N]

A step is one of the paper's: 256 problems, 8 responses each, of 1 to 16 KB (about 4 KB in the mean). Step by step, by
turns, the recorder reads the stage's event and shard and copies the rows into the run's partition; and `bulk_create`
inserts the same rows into two other runs, 2,048 and 500 at a time. For it the clock starts when the objects are made:
reading the shard counts for the recorder only. The median step counts. Postgres is the embedded one in a temporary
folder, durable as in production. Run it from the repository's root.
"""

from __future__ import annotations

import atexit
import os
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from _common import finish, parser, show

if TYPE_CHECKING:
    from rpt_core.run.events import EventLog
    from rpt_core.run.rollout_files import RolloutRow
    from rpt_web.runs.models import Run
    from rpt_web.traces.models import Rollout

T = TypeVar("T")
PROBLEMS, GROUP_SIZE = 256, 8
ROWS = PROBLEMS * GROUP_SIZE
GOAL_RATIO = 2.0
BATCHES = {"bulk_create, 2,048 at a time": 2048, "bulk_create, 500 at a time": 500}
SENTENCES = (
    "Alternatively, the sum of the two cards could be taken first.",
    "So 4 + 7 = 11, and 11 modulo 7 leaves 4.",
    "Wait, the label of the third card is C, not B; let me look at it again.",
    "$\\sum_{k=1}^{n} k = \\frac{n(n+1)}{2}$ gives the same number.",
    "The next token probably begins with a space, since a word follows.",
    "If x is even, then x^2 is divisible by 4, which rules this out.",
)


def response(rng: random.Random) -> str:
    """A chain of thought with a long tail of lengths, and a boxed prediction."""
    length = min(max(int(rng.lognormvariate(8.15, 0.7)), 1000), 16_000)
    thought = " ".join(rng.choices(SENTENCES, k=length // 60))
    return f"<think>{thought} {rng.random()}</think>\\boxed{{ {rng.choice('abcdef')}}}"


def sampled_row(step: int, number: int, rng: random.Random) -> RolloutRow:
    """One response of a step."""
    from rpt_core.run.rollout_files import RolloutRow

    right, text = rng.random() < 0.3, response(rng)
    return RolloutRow(
        step=step,
        group=number // GROUP_SIZE,
        sample=number % GROUP_SIZE,
        document=f"omni-math-{number // GROUP_SIZE:05d}",
        position=rng.randrange(2000),
        entropy_nats=rng.uniform(1, 3),
        prompt="### Context\n" + SENTENCES[0] * 10,
        response=text,
        prediction=text[-3:-1].encode(),
        completion=b" the next thirty-two tokens of the document, as bytes" * 2,
        boundaries=list(range(4, 100, 4)),
        reward=float(right),
        reason="match" if right else "mismatch",
        mismatch_byte=None if right else 0,
        finish_reason="stop",
        prompt_tokens=150,
        response_tokens=len(text) // 4,
        mean_log_prob=-0.4,
        advantage=0.1,
        text_hash=(number // GROUP_SIZE).to_bytes(16, "big"),
        byte_offset=step,
        domain="algebra",
    )


def write_step(run: Run, log: EventLog, step: int, rows: list[RolloutRow]) -> None:
    """What a stage writes for one step: the shard and its event."""
    from rpt_core.run.events import EventType
    from rpt_core.run.folder import RunDir
    from rpt_core.run.rollout_files import write_rollouts

    folder = RunDir(run.directory)
    shard = folder.rollout_shard("train", step)
    write_rollouts(shard, rows)
    log.emit(EventType.ROLLOUTS, step=step, kind="train", shard=folder.relative(shard), rows=len(rows))


def as_object(run: Run, number: int, row: RolloutRow) -> Rollout:
    """The row that the recorder would write, as an object."""
    from rpt_web.traces.models import PREVIEW_CHARACTERS, Rollout, rollout_id

    copied = ("step", "group", "sample", "document", "position", "entropy_nats", "reward", "reason", "finish_reason")
    copied += ("prompt_tokens", "response_tokens", "prediction", "completion")
    return Rollout(
        run=run,
        id=rollout_id(row.step, "train", number),
        attempt=1,
        kind="train",
        row=number,
        preview=row.response[:PREVIEW_CHARACTERS],
        **{name: getattr(row, name) for name in copied},
    )


def bulk_create(run: Run, rows: list[RolloutRow], batch_size: int) -> float:
    """Seconds that Django takes to insert a step's objects and the shard's row, in one transaction."""
    from django.db import transaction

    from rpt_web.traces.models import Rollout, RolloutShard

    objects = [as_object(run, number, row) for number, row in enumerate(rows)]
    rewarded = sum(row.reward > 0 for row in rows)
    shard = RolloutShard(run=run, attempt=1, step=rows[0].step, kind="train", path="x", rows=ROWS, rewarded=rewarded)
    begin = time.perf_counter()
    with transaction.atomic():
        Rollout.objects.bulk_create(objects, batch_size=batch_size)
        shard.save()
    return time.perf_counter() - begin


def new_run(name: str) -> Run:
    """A claimed run with a folder and a partition."""
    from rpt_web.runs import services
    from rpt_web.runs.models import Experiment, Run
    from rpt_web.traces.partitions import ensure_partition

    title = "Recorder speed"
    experiment = Experiment.objects.filter(name=title).first() or services.create_experiment(title, None)
    queued = Run.objects.create(experiment=experiment, name=name, stage="rpt", config={}, code_version="")
    run = services.claim(queued.pk, "benchmark")
    assert run is not None
    run.directory.mkdir(parents=True)
    ensure_partition(run.pk)
    return run


def measure(steps: int) -> dict[str, list[float]]:
    """Seconds of each step, for each way."""
    from rpt_core.run.events import EventLog
    from rpt_core.run.folder import RunDir
    from rpt_web.traces.models import Rollout
    from workers.recorder import Recorder

    recorded, rng = new_run("recorder"), random.Random(0)
    others = {name: new_run(name) for name in BATCHES}
    recorder = Recorder(recorded)
    seconds: dict[str, list[float]] = {name: [] for name in ("recorder", *BATCHES)}
    with EventLog(RunDir(recorded.directory).events) as log:
        for step in range(1, steps + 1):
            rows = [sampled_row(step, number, rng) for number in range(ROWS)]
            write_step(recorded, log, step, rows)
            begin = time.perf_counter()
            recorder.record_all()
            seconds["recorder"].append(time.perf_counter() - begin)
            for name, run in others.items():
                seconds[name].append(bulk_create(run, rows, BATCHES[name]))
    for run in (recorded, *others.values()):
        assert Rollout.objects.filter(run_id=run.pk).count() == steps * ROWS
    return seconds


def in_a_new_platform(work: Callable[[], T]) -> T:
    """Start a database of our own, do the work, and remove it again."""
    folder = Path(tempfile.mkdtemp(prefix="rpt-bench-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ.update(RPT_DATA_DIR=str(folder), DJANGO_SETTINGS_MODULE="rpt_web.settings", DATABASE_URL="")

    import django
    from django.core.management import call_command

    django.setup()
    from rpt_web.supervisor.embedded import EmbeddedPostgres

    server = EmbeddedPostgres(folder)
    server.start()
    try:
        call_command("migrate", verbosity=0, skip_checks=True)
        return work()
    finally:
        django.db.connections.close_all()
        server.stop()


def main() -> None:
    """Measure, show, write."""
    options = parser(__doc__)
    options.add_argument("--steps", type=int, default=8, help="steps to record (default: 8)")
    arguments = options.parse_args()
    seconds = in_a_new_platform(lambda: measure(arguments.steps))
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    rates = {name: ROWS / median for name, median in medians.items()}
    ratio = rates["recorder"] / max(rates[name] for name in BATCHES)
    table = [
        (name, f"{rates[name]:,.0f}", f"{medians[name] * 1000:,.0f}", f"{max(values) * 1000:,.0f}")
        for name, values in seconds.items()
    ]
    header = ("", "rollouts/s", "median ms", "slowest ms")
    show(f"{arguments.steps} steps of {ROWS:,} rollouts", header, table)
    print(f"\n  the recorder is {ratio:.1f} times as fast as the better bulk_create (goal: {GOAL_RATIO:g})")
    figures = {"rollouts_per_second": rates, "ratio": ratio, "seconds": seconds, "rollouts_per_step": ROWS}
    finish("recorder_speed", figures, arguments.json)


if __name__ == "__main__":
    main()
