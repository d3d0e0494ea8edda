"""Data for tests of pages: experiments whose runs went through the services, event files, shards and the recorder.

Nothing here goes round the product: configs come from the shipped preset, events are lines of `events.jsonl`, responses
are Parquet shards, and `workers.recorder` makes the rows. Only the times are set, so that runs seem to have lasted.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import patch

from django.utils import timezone

from rpt_core.run.folder import RunDir
from rpt_core.run.rollout_files import AS_A_WHOLE, RolloutRow, write_rollouts
from rpt_core.statistics.intervals import wilson_interval
from rpt_core.text.names import text_digest
from rpt_core.verdict import judge_response
from rpt_web.runs import services
from rpt_web.runs.models import Experiment, Run, Status
from rpt_web.teams.membership import first_team, join
from rpt_web.teams.models import Role, Team, User
from workers import intervals
from workers.recorder import Recorder

PASSWORD = "correct horse battery staple"
TOKENIZER = "70ce" * 8
"""The hash of everybody's tokenizer."""
HOSTILE = '<script>alert("thought")</script><img src=x onerror=alert(1)> **bold** {{ 7|add:1 }}'


def make_user(
    username: str = "ada", role: Role | None = Role.MEMBER, password: str | None = None, team: Team | None = None
) -> User:
    """A user with a role in the oldest team, or in another one; in none without a role.

    Without a password (hashing one takes most of a second) only `force_login` gets in.
    """
    user = User.objects.create_user(username, password=password)
    if role is not None:
        join(user, team or first_team(), role)
    return user


def make_experiment(user: User | None, name: str = "Cards, seed 0", **more: Any) -> Experiment:
    """An empty experiment of the tiny preset."""
    return services.create_experiment(name, user, **({"preset": "tiny", "seed": 0} | more))


class EventFile:
    """Writes a run's events as a stage does, at times of our choosing, and makes the folders that they name."""

    def __init__(self, run: Run, start: datetime) -> None:
        self.path = RunDir(run.directory).events
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.attempt, self.now = run.attempt, start
        seed = run.seed if run.copy_seed is None else run.copy_seed
        self.position_set = {"hash": f"{seed + 1:032x}", "positions": 1480, "documents": 640}
        self.seq = len(self.path.read_text().splitlines()) if self.path.exists() else 0

    def emit(self, type_: str, after_seconds: float = 0.0, **data: Any) -> None:
        """Append one event, so many seconds after the last one."""
        self.seq += 1
        self.now += timedelta(seconds=after_seconds)
        if type_ == "checkpoint":
            (self.path.parent / data["path"]).mkdir(parents=True, exist_ok=True)
        if type_ == "positions":
            (self.path.parent / "positions").mkdir(exist_ok=True)
        if type_ == "evaluation":
            path = self.path.parent / data["outcomes"]
            path.parent.mkdir(exist_ok=True)
            path.touch()
            data = {"position_set": self.position_set, "tokenizer": TOKENIZER} | data
        line = {"seq": self.seq, "attempt": self.attempt, "time": self.now.timestamp(), "type": type_, **data}
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")


def start_run(
    run: Run, ago: timedelta = timedelta(minutes=10), worker: str = "gpu-node-1:4711"
) -> tuple[Run, EventFile]:
    """Claim a run as a worker does, as if that had been some time ago."""
    claimed = services.claim(run.pk, worker)
    assert claimed is not None
    started = timezone.now() - ago
    Run.objects.filter(pk=run.pk).update(started_at=started, created_at=started - timedelta(seconds=2))
    claimed.started_at = started
    return claimed, EventFile(claimed, started)


def record(run: Run) -> None:
    """Let the recorder make rows of what is in the event file."""
    run.refresh_from_db()
    Recorder(run).record_all()
    run.refresh_from_db()


@contextmanager
def computed_at_the_end(experiment: Experiment) -> Iterator[None]:
    """While several runs are played: what a worker computes of results it computes once, when all of them are there,
    rather than after each run and each evaluation."""
    with patch.object(intervals, "refresh", return_value=True):
        yield
    assert intervals.refresh(experiment.pk)


