"""The first step of a verl run, done again by the plain loop: the same responses, rewards and starting weights.

In: the folder of a run whose engine is verl. Out: advantages, loss, gradient norm, new weights of both. What is known
to differ is taken out: verl divides by the sample's standard deviation, and its token mean counts groups of equal
rewards too (docs/engines.md).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from rpt_core.config import RptConfig
from rpt_core.problems.problem import ProblemSet
from rpt_core.run.context import StageContext
from rpt_core.run.events import EventLog, EventType, read_events
from rpt_core.run.folder import RunDir
from rpt_core.run.rollout_files import read_rollouts
from rpt_core.train.batch import Batch, make_batch
from rpt_core.train.grpo import live_groups
from rpt_core.train.loop import TrainingEnd, TrainingLoop, load_trained
from rpt_core.train.policy_update import PolicyUpdate
from rpt_core.verl_backend.folder import VerlFolder
from rpt_core.verl_backend.records import StepRecorder
from rpt_core.verl_backend.reward import reward_without_model
from rpt_core.verl_backend.traces import Follower


@dataclass(frozen=True)
class Compared:
    """One step by both engines; `scale` is verl's loss over ours, from the two known differences."""

    batch: Batch[Any]
    advantages: torch.Tensor
    """verl's, as recorded, (problems, group size)."""
    scale: float
    ours: dict[str, float]
    verls: dict[str, float]
    start: dict[str, torch.Tensor]
    weights: dict[str, torch.Tensor]
    """Ours, after the step."""


def compare_first_step(folder: Path, scratch: Path) -> Compared:
    """Do the run's first step again in a scratch folder."""
    run = RunDir(folder)
    config = run.read_config("rpt")
    assert isinstance(config, RptConfig)
    with EventLog(scratch / "events.jsonl") as log:
        context = StageContext(RunDir(scratch), log)
        model, tokenizer = load_trained(context, config.model)
        loop = TrainingLoop(config, context, model, tokenizer, TrainingEnd(steps=config.steps))
        batch = _batch(config, context, VerlFolder(run, 1), tokenizer)
        start = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        ours = PolicyUpdate(config.grpo, loop, config.sampling).update(batch).metrics
    verls = next(e.data["values"] for e in read_events(run.events) if e.type == EventType.METRICS)
    rows = list(read_rollouts(run.rollout_shard("train", 1)))
    advantages = torch.tensor([row.advantage for row in rows]).view(batch.rewards.shape)
    scale = math.sqrt((config.group_size - 1) / config.group_size) * _share_of_live_tokens(batch)
    return Compared(batch, advantages, scale, ours, verls, start, dict(model.state_dict()))


def _batch(config: RptConfig, context: StageContext, folder: VerlFolder, tokenizer: Any) -> Batch[Any]:
    """The step's responses from their traces, with our advantages."""
    problems = ProblemSet.load(config.positions, "train", tokenizer, config.prompt)
    step = next(Follower(folder, config.batch_problems * config.group_size).finished_steps())
    recorder = StepRecorder(config, context, problems, tokenizer, reward_without_model(config.reward, tokenizer), 1)
    read = recorder.read(step)[1]
    return make_batch(read.problems, read.groups, read.verdicts, read.rewards.tolist(), config.grpo, config.sampling)


def _share_of_live_tokens(batch: Batch[Any]) -> float:
    tokens = torch.tensor([sum(len(rollout.token_ids) for rollout in group) for group in batch.groups])
    return float(tokens[live_groups(batch.rewards)].sum() / tokens.sum())
