"""Sampling and scoring with vLLM: the engine for GPU nodes. The same protocol as with transformers.

In: a model's folder, prompts as token ids. Out: groups of rollouts with log-probs of the very distribution that was
sampled (temperature included); top-k entropies of whole texts for the token filter, from vLLM's prompt log-probs;
log-probs of options. Greedy responses have the log-probs of temperature 1, as in `rpt_core.inference.transformers`.

Requests are fed while others run, so many that memory stays bounded however many there are; prompts in the order of
their tokens, so that those which begin alike stand side by side and vLLM's prefix cache serves the positions of one
document as well as the responses of one group. vLLM runs in this process: the policy's new weights are handed over as
tensors, and a stop reaches it before the next token.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rpt_core.arrays import Floats
from rpt_core.config import ModelConfig, SamplingConfig, VllmConfig
from rpt_core.errors import UserError, said
from rpt_core.inference.entropy import ScoreRule, Scores, windows_of
from rpt_core.inference.rollout import SAMPLED_LOG_PROB, PromptWithOptions, Rollout, token_ends
from rpt_core.inference.vllm_cpu import is_cpu_build, prepare_cpu, share_cores
from rpt_core.models.finite import output_not_finite
from rpt_core.models.loading import checked_shape, refuse_unknown_tokens
from rpt_core.seeds import derive_seed
from rpt_core.text.tokens import Tokenizer, load_end_token_ids, load_tokenizer, refuse_without_end, token_bytes

MAX_TOP_K = 64
"""Most log-probs of one position that an engine started here gives."""
MAX_ROWS = 512
"""Most responses that the engine decodes together."""
PREFIX_BLOCK = 16
"""Tokens in a block of the prefix cache: on a CPU the default of 128 would never serve a short prompt."""
OPTIONS_BETWEEN_REPORTS = 256


@dataclass(frozen=True)
class Request:
    """Something for the engine to read or to answer."""

    ids: Sequence[int]
    parameters: Any
    """vLLM's SamplingParams."""
    size: int
    """Its part of what the engine may hold at one time: rows or tokens."""


class VllmEngine:
    """vLLM with one model loaded. Start it once: that takes seconds to minutes."""

    def __init__(self, model: ModelConfig, config: VllmConfig, longest: int | None, step_tokens: int = 2048) -> None:
        """longest: most tokens of a prompt with its response, or None for as many as the model takes.

        step_tokens: most tokens read in one pass, which bounds the logits that exist at one time; on a CPU at least
        one whole prompt. Raises UserError when vLLM or the model cannot start.
        """
        _check_device(model)
        prepare_cpu()
        if is_cpu_build() and config.tensor_parallel > 1:
            share_cores()
        try:
            from vllm import LLM
        except ImportError as error:
            raise UserError(
                f"vLLM does not load here ({said(error)}). Install it (docs/engines.md), or set `rollout_backend` to "
                "transformers."
            ) from error
        self.path = model.path
        limit, self.vocabulary = _shape(model.path)
        self.longest = limit if longest is None else min(longest + 1, limit)  # scoring wants room for one more
        self.end_ids = load_end_token_ids(model.path, load_tokenizer(model.path))
        try:
            self.llm = LLM(
                model=model.path,
                dtype=model.dtype,
                trust_remote_code=False,
                max_model_len=self.longest,
                tensor_parallel_size=config.tensor_parallel,
                gpu_memory_utilization=config.gpu_memory_share,
                max_num_seqs=min(MAX_ROWS, step_tokens),
                enable_prefix_caching=True,
                logprobs_mode="processed_logprobs",
                max_logprobs=MAX_TOP_K,
                **_build_options(step_tokens, self.longest),
            )
        except (ValueError, OSError, RuntimeError) as error:
            raise UserError(f"vLLM cannot start with the model {model.path!r}: {said(error)}.") from error
        self._asked = 0

    def load(self, model: Any) -> None:
        """Take over the weights of a transformers model of the same shape; cached prefixes are forgotten."""
        weights = [(name, tensor.detach()) for name, tensor in model.state_dict().items()]
        for left in self.llm.apply_model(lambda inner: _take_over(inner, weights)):
            if left:
                raise RuntimeError(f"vLLM keeps old weights, since the policy has none for {', '.join(left[:3])}")
        self.llm.reset_prefix_cache()

    def load_folder(self, path: str) -> None:
        """Take over the weights of another checkpoint of the same shape."""
        checked_shape(path)
        self.llm.collective_rpc("reload_weights", kwargs={"weights_path": path})
        self.llm.reset_prefix_cache()

    def run(
        self, requests: Iterable[Request], room: int, before_step: Callable[[], None] | None = None
    ) -> Iterator[tuple[int, Any]]:
        """Each request's number and vLLM's output, as they are ready.

        room: sizes that the engine holds at one time, though it always takes one request. before_step is called before
        each step of the engine; what it raises ends the work.
        """
        engine = self.llm.llm_engine
        inside: dict[str, tuple[int, Request]] = {}
        held = 0
        feed = enumerate(requests)
        coming = next(feed, None)
        try:
            while inside or coming is not None:
                while coming is not None and (not inside or held + coming[1].size <= room):
                    inside[self._add(coming[1])] = coming
                    held += coming[1].size
                    coming = next(feed, None)
                if before_step is not None:
                    before_step()
                for output in engine.step():
                    if output.finished:
                        number, request = inside.pop(output.request_id)
                        held -= request.size
                        yield number, output
        finally:
            engine.abort_request(list(inside))

    def _add(self, request: Request) -> str:
        self._asked += 1
        prompt = {"type": "token", "prompt_token_ids": list(request.ids)}
        self.llm.llm_engine.add_request(str(self._asked), prompt, request.parameters)
        return str(self._asked)


