"""The policy in training, as rewards see it: probabilities of next tokens, and a moving average of its weights.

In: the training loop. Out: a `rpt_core.rewards.Policy`. The average's weights are float32 and part of the checkpoints,
so that a resumed run scores as one without a break.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch

from rpt_core.models import flops
from rpt_core.text.tokens import Tokenizer
from rpt_core.train.log_probs import next_token_log_probs
from rpt_core.train.loop import TrainingLoop

KEPT = "moving_average"
"""Name of the average's tensors in a checkpoint."""


class LoopPolicy:
    """The policy of a training loop, with the weights that it has at the time."""

    def __init__(self, loop: TrainingLoop, batch_rows: int = 128, model: Any = None) -> None:
        self.loop, self.batch_rows = loop, batch_rows
        self.model = loop.model if model is None else model

    @property
    def tokenizer(self) -> Tokenizer:
        """The policy's."""
        return self.loop.tokenizer

    def next_token_log_probs(
        self, contexts: Sequence[Sequence[int]], candidates: Sequence[Sequence[int]]
    ) -> list[list[float]]:
        """Log-probs of each context's candidates as its next token, without gradients."""
        with self.loop.precision():
            return next_token_log_probs(self.model, contexts, candidates, self.batch_rows)

    def forward_flops(self, tokens: int) -> float:
        """FLOPs of a forward pass over so many tokens."""
        return flops.forward_flops(self.loop.matrix_parameters, tokens)

    def moving_average(self, decay: float) -> MovingAverage:
        """A second policy whose weights are the moving average of this one's."""
        return MovingAverage(self.loop, self.batch_rows, decay)


class MovingAverage(LoopPolicy):
    """A policy whose weights follow those of another one slowly."""

    def __init__(self, loop: TrainingLoop, batch_rows: int, decay: float) -> None:
        super().__init__(loop, batch_rows, copy.deepcopy(loop.model).requires_grad_(False))
        self.decay = decay
        self.weights = dict(self.model.named_parameters())
        loop.keep(KEPT, self.weights)

    @torch.no_grad()
    def update(self) -> None:
        """Move each weight by the share `1 - decay` towards the policy's."""
        for name, parameter in self.loop.model.named_parameters():
            self.weights[name].lerp_(parameter, 1 - self.decay)
