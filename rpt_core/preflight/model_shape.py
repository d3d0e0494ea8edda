"""What a model is made of, without loading it: sizes from its config, weights counted in its safetensors' headers.

In: a ModelConfig or a ScratchConfig. Out: a ModelShape. A checkpoint's header names every tensor with its shape, so the
count is exact for any architecture; where only the config is at hand it is computed for the Qwen2 and Llama family.
Loads without torch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rpt_core.config import ModelConfig, ScratchConfig
from rpt_core.errors import UserError
from rpt_core.files import read_json
from rpt_core.models.folder import (
    CONFIG,
    COPY,
    has_weights,
    model_folder,
    read_config,
    refuse_damaged_files,
    refuse_unusable,
    tensor_shapes,
)

_USUAL = {
    "n_embd": "hidden_size",
    "d_model": "hidden_size",
    "n_layer": "num_hidden_layers",
    "n_layers": "num_hidden_layers",
    "n_head": "num_attention_heads",
    "n_heads": "num_attention_heads",
    "n_positions": "max_position_embeddings",
    "max_seq_len": "max_position_embeddings",
    "n_inner": "intermediate_size",
    "ffn_dim": "intermediate_size",
}
"""Names that older configs (GPT-2, OPT, Bloom, MPT) have for what the others call alike."""
_OPTIONAL = ("num_key_value_heads", "head_dim", "intermediate_size", "max_position_embeddings")
_COUNTS = ("hidden_size", "num_attention_heads", "vocab_size", "num_hidden_layers", *_OPTIONAL)


@dataclass(frozen=True)
class ModelShape:
    """Sizes of a causal language model."""

    parameters: int
    matrix_parameters: int
    """Those that take part in matrix products; see rpt_core.models.flops."""
    layers: int
    hidden: int
    intermediate: int
    """Width inside a layer's feed-forward part."""
    kv_width: int
    """Width of one layer's keys (and of its values) for one token: heads of keys times their size."""
    vocabulary: int
    max_positions: int | None


def shape_of(config: ModelConfig) -> ModelShape:
    """The shape of a stored model. Raises UserError that names the file when it cannot be read, or not be used."""
    folder = model_folder(config.path)
    file = folder / CONFIG
    values = read_json(file)
    refuse_unusable(folder, values)
    if "model_type" in values:  # sizes alone are enough to count with
        read_config(config.path)
    refuse_damaged_files(folder)
    nested = values.get("text_config")
    sizes = _sizes(file, nested if isinstance(nested, dict) else values)
    return _from_sizes(sizes, tensor_shapes(folder) if has_weights(folder) else {})


def shape_of_scratch(config: ScratchConfig) -> ModelShape:
    """The shape of a new model, whose embedding is tied; the vocabulary is taken at its upper limit."""
    return _from_sizes(
        {
            "hidden_size": config.hidden_size,
            "num_hidden_layers": config.layers,
            "num_attention_heads": config.heads,
            "intermediate_size": config.intermediate_size,
            "vocab_size": config.vocab_size,
            "max_position_embeddings": config.max_positions,
            "tie_word_embeddings": True,
            "model_type": config.architecture,
        },
        {},
    )


def _sizes(file: Path, values: dict[str, Any]) -> dict[str, Any]:
    """A config's values with every size under its usual name. Raises UserError where one is missing or no size."""
    values = {**values, **{_USUAL[name]: value for name, value in values.items() if name in _USUAL}}
    for name in ("hidden_size", "num_attention_heads", "vocab_size", "num_hidden_layers"):
        if name not in values:
            raise UserError(f"{file} does not say '{name}', so the model's size is unknown. {COPY}")
    for name in _COUNTS:
        value = values.get(name)
        if not (value is None and name in _OPTIONAL) and (not isinstance(value, int) or value < 1):
            raise UserError(f"{file} says {value!r} for '{name}', which must be a whole number above 0. {COPY}")
    return values


def _from_sizes(sizes: dict[str, Any], shapes: Mapping[str, Sequence[int]]) -> ModelShape:
    hidden, heads, vocabulary = sizes["hidden_size"], sizes["num_attention_heads"], sizes["vocab_size"]
    head_size = sizes.get("head_dim") or hidden // heads
    kv_width = (sizes.get("num_key_value_heads") or heads) * head_size
    layers, tied = sizes["num_hidden_layers"], bool(sizes.get("tie_word_embeddings"))
    if shapes and "tie_word_embeddings" not in sizes:  # some kinds are tied without a word
        tied = not any(name.endswith(("lm_head.weight", "embed_out.weight")) for name in shapes)
    if shapes:
        parameters = sum(math.prod(shape) for shape in shapes.values())
        matrices = sum(math.prod(shape) for shape in shapes.values() if len(shape) >= 2)
    else:
        block = 2 * hidden * heads * head_size + 2 * hidden * kv_width + 3 * hidden * sizes["intermediate_size"]
        matrices = layers * block + vocabulary * hidden * (1 if tied else 2)
        biases = layers * (heads * head_size + 2 * kv_width) if sizes.get("model_type") == "qwen2" else 0
        parameters = matrices + (2 * layers + 1) * hidden + biases
    return ModelShape(
        parameters=parameters,
        matrix_parameters=matrices - (0 if tied else vocabulary * hidden),
        layers=layers,
        hidden=hidden,
        intermediate=sizes.get("intermediate_size") or 4 * hidden,
        kv_width=kv_width,
        vocabulary=vocabulary,
        max_positions=sizes.get("max_position_embeddings"),
    )
