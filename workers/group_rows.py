"""A shard of rollouts summed up, one row for each group.

In: the columns of a shard, batch by batch. Out: the columns of `rpt_web.traces.groups.TYPES`, and where each group's
position is in its text. What a response's text alone can tell, boxes and the keywords of reasoning patterns, is found
while the batch is at hand; the texts are not kept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rpt_core.config import PAPER_NATS
from rpt_core.run.rollout_files import finite_column
from rpt_web.text import REPLACEMENT
from rpt_web.traces.groups import TYPES, Place
from rpt_web.traces.models import MAJORITY_BYTES, rollout_id
from workers.group_patterns import PatternsFound

READ = ("group", "document", "position", "entropy_nats", "reward", "reason", "finish_reason", "response_tokens")
READ_ALSO = ("prediction", "completion", "response")
OPTIONAL = ("text_hash", "byte_offset", "domain")
"""Columns that older shards lack."""
REASONS = ("match", "mismatch", "not_on_boundary", "empty", "no_box")
BOX = re.compile(rb"\\boxed\{")
LONGEST_DOMAIN = 100
Columns = dict[str, list[Any]]


class Summary:
    """Takes a shard's batches and sums them up by group."""

    def __init__(self, step: int, kind: str, above_nats: Sequence[float]) -> None:
        """above_nats: the thresholds of easy, medium and hard."""
        self.step, self.kind, self.above_nats = step, kind, above_nats
        self._kept: list[pa.Table] = []
        self._patterns = PatternsFound()

    def add(self, batch: pa.RecordBatch) -> None:
        """Count what is counted of each response."""
        columns = {name: batch[name] for name in (*READ, "prediction", "completion") if name != "entropy_nats"}
        columns["entropy_nats"] = finite_column(batch["entropy_nats"])
        for name in OPTIONAL:
            columns[name] = batch[name] if name in batch.schema.names else pa.nulls(batch.num_rows, _TYPES[name])
        columns["boxes"] = _boxes(batch["response"])
        columns["white_space"] = _white_space(batch)
        self._patterns.add(batch["group"].to_pylist(), batch["response"])
        self._kept.append(pa.table(columns))

    def columns(self) -> tuple[Columns, list[Place | None]]:
        """What became of each group, and where its position is."""
        if not self._kept:
            return {name: [] for name in TYPES}, []
        table = pa.concat_tables(self._kept).combine_chunks()
        table = table.append_column("row", pa.array(range(table.num_rows), pa.int64()))
        sums, votes = _sums(table), _votes(table)
        first = table.take(pa.array(sums["row_min"], pa.int64())).to_pydict()
        places = [_place(*place) for place in zip(first["text_hash"], first["byte_offset"], strict=True)]
        return self._columns(sums, votes, first), places

    def _columns(
        self, sums: Columns, votes: Mapping[int, Sequence[tuple[int, bool, bytes | None]]], first: Columns
    ) -> Columns:
        most = [max(votes[group], key=lambda vote: vote[0]) for group in sums["group"]]  # of equals the first
        samples = sums["row_count"]
        return {
            "group": sums["group"],
            "first_rollout": [rollout_id(self.step, self.kind, row) for row in sums["row_min"]],
            "document": [text.replace("\0", REPLACEMENT) for text in first["document"]],
            "token_position": first["position"],
            "domain": [(text or "").replace("\0", REPLACEMENT)[:LONGEST_DOMAIN] for text in first["domain"]],
            "entropy_nats": first["entropy_nats"],
            "difficulty": [_difficulty(nats, self.above_nats) for nats in first["entropy_nats"]],
            "completion": [data[:MAJORITY_BYTES] for data in first["completion"]],
            "samples": samples,
            "rewarded": sums["is_rewarded_sum"],
            "pass_rate": [rewarded / n for rewarded, n in zip(sums["is_rewarded_sum"], samples, strict=True)],
            "predictions": [sum(vote[2] is not None for vote in votes[group]) for group in sums["group"]],
            "majority": [None if data is None else data[:MAJORITY_BYTES] for _, _, data in most],
            "majority_rewarded": [is_rewarded for _, is_rewarded, _ in most],
            "disagreement": [1 - times / n for (times, _, _), n in zip(most, samples, strict=True)],
            "tokens_mean": sums["response_tokens_mean"],
            "tokens_min": sums["response_tokens_min"],
            "tokens_max": sums["response_tokens_max"],
            **{reason: sums[f"{reason}_sum"] for reason in REASONS},
            "cut": sums["is_cut_sum"],
            "white_space": sums["white_space_sum"],
            "boxes": sums["boxes_max"],
            "patterns": [self._patterns.of(group) for group in sums["group"]],
        }


