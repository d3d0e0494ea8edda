"""Outcomes of an evaluation on disk: one Parquet file, a row for each position. Loads without torch.

In: a file that an evaluation wrote. Out: `Outcomes`, its columns as numpy arrays, so that models can be compared
position by position. A mode that was not evaluated is null in the file and None here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from rpt_core.arrays import Doubles, Flags, Indices
from rpt_core.config import DIFFICULTIES, Mode
from rpt_core.errors import UserError, said
from rpt_core.evaluation.choice_outcomes import as_outcomes, is_choices

PREDICTION_BYTES = 64
"""Longer predictions are cut in this file; the rollout shards have them whole."""

SCHEMA = pa.schema(
    [
        ("document", pa.string()),
        ("position", pa.int32()),
        ("byte_offset", pa.int64()),
        ("domain", pa.string()),
        ("entropy_nats", pa.float32()),
        ("easy", pa.bool_()),
        ("medium", pa.bool_()),
        ("hard", pa.bool_()),
        ("standard", pa.bool_()),
        ("standard_entropy_nats", pa.float32()),
        ("sampled", pa.float32()),
        ("samples", pa.int32()),
        ("sampled_right", pa.int32()),
        ("majority", pa.bool_()),
        ("tokens", pa.float32()),
        ("greedy", pa.bool_()),
        ("greedy_tokens", pa.int32()),
        ("next_token", pa.binary()),
        ("standard_prediction", pa.binary()),
        ("sampled_prediction", pa.binary()),
        ("greedy_prediction", pa.binary()),
        ("text_hash", pa.binary(16)),
    ]
)
"""`position` counts the policy's tokens, `byte_offset` the document's bytes. `entropy_nats` is the proxy model's,
`standard_entropy_nats` the policy's own after the bare context, over its 16 most probable tokens, renormalised, as in
the filter. `sampled` is the share of right responses among `samples`, `sampled_right` their number, `tokens` their mean
length, `majority` whether the answer given most often is right; `sampled_prediction` is that answer. `text_hash`, with
`byte_offset`, names the position in every run: it is the hash of the document's text (`rpt_core.text.names`)."""
ADDED = ("text_hash",)
"""Columns that files of earlier versions lack; they are read as null."""


@dataclass(frozen=True)
class Outcomes:
    """The columns of a file; None stands for a mode that was not evaluated."""

    path: str
    document: npt.NDArray[np.object_]
    position: Indices
    byte_offset: Indices
    domain: npt.NDArray[np.object_]
    entropy_nats: Doubles
    members: dict[str, Flags]
    """For each difficulty, whether a position belongs to its sample."""
    samples: int | None
    standard: Flags | None
    standard_entropy_nats: Doubles | None
    sampled: Doubles | None
    sampled_right: Indices | None
    majority: Flags | None
    tokens: Doubles | None
    greedy: Flags | None
    greedy_tokens: Doubles | None
    next_token: npt.NDArray[np.object_]
    """Bytes of the true next token."""
    predictions: dict[Mode, npt.NDArray[np.object_]]
    """Bytes predicted in each mode, cut after PREDICTION_BYTES; None without a box."""
    text_hash: npt.NDArray[np.object_]
    """16 bytes that stand for the document's text; None where the file is of a version that did not store them."""

    def __len__(self) -> int:
        return len(self.position)

    def places(self) -> list[tuple[str, int]]:
        """Document and byte offset of each position: its name, whatever the policy's tokenizer."""
        return list(zip(self.document.tolist(), self.byte_offset.tolist(), strict=True))

    def correctness(self, mode: Mode) -> Doubles:
        """How right each position is, 0 to 1. Raises UserError when the mode was not evaluated."""
        return self._evaluated(mode).astype(np.float64)

    def right(self, mode: Mode) -> Flags:
        """Whether each position is right; several sampled responses are decided by their majority."""
        if mode == "sampled" and self.majority is not None:
            return self.majority
        return self._evaluated(mode) > 0

    def response_tokens(self, mode: Mode) -> Doubles:
        """Tokens of a response in a reasoning mode. Raises UserError when the mode was not evaluated."""
        self._evaluated(mode)
        found = self.tokens if mode == "sampled" else self.greedy_tokens
        if found is None:
            raise ValueError(f"the mode {mode} has no responses")
        return found

    def at(self, rows: Sequence[int] | Indices | Flags) -> Outcomes:
        """The chosen rows only."""
        chosen = np.asarray(rows)
        columns = {name: value[chosen] for name, value in vars(self).items() if isinstance(value, np.ndarray)}
        members = {name: flags[chosen] for name, flags in self.members.items()}
        predictions = {mode: values[chosen] for mode, values in self.predictions.items()}
        return replace(self, **columns, members=members, predictions=predictions)

    def _evaluated(self, mode: Mode) -> npt.NDArray[Any]:
        columns = {"standard": self.standard, "sampled": self.sampled, "greedy": self.greedy}
        found = columns[mode]
        if found is None:
            known = ", ".join(name for name, values in columns.items() if values is not None)
            raise UserError(f"{self.path} has no outcomes of the mode {mode!r}. It has: {known}.")
        return found


