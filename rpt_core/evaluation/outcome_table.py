"""What was found at each position, as the rows of an outcome file (see rpt_core.evaluation.outcomes).

In: problems or questions, the sample they are from, the answers of each mode. Out: an Arrow table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from rpt_core.evaluation.outcomes import PREDICTION_BYTES, SCHEMA
from rpt_core.evaluation.reasoning import Responses
from rpt_core.inference.rollout import Asked
from rpt_core.positions.sets import PositionSample


@dataclass(frozen=True)
class StandardAnswers:
    """The policy's argmax after each context, without template and without thinking."""

    correct: list[bool]
    entropies: list[float]
    """Nats of the policy's own next-token distribution: its 16 most probable tokens, renormalised."""
    predictions: list[bytes]
    """Bytes of the argmax."""


@dataclass(frozen=True)
class Answers:
    """Each mode's answers at every position; None where a mode was left out."""

    standard: StandardAnswers | None = None
    sampled: Responses | None = None
    greedy: Responses | None = None


def outcome_table(problems: Sequence[Asked], sample: PositionSample, answers: Answers) -> pa.Table:
    """One row for each position; the columns of a mode that was left out are null."""
    columns: dict[str, Any] = {
        "document": [problem.document for problem in problems],
        "position": [problem.position for problem in problems],
        "byte_offset": [problem.byte_offset for problem in problems],
        "domain": [problem.domain for problem in problems],
        "entropy_nats": [problem.entropy_nats for problem in problems],
        "next_token": [problem.completion[: problem.boundaries[0]] for problem in problems],
        "text_hash": [problem.text_hash for problem in problems],
        **sample.members,
        **_standard_columns(answers.standard),
        **_sampled_columns(answers.sampled),
        **_greedy_columns(answers.greedy),
    }
    blank = [None] * len(problems)
    return pa.table([pa.array(columns.get(field.name, blank), field.type) for field in SCHEMA], SCHEMA)


def _standard_columns(answers: StandardAnswers | None) -> dict[str, Any]:
    if answers is None:
        return {}
    return {
        "standard": answers.correct,
        "standard_entropy_nats": answers.entropies,
        "standard_prediction": [_cut(prediction) for prediction in answers.predictions],
    }


def _sampled_columns(responses: Responses | None) -> dict[str, Any]:
    if responses is None:
        return {}
    return {
        "sampled": responses.means,
        "samples": [responses.samples] * len(responses.means),
        "sampled_right": responses.right,
        "majority": responses.majority,
        "tokens": responses.tokens,
        "sampled_prediction": [_cut(vote.prediction) for vote in responses.votes],
    }


def _greedy_columns(responses: Responses | None) -> dict[str, Any]:
    if responses is None:
        return {}
    return {
        "greedy": responses.majority,
        "greedy_tokens": [int(tokens) for tokens in responses.tokens],
        "greedy_prediction": [_cut(vote.prediction) for vote in responses.votes],
    }


def _cut(prediction: bytes | None) -> bytes | None:
    return None if prediction is None else prediction[:PREDICTION_BYTES]
