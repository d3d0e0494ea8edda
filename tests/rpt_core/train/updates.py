"""What the tests of the update and of rewards share: a training loop around the taught model, hand-made groups."""

import contextlib
from dataclasses import dataclass, field

import torch

from rpt_core.config import RptConfig
from rpt_core.inference.rollout import Rollout
from rpt_core.run.context import StageContext, StopRequested
from rpt_core.run.events import EventLog
from rpt_core.run.folder import RunDir
from rpt_core.train.batch import Batch
from rpt_core.train.grpo import group_advantages
from rpt_core.train.loop import StepResult, TrainingEnd, TrainingLoop, load_trained
from rpt_core.verdict import Verdict

OPTIMISER = {"learning_rate": 3e-3, "max_grad_norm": 1.0}


@dataclass(frozen=True)
class Prompt:
    """As much of a problem as the update needs."""

    prompt_ids: list[int]
    completion: bytes = b""
    boundaries: list[int] = field(default_factory=list)


def make_config(folder, **changes):
    """A config of the stage rpt for the model in a folder; nobody reads its positions."""
    base = {"model": {"path": str(folder), "device": "cpu"}, "positions": "nowhere", "steps": 6, "optimiser": OPTIMISER}
    return RptConfig.model_validate({**base, **changes})


def make_loop(folder, config):
    """A training loop in a new or an old run folder."""
    run = RunDir(folder)
    run.create(config)
    context = StageContext(run, EventLog(run.events))
    model, tokenizer = load_trained(context, config.model)
    return TrainingLoop(config, context, model, tokenizer, TrainingEnd(steps=config.steps))


def train(loop, do_step, stop_after=None):
    """Run a loop to its end, or until it has written the checkpoint that a stop asks for."""

    def after_step(step):
        if step == stop_after:
            loop.context.request_stop()

    def one_step(step):
        do_step(step)
        return StepResult({"loss": 1.0}, 1, 1.0)

    with contextlib.suppress(StopRequested):
        loop.run(one_step, after_step)
    assert loop.step == (stop_after or loop.limit.steps)


def rollout(ids, log_probs=None, finish_reason="stop", data=b""):
    """A response with these token ids."""
    return Rollout(list(ids), data, log_probs or [-1.0] * len(ids), finish_reason)


def make_groups(lengths, prompt=(5, 6, 7)):
    """Problems and groups of responses of these lengths, whose tokens are spread over the vocabulary."""
    problems = [Prompt([*prompt, 20 + n]) for n in range(len(lengths))]
    groups = [
        [rollout([10 + (7 * n + 5 * k + 3 * i) % 250 for i in range(length)]) for k, length in enumerate(group)]
        for n, group in enumerate(lengths)
    ]
    return problems, groups


def make_batch(lengths, rewards, normalise="std"):
    """A batch of such groups that earned these rewards."""
    problems, groups = make_groups(lengths)
    verdicts = [[Verdict(value, "match" if value else "no_box", None) for value in group] for group in rewards]
    tensor = torch.tensor(rewards)
    return Batch(problems, groups, verdicts, tensor, group_advantages(tensor, normalise))


def state(loop):
    """Copies of a loop's weights."""
    return {name: parameter.detach().clone() for name, parameter in loop.model.named_parameters()}


def same(first, second):
    """Two sets of weights are equal to the bit."""
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
