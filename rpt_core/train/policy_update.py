"""The update of the policy from a step's judged groups: GRPO with its options.

In: a Batch, the training loop with the policy and its optimiser. Out: new weights, metrics, compute. Section 3.3 and
Table 5 of the paper are the defaults: one exactly on-policy update for each batch, no KL and no entropy term.

- Groups of equal rewards have no advantage: their forward pass is skipped, and the loss is a mean over the others. With
  a KL or an entropy term they count, since these terms want every response. Without anything to learn from, the
  weights stay as they are.
- Mini-batches: groups in an order that follows from seed and step, an optimiser update for each `minibatch_groups`. The
  ratio's old log-probs are those of the policy before the first of them, under this trainer and not under the sampler,
  whose rounding differs. Dropped groups can leave the last mini-batch smaller.
- The KL term is to the model that training started from; all terms see the distribution that was sampled, temperature
  included, and are aggregated alike.
- `overlong: mask` leaves out responses that the limit cut; their rewards have still made the others' advantages.
- Tokens that a reward does not depend on (`Reward.credited_tokens`) are left out, as are the passes over them.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from rpt_core.config import GrpoConfig, SamplingConfig
from rpt_core.errors import NotFiniteError
from rpt_core.models.checkpoints import load_model
from rpt_core.models.flops import forward_flops, training_flops
from rpt_core.rewards.base import Reward
from rpt_core.seeds import derive_seed
from rpt_core.train.batch import Batch
from rpt_core.train.grpo import aggregate, clipped_gains, is_clipped, k3_divergence, live_groups
from rpt_core.train.log_probs import score_tokens, target_log_probs
from rpt_core.train.loop import TrainingLoop


@dataclass(frozen=True)
class PolicyRow:
    """One response to learn from."""

    ids: list[int]
    """Prompt and response, up to the last token that is learnt from."""
    start: int
    """Index of the response's first token."""
    advantage: float
    log_probs: list[float]
    """As the sampler had them."""


@dataclass(frozen=True)
class UpdateResult:
    """What an update did; without metrics when there was nothing to learn from."""

    metrics: dict[str, float]
    trained_tokens: int
    """Tokens in forward and backward passes."""
    flops: float
    """Of the update: training, old log-probs and the reference model's pass included."""


@dataclass
class _Part:
    """Rows of one forward and backward pass."""

    rows: list[PolicyRow]
    old_log_probs: Tensor | None = None
    """Of the policy before the batch's first update; None while the weights are still those."""

    @property
    def lengths(self) -> list[int]:
        """Response tokens of each row."""
        return [len(row.log_probs) for row in self.rows]


@dataclass(frozen=True)
class _Terms:
    """What the tokens of a part bring to the loss, each (tokens,)."""

    log_probs: Tensor
    old_log_probs: Tensor
    advantages: Tensor
    entropies: Tensor
    divergences: Tensor | None
    """From the reference; None without one."""


