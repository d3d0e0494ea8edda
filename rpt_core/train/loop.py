"""What all training stages do around a step: resume, optimiser, learning rate, metrics, checkpoints, stop.

In: a stage's config, its context, a model, a function that does one step. Out: events, checkpoints, the result for the
`finished` event. A step's data and random numbers are functions of (seed, step) alone, and dropout is off, so a run
resumed from a checkpoint gives the numbers that it would have given without the break (on a GPU, within rounding).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rpt_core.checkpoints import (
    folder_bytes,
    load_model,
    prune_checkpoints,
    read_metadata,
    remove_leftovers,
    restore_optimiser,
    restore_tensors,
    save_checkpoint,
)
from rpt_core.config import ModelConfig, NtpConfig, OptimiserConfig, RlvrConfig, RptConfig, SftConfig
from rpt_core.events import EventType
from rpt_core.flops import sizes
from rpt_core.run_dir import RunDir
from rpt_core.stage import StageContext, StopRequested
from rpt_core.tokens import Tokenizer, tokenizer_hash
from rpt_core.train.log_probs import check_head

PROGRESS_SECONDS = 5.0
"""Progress inside a step is reported at most this often."""


@dataclass(frozen=True)
class Limit:
    """When training ends: after a number of steps, or with the step that reaches an amount of compute or tokens."""

    steps: int | None = None
    flops: float | None = None
    tokens: int | None = None
    """Tokens that are trained on."""

    def share(self, step: int, flops: float, tokens: int = 0) -> float:
        """How much of the training is done, from 0 to 1."""
        for done, limit in ((step, self.steps), (flops, self.flops), (tokens, self.tokens)):
            if limit:
                return min(1.0, done / limit)
        return 1.0


@dataclass(frozen=True)
class StepResult:
    """What one step did. Values that a step has not are left out, never 0."""

    values: Mapping[str, float]
    tokens: int
    """Tokens processed, for the speed."""
    flops: float
    trained_tokens: int | None = None
    """Tokens in forward and backward passes, for a budget in tokens; None when all were."""


def loaded_from(run: RunDir, config: ModelConfig) -> ModelConfig:
    """The model that a run goes on with: its newest checkpoint, or that of the config when it starts afresh."""
    return config.model_copy(update={"path": str(run.newest_checkpoint() or config.path)})


def load_trained(run: RunDir, config: ModelConfig) -> tuple[Any, Tokenizer]:
    """Model and tokenizer of `loaded_from`.

    Weights are float32 whatever the config says: steps as small as 1e-6 would be lost in bfloat16.
    """
    model, tokenizer = load_model(loaded_from(run, config).model_copy(update={"dtype": "float32"}))
    try:
        model.generation_config.validate(strict=True)
    except ValueError:
        # Some published models name a temperature without sampling: transformers reads that, and refuses to save it.
        model.generation_config.do_sample = True
    return model, tokenizer


def learning_rate(config: OptimiserConfig, step: int, share: float) -> float:
    """Learning rate of the step that follows `step` finished ones, when `share` of the training is done.

    The schedule goes by the share, of steps or of compute; the warm-up scales it up linearly over its steps.
    """
    course = {
        "constant": 1.0,
        "linear": 1 - (1 - config.final_share) * share,
        "cosine": config.final_share + (1 - config.final_share) * (1 + math.cos(math.pi * share)) / 2,
    }[config.schedule]
    warmup = min(1.0, (step + 1) / (config.warmup_steps + 1))
    return config.learning_rate * course * warmup


class TrainingLoop:
    """Runs steps from where the newest checkpoint ends to the limit."""

    def __init__(
        self,
        config: NtpConfig | SftConfig | RptConfig | RlvrConfig,
        context: StageContext,
        model: Any,
        tokenizer: Tokenizer,
        limit: Limit,
    ) -> None:
        self.config, self.context = config, context
        self.model, self.tokenizer, self.limit = model, tokenizer, limit
        self.parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self.sizes = sizes(model)
        self.matrix_parameters = self.sizes["matrix_parameters"]
        self.optimiser = make_optimiser(self.parameters, config.optimiser)
        self.step, self.flops, self.tokens = 0, 0.0, 0
        self.state: dict[str, Any] = {}
        """What a stage wants to find again after a resume: plain JSON values."""
        self._meter = _Meter()
        self._last_progress = time.monotonic()
        self._hash = tokenizer_hash(tokenizer)
        self._kept: dict[str, Mapping[str, Tensor]] = {}
        self._resumed_from: Path | None = None
        self._saved_at: int | None = None
        check_head(model)
        remove_leftovers(context.run)
        newest = context.run.newest_checkpoint()
        if newest is not None:
            self._resume(newest)

    def keep(self, name: str, tensors: Mapping[str, Tensor]) -> None:
        """Save these tensors with every checkpoint; in a resumed run they get back the values they had at its start."""
        self._kept[name] = tensors
        if self._resumed_from is not None:
            restore_tensors(self._resumed_from, name, tensors)

    def share(self) -> float:
        """How much of the training is done, from 0 to 1."""
        return self.limit.share(self.step, self.flops, self.tokens)

    def start(self) -> None:
        """Say from which step training goes on; the stage's first event."""
        self.context.started(self.step, self.limit.steps)

    def run(self, do_step: Callable[[int], StepResult], after_step: Callable[[int], None] | None = None) -> None:
        """Do steps to the limit. `do_step` gets the number of finished steps; `after_step` that of the new one."""
        while self.share() < 1:
            self.stop_if_asked()
            began = time.perf_counter()
            result = do_step(self.step)
            self.step += 1
            self.flops += result.flops
            self.tokens += result.tokens if result.trained_tokens is None else result.trained_tokens
            self._meter.add(result, time.perf_counter() - began)
            if self.step % self.config.log_every_steps == 0:
                self._log()
            if after_step is not None:
                after_step(self.step)
            if self.step % self.config.checkpoint_every_steps == 0:
                self.save()
        self.save()

    def update(self) -> dict[str, float]:
        """One optimiser step with the gradients at hand; returns the metrics of it."""
        rate = learning_rate(self.config.optimiser, self.step, self.share())
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, self.config.optimiser.max_grad_norm)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        return {"gradient_norm": float(norm), "learning_rate": rate}

    def progress(self, what: str) -> None:
        """Say what a long step is doing."""
        if time.monotonic() - self._last_progress >= PROGRESS_SECONDS:
            self._last_progress = time.monotonic()
            self.context.progress(self.step, self.limit.steps, what)

    def precision(self) -> torch.autocast:
        """The number format of forward passes, as a context manager."""
        narrow = self.config.model is not None and self.config.model.dtype == "bfloat16"
        return torch.autocast(self.model.device.type, torch.bfloat16, enabled=narrow)

    def save(self) -> None:
        """Write a checkpoint of this step, unless it is there already."""
        self._log()
        if self._saved_at == self.step:
            return
        metadata = {
            "flops": self.flops,
            "tokens": self.tokens,
            "stage": self.config.stage,
            "seed": self.config.seed,
            "tokenizer_hash": self._hash,
            "state": self.state,
        }
        run = self.context.run
        path = save_checkpoint(run, self.step, self.model, self.tokenizer, self.optimiser, metadata, self._kept)
        self._saved_at = self.step
        self.context.log.emit(
            EventType.CHECKPOINT,
            step=self.step,
            path=run.relative(path),
            bytes=folder_bytes(path),
            flops=self.flops,
        )
        if self.config.keep_checkpoints is not None:
            prune_checkpoints(run, self.config.keep_checkpoints)

    def stop_if_asked(self) -> None:
        """End the stage with a checkpoint when a stop was asked for; allowed while the weights are those of `step`."""
        if self.context.stop_requested:
            self.save()
            raise StopRequested(self.step)

    def _log(self) -> None:
        values = self._meter.take()
        if not values:
            return
        self.context.log.emit(EventType.METRICS, step=self.step, values=values, flops=self.flops)
        if self.limit.steps is None:  # nobody can tell otherwise how far a budget of compute or tokens has got
            total = round(self.step / max(self.share(), 1e-9))
            self.context.progress(self.step, max(total, self.step), "training")

    def _resume(self, path: Path) -> None:
        metadata = read_metadata(path)
        restore_optimiser(path, self.model, self.optimiser)
        self.step, self.flops, self.state = metadata["step"], metadata["flops"], metadata["state"]
        self.tokens = metadata.get("tokens", 0)  # checkpoints from before budgets in tokens have none
        self._resumed_from, self._saved_at = path, self.step


def make_optimiser(parameters: list[torch.nn.Parameter], config: OptimiserConfig) -> torch.optim.Optimizer:
    """AdamW over the parameters; the learning rate is set before each step."""
    return torch.optim.AdamW(
        parameters, lr=config.learning_rate, betas=config.betas, weight_decay=config.weight_decay, fused=True
    )


class _Meter:
    """Means of a step's values since the last log line, and the speed."""

    def __init__(self) -> None:
        self._values: dict[str, list[float]] = {}
        self._tokens, self._seconds = 0, 0.0

    def add(self, result: StepResult, seconds: float) -> None:
        for name, value in result.values.items():
            self._values.setdefault(name, []).append(value)
        self._tokens += result.tokens
        self._seconds += seconds

    def take(self) -> dict[str, float]:
        """The means, and a fresh start; empty when nothing was added."""
        if not self._seconds:
            return {}
        means = {name: sum(values) / len(values) for name, values in self._values.items()}
        means["tokens_per_second"] = self._tokens / self._seconds
        self._values, self._tokens, self._seconds = {}, 0, 0.0
        return means
