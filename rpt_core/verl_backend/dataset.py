"""Problems as verl's Parquet data, and the order in which they are drawn.

In: a ProblemSet, the indices of a run's draws. Out: one row for each problem that is drawn, with verl's columns
(data_source, prompt as chat messages, ability, reward_model, extra_info), and beside the file `order.npy`: the row of
each draw. So the order is that of the plain loop, curriculum included, and positions that come again stand there once.

What the reward and the agent loop need travels in `extra_info`: the prompt's tokens, since a text that is tokenised
again may come out in other tokens than the document has, the completion's bytes as hexadecimal text, since Arrow keeps
no raw bytes in the nested values that verl hands on, and the boundaries. The message holds the same prompt for people.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from rpt_core.arrays import Indices
from rpt_core.files import written_whole
from rpt_core.problems.problem import Problem, ProblemSet
from rpt_core.problems.prompts import Template

DATA_SOURCE = "rpt"
ROW_GROUP_ROWS = 64
"""Reading one row decodes one group."""
SCHEMA = pa.schema(
    [
        ("data_source", pa.string()),
        ("prompt", pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))),
        ("ability", pa.string()),
        ("reward_model", pa.struct([("style", pa.string()), ("ground_truth", pa.string())])),
        (
            "extra_info",
            pa.struct(
                [
                    ("index", pa.int64()),
                    ("document", pa.string()),
                    ("position", pa.int64()),
                    ("byte_offset", pa.int64()),
                    ("entropy_nats", pa.float32()),
                    ("prompt_ids", pa.list_(pa.int32())),
                    ("next_token_id", pa.int32()),
                    ("completion_hex", pa.string()),
                    ("boundaries", pa.list_(pa.int32())),
                ]
            ),
        ),
    ]
)


def order_path(data: Path) -> Path:
    """File of the order of draws beside the rows."""
    return data.with_name("order.npy")


def write_dataset(path: Path, problems: ProblemSet, draws: Indices, template: Template) -> int:
    """Write the rows of the draws' problems and their order, whole or not at all; returns the number of rows.

    draws: indices in the problem set, in the order of the draws. Rows stand in the order of their first draw, so that
    reading draw after draw mostly stays within a row group.
    """
    distinct, first, row_of = np.unique(draws, return_index=True, return_inverse=True)
    by_first_draw = np.argsort(first)
    place = np.empty(len(distinct), np.int64)
    place[by_first_draw] = np.arange(len(distinct))
    with written_whole(order_path(path)) as partial, partial.open("wb") as file:
        np.save(file, place[row_of])
    rows = (dataset_row(problems.problem(int(i)), problems, template, int(i)) for i in distinct[by_first_draw])
    _write_rows(path, rows)
    return len(distinct)


def dataset_row(problem: Problem, problems: ProblemSet, template: Template, index: int) -> dict[str, Any]:
    """One problem in verl's columns. index: its index in the problem set."""
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
            "byte_offset": problem.byte_offset,
            "entropy_nats": problem.entropy_nats,
            "prompt_ids": problem.prompt_ids,
            "next_token_id": problem.next_token_id,
            "completion_hex": problem.completion.hex(),
            "boundaries": problem.boundaries,
        },
    }


def problem_of(ground_truth: str, extra_info: Mapping[str, Any]) -> Problem:
    """The problem that a row was made of, as far as rewards need it."""
    return Problem(
        id=ground_truth,
        document=extra_info["document"],
        position=int(extra_info["position"]),
        prompt_ids=list(extra_info["prompt_ids"]),
        context_ids=[],
        prompt="",
        completion=bytes.fromhex(extra_info["completion_hex"]),
        boundaries=list(extra_info["boundaries"]),
        next_token_id=int(extra_info["next_token_id"]),
        entropy_nats=float(extra_info["entropy_nats"]),
        domain="",
        byte_offset=int(extra_info["byte_offset"]),
    )


def _write_rows(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """A group at a time, so that memory stays bounded."""
    with written_whole(path) as partial, pq.ParquetWriter(partial, SCHEMA, compression="zstd") as writer:
        for group in _groups(iter(rows)):
            writer.write_table(pa.Table.from_pylist(group, schema=SCHEMA))


def _groups(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    while group := list(islice(rows, ROW_GROUP_ROWS)):
        yield group
