"""Sampling with a transformers model in this process: the engine for small models, and for one GPU.

In: a causal language model, its tokenizer, prompts. Out: groups of rollouts, with log-probs of the very distribution
that was sampled (logits divided by the temperature, no top-p or top-k; section 3.3 of the paper samples at 0.8).

How it is made fast: prompts are batched by length; each prompt runs through the model once, and its keys and values are
shared by its group; generated ones are written in place; finished rows are dropped. Prompts are padded on the right, so
that the prompt pass needs no mask but the causal one; position numbers are given explicitly. Public behaviour of
transformers is used: `position_ids`, a prepared four-dimensional additive `attention_mask`, `get_output_embeddings`, a
cache object, and an attention function of our own (`rpt_core.inference.attention`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from weakref import WeakSet

import torch
from torch import Tensor

from rpt_core.config import SamplingConfig
from rpt_core.errors import UserError
from rpt_core.inference.attention import lock_step_attention
from rpt_core.inference.cache import LockStepCache
from rpt_core.inference.limits import sampler_refusal
from rpt_core.inference.rollout import SAMPLED_LOG_PROB, Rollout, token_ends
from rpt_core.inference.self_check import Decoded, refuse_other_sampling
from rpt_core.models.finite import output_not_finite
from rpt_core.text.tokens import Tokenizer, end_token_ids, refuse_without_end, token_bytes

COMPACT_SHARE = 0.25
"""Finished rows are dropped once they are this share of all rows: copying the cache at each end would cost more."""
_equal: WeakSet[Any] = WeakSet()
"""Models whose log-probs through the sampler were compared with their own."""


class TransformersSampler:
    """Samples from a model in memory. Later changes of the model's weights count from the next call on.

    before_token is called before each token of a batch; what it raises ends the sampling. So does a log-prob that is
    not finite (NotFiniteError).
    """

    def __init__(self, model: Any, tokenizer: Tokenizer, before_token: Callable[[], None] | None = None) -> None:
        self.before_token = before_token
        self.model = model
        self.tokenizer = tokenizer
        self.end_ids = end_token_ids(model.generation_config, tokenizer)

    def sample(
        self, prompts: Sequence[Sequence[int]], group_size: int, config: SamplingConfig, seed: int
    ) -> list[list[Rollout]]:
        """A group of responses to each prompt, none of them empty.

        Raises UserError for a model that cannot be sampled here.
        """
        self.model.eval()
        refuse_without_end(self.end_ids, str(self.model.name_or_path))
        self._check_length(max(map(len, prompts), default=0) + config.max_response_tokens)
        try:
            return self._sample(prompts, group_size, config, seed)
        except (UserError, MemoryError, torch.OutOfMemoryError):
            raise
        except Exception:
            self.refuse_unless_equal()  # which says so in words when it is the model that does not work here
            raise

    @torch.inference_mode()
    def _sample(
        self, prompts: Sequence[Sequence[int]], group_size: int, config: SamplingConfig, seed: int
    ) -> list[list[Rollout]]:
        generator = torch.Generator(self.model.device).manual_seed(seed)
        groups: list[list[Rollout]] = [[] for _ in prompts]
        for batch in _batches_by_length(prompts, max(1, config.batch_rows // group_size)):
            decoding = _Decoding(self.model, [prompts[i] for i in batch], group_size, config, self.end_ids, generator)
            with lock_step_attention(self.model):
                rows = decoding.run(self.before_token)
            for i in batch:
                groups[i] = [self._rollout(config, *next(rows)) for _ in range(group_size)]
        return groups

    def refuse_unless_equal(self) -> None:
        """Raise UserError unless a few tokens through this sampler get the log-probs of the model's own pass.

        Both sides of whatever changes with the length are near the first token, or refused by the config alone.
        """
        if self.model in _equal:
            return
        self.model.eval()
        refuse_other_sampling(self.model, self._decode)
        _equal.add(self.model)

    @torch.inference_mode()
    def _decode(self, prompts: Sequence[Sequence[int]], group_size: int, tokens: int) -> list[Decoded]:
        """Ids and log-probs of each row, without an end, at temperature 1."""
        config = SamplingConfig(temperature=1.0, max_response_tokens=tokens)
        generator = torch.Generator(self.model.device).manual_seed(0)
        decoding = _Decoding(self.model, prompts, group_size, config, [], generator)
        with lock_step_attention(self.model):
            return [(ids, log_probs) for ids, log_probs, _ in decoding.run(None)]

    def _check_length(self, tokens: int) -> None:
        """The prepared masks let every layer see everything: right only while nothing is longer than a window."""
        if (refusal := sampler_refusal(self.model.config, tokens, type(self.model).__name__)) is not None:
            raise UserError(refusal)

    def _rollout(
        self, config: SamplingConfig, ids: list[int], log_probs: list[float], entropies: list[float] | None
    ) -> Rollout:
        ended = ids[-1] in self.end_ids
        pieces = token_bytes(self.tokenizer, ids[:-1] if ended else ids, at_start=False)
        found = Rollout(ids, b"".join(pieces), log_probs, "stop" if ended else "length")
        if entropies is None:
            return found
        return replace(found, record=config.record_tokens, token_ends=token_ends(pieces, len(ids)), entropies=entropies)


def _batches_by_length(prompts: Sequence[Sequence[int]], size: int) -> Iterator[list[int]]:
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    return (order[start : start + size] for start in range(0, len(order), size))


class _Decoding:
    """One batch from its prompts to its last token. Rows are numbered prompt by prompt, response by response."""

    def __init__(
        self,
        model: Any,
        prompts: Sequence[Sequence[int]],
        group_size: int,
        config: SamplingConfig,
        end_ids: list[int],
        generator: torch.Generator,
    ) -> None:
        self.model, self.generator, self.temperature = model, generator, config.temperature
        self.max_new = config.max_response_tokens
        self.cache = LockStepCache(group_size, self.max_new)
        device = model.device
        self.end_ids = torch.tensor(end_ids, dtype=torch.long, device=device)
        lengths = torch.tensor([len(prompt) for prompt in prompts], device=device)
        self.logits = self._read_prompts(prompts, lengths).repeat_interleave(group_size, 0)  # (rows, vocabulary)
        self.cache.start_rows()
        slots = torch.arange(int(lengths.max()), device=device)
        self.mask = self._additive(slots < lengths[:, None])[:, None, None]  # (groups, 1, 1, prompt slots)
        self.positions = lengths.repeat_interleave(group_size, 0)  # of the next token
        rows = len(prompts) * group_size
        self.live = torch.arange(rows, device=device)  # row numbers of the rows that are still in the batch
        self.finished = torch.zeros(rows, dtype=torch.bool, device=device)
        self.ids = torch.zeros(rows, self.max_new, dtype=torch.long, device=device)
        self.log_probs = torch.zeros(rows, self.max_new, device=device)
        self.entropies = torch.zeros(rows, self.max_new, device=device) if config.record_tokens != "none" else None
        self.counts = torch.zeros(rows, dtype=torch.long, device=device)

    def run(
        self, before_token: Callable[[], None] | None
    ) -> Iterator[tuple[list[int], list[float], list[float] | None]]:
        """Decode all rows; yields ids and log-probs of each, and entropies where they are recorded."""
        for step in range(self.max_new):
            if before_token is not None:
                before_token()
            chosen, log_probs = choose(self.logits, self.temperature, self.generator)
            self.ids[self.live, step] = chosen
            self.log_probs[self.live, step] = log_probs
            if self.entropies is not None:
                self.entropies[self.live, step] = entropies_of(self.logits, self.temperature)
            if not math.isfinite(log_probs.sum()):
                self._check(log_probs)
            self.counts[self.live] += ~self.finished
            self.finished |= torch.isin(chosen, self.end_ids)
            done = int(self.finished.sum())
            if done == len(self.live) or step == self.max_new - 1:
                break
            if done >= COMPACT_SHARE * len(self.live):
                chosen = self._drop_finished(chosen)
            self._read_tokens(chosen)
        counts = self.counts.tolist()
        entropies = [None] * len(counts) if self.entropies is None else self.entropies.tolist()
        rows = zip(self.ids.tolist(), self.log_probs.tolist(), entropies, counts, strict=True)
        return ((ids[:n], log_probs[:n], nats and nats[:n]) for ids, log_probs, nats, n in rows)

    def _check(self, log_probs: Tensor) -> None:
        """Raise NotFiniteError unless what is sampled for the rows that go on has a probability, (rows,)."""
        bad = log_probs[~self.finished & ~log_probs.isfinite()]
        if len(bad):
            raise output_not_finite(SAMPLED_LOG_PROB, float(bad[0]), self.model.name_or_path)

    def _read_prompts(self, prompts: Sequence[Sequence[int]], lengths: Tensor) -> Tensor:
        """Fill the cache; returns the logits after each prompt's last token, (prompts, vocabulary)."""
        width = max(map(len, prompts))
        ids = torch.tensor([[*prompt, *[0] * (width - len(prompt))] for prompt in prompts], device=lengths.device)
        positions = torch.arange(width, device=lengths.device)
        causal = self._additive(positions[None, :] <= positions[:, None])[None, None]
        with _last_states_only(self.model, lengths):
            logits = self._forward(ids, causal, positions[None])[:, 0]
        if not self.cache.is_used:
            raise UserError(f"{type(self.model).__name__} keeps no keys and values; the sampler needs a transformer.")
        return logits

    def _read_tokens(self, chosen: Tensor) -> None:
        self.logits = self._forward(chosen[:, None], self.mask, self.positions[:, None])[:, -1]
        self.cache.next_slot()
        self.positions = self.positions + 1

    def _forward(self, ids: Tensor, mask: Tensor, positions: Tensor) -> Tensor:
        output = self.model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=self.cache,
            use_cache=True,
        )
        logits: Tensor = output.logits
        return logits

    def _additive(self, visible: Tensor) -> Tensor:
        mask = torch.zeros(visible.shape, dtype=self.model.dtype, device=visible.device)
        return mask.masked_fill_(~visible, torch.finfo(self.model.dtype).min)

    def _drop_finished(self, chosen: Tensor) -> Tensor:
        rows = (~self.finished).nonzero()[:, 0]
        groups = self.cache.keep(rows)
        if groups is not None:
            self.mask = self.mask[groups]
        self.live, self.positions, self.finished = self.live[rows], self.positions[rows], self.finished[rows]
        return chosen[rows]


