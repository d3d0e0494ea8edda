"""What a filled run wrote, as rows: events, metrics, checkpoints, evaluations, tables, and its responses.

In: a filled run. Out: objects that are not stored yet, and rows of responses as the table of rollouts has them. Which
numbers they hold follows from the run's id.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields
from datetime import timedelta
from functools import cache
from random import Random
from typing import Any

from rpt_core.run.folder import RunDir
from rpt_core.run.rollout_files import RolloutRow
from rpt_core.run.tables import Column, Estimate
from rpt_core.statistics.intervals import wilson_interval
from rpt_core.text.names import text_digest
from rpt_web.corpora.models import RunCorpus
from rpt_web.notices.models import Alarm, AlarmKind
from rpt_web.results.models import Evaluation, ResultTable
from rpt_web.runs.models import Checkpoint, Run, RunEvent, Status, StepMetrics
from rpt_web.supervisor.filling.results import FILLED_SET
from rpt_web.supervisor.filling.shape import POSITIONS, SAMPLING, STEPS, FilledRun
from rpt_web.traces.groups import Place
from rpt_web.traces.models import PREVIEW_CHARACTERS, PromptTokens, RolloutShard, rollout_id

GROUP_SIZE = 8
DOMAINS = ("algebra", "geometry", "number theory")
FOLDER = RunDir("")
"""For the names of what a run would have written; nothing of it is on disk."""
LEVELS = {"easy": 0.9, "medium": 0.6, "hard": 0.3}
EVALUATED = (0, 5, 10, 20, 40, 60, STEPS)
METRICS = {
    "rpt": (
        "reward_mean",
        "loss",
        "response_tokens_mean",
        "predicted_bytes_mean",
        "entropy_nats",
        "kl",
        "share_no_box",
    ),
    "expert_iteration": ("reward_mean", "loss", "response_tokens_mean", "share_no_box"),
}
COST = ("learning_rate", "gradient_norm", "seconds", "tokens_per_second")
ANSWERS: Sequence[tuple[str, float, bytes | None]] = (
    ("match", 1.0, b"42"),
    ("mismatch", 0.0, b"41"),
    ("match", 1.0, b"42 "),
    ("not_on_boundary", 0.0, b"4"),
    ("mismatch", 0.0, b"17"),
    ("no_box", 0.0, None),
    ("mismatch", 0.0, b"The"),
)
"""Verdict, reward and prediction of a response; an empty box is left out, so that one filter finds nothing."""
COMPLETION, BOUNDARIES = b"42 is the sum of the three cards.", [2, 5, 9, 13, 17, 20, 24, 30, 33]
THOUGHT = "The cards are A, B and C. Their values are given above; so the sum follows. "
PROMPT = f"{THOUGHT * 4}<think>"
TOKEN_BYTES = 4


def events_of(filled: FilledRun) -> Iterator[RunEvent]:
    """Where it started, what it logged, how it ended."""
    run = filled.run
    told: list[tuple[str, dict[str, Any]]] = [("started", {"start_step": 0, "total_steps": run.total_steps})]
    told += [
        ("log", {"message": f"line {number} of what it did", "level": "info"}) for number in range(lines_of(filled))
    ]
    told += [("checkpoint", {"step": step, "path": _checkpoint(step)}) for step in (STEPS // 2, STEPS)]
    if run.stage == "filter":
        told.append(("positions", {"split": "train", "kept": 9000, "positions": 250_000, "path": "positions"}))
    told.append(("finished", {}) if run.status == Status.SUCCEEDED else ("failed", {"message": run.error}))
    for number, (type_, data) in enumerate(told, start=1):
        time = run.started_at + timedelta(seconds=number / 10) if run.started_at else run.created_at
        yield RunEvent(run=run, attempt=1, seq=number, time=time, type=type_, data=data)


def lines_of(filled: FilledRun) -> int:
    """Lines in the log of events; the run with many metrics has many."""
    return max(20, filled.metrics // 20)


def metrics_of(filled: FilledRun) -> Iterator[StepMetrics]:
    """One row for each step."""
    run, random = filled.run, Random(filled.run.pk)
    names = (*METRICS.get(run.stage, ("loss",)), *COST)
    for step in range(1, filled.metrics + 1):
        values = {name: round(math.exp(-step / filled.metrics) + random.random() / 10, 6) for name in names}
        time = run.created_at + timedelta(seconds=step)
        yield StepMetrics(run=run, attempt=1, step=step, time=time, flops=1e9 * step, values=values)


def checkpoints_of(run: Run) -> Iterator[Checkpoint]:
    """Two of each training."""
    for step in (STEPS // 2, STEPS) if run.total_steps else ():
        path = _checkpoint(step)
        yield Checkpoint(run=run, attempt=1, step=step, path=path, bytes=4_000_000, created_at=run.created_at)


def alarms_of(run: Run) -> Iterator[Alarm]:
    """Two of each run that was on the way."""
    for step in (10, 20):
        known = {"kind": AlarmKind.MONITOR, "key": f"share_no_box:{step}", "metric": "share_no_box", "attempt": 1}
        text = f"No box: share_no_box is 0.8, above 0.5 since step {step - 2}."
        yield Alarm(run=run, step=step, value=0.8, limit=0.5, text=text, at=run.created_at, **known)


def evaluated_steps(run: Run) -> Sequence[int]:
    """When a policy was evaluated: as it learns, or once where it is only measured."""
    return {"rpt": EVALUATED, "evaluate": (0,)}.get(run.stage, ())


def evaluations_of(run: Run, positions: int) -> Iterator[Evaluation]:
    """What its evaluations found at so many positions."""
    for step in evaluated_steps(run):
        for mode, factor in {"standard": 0.8, "sampled": 0.9, "majority": 1.0, "greedy": 1.0}.items():
            for level, value in LEVELS.items():
                correct = round(positions * value * factor * skill(step))
                low, high = wilson_interval(correct, positions)
                cell = {"correct": correct, "n": positions, "value": correct / positions, "low": low, "high": high}
                place = {"step": step, "flops": 1e11 * step, "mode": mode, "difficulty": level}
                yield Evaluation(run=run, attempt=1, position_set=FILLED_SET, no_box=0.02, **place, **cell)


def skill(step: int) -> float:
    """Of what it can learn, the share that a policy knows after so many steps."""
    return 0.4 + 0.6 * step / STEPS


def tables_of(run: Run) -> Iterator[ResultTable]:
    """One for each evaluation of a policy that learns."""
    columns = [asdict(Column("document", "Document")), asdict(Column("accuracy", "Accuracy", "share"))]
    for step in EVALUATED if run.stage == "rpt" else ():
        rows = [
            {"document": f"card-{number:05d}", "accuracy": asdict(Estimate(0.5, 0.4, 0.6, 80))} for number in range(40)
        ]
        title = "Accuracy by document"
        data = {"name": "by_document", "step": step, "title": title, "caption": "Made up.", "columns": columns}
        yield ResultTable(
            run=run, attempt=1, step=step, name="by_document", title=title, data=data | {"rows": rows, "chart": None}
        )


def corpora_of(run: Run) -> Iterator[RunCorpus]:
    """What was read, with some records that could not be."""
    if run.stage in ("ntp", "filter"):
        bad = [{"file": "cards.jsonl", "line": line, "reason": "no text"} for line in range(1, 21)]
        yield RunCorpus(
            run=run, name="tiny", train_documents=30_000, validation_documents=900, bad_count=20, bad_records=bad
        )


def prompts_of(filled: FilledRun) -> Iterator[PromptTokens]:
    """The one prompt of a run's responses in tokens, as if somebody had asked for it."""
    data = PROMPT.encode()
    ends = [*range(TOKEN_BYTES, len(data), TOKEN_BYTES), len(data)]
    if filled.run.stage in SAMPLING:
        ids, control = list(range(len(ends))), [len(ends) - 1]
        yield PromptTokens(run=filled.run, digest=text_digest(data), ids=ids, ends=ends, data=data, control=control)


