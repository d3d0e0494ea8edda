"""What a stage might have emitted, for the tests of the recorder."""

from __future__ import annotations

from rpt_core.run.events import EventType
from rpt_core.run.folder import RunDir
from rpt_core.run.rollout_files import RolloutRow, write_rollouts
from rpt_web.runs.models import Run
from workers.recorder import Recorder

CELL = {"correct": 3, "n": 4, "value": 0.75, "low": 0.3, "high": 0.95}


def rollout(step, index, **values):
    row = {
        "step": step,
        "group": index // 2,
        "sample": index % 2,
        "document": "d1",
        "position": 17,
        "entropy_nats": 1.5,
        "prompt": "Problem: 3 + 4 =",
        "response": "7.</think>\\boxed{7}",
        "prediction": b"7",
        "completion": b"7 apples",
        "boundaries": [1, 8],
        "reward": 1.0,
        "reason": "match",
        "mismatch_byte": None,
        "finish_reason": "stop",
        "prompt_tokens": 5,
        "response_tokens": 6,
        "mean_log_prob": -0.1,
        "advantage": 0.5,
    }
    return RolloutRow(**(row | values))


def emit_rollouts(run, log, step, rows, kind="train"):
    folder = RunDir(run.directory)
    shard = folder.rollout_shard(kind, step)
    write_rollouts(shard, rows)
    log.emit(EventType.ROLLOUTS, step=step, kind=kind, shard=folder.relative(shard), rows=len(rows))


def emit_everything(run, log, steps=3):
    log.emit(EventType.STARTED, start_step=0, total_steps=steps)
    documents = {"train": 90, "validation": 10}
    bad = [{"file": "a.jsonl", "line": 3, "problem": "no text"}]
    log.emit(EventType.CORPUS, name="tiny", documents=documents, bad=1, bad_records=bad)
    results = {"standard": {"easy": CELL, "hard": {**CELL, "n": 0, "value": None}}}
    for step in range(1, steps + 1):
        emit_rollouts(run, log, step, [rollout(step, index) for index in range(4)])
        log.emit(EventType.METRICS, step=step, values={"reward": 0.25, "loss": float("nan")}, flops=100.0 * step)
        log.emit(EventType.PROGRESS, step=step, total_steps=steps, what="training")
    log.emit(EventType.CHECKPOINT, step=steps, path=f"checkpoints/step-{steps:06d}", bytes=12, flops=100.0 * steps)
    log.emit(EventType.EVALUATION, step=steps, flops=100.0 * steps, outcomes="evaluations/x.parquet", results=results)
    log.emit(EventType.FINISHED, result={"accuracy": 0.75})


def replay(run):
    """Read the file again from its start, as another recorder would after a crash."""
    Run.objects.filter(pk=run.pk).update(recorded_offset=0, recorded_seq=0)
    Recorder(Run.objects.get(pk=run.pk)).record_all()