def end_run(run: Run, events: EventFile, status: Status = Status.SUCCEEDED, **more: Any) -> Run:
    """Record the rest and end the run at the time of its last event."""
    record(run)
    assert run.time_spent is not None
    assert run.started_at is not None
    time_spent = run.time_spent + (events.now - run.started_at)
    assert services.finish(run, run.attempt, status, **({"exit_code": 0} | more))
    intervals.refresh(run.experiment_id)
    Run.objects.filter(pk=run.pk).update(finished_at=events.now, time_spent=time_spent)
    run.refresh_from_db()
    return run


def response_row(
    step: int,
    group: int,
    sample: int,
    *,
    context: str,
    thought: str,
    answer: str,
    completion: bytes,
    boundaries: list[int],
    position: int = 12,
    entropy: float | None = 1.8,
    document: str = "",
    finish: str = "stop",
    advantage: float | None = None,
) -> RolloutRow:
    """One response, judged by the real reward."""
    response = f"{thought}</think>{answer}"
    verdict = judge_response(response.encode(), completion, boundaries, finish == "stop")
    return RolloutRow(
        step=step,
        group=group,
        sample=sample,
        document=document or f"card-{group:04d}",
        position=position,
        entropy_nats=entropy,
        prompt=f"{context}<think>",
        response=response,
        prediction=verdict.prediction,
        completion=completion,
        boundaries=boundaries,
        reward=verdict.reward,
        reason=verdict.reason,
        mismatch_byte=verdict.mismatch_byte,
        finish_reason=finish,
        prompt_tokens=len(context) // 3,
        response_tokens=len(response) // 3,
        mean_log_prob=-0.3 - 0.4 * math.exp(-step / 30),
        advantage=advantage,
        context_start=0,
        context_end=len(context),
        text_hash=text_digest((document or f"card-{group:04d}").encode()),
        byte_offset=AS_A_WHOLE if entropy is None else 3 * position,
        domain="cards",
    )


def hostile_rows(step: int, group: int) -> list[RolloutRow]:
    """Responses that would harm a careless page: markup, an endless word, bidirectional marks, half characters."""
    shared: dict[str, Any] = {
        "context": f"Solution: {HOSTILE} ",
        "completion": "é 中\n\tx".encode(),
        "boundaries": [2, 3, 6, 8, 9],
    }
    texts = [
        (HOSTILE, "\\boxed{é <b>}"),
        ("\u202eright to left\u202c " + "endless" * 300, "\\boxed{é}"),
        ("\x00\x07\x1b[31m </think>\n", "\\boxed{é 中\n\t}" + HOSTILE),
        ("", "\\boxed{}"),
    ]
    return [
        response_row(step, group, sample, thought=thought, answer=answer, document=HOSTILE, **shared)
        for sample, (thought, answer) in enumerate(texts)
    ]


def write_shard(run: Run, events: EventFile, kind: str, step: int, rows: list[RolloutRow]) -> None:
    """A shard on disk and the event that names it."""
    path = RunDir(run.directory).rollout_shard(kind, step)
    write_rollouts(path, rows)
    events.emit("rollouts", step=step, kind=kind, shard=f"rollouts/{path.name}", rows=len(rows))


def evaluation_results(accuracy: dict[str, dict[str, float]], n: int = 700) -> dict[str, dict[str, dict[str, float]]]:
    """The payload of an evaluation event from accuracies by mode and difficulty."""
    return {mode: {level: _cell(value, n) for level, value in levels.items()} for mode, levels in accuracy.items()}


def with_samples(results: dict[str, dict[str, dict[str, Any]]]) -> dict[str, dict[str, dict[str, Any]]]:
    """The same evaluation with eight samples: their mean has no count of right ones; pass@8 and the majority have."""
    better = {level: min(cell["value"] + 0.2, 1.0) for level, cell in results["sampled"].items()}
    mean = {level: cell | {"correct": None} for level, cell in results["sampled"].items()}
    return results | {"sampled": mean, "majority": results["sampled"]} | evaluation_results({"pass@8": better})


def _cell(value: float, n: int) -> dict[str, float]:
    correct = round(value * n)
    low, high = wilson_interval(correct, n)
    return {"correct": correct, "n": n, "value": correct / n, "low": low, "high": high}
