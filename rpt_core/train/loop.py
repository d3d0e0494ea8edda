"""What all training stages do around a step: resume, optimiser, learning rate, metrics, checkpoints, stop.

In: a stage's config, its context, a model, a function that does one step. Out: events, checkpoints, the result for the
`finished` event. A step's data and random numbers are functions of (seed, step) alone, and dropout is off, so a run
resumed from a checkpoint gives the numbers that it would have given without the break (on a GPU, within rounding).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rpt_core.config import (
    ExpertIterationConfig,
    ModelConfig,
    NtpConfig,
    OptimiserConfig,
    RlvrConfig,
    RptConfig,
    SftConfig,
)
from rpt_core.errors import NotFiniteError, UserError
from rpt_core.models.checkpoints import (
    prune_checkpoints,
    read_metadata,
    remove_leftovers,
    restore_optimiser,
    restore_tensors,
    save_checkpoint,
)
from rpt_core.models.finite import check_weights, first_not_finite, gives_finite_output
from rpt_core.models.flops import sizes
from rpt_core.run.context import StageContext, StopRequested
from rpt_core.run.events import EventType
from rpt_core.run.folder import RunDir
from rpt_core.run.metrics import emit_metrics
from rpt_core.text.tokens import Tokenizer, tokenizer_hash
from rpt_core.train.changes import compare, made_by, refuse_earlier_end
from rpt_core.train.checkpoint_records import checkpoint_metadata, emit_checkpoint, emit_untold_checkpoint
from rpt_core.train.log_probs import check_head
from rpt_core.train.meter import Meter
from rpt_core.train.not_finite import AtHand, keep_batch, what_stopped, what_to_try, where_to_go_on
from rpt_core.train.resume import newest_whole

PROGRESS_SECONDS = 5.0
"""Progress inside a step is reported at most this often."""


@dataclass(frozen=True)
class TrainingEnd:
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
    """The model that a run continues with: its newest checkpoint, or that of the config when it starts afresh."""
    return config.model_copy(update={"path": str(run.newest_checkpoint() or config.path)})


def load_trained(context: StageContext, config: ModelConfig) -> tuple[Any, Tokenizer]:
    """Model and tokenizer of `loaded_from`. A damaged checkpoint is set aside for the one before, with a warning.

    Weights are float32 whatever the config says: steps as small as 1e-6 would be lost in bfloat16. Raises UserError
    when there are checkpoints and none can be read.
    """
    model, tokenizer = newest_whole(context, config.model_copy(update={"dtype": "float32"}))
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
        config: NtpConfig | SftConfig | RptConfig | ExpertIterationConfig | RlvrConfig,
        context: StageContext,
        model: Any,
        tokenizer: Tokenizer,
        limit: TrainingEnd,
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
        self.at_hand = AtHand()
        """What the present step works on; a stage says so before a number of it can turn out not to be finite."""
        self.skipped = 0
        """Steps that were skipped because a number was not finite."""
        self._meter = Meter()
        self._last_progress = time.monotonic()
        self._hash = tokenizer_hash(tokenizer)
        self._made_by = made_by(config)
        self._changes: list[dict[str, Any]] = []
        """What was allowed to change at which step."""
        self._kept: dict[str, Mapping[str, Tensor]] = {}
        self._resumed_from: Path | None = None
        self._saved_at: int | None = None
        self._is_changed = False
        """The weights are others than those of the newest checkpoint."""
        self._is_output_finite = True
        """As it was when the newest checkpoint was written."""
        check_weights(model)
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
        emit_untold_checkpoint(self.context, self.step)

    def run(self, do_step: Callable[[int], StepResult], after_step: Callable[[int], None] | None = None) -> None:
        """Do steps to the limit. `do_step` gets the number of finished steps; `after_step` that of the new one.

        Raises UserError at a step with a number that is not finite, unless it may be skipped.
        """
        while self.share() < 1:
            self.stop_if_asked()
            began = time.perf_counter()
            result = self._do(do_step)
            self.step += 1
            self.flops += result.flops
            self.tokens += result.tokens if result.trained_tokens is None else result.trained_tokens
            self.context.log.note(self.step, self._total_steps(), share=self.share())
            self._meter.add(result.values, result.tokens, time.perf_counter() - began)
            if self.step % self.config.log_every_steps == 0:
                self._log()
            if after_step is not None:
                with self.in_words():
                    after_step(self.step)
            if self.step % self.config.checkpoint_every_steps == 0:
                self.save()
        self.save()
        if not self._is_output_finite:
            raise UserError(f"After the last step, {self.step}, the model's output is not finite. {self._way_out()}")

    @contextmanager
    def in_words(self) -> Iterator[None]:
        """In the block, an evaluation whose numbers are not finite ends the run with a sentence about the policy."""
        try:
            yield
        except NotFiniteError as error:
            raise UserError(
                f"After step {self.step} the policy's output is not finite: {error.number} is {error.value}. "
                f"{self._way_out()}"
            ) from error

    def update(self) -> dict[str, float]:
        """One optimiser step with the gradients at hand; returns the metrics of it.

        Raises NotFiniteError, and changes nothing, when the gradients' norm is not finite.
        """
        rate = learning_rate(self.config.optimiser, self.step, self.share())
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        norm = float(torch.nn.utils.clip_grad_norm_(self.parameters, self.config.optimiser.max_grad_norm))
        if not math.isfinite(norm):
            raise NotFiniteError("the gradient norm", norm)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self._is_changed = True
        return {"gradient_norm": norm, "learning_rate": rate}

    def progress(self, what: str) -> None:
        """Say what a long step is doing."""
        self.context.log.note(self.step, what=what, share=self.share())
        if time.monotonic() - self._last_progress >= PROGRESS_SECONDS:
            self._last_progress = time.monotonic()
            self.context.progress(self.step, self.limit.steps, what)

    def precision(self) -> torch.autocast:
        """The number format of forward passes, as a context manager."""
        narrow = self.config.model is not None and self.config.model.dtype == "bfloat16"
        return torch.autocast(self.model.device.type, torch.bfloat16, enabled=narrow)

    def save(self) -> None:
        """Write a checkpoint of this step, unless it is there already.

        Raises UserError when weights are not finite. Older checkpoints are removed only when this one's output is.
        """
        self._log()
        if not self._write():
            return
        self._is_output_finite = gives_finite_output(self.model, self.at_hand.probe)
        if self.config.keep_checkpoints is not None and self._is_output_finite:
            prune_checkpoints(self.context.run, self.config.keep_checkpoints)

    def _write(self) -> bool:
        """Write a checkpoint of this step; False when it is there already."""
        if self._saved_at == self.step:
            return False
        metadata = checkpoint_metadata(
            self.config,
            flops=self.flops,
            tokens=self.tokens,
            tokenizer_hash=self._hash,
            made_by=self._made_by,
            changes=self._changes,
            skipped_steps=self.skipped,
            state=self.state,
            unlogged=self._meter.state(),
        )
        run, optimiser = self.context.run, self.optimiser
        with self.in_words():
            save_checkpoint(run, self.step, self.model, self.tokenizer, optimiser, metadata, self._kept)
        self._saved_at, self._is_changed = self.step, False
        emit_checkpoint(self.context, self.step)
        return True

    def stop_if_asked(self) -> None:
        """End the stage with a checkpoint when a stop was asked for; allowed while the weights are those of `step`.

        Steps whose metrics are not due yet go into the checkpoint, so that the run has the same rows as one without the
        stop.
        """
        if self.context.stop_requested:
            if self.step % self.config.checkpoint_every_steps == 0:  # due, and the evaluation before it cut short
                self._log()
            self._write()  # a sampler that asks has its hands in the model: the next checkpoint removes older ones
            raise StopRequested(self.step)

    def _log(self) -> None:
        values = self._meter.take()
        if not values:
            return
        if self.config.skip_not_finite_steps:
            values["steps_skipped"] = self.skipped
        emit_metrics(self.context.log, self.step, values, self.flops)
        if self.limit.steps is None:  # nobody can tell otherwise how far a budget of compute or tokens has got
            self.context.progress(self.step, self._total_steps(), "training")

    def _total_steps(self) -> int:
        """The last step; with a budget of compute or tokens as it looks by now."""
        return self.limit.steps or max(round(self.step / max(self.share(), 1e-9)), self.step)

    def _do(self, do_step: Callable[[int], StepResult]) -> StepResult:
        """One step, or what is left of it when one of its numbers is not finite and it may be skipped."""
        self.at_hand = AtHand()
        try:
            return do_step(self.step)
        except NotFiniteError as error:
            return self._skip(error)

    def _skip(self, error: NotFiniteError) -> StepResult:
        """The result of a step that is skipped. Raises UserError when no more steps may be, or none ever could."""
        self.optimiser.zero_grad(set_to_none=True)
        kept, step = keep_batch(self.context.run, self.step + 1, error, self.at_hand), self.step + 1
        are_weights_good = first_not_finite(self.model.named_parameters()) is None
        if self.skipped >= self.config.skip_not_finite_steps or not are_weights_good:
            raise UserError(f"{what_stopped(error, step, kept)} {self._way_out()}") from error
        self.skipped += 1
        message = f"Step {step} is skipped: {error.number} is not finite but {error.value}. Its batch is in {kept}."
        self.context.log.emit(EventType.LOG, level="warning", message=message)
        return StepResult({}, self.at_hand.tokens, self.at_hand.flops, self.at_hand.trained_tokens)

    def _way_out(self) -> str:
        """Which checkpoint is good, and what to try."""
        is_newest_bad = not (self._is_changed or gives_finite_output(self.model, self.at_hand.probe))
        is_narrow = self.config.model is not None and self.config.model.dtype != "float32"
        steps = self.context.run.checkpoint_steps()
        return f"{where_to_go_on(steps, is_newest_bad)} {what_to_try(is_narrow)}"

    def _resume(self, path: Path) -> None:
        metadata = read_metadata(path)
        self._changes = compare(self.context, self.config, path, metadata, self._made_by)
        limits = {"step": self.limit.steps, "flops": self.limit.flops, "tokens": self.limit.tokens}
        refuse_earlier_end(path, metadata, self.config, limits)
        restore_optimiser(path, self.model, self.optimiser)
        self.step, self.flops, self.state = metadata["step"], metadata["flops"], metadata["state"]
        self.tokens = metadata.get("tokens", 0)  # checkpoints from before budgets in tokens have none
        self.skipped = metadata.get("skipped_steps", 0)
        if unlogged := metadata.get("unlogged"):
            self._meter.restore(unlogged)
        self._resumed_from, self._saved_at = path, self.step


def make_optimiser(parameters: list[torch.nn.Parameter], config: OptimiserConfig) -> torch.optim.Optimizer:
    """AdamW over the parameters; the learning rate is set before each step."""
    return torch.optim.AdamW(
        parameters, lr=config.learning_rate, betas=config.betas, weight_decay=config.weight_decay, fused=True
    )
