"""A stage of a few milliseconds a step that keeps the contract of `rpt_core.stages`, and misbehaves when asked to.

Run by tiny_program.py. The model's path in the config says how it behaves.
"""

from __future__ import annotations

import json
import os
import signal
import time

from rpt_core.config import RptConfig
from rpt_core.errors import UserError
from rpt_core.run.context import StageContext, StopRequested
from rpt_core.run.events import EventType
from rpt_core.run.rollout_files import RolloutRow, write_rollouts

STEP_SECONDS = {"slow": 0.15, "deaf": 0.15}
SIZES = dict.fromkeys(("hidden_size", "intermediate_size", "num_attention_heads", "num_hidden_layers", "vocab_size"), 8)
"""Of a model, as whoever continues from a checkpoint asks for them."""
RESPONSE = "so\x00 it is 7.</think>\\boxed{7}"


def run(config: RptConfig, context: StageContext) -> dict[str, float]:
    how = config.model.path
    start = max(context.run.checkpoint_steps(), default=0)
    context.started(start, config.steps)
    if how == "environment":
        told = {name: os.environ.get(name) for name in ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER")}
        (context.run.path / "environment.json").write_text(json.dumps(told))
    if how == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for step in range(start + 1, config.steps + 1):
        time.sleep(STEP_SECONDS.get(how, 0.0))
        train(step, config, context)
        misbehave(how, step, start, context)
        if how == "gated" and step == 8:
            wait_at_gate(context)
        if context.stop_requested:
            checkpoint(step, context)
            raise StopRequested(step)
        if step % config.checkpoint_every_steps == 0:
            checkpoint(step, context)
    return {"accuracy": 0.5}


def wait_at_gate(context: StageContext) -> None:
    """Until the test has done what it wants to do in mid-run."""
    while not (context.run.path / "gate is open").exists() and not context.stop_requested:
        time.sleep(0.02)


def train(step: int, config: RptConfig, context: StageContext) -> None:
    shard = context.run.rollout_shard("train", step)
    write_rollouts(shard, [row(step, i, config.group_size) for i in range(config.batch_problems * config.group_size)])
    count = config.batch_problems * config.group_size
    context.log.emit(EventType.ROLLOUTS, step=step, kind="train", shard=context.run.relative(shard), rows=count)
    context.log.emit(
        EventType.METRICS, step=step, values={"reward": 0.5, "attempt": context.log.attempt}, flops=1e6 * step
    )
    context.progress(step, config.steps, "training")


def row(step: int, index: int, group_size: int) -> RolloutRow:
    right = index % 2 == 0
    return RolloutRow(
        step=step,
        group=index // group_size,
        sample=index % group_size,
        document="doc\x00ument",
        position=index,
        entropy_nats=1.25,
        prompt="Problem: 3 + 4 =",
        response=RESPONSE,
        prediction=b"7\x00\xff" if right else None,
        completion=b" 7",
        boundaries=[1, 2],
        reward=float(right),
        reason="match" if right else "no_box",
        mismatch_byte=None,
        finish_reason="stop",
        prompt_tokens=5,
        response_tokens=9,
        mean_log_prob=-0.5,
        advantage=None,
    )


def checkpoint(step: int, context: StageContext) -> None:
    folder = context.run.checkpoint(step)
    folder.mkdir(parents=True)
    (folder / "weights").write_bytes(b"1234")
    (folder / "config.json").write_text(json.dumps(SIZES))
    context.log.emit(EventType.CHECKPOINT, step=step, path=context.run.relative(folder), bytes=4, flops=1e6 * step)


def misbehave(how: str, step: int, start: int, context: StageContext) -> None:
    if how == "bug" and step == 3:
        raise RuntimeError("a bug at step 3")
    if how == "bad input" and step == 3:
        raise UserError("The corpus is empty. Name another file.")
    if how == "poison" and step == start + 3:
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "half a line" and start == 0 and step == 7:
        with context.run.events.open("a") as file:
            file.write('{"seq": 99, "attempt": 1, "ti')
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "silent" and step == 3:
        os._exit(0)
