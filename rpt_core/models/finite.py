"""Whether a model's weights and what it puts out are finite numbers.

In: tensors, a model, a log-prob that somebody has met. Out: an answer, or a NotFiniteError that says what to do. One
pass over a tensor reads its smallest and largest value, which are NaN when any value is: nothing is copied.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from rpt_core.errors import NotFiniteError

PROBED_TOKENS = 64
"""So many tokens of a text show whether a model's output is finite."""


def is_finite(tensor: Tensor) -> bool:
    """Whether every value of the tensor, of any shape, is a finite number. Integers always are."""
    if not tensor.is_floating_point() or not tensor.numel():
        return True
    low, high = torch.aminmax(tensor.detach())
    return math.isfinite(float(low)) and math.isfinite(float(high))


def first_not_finite(tensors: Iterable[tuple[str, Tensor]]) -> str | None:
    """Name of the first tensor with a value that is not finite; None when there is none."""
    return next((name for name, tensor in tensors if not is_finite(tensor)), None)


@torch.inference_mode()
def gives_finite_output(model: Any, ids: Sequence[int]) -> bool:
    """Whether the model's logits for the first tokens of a text are finite, in a short pass."""
    read = torch.tensor([list(ids[:PROBED_TOKENS])], device=model.device)
    logits = model(input_ids=read, use_cache=False).logits
    return is_finite(logits.amax(-1))  # some models rule tokens out with minus infinity


def check_weights(model: Any) -> None:
    """Raise NotFiniteError that names the first weight of a model with a value that is not finite."""
    name = first_not_finite(model.named_parameters())
    if name is not None:
        raise output_not_finite(f"its weight `{name}` holds values that are not", math.nan, model.name_or_path)


def output_not_finite(number: str, value: float, model: str) -> NotFiniteError:
    """The error of a model whose output, or some number made of it, is not finite. model: where it was read."""
    return NotFiniteError(
        number,
        value,
        f"The model's output is not finite ({number}). Either the weights of {model} are damaged, or its number format "
        "is too narrow. Try `dtype: float32`, an earlier checkpoint, or another model.",
    )
