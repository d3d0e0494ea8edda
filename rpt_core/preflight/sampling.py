"""What the sampler of this platform will refuse of a stored model, told from its config before anything is loaded.

In: a stage's config. Out: field and sentence of what would end the run, if it samples with transformers in its own
process; vLLM and verl have no such limits. Loads without torch.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from typing import Any

from rpt_core.errors import UserError
from rpt_core.files import read_json
from rpt_core.inference.limits import sampler_refusal, unsupported
from rpt_core.models.folder import CONFIG, model_folder, read_config

_WITHOUT = {"standard"}
"""Modes of evaluations that sample nothing."""


def sampler_problems(config: Any) -> Iterator[tuple[str, str]]:
    """Field and sentence of all that the sampler would refuse. The config may lack fields."""
    model = config.model
    if not _samples(config):
        return
    try:
        if "model_type" not in read_json(model_folder(model.path) / CONFIG):
            return
        told = read_config(model.path)
    except UserError:  # which is told where the model's shape is read
        return
    name = f"The model {model.path}"
    text = told.get_text_config()
    if unsupported(text) is not None:
        yield "model.path", str(sampler_refusal(told, 0, name))
        return
    for field, tokens in _lengths(config):
        refusal = sampler_refusal(told, tokens, name)
        is_told = tokens > (getattr(text, "max_position_embeddings", None) or tokens)  # with the model's own limit
        if refusal is not None and not is_told:
            yield field, refusal


def has_vllm() -> bool:
    """Whether vLLM is installed in this environment."""
    return importlib.util.find_spec("vllm") is not None


def _samples(config: Any) -> bool:
    """Whether the stage writes responses."""
    if not hasattr(config, "sampling"):
        return False
    evaluation = getattr(config, "evaluation", None) if config.stage == "evaluate" else None
    modes = getattr(evaluation if evaluation is not None else config, "modes", None)
    return modes is None or bool(set(modes) - _WITHOUT)


def _lengths(config: Any) -> Iterator[tuple[str, int]]:
    """Fields with a limit of responses, and the most tokens of a prompt and its response together."""
    prompt = getattr(getattr(config, "prompt", None), "max_prompt_tokens", None)
    prompt = prompt or getattr(config, "max_prompt_tokens", None)
    for name in ("sampling", "test_sampling"):
        response = getattr(getattr(config, name, None), "max_response_tokens", None)
        if prompt is not None and response is not None:
            yield f"{name}.max_response_tokens", prompt + response