class PolicyUpdate:
    """Turns batches into optimiser updates."""

    def __init__(
        self, config: GrpoConfig, loop: TrainingLoop, sampling: SamplingConfig, reward: Reward | None = None
    ) -> None:
        """reward: says which tokens of a response are learnt from; all without one."""
        self.config, self.loop, self.temperature, self.reward = config, loop, sampling.temperature, reward
        self.reference = _load_reference(loop) if config.kl_coefficient else None
        self.made = 0
        """Optimiser updates of the last batch that have changed the weights."""

    def update(self, batch: Batch[Any]) -> UpdateResult:
        """All optimiser updates of a batch.

        Raises NotFiniteError at the first whose loss or gradient norm is not finite; those before it have been made.
        """
        self.made = 0
        by_update = [parts_by_length(rows, self.config.batch_rows) for rows in self._rows_by_update(batch) if rows]
        if not by_update:
            return UpdateResult({}, 0, 0.0)
        # The first update is on-policy: its ratios are 1 and its old log-probs those of its own pass. The later ones
        # need the policy as it was before the first, so these passes come now.
        for parts in by_update[1:]:
            self._keep_old_log_probs(parts)
        sums = defaultdict[str, float](float)
        for parts in by_update:
            done = self._update(parts, sums, by_update)
        metrics = {**self._metrics(sums, by_update), "learning_rate": done["learning_rate"]}
        return UpdateResult(metrics, *self._cost(by_update))

    def _update(
        self, parts: Sequence[_Part], sums: dict[str, float], by_update: Sequence[Sequence[_Part]]
    ) -> dict[str, float]:
        try:
            loss = self._accumulate(parts, sums)
            if not math.isfinite(loss):
                raise NotFiniteError("the loss", loss)
            done = self.loop.update()
        except NotFiniteError:
            self.loop.at_hand.add_update(*self._cost(by_update[: self.made + 1]))
            raise
        self.made += 1
        sums["loss"] += loss
        sums["gradient_norm"] += done["gradient_norm"]
        return done

    def _rows_by_update(self, batch: Batch[Any]) -> list[list[PolicyRow]]:
        """The responses of each mini-batch that count."""
        # Groups of equal rewards have advantage 0: they count only where another term gives them a gradient.
        all_count = self.config.kl_coefficient > 0 or self.config.entropy_coefficient > 0
        counts = (live_groups(batch.rewards) | all_count).tolist()
        skip_cut = self.config.overlong == "mask"
        seed = derive_seed(self.loop.config.seed, "mini-batches", self.loop.step)
        return [
            [row for n in groups if counts[n] for row in policy_rows(batch, n, skip_cut, self.reward)]
            for groups in minibatches(len(batch.groups), self.config.minibatch_groups, seed)
        ]

    def _keep_old_log_probs(self, parts: Sequence[_Part]) -> None:
        for part in parts:
            part.old_log_probs = self._fixed_log_probs(self.loop.model, part)

    def _accumulate(self, parts: Sequence[_Part], sums: dict[str, float]) -> float:
        """Add the gradient of an update's loss; returns it, and adds to the sums over tokens."""
        loss, weights = 0.0, [self._weight(part) for part in parts]
        for part, weight in zip(parts, weights, strict=True):
            with self.loop.precision():
                terms = self._terms(part)
                # Gradients of the parts add up to that of the mean over the whole mini-batch.
                part_loss = self._mean_loss(terms, part) * (weight / sum(weights))
                part_loss.backward()  # type: ignore[no-untyped-call]  # torch has no type for it
            loss += part_loss.item()
            self._add(sums, terms, part)
            self.loop.progress("updating the policy")
        return loss

    def _weight(self, part: _Part) -> int:
        """How many things the loss of a part is the mean of."""
        return sum(part.lengths) if self.config.aggregation == "token" else len(part.rows)

    def _terms(self, part: _Part) -> _Terms:
        ids, starts = [row.ids for row in part.rows], [row.start for row in part.rows]
        wants_entropy = self.config.entropy_coefficient > 0
        scores = score_tokens(self.loop.model, ids, starts, self.temperature, wants_entropy)
        log_probs = scores.log_probs
        old = log_probs.detach() if part.old_log_probs is None else part.old_log_probs
        # A response has one advantage, which all its tokens share: (rows,) -> (tokens,).
        lengths = torch.tensor(part.lengths)
        advantages = torch.tensor([row.advantage for row in part.rows]).repeat_interleave(lengths).to(old.device)
        divergences = None
        if self.reference is not None:
            divergences = k3_divergence(log_probs, self._fixed_log_probs(self.reference, part))
        return _Terms(log_probs, old, advantages, scores.entropies, divergences)

    def _mean_loss(self, terms: _Terms, part: _Part) -> Tensor:
        config = self.config

        def mean(values: Tensor) -> Tensor:
            return aggregate(values, part.lengths, config.aggregation)

        gains = clipped_gains(terms.log_probs, terms.old_log_probs, terms.advantages, config.clip_low, config.clip_high)
        loss = -mean(gains)  # optimisers minimise, and gains are to grow
        if terms.divergences is not None:
            loss = loss + config.kl_coefficient * mean(terms.divergences)
        # Less the entropy: a policy that stays uncertain among tokens goes on exploring.
        if config.entropy_coefficient:
            loss = loss - config.entropy_coefficient * mean(terms.entropies)
        return loss

    @torch.no_grad()
    def _fixed_log_probs(self, model: Any, part: _Part) -> Tensor:
        """Log-probs of a part's responses under a model that is not trained on them."""
        ids, starts = [row.ids for row in part.rows], [row.start for row in part.rows]
        with self.loop.precision():
            return target_log_probs(model, ids, starts, self.temperature)

    @torch.no_grad()
    def _add(self, sums: dict[str, float], terms: _Terms, part: _Part) -> None:
        """Add a part's sums over tokens to what the metrics are made of."""
        old = terms.old_log_probs
        # The sampler rounds differently from the trainer; a large gap means that the policy learns from responses that
        # it would not have written.
        sampled = torch.tensor([value for row in part.rows for value in row.log_probs], device=old.device)
        sums["sampler_log_prob_gap"] += float((sampled - old).abs().sum())
        sums["entropy_nats"] += float(terms.entropies.sum())
        if terms.divergences is not None:
            sums["kl"] += float(terms.divergences.sum())
        # With one update for a batch every ratio is 1 and nothing is clipped.
        if self.config.minibatch_groups is not None:
            ratio = (terms.log_probs - old).exp()
            clipped = is_clipped(ratio, terms.advantages, self.config.clip_low, self.config.clip_high)
            sums["ratio_mean"] += float(ratio.sum())
            sums["share_clipped"] += float(clipped.sum())

    @staticmethod
    def _metrics(sums: dict[str, float], by_update: Sequence[Sequence[_Part]]) -> dict[str, float]:
        """Means over updates of what each has once, and over tokens of the rest."""
        tokens = sum(sum(part.lengths) for parts in by_update for part in parts)
        once = {"loss", "gradient_norm"}
        return {name: value / (len(by_update) if name in once else tokens) for name, value in sums.items()}

    def _cost(self, by_update: Sequence[Sequence[_Part]]) -> tuple[int, float]:
        """Trained tokens, and FLOPs with those of the passes without gradients."""
        tokens = [sum(len(row.ids) for part in parts for row in part.rows) for parts in by_update]
        parameters = self.loop.matrix_parameters
        # Every update but the first has a forward pass for its old log-probs.
        flops = training_flops(parameters, sum(tokens)) + forward_flops(parameters, sum(tokens[1:]))
        if self.reference is not None:
            flops += forward_flops(parameters, sum(tokens))
        return sum(tokens), flops