@contextmanager
def _last_states_only(model: Any, lengths: Tensor) -> Iterator[None]:
    """In the block, the head reads the state of each row's last token alone: (rows, 1, vocabulary) of logits."""
    rows = torch.arange(len(lengths), device=lengths.device)
    hook = model.get_output_embeddings().register_forward_pre_hook(
        lambda _, inputs: (inputs[0][rows, lengths - 1][:, None],)
    )
    try:
        yield
    finally:
        hook.remove()


def entropies_of(logits: Tensor, temperature: float) -> Tensor:
    """Nats of the distribution that `choose` draws from, for each row of logits (rows, vocabulary)."""
    logs = torch.log_softmax(logits.float() / (temperature or 1.0), -1)
    entropies: Tensor = torch.special.entr(logs.exp()).sum(-1)
    return entropies


def choose(logits: Tensor, temperature: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """One token for each row of logits (rows, vocabulary), and its log-prob.

    Inverts the cumulative distribution at one uniform number a row: a fraction of the cost of noise for each logit.
    The sum is in double precision, so that rounding neither favours nor reaches tokens of probability 0.
    Temperature 0 takes the most probable token and reports its log-prob at temperature 1. A row that is not finite gets
    some token and a log-prob that is not finite.
    """
    probabilities = torch.softmax(logits.float() / (temperature or 1.0), -1)
    if temperature == 0:
        chosen = logits.argmax(-1)
    else:
        sums = probabilities.cumsum(-1, dtype=torch.float64)
        points = torch.rand(len(logits), 1, dtype=torch.float64, device=logits.device, generator=generator)
        chosen = torch.searchsorted(sums, points * sums[:, -1:], right=True)[:, 0]
        chosen = chosen.clamp_max(logits.shape[-1] - 1)  # beyond the last token where sums are NaN
    return chosen, probabilities.gather(-1, chosen[:, None])[:, 0].log()