def read_outcomes(path: Path | str) -> Outcomes:
    """Read and check a file, that of multiple-choice questions included.

    Raises UserError when it is missing, not such a file, empty, or lists a position twice.
    """
    table = _read_table(Path(path))
    columns = {name: table.column(name) for name in SCHEMA.names}
    samples = columns["samples"][0].as_py()
    outcomes = Outcomes(
        path=str(path),
        document=_objects(columns["document"]),
        position=columns["position"].to_numpy().astype(np.int64),
        byte_offset=columns["byte_offset"].to_numpy().astype(np.int64),
        domain=_objects(columns["domain"]),
        entropy_nats=columns["entropy_nats"].to_numpy().astype(np.float64),
        members={name: columns[name].to_numpy().astype(np.bool_) for name in DIFFICULTIES},
        samples=samples,
        standard=_optional(table, "standard", np.bool_),
        standard_entropy_nats=_optional(table, "standard_entropy_nats", np.float64),
        sampled=_optional(table, "sampled", np.float64),
        sampled_right=_optional(table, "sampled_right", np.int64),
        majority=_optional(table, "majority", np.bool_),
        tokens=_optional(table, "tokens", np.float64),
        greedy=_optional(table, "greedy", np.bool_),
        greedy_tokens=_optional(table, "greedy_tokens", np.float64),
        next_token=_objects(columns["next_token"]),
        predictions={
            "standard": _objects(columns["standard_prediction"]),
            "sampled": _objects(columns["sampled_prediction"]),
            "greedy": _objects(columns["greedy_prediction"]),
        },
        text_hash=_objects(columns["text_hash"]),
    )
    if not _is_each_once(table):
        raise UserError(f"{path} lists a position twice, so it cannot be compared. Run the evaluation again.")
    return outcomes


def _read_table(path: Path) -> pa.Table:
    if not path.is_file():
        problem = "is a folder" if path.is_dir() else "does not exist"
        raise UserError(f"{path} {problem}. Name a Parquet file in the `evaluations` folder of a run.")
    try:
        with pq.ParquetFile(path) as file:  # `pq.read_table` takes three times as long for its search of data sets
            table = file.read(use_threads=False)
    except pa.ArrowInvalid:
        raise UserError(f"{path} is not a Parquet file. Name one in the `evaluations` folder of a run.") from None
    if is_choices(table):
        table = as_outcomes(table, SCHEMA)
    for name in ADDED:
        if name not in table.column_names:
            table = table.append_column(name, pa.nulls(table.num_rows, SCHEMA.field(name).type))
    if missing := [name for name in SCHEMA.names if name not in table.column_names]:
        raise UserError(
            f"{path} does not hold the outcomes of an evaluation, or those of an older version: it has no column "
            f"{', '.join(missing)}. Run the evaluation again."
        )
    if not table.num_rows:
        raise UserError(f"{path} has no positions.")
    try:
        return table.select(SCHEMA.names).cast(SCHEMA)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise UserError(f"{path} has columns of other types than an evaluation writes: {said(error)}.") from None


def _objects(column: Any) -> npt.NDArray[np.object_]:
    """Each different value is one object, however often it stands there: a column has few of them."""
    encoded = column.combine_chunks().dictionary_encode()
    values = np.array([*encoded.dictionary.to_pylist(), None], dtype=object)
    found: npt.NDArray[np.object_] = values[encoded.indices.fill_null(len(values) - 1).to_numpy()]
    return found


def _is_each_once(outcomes: pa.Table) -> bool:
    """Whether no document and byte stand there twice."""
    codes = outcomes["document"].combine_chunks().dictionary_encode().indices.fill_null(-1)
    offsets = outcomes["byte_offset"].to_numpy()
    span = int(offsets.max()) - int(offsets.min()) + 1
    return len(np.unique(codes.to_numpy().astype(np.int64) * span + offsets)) == len(offsets)


def _optional(table: pa.Table, name: str, dtype: type) -> Any:
    """A column as an array; None when all of it is null."""
    column = table.column(name)
    if column.null_count == len(column):
        return None
    if column.null_count:
        raise UserError(f"The column {name} is null at some positions only. Run the evaluation again.")
    return column.to_numpy().astype(dtype)
