"""What a model is made of, without loading it: sizes from its config, weights counted in its safetensors' headers.

In: a ModelConfig or a ScratchConfig. Out: a ModelShape. A checkpoint's header names every tensor with its shape, so the
count is exact for any architecture; where only the config is at hand it is computed for the Qwen2 and Llama family.
Loads without torch.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from rpt_core.config import ModelConfig, ScratchConfig
from rpt_core.errors import UserError


@dataclass(frozen=True)
class ModelShape:
    """Sizes of a causal language model."""

    parameters: int
    matrix_parameters: int
    """Those that take part in matrix products; see rpt_core.flops."""
    layers: int
    hidden: int
    intermediate: int
    """Width inside a layer's feed-forward part."""
    kv_width: int
    """Width of one layer's keys (and of its values) for one token: heads of keys times their size."""
    vocabulary: int
    max_positions: int | None


def shape_of(config: ModelConfig) -> ModelShape:
    """The shape of a stored model. Raises UserError when it cannot be read."""
    folder = _folder(config.path)
    sizes = json.loads((folder / "config.json").read_text())
    sizes = sizes.get("text_config", sizes)
    try:
        shapes = _tensor_shapes(folder)
        return _from_sizes(sizes, shapes)
    except KeyError as error:
        raise UserError(f"{folder / 'config.json'} does not say {error}, so the model's size is unknown.") from None


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


def _folder(path: str) -> Path:
    """The model's folder: a local one, or its copy in the hub's cache (fetched when the hub can be reached)."""
    folder = Path(path)
    if (folder / "config.json").is_file():
        return folder
    if folder.is_absolute() or path.startswith("."):
        raise UserError(f"{path} holds no config.json. Name the folder of a checkpoint, or a model on a hub.")
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(path, allow_patterns=["config.json", "tokenizer*", "*.index.json"]))
    except Exception as error:  # the hub's errors share no base class
        raise UserError(
            f"The model {path!r} is no folder here, and the hub does not give it ({type(error).__name__}). Correct the "
            "name, or download the model first."
        ) from None


def _tensor_shapes(folder: Path) -> dict[str, list[int]]:
    """Shape of each tensor in the folder's safetensors files; empty when there are none."""
    shapes: dict[str, list[int]] = {}
    for file in sorted(folder.glob("model*.safetensors")):
        try:
            with safe_open(file, framework="numpy") as tensors:
                shapes |= {name: tensors.get_slice(name).get_shape() for name in tensors.keys()}  # noqa: SIM118  # it cannot be iterated
        except SafetensorError as error:
            raise UserError(f"{file} is damaged ({error}). Copy the model again.") from None
    return shapes


def _from_sizes(sizes: dict[str, Any], shapes: dict[str, list[int]]) -> ModelShape:
    hidden, heads, vocabulary = sizes["hidden_size"], sizes["num_attention_heads"], sizes["vocab_size"]
    head_size = sizes.get("head_dim") or hidden // heads
    kv_width = (sizes.get("num_key_value_heads") or heads) * head_size
    layers, tied = sizes["num_hidden_layers"], bool(sizes.get("tie_word_embeddings"))
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
