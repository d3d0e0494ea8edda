"""The choice of the backend that samples and scores for a stage: transformers in this process, or vLLM.

In: a stage's InferenceConfig, a model by its path, or a policy in training. Out: a `Backend`, which samples responses,
scores texts and options, and follows a policy's weights. `auto` takes vLLM where it is installed and there is a CUDA
GPU. Both engines give the same numbers within rounding (docs/engines.md). A process starts one engine;
`vllm.data_parallel` starts several processes.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import asdict
from importlib.util import find_spec
from typing import Any, Protocol

import torch

from rpt_core.config import InferenceConfig, ModelConfig, SamplingConfig
from rpt_core.errors import UserError
from rpt_core.inference.entropy import ScoreRule, Scores, score
from rpt_core.inference.option_scores import option_log_probs
from rpt_core.inference.rollout import PromptWithOptions, Rollout, Sampler
from rpt_core.inference.transformers import TransformersSampler
from rpt_core.models.states import refuse_other_head
from rpt_core.text.tokens import Tokenizer

Stop = Callable[[], None]
"""Called before each token or batch; what it raises ends the sampling or the scoring."""


class Backend(Sampler, Protocol):
    """A model that samples and scores, whatever runs it."""

    tokenizer: Tokenizer
    source: str
    """Where the model was read: a folder or the name of a model on a hub."""

    def score(self, sequences: Sequence[Sequence[int]]) -> list[Scores]:
        """Entropy and argmax at each token of each sequence."""
        ...

    def option_log_probs(
        self, questions: Sequence[PromptWithOptions], before_batch: Callable[[int, int], None]
    ) -> list[list[float]]:
        """Total log-prob of each option of each question. before_batch gets how many passes are done, of how many."""
        ...

    def follow_checkpoint(self, model: ModelConfig) -> None:
        """Take over the weights of another checkpoint of the same shape."""
        ...


class PolicyBackend(Backend, Protocol):
    """A backend whose weights follow a policy in training."""

    def follow(self, policy: Any) -> None:
        """Take over the weights of the policy, a transformers model."""
        ...


class TransformersBackend:
    """A transformers model in this process."""

    def __init__(self, model: Any, tokenizer: Tokenizer, stop: Stop | None = None, rule: ScoreRule | None = None):
        self.model, self.tokenizer, self.stop, self.rule = model, tokenizer, stop, rule or ScoreRule()
        self.source = model.name_or_path
        self._sampler = TransformersSampler(model, tokenizer, stop)

    def sample(
        self, prompts: Sequence[Sequence[int]], group_size: int, config: SamplingConfig, seed: int
    ) -> list[list[Rollout]]:
        """A group of responses to each prompt. Raises UserError for a model that the sampler does not support."""
        self._sampler.refuse_unless_equal()
        return self._sampler.sample(prompts, group_size, config, seed)

    def score(self, sequences: Sequence[Sequence[int]]) -> list[Scores]:
        """Entropy and argmax at each token. Raises UserError for a model whose logits are not its output layer's."""
        refuse_other_head(self.model)
        return score(self.model, sequences, **asdict(self.rule), after_batch=self.stop)

    def option_log_probs(
        self, questions: Sequence[PromptWithOptions], before_batch: Callable[[int, int], None]
    ) -> list[list[float]]:
        """Total log-prob of each option of each question. before_batch gets how many passes are done."""
        return option_log_probs(self.model, questions, before_batch)

    def follow(self, policy: Any) -> None:
        """Take over the policy's weights. A float32 policy samples itself, so there is nothing to take over."""
        if policy is not self.model:
            self.model.load_state_dict(policy.state_dict())

    def follow_checkpoint(self, model: ModelConfig) -> None:
        """Take over the weights of another checkpoint of the same shape."""
        from rpt_core.models.checkpoints import load_model

        self.follow(load_model(model)[0])
        self.source = model.path


def uses_vllm(config: InferenceConfig, model: ModelConfig) -> bool:
    """Whether vLLM is the engine here. Raises UserError when it is asked for and not installed."""
    installed = find_spec("vllm") is not None
    if config.rollout_backend == "vllm" and not installed:
        raise UserError(
            "`rollout_backend` is vllm, but vLLM is not installed here. Install it (docs/engines.md), or set "
            "`rollout_backend` to auto or transformers."
        )
    if config.rollout_backend == "auto":
        return installed and model.device != "cpu" and torch.cuda.is_available()
    return config.rollout_backend == "vllm"


def open_backend(
    config: InferenceConfig, model: ModelConfig, longest: int | None, stop: Stop, rule: ScoreRule | None = None
) -> Backend:
    """The engine for a checkpoint that does not change.

    longest: most tokens of a prompt with its response; None for as many as the model takes.
    """
    if uses_vllm(config, model):
        from rpt_core.inference.data_parallel import DataParallelBackend
        from rpt_core.inference.vllm import VllmBackend

        kind = VllmBackend if config.vllm.data_parallel == 1 else DataParallelBackend
        return kind(model, config.vllm, longest, stop, rule or ScoreRule())
    from rpt_core.models.checkpoints import load_model

    return TransformersBackend(*load_model(model), stop, rule)


def open_policy_backend(
    config: InferenceConfig, model: ModelConfig, policy: Any, tokenizer: Tokenizer, longest: int, stop: Stop
) -> PolicyBackend:
    """The backend that samples from a policy in training; `follow` it after each update.

    model: where the policy's present weights were read, and the number format to sample in.
    """
    if uses_vllm(config, model):
        from rpt_core.inference.vllm import VllmBackend

        if config.vllm.tensor_parallel > 1 or config.vllm.data_parallel > 1:
            raise UserError(
                f"`vllm.tensor_parallel` is {config.vllm.tensor_parallel} and `vllm.data_parallel` "
                f"{config.vllm.data_parallel}, but this loop trains on one GPU and hands its weights over inside the "
                "process. Set both to 1, or train with `engine: verl`."
            )
        return VllmBackend(model, config.vllm, longest, stop, ScoreRule())
    if model.dtype != "float32":  # generating needs no float32 weights, and is faster without
        policy = _narrowed(policy, getattr(torch, model.dtype))
    return TransformersBackend(policy, tokenizer, stop)


def _narrowed(policy: Any, dtype: torch.dtype) -> Any:
    """A copy as it would be read from files in a narrow number format: RoPE's frequencies, a buffer, stay float32."""
    copied = copy.deepcopy(policy)
    for parameter in copied.parameters():
        parameter.data = parameter.data.to(dtype)
    return copied
