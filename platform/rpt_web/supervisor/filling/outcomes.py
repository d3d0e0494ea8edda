"""What filled evaluations found at each position, on disk as a stage writes it.

In: a run that was evaluated, and at how many positions. Out: files. The positions are those of the responses, so that
one leads to the other.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa

from rpt_core.config import DIFFICULTIES, PAPER_NATS
from rpt_core.evaluation.outcomes import SCHEMA
from rpt_core.run.folder import RunDir
from rpt_core.run.rollout_files import write_table
from rpt_web.runs.models import Run
from rpt_web.supervisor.filling import rows

RIGHT, WRONG = b"42", b"41"
TOKENS = 48


def write_outcomes(run: Run, positions: int) -> int:
    """A file for each evaluation of a run. Gives how many."""
    folder, steps = RunDir(run.directory), rows.evaluated_steps(run)
    for step in steps:
        columns = _places(positions) | _found(run, step, positions)
        write_table(folder.evaluation(step), pa.Table.from_pydict(columns, SCHEMA))
    return len(steps)


@cache
def _places(positions: int) -> dict[str, Any]:
    """What all evaluations have in common."""
    places = [rows.position_of(number) for number in range(positions)]
    entropies = _entropies(positions)
    return {
        "document": [document for document, _ in places],
        "position": [token for _, token in places],
        "byte_offset": [rows.place_of(*place)[1] for place in places],
        "domain": [rows.domain_of(document) for document, _ in places],
        "entropy_nats": entropies.astype(np.float32),
        **{name: entropies > PAPER_NATS[name] for name in DIFFICULTIES},
        "next_token": [RIGHT] * positions,
        "text_hash": [rows.place_of(*place)[0] for place in places],
    }


@cache
def _entropies(positions: int) -> Any:
    return np.array([rows.entropy_at(rows.position_of(number)[1]) for number in range(positions)])


def _found(run: Run, step: int, positions: int) -> dict[str, Any]:
    """What this one has of its own: more often right as the policy learns, and where the entropy is low."""
    random = np.random.default_rng([run.pk, step])
    is_hard = _entropies(positions) > PAPER_NATS["hard"]
    chance = np.where(is_hard, rows.LEVELS["hard"], rows.LEVELS["medium"]) * rows.skill(step)
    standard, greedy = random.random(positions) < 0.8 * chance, random.random(positions) < chance
    count = random.binomial(rows.GROUP_SIZE, chance).astype(np.int32)
    majority = 2 * count > rows.GROUP_SIZE
    return {
        "standard": standard,
        "standard_entropy_nats": random.gamma(0.9, 0.6, positions).astype(np.float32),
        "sampled": (count / rows.GROUP_SIZE).astype(np.float32),
        "samples": np.full(positions, rows.GROUP_SIZE, np.int32),
        "sampled_right": count,
        "majority": majority,
        "tokens": np.full(positions, TOKENS, np.float32),
        "greedy": greedy,
        "greedy_tokens": np.full(positions, TOKENS, np.int32),
        **{
            f"{mode}_prediction": np.where(right, RIGHT, WRONG).astype(object)
            for mode, right in {"standard": standard, "sampled": majority, "greedy": greedy}.items()
        },
    }