class VllmBackend:
    """A backend with one engine of vLLM in this process. `full` entropies are refused."""

    def __init__(
        self,
        model: ModelConfig,
        config: VllmConfig,
        longest: int | None,
        stop: Callable[[], None] | None,
        rule: ScoreRule,
    ) -> None:
        check_rule(rule)
        self.tokenizer, self.source = load_tokenizer(model.path), model.path
        self.engine = VllmEngine(model, config, longest, rule.chunk_positions)
        self.stop, self.rule = stop, rule
        self._sampler = VllmSampler(self.engine, self.tokenizer, stop)

    def sample(
        self, prompts: Sequence[Sequence[int]], group_size: int, config: SamplingConfig, seed: int
    ) -> list[list[Rollout]]:
        """A group of responses to each prompt, in the order of the prompts."""
        return self._sampler.sample(prompts, group_size, config, seed)

    def sample_with_seeds(
        self, prompts: Sequence[Sequence[int]], group_size: int, config: SamplingConfig, seeds: Sequence[int]
    ) -> list[list[Rollout]]:
        """As `sample`, with a seed for each prompt."""
        return self._sampler.sample_with_seeds(prompts, group_size, config, seeds)

    def score(self, sequences: Sequence[Sequence[int]]) -> list[Scores]:
        """Top-k entropy in nats and argmax at each token of each sequence."""
        return score(self.engine, sequences, self.rule, self.stop)

    def option_log_probs(
        self, questions: Sequence[PromptWithOptions], before_batch: Callable[[int, int], None]
    ) -> list[list[float]]:
        """Total log-prob of each option of each question. before_batch gets how many passes are done."""
        return option_log_probs(self.engine, questions, before_batch, self.rule.batch_tokens)

    def follow(self, policy: Any) -> None:
        """Take over the weights of the policy, a transformers model."""
        self.engine.load(policy)

    def follow_checkpoint(self, model: ModelConfig) -> None:
        """Take over the weights of another checkpoint of the same shape."""
        self.engine.load_folder(model.path)
        self.source = model.path