def shards_of(filled: FilledRun) -> list[RolloutShard]:
    """A shard for each step of training; the last responses are an evaluation."""
    if filled.run.stage not in SAMPLING:
        return []
    return [*_trained(filled), *_evaluated(filled)] if filled.responses or filled.positions else []


def _evaluated(filled: FilledRun) -> list[RolloutShard]:
    """A shard for each checkpoint, with a group for each position."""
    rows, every = filled.positions * GROUP_SIZE, 5
    steps = range(every, (filled.checkpoints + 1) * every, every) if rows else ()
    return [_shard(filled.run, step, "sampled", rows) for step in steps]


def _trained(filled: FilledRun) -> list[RolloutShard]:
    if not filled.responses:
        return []
    steps, rest = divmod(filled.responses, filled.group)
    sizes = [filled.group] * steps + ([rest] if rest else [])
    kinds = ["train"] * (len(sizes) - 1) + ["greedy" if len(sizes) > 1 else "train"]
    return [_shard(filled.run, step, kind, size) for step, (kind, size) in enumerate(zip(kinds, sizes, strict=True), 1)]


def _checkpoint(step: int) -> str:
    return FOLDER.relative(FOLDER.checkpoint(step))


def _shard(run: Run, step: int, kind: str, size: int) -> RolloutShard:
    rewarded = sum(_answer(run.pk, step, row)[1] > 0 for row in range(size))
    path = FOLDER.relative(FOLDER.rollout_shard(kind, step))
    return RolloutShard(run=run, attempt=1, step=step, kind=kind, path=path, rows=size, rewarded=rewarded)


