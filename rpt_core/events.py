"""What a stage tells whoever watches it: numbered JSON lines in the run's `events.jsonl`.

A stage writes through `EventLog`; a watcher (the recorder, a person with `tail -f`) reads with `read_events`.
Every line: {"seq", "attempt", "time" (seconds since 1970), "type", ...payload}. `seq` counts on through all attempts
of a run, so (run, attempt, seq) names a line for ever. A line cut short by a crash is removed when the next attempt
opens the file; a reader never returns it. Loads without torch and numpy.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, TextIO

from rpt_core.errors import is_full_disk


class EventType(StrEnum):
    """The kinds of event, each with its payload."""

    STARTED = "started"
    """start_step: step of the checkpoint it resumes from (0: afresh), total_steps: int or null, code_version."""
    PROGRESS = "progress"
    """step, total_steps, what: short text in the present ("scanning documents")."""
    METRICS = "metrics"
    """step, values: {name: number}, flops: training compute so far."""
    ROLLOUTS = "rollouts"
    """step, kind ("train", "sampled", "greedy"), shard: path below the run folder, rows."""
    CHECKPOINT = "checkpoint"
    """step, path below the run folder, bytes, flops."""
    EVALUATION = "evaluation"
    """step, flops, outcomes: path below the run folder, results: {mode: {difficulty: {correct, n, value, low, high}}}.
    Modes: standard, sampled, greedy; with n samples also pass@n and majority. `correct` is null where the value is no
    count, `value` where there are no positions."""
    TABLE = "table"
    """A finished table, as rpt_core.result_tables describes it: name, step, path, title, caption, columns, rows, chart.
    """
    CORPUS = "corpus"
    """name, documents: {train, validation}, bad: count, bad_records: [{file, line, problem}] (the first 100)."""
    POSITIONS = "positions"
    """split, documents, positions, kept, by_difficulty: {easy, medium, hard} (nested thresholds 0.5, 1.0, 1.5)."""
    LOG = "log"
    """level ("info", "warning"), message."""
    FINISHED = "finished"
    """result: {name: number or text}."""
    STOPPED = "stopped"
    """step: a clean stop on TERM, after a checkpoint of that step."""
    FAILED = "failed"
    """message: a declared error, for people."""


@dataclass(frozen=True)
class Event:
    """One line of `events.jsonl`. `end` is the byte offset behind it, from where reading goes on."""

    seq: int
    attempt: int
    time: float
    type: EventType
    data: dict[str, Any]
    end: int


class EventLog:
    """Appends events to a file, one flushed line each. Use as a context manager."""

    def __init__(self, path: Path, attempt: int = 1) -> None:
        self.path = path
        self.attempt = attempt
        self._seq = _repair(path)
        self._file: TextIO = path.open("a", encoding="utf-8", errors="replace", buffering=1)

    def emit(self, type_: EventType, **data: Any) -> None:
        """Append one event. Numbers that are not finite become null, since JSON has none."""
        self._seq += 1
        line = {"seq": self._seq, "attempt": self.attempt, "time": time.time(), "type": type_.value, **finite(data)}
        self._file.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")

    def close(self) -> None:
        """Close the file. What a full disk does not take was told by `emit`, and the next log cuts off half a line."""
        try:
            self._file.close()
        except OSError as error:
            if not is_full_disk(error):
                raise

    def __enter__(self) -> EventLog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read_events(path: Path, offset: int = 0) -> Iterator[Event]:
    """Yield the complete lines behind a byte offset; a half-written last line waits for the next call."""
    if not path.exists():
        return
    with path.open("rb") as file:
        file.seek(offset)
        for line in file:
            if not line.endswith(b"\n"):
                return
            offset += len(line)
            yield _parse(line, offset)


def _parse(line: bytes, end: int) -> Event:
    data = json.loads(line)
    seq, attempt, when = data.pop("seq"), data.pop("attempt"), data.pop("time")
    return Event(seq, attempt, when, EventType(data.pop("type")), data, end)


def _repair(path: Path) -> int:
    """Cut a half-written last line off and return the last sequence number (0 for a new file)."""
    last, end = 0, 0
    for event in read_events(path):
        last, end = event.seq, event.end
    if path.exists() and path.stat().st_size > end:
        os.truncate(path, end)
    return last


def finite(value: Any) -> Any:
    """The value with numbers that are not finite replaced by None, at any depth."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value
