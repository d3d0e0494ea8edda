"""Training compute in floating-point operations, from the tokens that were really processed.

    C = 2 N (prompt tokens read once for each group + generated tokens)   rollouts
      + 6 N (tokens in the forward and backward pass)                     updates
      + 2 N (tokens in a forward pass that gives log-probs)               references, old policies, some rewards

N counts the parameters that take part in matrix products: every weight matrix, but the input embedding only when it
is tied to the output layer. Attention over the context, norms and biases are left out, as is usual; padding and
evaluation are not counted. docs/method.md gives the formula to users.
"""

from __future__ import annotations

from typing import Any


def matrix_parameters(model: Any) -> int:
    """N of a causal language model."""
    inputs = model.get_input_embeddings().weight
    outputs = model.get_output_embeddings().weight
    # `parameters` lists a tied weight once, as the input embedding.
    matrices: list[int] = [parameter.numel() for parameter in model.parameters() if parameter.ndim >= 2]
    untied: int = 0 if inputs is outputs else inputs.numel()
    return sum(matrices) - untied


def sizes(model: Any) -> dict[str, int]:
    """For the result of a run: all parameters of a causal language model, and N."""
    return {
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "matrix_parameters": matrix_parameters(model),
    }


def sampling_flops(parameters: int, prompt_tokens: int, generated_tokens: int) -> float:
    """Forward passes of a rollout: 2 N for each token."""
    return 2.0 * parameters * (prompt_tokens + generated_tokens)


def forward_flops(parameters: int, tokens: int) -> float:
    """Forward pass alone: 2 N for each token."""
    return 2.0 * parameters * tokens


def training_flops(parameters: int, tokens: int) -> float:
    """Forward and backward pass: 6 N for each token."""
    return 6.0 * parameters * tokens