def rollouts_of(shard: RolloutShard) -> Iterator[tuple[Any, ...]]:
    """The rows of a shard in the order of ROLLOUT_COLUMNS."""
    run, step, kind = shard.run_id, shard.step, shard.kind
    for row in range(shard.rows):
        reason, reward, prediction = _answer(run, step, row)
        document, position = _place(step, row, shard.rows // GROUP_SIZE)
        finish = "length" if reason == "no_box" else "stop"
        yield (
            *(run, rollout_id(step, kind, row), 1, step, kind, row, row // GROUP_SIZE, row % GROUP_SIZE),
            *(document, position, entropy_at(position), reward, reason, finish, 180, 40 + row % 17),
            *(prediction, COMPLETION, _response(row, prediction)[:PREVIEW_CHARACTERS]),
        )


def places_of(shard: RolloutShard) -> set[tuple[str, int]]:
    """The documents and tokens of a shard's groups."""
    groups = shard.rows // GROUP_SIZE
    return {_place(shard.step, row, groups) for row in range(0, shard.rows, GROUP_SIZE)}


ROLLOUT_COLUMNS = (
    *("run_id", "id", "attempt", "step", "kind", "row", "group", "sample"),
    *("document", "position", "entropy_nats", "reward", "reason", "finish_reason", "prompt_tokens", "response_tokens"),
    *("prediction", "completion", "preview"),
)


def full_rows(shard: RolloutShard) -> list[RolloutRow]:
    """The same responses with their texts, as a stage writes them."""
    names = {field.name for field in fields(RolloutRow)} & {*ROLLOUT_COLUMNS}
    rows = [dict(zip(ROLLOUT_COLUMNS, row, strict=True)) for row in rollouts_of(shard)]
    more: dict[str, Any] = {"boundaries": BOUNDARIES, "mean_log_prob": -0.4, "advantage": None}
    return [
        RolloutRow(
            text_hash=place_of(row["document"], row["position"])[0],
            byte_offset=place_of(row["document"], row["position"])[1],
            domain=domain_of(row["document"]),
            prompt=PROMPT,
            context_start=0,
            context_end=len(THOUGHT * 4),
            response=_response(row["row"], row["prediction"]),
            mismatch_byte=None if row["reward"] or row["prediction"] is None else 0,
            **more,
            **{name: row[name] for name in names},
        )
        for row in rows
    ]


def _answer(run: int, step: int, row: int) -> tuple[str, float, bytes | None]:
    """More often right as the steps go by."""
    draw = (run * 7919 + step * 104_729 + row * 1_299_709) % 1009
    return ANSWERS[0] if draw < min(step, 600) else ANSWERS[draw % len(ANSWERS)]


def _place(step: int, row: int, groups: int) -> tuple[str, int]:
    """The position of a response; the same ones come again after some steps, at once where there are many groups."""
    return position_of(row // GROUP_SIZE if groups > POSITIONS else (step * 37 + row // GROUP_SIZE) % POSITIONS)


def position_of(number: int) -> tuple[str, int]:
    """The document of a position, and its token there."""
    return f"card-{number // 4:05d}", 20 + number % 4 * 11


def entropy_at(token: int) -> float:
    """Nats of a position."""
    return 1.0 + token % 100 / 50


@cache
def place_of(document: str, position: int) -> Place:
    """Where a position is in its text, as far as a filled document has one."""
    return text_digest(document.encode()), 3 * position


def domain_of(document: str) -> str:
    """The subject area of a document."""
    return DOMAINS[sum(document.encode()) % len(DOMAINS)]


def _response(row: int, prediction: bytes | None) -> str:
    thought = THOUGHT * (1 + row % 5)
    return thought if prediction is None else f"{thought}</think>\\boxed{{{prediction.decode()}}}"
