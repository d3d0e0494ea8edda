"""Sampling and scoring with vLLM: the engine for GPU nodes. The same protocol as the transformers sampler.

In: a model's folder, prompts as token ids. Out: groups of rollouts with log-probs of the very distribution that was
sampled (temperature included), or the top-k entropies of whole texts for the token filter, from vLLM's prompt
log-probs. Greedy responses have the log-probs of temperature 1, as in `rpt_core.rollouts.transformers`.

Prompts are sent in the order of their tokens, so that those which begin alike stand side by side and vLLM's prefix
cache serves the positions of one document as well as the responses of one group; and in chunks, so that memory stays
bounded however many there are. vLLM runs in this process: the policy's new weights are handed over as tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np

from rpt_core.config import ModelConfig, SamplingConfig, VllmConfig
from rpt_core.errors import UserError
from rpt_core.rollouts import Rollout
from rpt_core.rollouts.vllm_cpu import is_cpu_build, prepare_cpu
from rpt_core.seeds import derive_seed
from rpt_core.token_filter import Scores, Window, windows_of
from rpt_core.tokens import Tokenizer, load_tokenizer, token_bytes

MAX_TOP_K = 64
"""Most log-probs of one position that an engine started here gives."""
PREFIX_BLOCK = 16
"""Tokens in a block of the prefix cache: on a CPU the default of 128 would never serve a short prompt."""


class VllmEngine:
    """vLLM with one model loaded. Start it once: that takes seconds to minutes."""

    def __init__(self, model: ModelConfig, config: VllmConfig, longest: int) -> None:
        """longest: most tokens of a prompt with its response. Raises UserError when vLLM or the model cannot start."""
        prepare_cpu()
        try:
            from vllm import LLM
        except ImportError as error:
            raise UserError(
                f"vLLM is not installed here ({error}). Install it (docs/engines.md), or set `rollout_backend` to "
                "transformers."
            ) from None
        self.longest = longest
        options: dict[str, Any] = {"block_size": PREFIX_BLOCK, "enforce_eager": True} if is_cpu_build() else {}
        try:
            self.end_ids = _end_ids(model.path)
            self.llm = LLM(
                model=model.path,
                dtype=model.dtype,
                max_model_len=longest,
                tensor_parallel_size=config.tensor_parallel,
                gpu_memory_utilization=config.gpu_memory_share,
                enable_prefix_caching=True,
                logprobs_mode="processed_logprobs",
                max_logprobs=MAX_TOP_K,
                **options,
            )
        except (ValueError, OSError, RuntimeError) as error:
            raise UserError(f"vLLM cannot start with the model {model.path!r}: {error}") from error

    def load(self, model: Any) -> None:
        """Take over the weights of a transformers model of the same shape; cached prefixes are forgotten."""
        weights = [(name, tensor.detach()) for name, tensor in model.state_dict().items()]
        self.llm.apply_model(lambda inner: inner.load_weights(iter(weights)))
        self.llm.reset_prefix_cache()

    def generate(self, prompts: Sequence[Sequence[int]], parameters: Sequence[Any]) -> list[Any]:
        """vLLM's outputs in the order of the prompts."""
        requests = [{"prompt_token_ids": list(prompt)} for prompt in prompts]
        found: list[Any] = self.llm.generate(requests, list(parameters), use_tqdm=False)
        return found


