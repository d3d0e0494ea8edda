"""What a stage tells whoever watches it: numbered JSON lines in the run's `events.jsonl`.

A stage writes through `EventLog`; a watcher (the recorder, a person with `tail -f`) reads with `read_events`.
Every line: {"seq", "attempt", "time" (seconds since 1970), "type", ...payload}. `seq` counts on through all attempts
of a run, so (run, attempt, seq) names a line for ever. A line cut short by a crash is removed when the next attempt
opens the file; a reader never returns it. A line that is no event (a damaged disk, a newer version's kind of event) is
left out with a warning that names it, and no line is longer than LARGEST_LINE_BYTES. Loads without torch and numpy.
"""

from __future__ import annotations

import json
import logging
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, TextIO

from rpt_core.errors import is_full_disk

LARGEST_LINE_BYTES = 8_000_000
"""Of one event. What reads events holds a line in memory, and the database takes no much larger ones."""
_KEPT_ROWS, _KEPT_CHARACTERS = 1000, 100_000
"""Of a table and of a message that are too large for a line."""
logger = logging.getLogger(__name__)


class EventType(StrEnum):
    """The kinds of event, each with its payload."""

    STARTED = "started"
    """start_step: step of the checkpoint it resumes from (0: afresh), total_steps: int or null."""
    PROGRESS = "progress"
    """step, total_steps, what: short text in the present ("scanning documents")."""
    METRICS = "metrics"
    """step, values: {name: number}, flops: training compute so far."""
    ROLLOUTS = "rollouts"
    """step, kind ("train", "sampled", "greedy"), shard: path below the run folder, rows."""
    CHECKPOINT = "checkpoint"
    """step, path below the run folder, bytes, flops."""
    EVALUATION = "evaluation"
    """step, flops, outcomes: path below the run folder, results: {mode: {difficulty: {correct, n, value, low, high,
    no_box, above_nats}}}, position_set: {hash, positions, documents} of the content of the evaluated positions,
    tokenizer: hash of the policy's.
    Modes: standard, sampled, greedy; with n samples also pass@n and majority. `correct` is null where the value is no
    count, `value` where there are no positions; no_box: share of responses without a box; above_nats: the difficulty's
    threshold, null where it is not known."""
    TABLE = "table"
    """A finished table, as rpt_core.run.tables describes it: name, step, path, title, caption, columns, rows, chart.
    """
    CORPUS = "corpus"
    """name, documents: {train, validation}, bad: count, bad_records: [{file, line, problem}] (the first 100)."""
    POSITIONS = "positions"
    """split, documents, positions, kept, by_difficulty: {easy, medium, hard}, above_nats: their thresholds,
    summary: what rpt_core.positions.summary tells of the split."""
    ENGINE_CONFIG = "engine_config"
    """engine ("verl"), path below the run folder, values: the engine's own configuration, nested, as it resolved it."""
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
    """One line of `events.jsonl`. `end` is the byte offset after it, from where reading goes on."""

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
        self.listeners: list[Callable[[EventType, dict[str, Any]], None]] = []
        """Hear of each event after it is written."""

    def emit(self, type_: EventType, **data: Any) -> None:
        """Append one event. Numbers that are not finite become null, since JSON has none."""
        self._seq += 1
        head = {"seq": self._seq, "attempt": self.attempt, "time": time.time(), "type": type_.value}
        line = _line(head | finite(data))
        self._file.write(line if _fits(line) else _line(_shortened(head | finite(data))))
        for listener in self.listeners:
            listener(type_, data)

    def note(self, step: int, total: int | None = None, what: str | None = None, share: float | None = None) -> None:
        """Hear where the stage is between two events: nothing of it is written; a log that shows it may.

        share: how much is done, from 0 to 1, where steps do not tell.
        """

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


