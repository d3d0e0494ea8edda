"""Problems as verl's Parquet data.

In: a ProblemSet and the indices to train on. Out: one row for each problem with verl's columns (data_source, prompt as
chat messages, ability, reward_model, extra_info). What the reward needs travels in `extra_info`: the completion's
bytes as hexadecimal text, since Arrow keeps no raw bytes in the nested values that verl hands on, and the boundaries.
verl applies the model's chat template itself, so the message holds the prompt template's text without it.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa

from rpt_core.problems import Problem, ProblemSet
from rpt_core.prompts import Template
from rpt_core.shards import write_table

DATA_SOURCE = "rpt"


def write_dataset(path: Path, problems: ProblemSet, indices: Iterable[int], template: Template) -> int:
    """Write the problems at these indices, whole or not at all; returns their number."""
    rows = [dataset_row(problems.problem(int(index)), problems, template, n) for n, index in enumerate(indices)]
    write_table(path, pa.Table.from_pylist(rows))
    return len(rows)


def dataset_row(problem: Problem, problems: ProblemSet, template: Template, index: int) -> dict[str, Any]:
    """One problem in verl's columns."""
    context = problem.prompt.removeprefix(problems.frame.before).removesuffix(problems.frame.after)
    return {
        "data_source": DATA_SOURCE,
        "prompt": [{"role": "user", "content": template.render(context)}],
        "ability": problem.domain,
        "reward_model": {"style": "rule", "ground_truth": problem.id},
        "extra_info": {
            "index": index,
            "document": problem.document,
            "position": problem.position,
            "entropy_nats": problem.entropy_nats,
            "completion_hex": problem.completion.hex(),
            "boundaries": problem.boundaries,
        },
    }
