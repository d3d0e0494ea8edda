"""Outcomes of multiple-choice questions in the columns of all evaluations, so that models are compared by question.

In: the table that stage `benchmark` writes, a row for each question. Out: a table of `outcomes.SCHEMA`: the document is
the question's id, the domain its category, predictions are option letters, and the one response to each question is
its `sampled` mode. Loads without torch.
"""

from __future__ import annotations

from string import ascii_uppercase
from typing import Any

import pyarrow as pa

COLUMNS = ("question", "category", "answer", "standard_choice", "standard", "reasoning_choice", "reasoning", "tokens")


def is_choices(table: pa.Table) -> bool:
    """Whether a table holds outcomes of multiple-choice questions."""
    return set(COLUMNS) <= set(table.column_names)


def as_outcomes(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The same outcomes in another schema; what questions do not have is null, or False for difficulties."""
    found = {name: table.column(name).to_pylist() for name in COLUMNS}
    count = table.num_rows
    texts = table.column("text_hash").to_pylist() if "text_hash" in table.column_names else [None] * count
    columns: dict[str, list[Any]] = {
        "document": found["question"],
        "position": [0] * count,
        "byte_offset": [0] * count,
        "domain": found["category"],
        "standard": found["standard"],
        "sampled": [None if right is None else float(right) for right in found["reasoning"]],
        "samples": [None if right is None else 1 for right in found["reasoning"]],
        "sampled_right": [None if right is None else int(right) for right in found["reasoning"]],
        "tokens": found["tokens"],
        "next_token": [_letter(choice) for choice in found["answer"]],
        "standard_prediction": [_letter(choice) for choice in found["standard_choice"]],
        "sampled_prediction": [_letter(choice) for choice in found["reasoning_choice"]],
        "text_hash": texts,
    }
    missing = {field.name: [False if pa.types.is_boolean(field.type) else None] * count for field in schema}
    nothing = {"greedy": [None] * count, "majority": [None] * count}
    return pa.table({**missing, **nothing, **columns}, schema=schema)


def _letter(choice: int | None) -> bytes | None:
    return None if choice is None else ascii_uppercase[choice].encode()