_TYPES = {"text_hash": pa.binary(16), "byte_offset": pa.int32(), "domain": pa.string()}


def thresholds(config: Mapping[str, Any]) -> list[float]:
    """Where difficulties begin for a run, in nats: as its own evaluations have them, else as the paper has."""
    for part in (config, *(config.get(name) for name in ("evaluation", "held_out"))):
        if isinstance(part, Mapping) and all(f"{name}_nats" in part for name in PAPER_NATS):
            return [float(part[f"{name}_nats"]) for name in PAPER_NATS]
    return list(PAPER_NATS.values())


def _sums(table: pa.Table) -> Columns:
    counted = {
        "is_rewarded": pc.greater(pc.fill_null(table["reward"], 0), 0),
        "is_cut": pc.equal(table["finish_reason"], "length"),
        **{reason: pc.equal(table["reason"], reason) for reason in REASONS},
    }
    for name, column in counted.items():
        table = table.append_column(name, column.cast(pa.int32()))
    summed = [(name, "sum") for name in (*counted, "white_space")]
    lengths = [("response_tokens", what) for what in ("mean", "min", "max")]
    found = table.group_by("group").aggregate([*summed, *lengths, ("boxes", "max"), ("row", "min"), ("row", "count")])
    columns: Columns = found.sort_by("row_min").to_pydict()
    return columns


def _votes(table: pa.Table) -> dict[int, list[tuple[int, bool, bytes | None]]]:
    """Of each group: how often each prediction was given, whether it is rewarded, what it is; the first given first."""
    by_prediction = table.group_by(["group", "prediction"])
    found = by_prediction.aggregate([("row", "count"), ("reward", "max"), ("row", "min")]).sort_by("row_min")
    votes: dict[int, list[tuple[int, bool, bytes | None]]] = {}
    names = ("group", "row_count", "reward_max", "prediction")
    for group, times, reward, prediction in zip(*(found[name].to_pylist() for name in names), strict=True):
        votes.setdefault(group, []).append((times, (reward or 0) > 0, prediction))
    return votes


def _boxes(texts: pa.StringArray) -> pa.Array:
    """How many boxes each text opens. In the array's own bytes, five times as fast as pyarrow's `count_substring`."""
    _, offsets, data = texts.buffers()
    ends = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1]
    found = [match.start() for match in BOX.finditer(memoryview(data or b"")[: ends[-1]], ends[0])]
    return pa.array(np.bincount(np.searchsorted(ends, found, side="right") - 1, minlength=len(texts)), pa.int32())


def _white_space(batch: pa.RecordBatch) -> pa.Array:
    """1 for a response that agrees with the text but for white space at its ends, which Eq. 3 calls a mismatch."""
    columns = zip(
        batch["reason"].to_pylist(), batch["prediction"].to_pylist(), batch["completion"].to_pylist(), strict=True
    )
    return pa.array([int(reason == "mismatch" and _agrees(*answer)) for reason, *answer in columns], pa.int32())


def _agrees(prediction: bytes | None, completion: bytes) -> bool:
    bare = (prediction or b"").strip()
    return bool(bare) and completion.lstrip().startswith(bare)


def _difficulty(entropy_nats: float | None, above_nats: Sequence[float]) -> int | None:
    return None if entropy_nats is None else sum(entropy_nats > nats for nats in above_nats)


def _place(text_hash: bytes | None, byte_offset: int | None) -> Place | None:
    return None if text_hash is None or byte_offset is None else (text_hash, byte_offset)
