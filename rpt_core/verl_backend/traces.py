"""What verl and our agent loop wrote about a step, read while they write. Loads without torch.

In: an attempt's metrics, dumps and traces. Out: each finished step once, in their order, with verl's metrics, all
responses that were sampled for it, and what verl says that each response of the batch earned. A step is finished when
its line of metrics is there, its dump has as many lines as the batch has responses, and each of them has its trace; a
line without its end is waited for.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rpt_core.verl_backend.folder import VerlFolder

GRADIENT_NORM = "the gradient norm"
OF_THE_UPDATE = {"actor/grad_norm": GRADIENT_NORM, "actor/loss": "the loss", "actor/pg_loss": "the loss"}
"""verl's metrics that must be finite numbers, in our words. Where the norm is not, verl makes no update."""


@dataclass(frozen=True)
class Trace:
    """One response, as the agent loop had it."""

    step: int
    uid: str
    """verl's name of the group."""
    sample: int
    draw: int
    index: int
    """Of the position in the problem set."""
    token_ids: list[int]
    log_probs: list[float]
    finished: bool


@dataclass(frozen=True)
class VerlStep:
    """A finished step."""

    step: int
    metrics: dict[str, float]
    """By verl's names."""
    traces: list[Trace]
    """All responses of the step."""
    rewards: dict[tuple[str, int], float]
    """What each response of the batch earned, by group and number."""
    not_finite: tuple[str, ...] = ()
    """Numbers of the step that are not finite, in words."""


class Follower:
    """Reads an attempt's files."""

    def __init__(self, folder: VerlFolder, batch_responses: int) -> None:
        self.folder, self.batch_responses = folder, batch_responses
        self._offsets: dict[Path, int] = {}
        self._traces: dict[int, list[Trace]] = defaultdict(list)
        self._metrics: list[dict[str, Any]] = []

    def finished_steps(self) -> Iterator[VerlStep]:
        """The steps that have been finished since the last call."""
        self._metrics += self._new_lines(self.folder.metrics)
        while self._metrics:
            step = int(self._metrics[0]["step"])
            rewards = self._rewards(step)
            self._read_traces()
            if rewards is None or not rewards.keys() <= {(t.uid, t.sample) for t in self._traces[step]}:
                return
            values = self._metrics.pop(0)["data"]
            traces = self._traces.pop(step)
            yield VerlStep(step, _numbers(values), traces, rewards, _not_finite(values, traces, rewards))

    def _read_traces(self) -> None:
        for path in sorted(self.folder.traces.glob("*.jsonl")):
            for line in self._new_lines(path):
                trace = Trace(**line)
                self._traces[trace.step].append(trace)

    def _rewards(self, step: int) -> dict[tuple[str, int], float] | None:
        """Of the batch's responses, or None while the dump is not complete."""
        path = self.folder.dump(step)
        if not path.is_file():
            return None
        lines = path.read_bytes().split(b"\n")
        if len(lines) <= self.batch_responses:  # the last one is empty once the file is complete
            return None
        rows = [json.loads(line) for line in lines if line]
        # verl fills a batch up with rows of end tokens alone when responses could not be sampled.
        names = [(*row["uid"].rsplit("_", 2), row["score"]) for row in rows if row["input"]]
        return {(uid, int(sample)): math.nan if score is None else float(score) for uid, sample, _, score in names}

    def _new_lines(self, path: Path) -> list[dict[str, Any]]:
        """The complete lines after what has been read."""
        if not path.is_file():
            return []
        with path.open("rb") as file:
            file.seek(self._offsets.get(path, 0))
            data = file.read()
        complete = data[: data.rfind(b"\n") + 1]
        self._offsets[path] = self._offsets.get(path, 0) + len(complete)
        return [json.loads(line) for line in complete.splitlines()]


def _not_finite(
    values: dict[str, Any], traces: Sequence[Trace], rewards: Mapping[tuple[str, int], float]
) -> tuple[str, ...]:
    """What must be finite, was told, and is not."""
    finite = _numbers(values)
    found = [words for name, words in OF_THE_UPDATE.items() if name in values and name not in finite]
    if not all(map(math.isfinite, rewards.values())):
        found.append("the reward of a response")
    if not all(log_prob is not None and math.isfinite(log_prob) for trace in traces for log_prob in trace.log_probs):
        found.append("the log-prob of a sampled token")
    return tuple(dict.fromkeys(found))


def _numbers(values: dict[str, Any]) -> dict[str, float]:
    """Metrics that are finite numbers; JSON has null for the others."""
    return {
        name: float(value) for name, value in values.items() if isinstance(value, int | float) and math.isfinite(value)
    }
