"""How far a verl run is: its steps, compute and ledger, and the exports that a resume continues from.

In: the steps that verl has done, one after the other. Out: metrics events, and at each checkpoint of verl's the run's
own checkpoint of that step. A run resumes from the newest step that was exported: what verl did after it is not
recorded whole, or its checkpoint may be half written.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from rpt_core.config import RptConfig
from rpt_core.errors import NotFiniteError, UserError, reading
from rpt_core.files import written_whole
from rpt_core.models.checkpoints import prune_checkpoints, read_metadata, remove_leftovers
from rpt_core.models.flops import sizes
from rpt_core.models.loading import checked_shape
from rpt_core.problems.problem import ProblemSet
from rpt_core.run.context import StageContext
from rpt_core.run.events import EventType
from rpt_core.run.metrics import emit_metrics
from rpt_core.text.tokens import Tokenizer, tokenizer_hash
from rpt_core.train.changes import compare, made_by, refuse_earlier_end
from rpt_core.train.checkpoint_records import checkpoint_metadata, emit_checkpoint
from rpt_core.train.ledger import Ledger, finish_ledger, write_ledger
from rpt_core.train.not_finite import AtHand, Rows, keep_batch, sampled_rows, what_to_try, where_to_go_on
from rpt_core.train.resume import refuse_other_engine
from rpt_core.verl_backend.export import export
from rpt_core.verl_backend.folder import VerlFolder
from rpt_core.verl_backend.records import StepRecorder
from rpt_core.verl_backend.reward import reward_without_model
from rpt_core.verl_backend.traces import GRADIENT_NORM, VerlStep


class Course:
    """A run's course through its steps."""

    def __init__(
        self,
        config: RptConfig,
        context: StageContext,
        folder: VerlFolder,
        problems: ProblemSet,
        tokenizer: Tokenizer,
    ) -> None:
        self.config, self.context, self.folder = config, context, folder
        self.problems, self.tokenizer = problems, tokenizer
        self.sizes = model_sizes(config.model.path)
        parameters = self.sizes["matrix_parameters"]
        reward = reward_without_model(config.reward, tokenizer)
        self.recorder = StepRecorder(config, context, problems, tokenizer, reward, parameters)
        self.step = self.saved_step = 0
        self.flops, self.tokens = 0.0, 0
        self.skipped = 0
        self._unlogged: dict[str, list[float]] = defaultdict(list)
        self._made_by = made_by(config)
        self._changes: list[dict[str, Any]] = []
        """What was allowed to change at which step."""
        remove_leftovers(context.run)
        self._resume()
        write_ledger(context.run, self.ledger, problems)  # a crash may have left that of a later step

    @property
    def ledger(self) -> Ledger:
        """Counts of the run's groups."""
        return self.recorder.ledger

    def add(self, step: VerlStep) -> None:
        """Record a step, and export verl's checkpoint when it has one."""
        if step.step != self.step + 1:
            raise RuntimeError(f"verl told of step {step.step} after step {self.step}")
        if step.not_finite:
            self._skip_or_stop(step)
        recorded = self.recorder.record(step)
        self.step = step.step
        self.flops += recorded.flops
        self.tokens += recorded.trained_tokens
        write_ledger(self.context.run, self.ledger, self.problems)
        for name, value in recorded.values.items():
            if math.isfinite(value):  # of a skipped step some are not
                self._unlogged[name].append(value)
        is_saved = self.step % self.config.checkpoint_every_steps == 0 or self.step == self.config.steps
        if is_saved or self.step % self.config.log_every_steps == 0:
            self._log()
        if is_saved:
            self._export(self.problems.problem(step.traces[0].index).prompt_ids)

    def _skip_or_stop(self, step: VerlStep) -> None:
        """Keep the batch of a step with a number that is not finite, and count the step as skipped.

        Raises UserError when no more steps may be skipped, or when verl has learnt from the number all the same.
        """
        error = NotFiniteError(" and ".join(step.not_finite), math.nan)
        kept = keep_batch(self.context.run, step.step, error, AtHand(rows=lambda: self._rows(step)))
        if GRADIENT_NORM not in step.not_finite or self.skipped >= self.config.skip_not_finite_steps:
            raise UserError(
                f"Step {step.step}: {error.number} is not finite, so the run ends here, and no checkpoint has this "
                f"step or a later one. The step's batch is in {kept}. {self._way_out()}"
            )
        self.skipped += 1
        message = f"Step {step.step} is skipped: {error.number} is not finite, so verl made no update. "
        self.context.log.emit(EventType.LOG, level="warning", message=f"{message}Its batch is in {kept}.")

    def _rows(self, step: VerlStep) -> Rows:
        """The step's batch: prompts, responses, and what verl says that they earned."""
        groups, batch = self.recorder.read(step)
        earned = [[step.rewards.get((t.uid, t.sample), math.nan) for t in group] for group in groups]
        return sampled_rows(batch.problems, batch.groups, earned)

    def _way_out(self) -> str:
        """Which checkpoint is good, and what to try."""
        steps = self.context.run.checkpoint_steps()
        return f"{where_to_go_on(steps, False)} {what_to_try(self.config.model.dtype != 'float32')}"

    def finish(self) -> dict[str, Any]:
        """Write what a finished run leaves; returns its result."""
        if self.config.keep_checkpoints is not None:
            prune_checkpoints(self.context.run, self.config.keep_checkpoints)
        parameters = self.sizes["matrix_parameters"]
        counts = finish_ledger(self.context, self.ledger, self.problems, parameters, self.step, self.config.seed)
        return {"steps": self.step, "flops": self.flops, **self.sizes, **counts}

    def _log(self) -> None:
        """Metrics averaged over the steps since the last time; each over those that had it."""
        values = {name: sum(found) / len(found) for name, found in self._unlogged.items()}
        if self.config.skip_not_finite_steps:
            values["steps_skipped"] = self.skipped
        self._unlogged.clear()
        emit_metrics(self.context.log, self.step, values, self.flops)

    def _export(self, probe: Sequence[int]) -> None:
        """Export verl's checkpoint of this step. Raises UserError when it is not finite. probe: ids of a prompt."""
        run = self.context.run
        with written_whole(self.folder.ledger(self.step)) as partial, partial.open("wb") as file:
            np.savez_compressed(file, counts=self.ledger.counts, costs=self.ledger.costs)
        metadata = checkpoint_metadata(
            self.config,
            flops=self.flops,
            tokens=self.tokens,
            tokenizer_hash=tokenizer_hash(self.tokenizer),
            made_by=self._made_by,
            changes=self._changes,
            skipped_steps=self.skipped,
            engine="verl",
        )
        dtype = getattr(torch, self.config.verl.export_dtype)
        try:
            export(self.folder.state(self.step), run, self.step, self.tokenizer, dtype, metadata, probe)
        except NotFiniteError as error:
            raise UserError(
                f"After step {self.step} {error.number} is not finite, so the run ends here, and this step does not "
                f"become a checkpoint. {self._way_out()}"
            ) from error
        self.saved_step = self.step
        emit_checkpoint(self.context, self.step)
        self.folder.remove_states_before(self.step)
        if self.config.verl.raw_files == "remove":
            self.folder.remove_raw(self.step)
        if self.config.keep_checkpoints is not None:  # the end removes those that wait for their evaluation
            prune_checkpoints(run, self.config.keep_checkpoints, spared=self.config.evaluate_at_steps)

    def _resume(self) -> None:
        """Go back to the newest export, and remove what verl has saved after it."""
        newest = self.context.run.newest_checkpoint()
        if newest is not None:
            refuse_other_engine(self.context.run, "verl")
            metadata = read_metadata(newest)
            self._changes = compare(self.context, self.config, newest, metadata, self._made_by)
            refuse_earlier_end(newest, metadata, self.config, {"step": self.config.steps})
            self.step = self.saved_step = int(metadata["step"])
            self.flops, self.tokens = float(metadata["flops"]), int(metadata["tokens"])
            self.skipped = int(metadata.get("skipped_steps", 0))
            counts = self.folder.ledger(self.step)
            with reading(counts, f"Start a new run from {newest}."), np.load(counts) as saved:
                self.ledger.counts[:], self.ledger.costs[:] = saved["counts"], saved["costs"]
            if self.step < self.config.steps and not self.folder.state(self.step).is_dir():
                raise UserError(
                    f"verl's checkpoint {self.folder.state(self.step)} is gone, so the run cannot continue. Start a "
                    f"new run from {newest}."
                )
        self.folder.remove_states_but(self.step or None)


def model_sizes(path: str) -> dict[str, int]:
    """`rpt_core.models.flops.sizes` without loading weights.

    Raises UserError when the folder's weights are not the model's, which verl's own loader would not tell.
    """
    return sizes(checked_shape(path))