@dataclass(frozen=True)
class BadLine:
    """A complete line that is no event of this version."""

    path: Path
    start: int
    end: int
    """Byte offsets of the line."""
    problem: str

    def __str__(self) -> str:
        number, left = 1, self.start
        with self.path.open("rb") as file:
            while chunk := file.read(min(left, 1_000_000)):
                number, left = number + chunk.count(b"\n"), left - len(chunk)
        return f"{self.path}, line {number}: {self.problem}; it is left out."


def _warn(line: BadLine) -> None:
    logger.warning("%s", line)


def read_events(path: Path, offset: int = 0, on_bad: Callable[[BadLine], None] = _warn) -> Iterator[Event]:
    """Yield the complete events after a byte offset; a half-written last line waits for the next call.

    on_bad is called for each line that is no event; reading goes on after it.
    """
    for start, line, end in _lines(path, offset):
        found = _parse(line, end)
        if isinstance(found, Event):
            yield found
        else:
            on_bad(BadLine(path, start, end, found))


def _lines(path: Path, offset: int) -> Iterator[tuple[int, bytes, int]]:
    """Start, bytes and end of each complete line; of one that is too long, its beginning."""
    if not path.exists():
        return
    with path.open("rb") as file:
        file.seek(offset)
        while line := file.readline(LARGEST_LINE_BYTES + 1):
            part = line
            while not part.endswith(b"\n"):
                part = file.readline(LARGEST_LINE_BYTES)
                if not part:
                    return
            yield offset, line, file.tell()
            offset = file.tell()


def _parse(line: bytes, end: int) -> Event | str:
    """The event, or what is wrong with the line."""
    if len(line) > LARGEST_LINE_BYTES:
        return f"more than {LARGEST_LINE_BYTES:,} bytes"
    try:
        data = finite(json.loads(line))  # Python reads NaN and Infinity, which are no JSON
    except ValueError:
        return "not valid JSON"
    if not isinstance(data, dict) or not {"seq", "attempt", "time", "type"} <= data.keys():
        return "not an event: `seq`, `attempt`, `time` and `type` must be there"
    seq, attempt, when, type_ = (data.pop(name) for name in ("seq", "attempt", "time", "type"))
    if not (isinstance(seq, int) and isinstance(attempt, int) and isinstance(when, int | float)):
        return "not an event: `seq`, `attempt` and `time` must be numbers"
    if type_ not in list(EventType):
        return f"this version does not know the event {str(type_)[:50]!r}"
    return Event(seq, attempt, when, EventType(type_), data, end)


def _repair(path: Path) -> int:
    """Cut a half-written last line off and return the last sequence number (0 for a new file)."""
    last = end = 0
    for _, line, end in _lines(path, 0):
        found = _parse(line, end)
        last = max(last, found.seq) if isinstance(found, Event) else last
    if path.exists() and path.stat().st_size > end:
        os.truncate(path, end)
    return last


def _line(event: dict[str, Any]) -> str:
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")) + "\n"


def _fits(line: str) -> bool:
    return len(line) <= LARGEST_LINE_BYTES // 4 or len(line.encode(errors="replace")) <= LARGEST_LINE_BYTES


def _shortened(event: dict[str, Any]) -> dict[str, Any]:
    """The event with a message or a table cut so that it fits on a line; no other event grows with the data."""
    if isinstance(event.get("message"), str):
        return event | {"message": f"{event['message'][:_KEPT_CHARACTERS]} [cut: {len(event['message']):,} characters]"}
    rows = event.get("rows")
    if not isinstance(rows, list):
        raise ValueError(f"an event {event['type']} of more than {LARGEST_LINE_BYTES:,} bytes")
    kept = rows[:_KEPT_ROWS]
    caption = f"{event['caption']} These are the first of {len(rows):,} rows; {event['path']} has them all."
    while kept and not _fits(_line(event | {"rows": kept, "caption": caption})):
        kept = kept[: len(kept) // 2]
    return event | {"rows": kept, "caption": caption}


def finite(value: Any) -> Any:
    """The value with numbers that are not finite replaced by None, at any depth."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value
