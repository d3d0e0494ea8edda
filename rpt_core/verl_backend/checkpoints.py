"""How far a verl run is: its steps, compute and ledger, and the exports that a resume goes on from.

In: the steps that verl has done, one after the other. Out: metrics events, and at each checkpoint of verl's the run's
own checkpoint of that step. A run resumes from the newest step that was exported: what verl did behind it is not
recorded whole, or its checkpoint may be half written.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import torch

from rpt_core.checkpoints import folder_bytes, prune_checkpoints, read_metadata, remove_leftovers
from rpt_core.config import RptConfig
from rpt_core.errors import UserError
from rpt_core.events import EventType
from rpt_core.flops import sizes
from rpt_core.ledger import Ledger, ledger_tables, write_ledger, write_lists
from rpt_core.problems import ProblemSet
from rpt_core.result_tables import emit_table
from rpt_core.stage import StageContext
from rpt_core.tokens import Tokenizer, tokenizer_hash
from rpt_core.verl_backend.export import export
from rpt_core.verl_backend.folder import VerlFolder
from rpt_core.verl_backend.records import StepRecorder
from rpt_core.verl_backend.reward import reward_without_model
from rpt_core.verl_backend.traces import VerlStep


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
        self._unlogged: dict[str, list[float]] = defaultdict(list)
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
        recorded = self.recorder.record(step)
        self.step = step.step
        self.flops += recorded.flops
        self.tokens += recorded.trained_tokens
        write_ledger(self.context.run, self.ledger, self.problems)
        for name, value in recorded.values.items():
            self._unlogged[name].append(value)
        is_saved = self.step % self.config.checkpoint_every_steps == 0 or self.step == self.config.steps
        if is_saved or self.step % self.config.log_every_steps == 0:
            self._log()
        if is_saved:
            self._export()

    def finish(self) -> dict[str, Any]:
        """Write what a finished run leaves; returns its result."""
        if self.config.keep_checkpoints is not None:
            prune_checkpoints(self.context.run, self.config.keep_checkpoints)
        write_lists(self.context.run, self.ledger, self.problems)
        for table in ledger_tables(self.ledger, self.sizes["matrix_parameters"], self.step, self.config.seed):
            emit_table(self.context.run, self.context.log, table)
        return {
            "steps": self.step,
            "flops": self.flops,
            **self.sizes,
            "positions": len(self.ledger.kept),
            "positions_tried": int(self.ledger.seen().sum()),
            "positions_never_solved": int(self.ledger.never_solved().sum()),
            "positions_always_solved": int(self.ledger.always_solved().sum()),
        }

    def _log(self) -> None:
        """Metrics averaged over the steps since the last time; each over those that had it."""
        values = {name: sum(found) / len(found) for name, found in self._unlogged.items()}
        self._unlogged.clear()
        self.context.log.emit(EventType.METRICS, step=self.step, values=values, flops=self.flops)

    def _export(self) -> None:
        run, ledger_file = self.context.run, self.folder.ledger(self.step)
        ledger_file.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(ledger_file, counts=self.ledger.counts, costs=self.ledger.costs)
        metadata = {
            "flops": self.flops,
            "tokens": self.tokens,
            "stage": self.config.stage,
            "engine": "verl",
            "seed": self.config.seed,
            "tokenizer_hash": tokenizer_hash(self.tokenizer),
        }
        dtype = getattr(torch, self.config.verl.export_dtype)
        path = export(self.folder.state(self.step), run, self.step, self.tokenizer, dtype, metadata)
        self.saved_step = self.step
        self.context.log.emit(
            EventType.CHECKPOINT, step=self.step, path=run.relative(path), bytes=folder_bytes(path), flops=self.flops
        )
        self.folder.remove_states_before(self.step)
        if self.config.verl.raw_files == "remove":
            self.folder.remove_raw(self.step)
        if self.config.keep_checkpoints is not None:  # the end removes those that wait for their evaluation
            prune_checkpoints(run, self.config.keep_checkpoints, spared=self.config.evaluate_at_steps)

    def _resume(self) -> None:
        """Go back to the newest export, and remove what verl has saved behind it."""
        newest = self.context.run.newest_checkpoint()
        if newest is not None:
            metadata = read_metadata(newest)
            self.step = self.saved_step = int(metadata["step"])
            self.flops, self.tokens = float(metadata["flops"]), int(metadata["tokens"])
            with np.load(self.folder.ledger(self.step)) as saved:
                self.ledger.counts[:], self.ledger.costs[:] = saved["counts"], saved["costs"]
            if self.step < self.config.steps and not self.folder.state(self.step).is_dir():
                raise UserError(
                    f"verl's checkpoint {self.folder.state(self.step)} is gone, so that the run cannot go on. Start a "
                    f"new run from {newest}."
                )
        self.folder.remove_states_but(self.step or None)


def model_sizes(path: str) -> dict[str, int]:
    """`rpt_core.flops.sizes` without loading weights."""
    from transformers import AutoConfig, AutoModelForCausalLM

    with torch.device("meta"):
        config = AutoConfig.from_pretrained(path)
        model = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]  # transformers has no type for it
    return sizes(model)