class VllmSampler:
    """Samples groups with an engine. before_token is called before each token; what it raises ends the sampling."""

    def __init__(
        self, engine: VllmEngine, tokenizer: Tokenizer, before_token: Callable[[], None] | None = None
    ) -> None:
        self.engine, self.tokenizer, self.before_token = engine, tokenizer, before_token

    def sample(
        self, prompts: Sequence[Sequence[int]], group_size: int, config: SamplingConfig, seed: int
    ) -> list[list[Rollout]]:
        """A group of responses to each prompt. A prompt's seed depends on its number alone, not on its neighbours."""
        return self.sample_with_seeds(prompts, group_size, config, [derive_seed(seed, n) for n in range(len(prompts))])

    def sample_with_seeds(
        self, prompts: Sequence[Sequence[int]], group_size: int, config: SamplingConfig, seeds: Sequence[int]
    ) -> list[list[Rollout]]:
        """The same with a seed for each prompt."""
        refuse_without_end(self.engine.end_ids, self.engine.path)
        self._check_length(max(map(len, prompts), default=0) + config.max_response_tokens)
        groups: list[list[Rollout]] = [[] for _ in prompts]
        order = by_prefix(prompts)
        requests = (Request(prompts[n], self._parameters(group_size, config, seeds[n]), group_size) for n in order)
        for at, output in self.engine.run(requests, config.batch_rows, self.before_token):
            found = sorted(output.outputs, key=lambda sample: sample.index)
            copies = group_size // len(found)  # greedy responses of a group are equal, and sampled once
            groups[order[at]] = [self._rollout(sample, config) for sample in found] * copies
        return groups

    def _parameters(self, group_size: int, config: SamplingConfig, seed: int) -> Any:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        # vLLM takes greedy requests for one sample only.
        return SamplingParams(
            n=group_size if config.temperature else 1,
            temperature=config.temperature,
            max_tokens=config.max_response_tokens,
            stop_token_ids=self.engine.end_ids,
            logprobs=0,
            seed=seed % 2**31,
            detokenize=False,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )

    def _check_length(self, tokens: int) -> None:
        if tokens > self.engine.longest:
            raise UserError(
                f"A prompt and its response may take {tokens} tokens, but vLLM was started for {self.engine.longest}, "
                "the model's limit or the run's. Lower `max_prompt_tokens` or `max_response_tokens`, or change the "
                "model."
            )

    def _rollout(self, output: Any, config: SamplingConfig) -> Rollout:
        ids = list(output.token_ids)
        ended = ids[-1] in self.engine.end_ids
        pieces = token_bytes(self.tokenizer, ids[:-1] if ended else ids, at_start=False)
        log_probs = [position[id_].logprob for id_, position in zip(ids, output.logprobs, strict=True)]
        if not math.isfinite(total := sum(log_probs)):
            raise output_not_finite(SAMPLED_LOG_PROB, total, self.engine.path)
        found = Rollout(ids, b"".join(pieces), log_probs, "stop" if ended else "length")
        if config.record_tokens == "none":
            return found
        return replace(found, record=config.record_tokens, token_ends=token_ends(pieces, len(ids)))


def by_prefix(prompts: Sequence[Sequence[int]]) -> list[int]:
    """Numbers of the prompts, those that begin alike side by side."""
    return sorted(range(len(prompts)), key=lambda n: tuple(prompts[n]))


def check_rule(rule: ScoreRule) -> None:
    """Raises UserError for entropies that vLLM cannot give."""
    if rule.entropy == "full":
        raise UserError(
            "`entropy` is full, but vLLM gives the most probable tokens only. Use renormalised or partial, or set "
            "`rollout_backend` to transformers."
        )
    if rule.top_k > MAX_TOP_K:
        raise UserError(f"`top_k` is {rule.top_k}; with vLLM it is at most {MAX_TOP_K}. Lower it or use transformers.")


def score(
    engine: VllmEngine,
    sequences: Sequence[Sequence[int]],
    rule: ScoreRule,
    before_step: Callable[[], None] | None = None,
) -> list[Scores]:
    """Top-k entropy in nats and argmax at each token, as `rpt_core.inference.entropy.score` gives them.

    Sequences longer than the engine takes are read in windows that overlap by half. At most `batch_tokens` tokens have
    their log-probs in memory at one time, or one sequence.
    """
    found = [Scores.missing(len(sequence)) for sequence in sequences]
    limit = engine.longest - 1  # vLLM wants room for one token more
    windows = [w for index, s in enumerate(sequences) for w in windows_of(index, len(s), limit)]
    top_k = min(rule.top_k, engine.vocabulary)
    parameters = _reading(top_k)
    requests = (Request(sequences[w.sequence][w.start : w.end], parameters, w.end - w.start) for w in windows)
    for number, output in engine.run(requests, rule.batch_tokens, before_step):
        window = windows[number]
        log_probs, ids = _table(output.prompt_logprobs, top_k)
        fresh = slice(window.new - window.start - 1, None)  # the first token of a window has none
        scores = found[window.sequence]
        # The text's own token comes first, whatever its rank.
        scores.entropies[window.new : window.end] = entropies_of(log_probs[fresh, 1:], rule.entropy == "renormalised")
        scores.argmax_ids[window.new : window.end] = ids[fresh, 1]
        scores.highest_probabilities[window.new : window.end] = np.exp(log_probs[fresh, 1])
    return found


