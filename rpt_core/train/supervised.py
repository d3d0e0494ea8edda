"""Supervised training on token sequences: what the stages `ntp` and `sft` share.

In: examples (token ids, and from which token on the loss counts). Out: one optimiser step for each batch. Batches hold
sequences of similar length, for little padding, and come in an order that depends on (seed, epoch) alone. Logits exist
only where the loss counts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from rpt_core.config import BudgetConfig
from rpt_core.errors import NotFiniteError, UserError
from rpt_core.models.flops import training_flops
from rpt_core.run.folder import RunDir
from rpt_core.run.products import product
from rpt_core.seeds import derive_seed
from rpt_core.text.tokens import Tokenizer
from rpt_core.train.log_probs import target_log_probs
from rpt_core.train.loop import StepResult, TrainingEnd, TrainingLoop
from rpt_core.train.not_finite import AtHand, Rows

SORTED_BATCHES = 32
"""Sequences for so many batches are sorted by length together; more would make the order less random."""


@dataclass(frozen=True)
class Example:
    """A sequence to learn from; the loss counts the tokens from index `start` on (at least 1)."""

    ids: Sequence[int]
    start: int


class LengthBatches:
    """An endless series of batches: a new random order each epoch, sequences of similar length together."""

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int) -> None:
        self._lengths, self._batch_size, self._seed = np.asarray(lengths), batch_size, seed
        self.per_epoch = math.ceil(len(lengths) / batch_size)
        self._epoch, self._batches = -1, list[list[int]]()

    def at(self, step: int) -> list[int]:
        """Indices of the sequences of the batch that follows `step` batches."""
        epoch, number = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            self._epoch, self._batches = epoch, self._plan(epoch)
        return self._batches[number]

    def _plan(self, epoch: int) -> list[list[int]]:
        random = np.random.default_rng(derive_seed(self._seed, "data order", epoch))
        order = random.permutation(len(self._lengths))
        batches: list[list[int]] = []
        for start in range(0, len(order), self._batch_size * SORTED_BATCHES):
            chunk = order[start : start + self._batch_size * SORTED_BATCHES]
            chunk = chunk[np.argsort(self._lengths[chunk], kind="stable")]
            cut = [chunk[k : k + self._batch_size].tolist() for k in range(0, len(chunk), self._batch_size)]
            batches += [cut[k] for k in random.permutation(len(cut))]
        return batches


def limit_of(budget: BudgetConfig, steps_per_epoch: float) -> TrainingEnd:
    """The budget as a limit: of steps where it can be, else of compute or of tokens.

    Raises UserError when the run that `flops_of` names has not counted any compute.
    """
    if budget.epochs is not None:
        # Rounded up, but not because of the last bit of a product.
        return TrainingEnd(steps=max(1, math.ceil(budget.epochs * steps_per_epoch - 1e-9)))
    flops = budget.flops if budget.flops_of is None else spent_flops(Path(budget.flops_of))
    return TrainingEnd(steps=budget.steps, flops=flops, tokens=budget.tokens)


def spent_flops(folder: Path) -> float:
    """The training compute that the run in a folder has spent. Raises UserError when there is none."""
    if not folder.is_dir():
        raise UserError(f"{folder} does not exist. Name the folder of a run that has trained in `flops_of`.")
    return float(product(RunDir(folder), "flops"))


def train_on(loop: TrainingLoop, examples: Sequence[Example], batches: LengthBatches, batch_tokens: int) -> None:
    """Train to the loop's limit; `batch_tokens` bounds the padded tokens of one forward and backward pass."""

    def do_step(step: int) -> StepResult:
        rows = [examples[i] for i in batches.at(step)]
        tokens = sum(len(row.ids) for row in rows)
        flops = training_flops(loop.matrix_parameters, tokens)
        loop.at_hand = AtHand(partial(told, loop.tokenizer, rows), tokens, tokens, flops, rows[0].ids)
        return StepResult(learn(loop, rows, batch_tokens), tokens, flops)

    loop.run(do_step)


def learn(loop: TrainingLoop, rows: Sequence[Example], batch_tokens: int) -> dict[str, float]:
    """One optimiser update; returns its metrics. Raises NotFiniteError, weights unchanged, when one is not finite."""
    with loop.precision():
        loss = accumulate_loss(loop.model, rows, batch_tokens)
    if not math.isfinite(loss):
        raise NotFiniteError("the loss", loss)
    return {"loss": loss, **loop.update()}


def told(tokenizer: Tokenizer, rows: Sequence[Example]) -> Rows:
    """Rows of a batch for people to look at."""
    for row in rows:
        yield {"text": tokenizer.decode(list(row.ids)), "token_ids": list(row.ids), "loss_from_token": row.start}


def accumulate_loss(model: Any, rows: Sequence[Example], batch_tokens: int) -> float:
    """Add the gradient of the rows' mean loss over counted tokens, in nats, and return it."""
    counted = sum(len(row.ids) - row.start for row in rows)
    total = 0.0
    for part in _parts(rows, batch_tokens):
        log_probs = target_log_probs(model, [row.ids for row in part], [row.start for row in part])
        loss = -log_probs.sum() / counted
        loss.backward()  # type: ignore[no-untyped-call]  # torch has no type for it
        total += loss.item()
    return total


def _parts(rows: Sequence[Example], batch_tokens: int) -> list[list[Example]]:
    """Rows by length, cut where their padded tokens would be too many."""
    parts: list[list[Example]] = []
    for row in sorted(rows, key=lambda row: len(row.ids), reverse=True):
        if parts and (len(parts[-1]) + 1) * len(parts[-1][0].ids) <= batch_tokens:
            parts[-1].append(row)
        else:
            parts.append([row])
    return parts