class VllmSampler:
    """Samples groups with an engine. before_chunk is called before each chunk; what it raises ends the sampling."""

    def __init__(
        self, engine: VllmEngine, tokenizer: Tokenizer, before_chunk: Callable[[], None] | None = None
    ) -> None:
        self.engine, self.tokenizer, self.before_chunk = engine, tokenizer, before_chunk

    def sample(
        self, prompts: Sequence[Sequence[int]], group_size: int, config: SamplingConfig, seed: int
    ) -> list[list[Rollout]]:
        """See `Sampler.sample`. A prompt's seed hangs on its number alone, not on the chunk that it is in."""
        self._check_length(max(map(len, prompts), default=0) + config.max_response_tokens)
        groups: list[list[Rollout]] = [[] for _ in prompts]
        for chunk in _chunks(_by_prefix(prompts), max(1, config.batch_rows // group_size)):
            if self.before_chunk is not None:
                self.before_chunk()
            parameters = [self._parameters(group_size, config, derive_seed(seed, n)) for n in chunk]
            for n, output in zip(chunk, self.engine.generate([prompts[n] for n in chunk], parameters), strict=True):
                groups[n] = [self._rollout(found) for found in sorted(output.outputs, key=lambda found: found.index)]
        return groups

    def _parameters(self, group_size: int, config: SamplingConfig, seed: int) -> Any:
        from vllm import SamplingParams

        # Greedy decoding in vLLM takes one sample only.
        return SamplingParams(
            n=group_size if config.temperature else 1,
            temperature=config.temperature,
            max_tokens=config.max_response_tokens,
            stop_token_ids=self.engine.end_ids,
            logprobs=0,
            seed=seed % 2**31,
            detokenize=False,
        )

    def _check_length(self, tokens: int) -> None:
        if tokens > self.engine.longest:
            raise UserError(
                f"A prompt and its response may take {tokens} tokens, but vLLM was started for {self.engine.longest}. "
                "Lower `max_prompt_tokens` or `max_response_tokens`."
            )

    def _rollout(self, output: Any) -> Rollout:
        ids = list(output.token_ids)
        ended = ids[-1] in self.engine.end_ids
        pieces = token_bytes(self.tokenizer, ids[:-1] if ended else ids, at_start=False)
        log_probs = [position[id_].logprob for id_, position in zip(ids, output.logprobs, strict=True)]
        return Rollout(ids, b"".join(pieces), log_probs, "stop" if ended else "length")


def score(
    engine: VllmEngine,
    sequences: Sequence[Sequence[int]],
    *,
    top_k: int = 16,
    renormalise: bool = True,
    chunk_sequences: int = 64,
    after_chunk: Callable[[], None] | None = None,
) -> list[Scores]:
    """Top-k entropy in nats and argmax at each token, as `rpt_core.token_filter.score` gives them.

    Sequences longer than the engine takes are read in windows that overlap by half. Raises UserError for a top_k that
    the engine was not started for.
    """
    if top_k > MAX_TOP_K:
        raise UserError(f"`top_k` is {top_k}; with vLLM it is at most {MAX_TOP_K}. Lower it or use transformers.")
    found = [Scores(np.full(len(s), np.nan, np.float32), np.full(len(s), -1, np.int64)) for s in sequences]
    limit = engine.longest - 1  # vLLM wants room for one token more
    windows = [w for index, s in enumerate(sequences) for w in windows_of(index, len(s), limit)]
    parameters = _scoring_parameters(top_k)
    for chunk in _chunks(windows, chunk_sequences):
        texts = [sequences[w.sequence][w.start : w.end] for w in chunk]
        for window, output in zip(chunk, engine.generate(texts, [parameters] * len(texts)), strict=True):
            _put(found[window.sequence], window, output.prompt_logprobs, top_k, renormalise)
        if after_chunk is not None:
            after_chunk()
    return found


def entropy_of_log_probs(log_probs: Sequence[float], renormalise: bool) -> float:
    """Entropy in nats of some log-probs; renormalise: they are scaled to sum to 1, otherwise it is their part of it."""
    values = np.asarray(log_probs, dtype=np.float64)
    if renormalise:
        values = values - np.logaddexp.reduce(values)
    return float(-(np.exp(values) * values).sum())


def _scoring_parameters(top_k: int) -> Any:
    from vllm import SamplingParams

    return SamplingParams(temperature=1.0, max_tokens=1, prompt_logprobs=top_k, detokenize=False)


def _put(scores: Scores, window: Window, prompt_log_probs: Any, top_k: int, renormalise: bool) -> None:
    """Write a window's results where no earlier window has; the first token of a window has none."""
    for place in range(window.new, window.end):
        position = prompt_log_probs[place - window.start]
        if position is None:
            continue
        # vLLM adds the text's own token when it is not among the top k.
        top = {id_: entry.logprob for id_, entry in position.items() if entry.rank <= top_k}
        scores.entropies[place] = entropy_of_log_probs(list(top.values()), renormalise)
        scores.argmax_ids[place] = max(top, key=lambda id_: (top[id_], -id_))


def _by_prefix(prompts: Sequence[Sequence[int]]) -> Iterator[int]:
    """Numbers of the prompts, those that begin alike side by side."""
    yield from sorted(range(len(prompts)), key=lambda n: tuple(prompts[n]))


def _chunks(items: Any, size: int) -> Iterator[list[Any]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


def _end_ids(path: str) -> list[int]:
    """Ids that end a response: those of the model's generation config and the tokenizer's."""
    from transformers import GenerationConfig

    try:
        configured = GenerationConfig.from_pretrained(path).eos_token_id
    except OSError:
        configured = None  # a model may come without one
    ids = configured if isinstance(configured, list) else [configured]
    return sorted({i for i in [*ids, load_tokenizer(path).eos_token_id] if i is not None})