def entropies_of(log_probs: Any, renormalise: bool) -> Floats:
    """(positions, k) log-probs -> entropies in nats, scaled to sum to 1 first or their part of the full entropy."""
    values = np.asarray(log_probs, np.float64)
    if renormalise:
        values = values - np.logaddexp.reduce(values, axis=1, keepdims=True)
    shares = np.exp(values)
    return np.asarray(-(shares * np.where(shares > 0, values, 0)).sum(1), np.float32)


def option_log_probs(
    engine: VllmEngine,
    questions: Sequence[PromptWithOptions],
    before_batch: Callable[[int, int], None],
    batch_tokens: int,
) -> list[list[float]]:
    """Total log-prob of each option of each question, as `rpt_core.inference.option_scores` gives them."""
    tokens, limit = max((question.tokens for question in questions), default=0), engine.longest - 1
    if tokens > limit:
        raise UserError(
            f"vLLM was started to read at most {limit} tokens, but a question with its options has {tokens}. Lower "
            "`max_prompt_tokens`, which leaves such questions out, or use another model."
        )
    found = [[0.0] * len(question.options) for question in questions]
    places = [(n, at) for n, question in enumerate(questions) for at in range(len(question.options))]
    texts = ([*questions[n].prompt_ids, *questions[n].options[at]] for n, at in places)
    parameters = _reading(0)
    before_batch(0, len(places))
    requests = (Request(text, parameters, len(text)) for text in texts)
    for done, (number, output) in enumerate(engine.run(requests, batch_tokens), 1):
        question, at = places[number]
        log_probs, _ = _table(output.prompt_logprobs, 0)
        found[question][at] = float(log_probs[-len(questions[question].options[at]) :].sum())
        if done % OPTIONS_BETWEEN_REPORTS == 0:
            before_batch(done, len(places))
    return found


def _reading(top_k: int) -> Any:
    """Parameters that give the log-probs of a text's own tokens and of the top k at each of them but the first."""
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    return SamplingParams(
        max_tokens=1,
        prompt_logprobs=top_k,
        flat_logprobs=True,
        detokenize=False,
        output_kind=RequestOutputKind.FINAL_ONLY,
    )


def _table(flat: Any, top_k: int) -> tuple[Any, Any]:
    """vLLM's flat log-probs of a text -> log-probs and ids, both (tokens - 1, 1 + k): its own token, then the top k."""
    shape = (-1, top_k + 1)
    return np.asarray(flat.logprobs).reshape(shape), np.asarray(flat.token_ids).reshape(shape)


def _check_device(model: ModelConfig) -> None:
    build, other = ("CPUs", "cuda") if is_cpu_build() else ("GPUs", "cpu")
    if model.device == other:
        raise UserError(
            f"`device` is {other}, but the vLLM installed here is built for {build}. Set `device` to auto, or "
            "`rollout_backend` to transformers."
        )


def _build_options(step_tokens: int, longest: int) -> dict[str, Any]:
    if not is_cpu_build():
        return {"max_num_batched_tokens": step_tokens}
    return {
        "block_size": PREFIX_BLOCK,
        "enforce_eager": True,
        # Reading a prompt in parts sets a seeded generator back, which those of a CPU refuse.
        "enable_chunked_prefill": False,
        "max_num_batched_tokens": max(step_tokens, longest),
    }


def _take_over(inner: Any, weights: Sequence[tuple[str, Any]]) -> list[str]:
    """Give vLLM's model other weights; returns the names of its own that got none, by vLLM's count."""
    taken = inner.load_weights(iter(weights))
    return [] if taken is None else sorted(dict(inner.named_parameters()).keys() - taken)


def _shape(path: str) -> tuple[int, int]:
    """Most tokens that the model takes, and the size of its vocabulary.

    Raises UserError for what the loader of `rpt_core.models` refuses: vLLM has one of its own, which would not.
    """
    model = checked_shape(path)
    refuse_unknown_tokens(path, load_tokenizer(path), model.get_input_embeddings().weight.shape[0])
    config = model.config.get_text_config()
    return config.max_position_embeddings, config.vocab_size