def minibatches(groups: int, size: int | None, seed: int) -> list[list[int]]:
    """Numbers of the groups of each update: all in their order, or at most `size` each in a random one."""
    if size is None or size >= groups:
        return [list(range(groups))]
    order = torch.randperm(groups, generator=torch.Generator().manual_seed(seed)).tolist()
    return [order[start : start + size] for start in range(0, groups, size)]


def policy_rows(batch: Batch[Any], group: int, skip_cut: bool = False, reward: Reward | None = None) -> list[PolicyRow]:
    """The responses of a group, each up to the last token that the reward depends on.

    skip_cut leaves out the responses that the length limit cut.
    """
    prompt = batch.problems[group].prompt_ids
    rows = []
    for rollout, advantage in zip(batch.groups[group], batch.advantages[group].tolist(), strict=True):
        if skip_cut and rollout.finish_reason == "length":
            continue
        # Tokens after `end` cannot have changed the reward: a gradient for them would be noise.
        end = len(rollout.token_ids) if reward is None else reward.credited_tokens(rollout)
        ids = [*prompt, *rollout.token_ids[:end]]
        rows.append(PolicyRow(ids, len(prompt), advantage, rollout.log_probs[:end]))
    return rows


def parts_by_length(rows: Sequence[PolicyRow], batch_rows: int) -> list[_Part]:
    """Rows of similar length together, for little padding."""
    ordered = sorted(rows, key=lambda row: len(row.ids))
    return [_Part(ordered[start : start + batch_rows]) for start in range(0, len(ordered), batch_rows)]


def _load_reference(loop: TrainingLoop) -> Any:
    """The model that training started from, whatever has been trained since."""
    assert loop.config.model is not None  # stages that update a policy have one
    model, _ = load_model(loop.config.model)
    return model.requires_grad_(False)
