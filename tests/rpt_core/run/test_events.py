"""The event log: numbered lines that survive a crash."""

import math
import subprocess
import sys

import pytest

from rpt_core.run import events
from rpt_core.run.events import EventLog, EventType, read_events


@pytest.fixture
def path(tmp_path):
    return tmp_path / "events.jsonl"


def emit(path, *messages, attempt=1):
    with EventLog(path, attempt) as log:
        for message in messages:
            log.emit(EventType.LOG, level="info", message=message)


def messages(path, offset=0):
    return [event.data["message"] for event in read_events(path, offset)]


def test_events_come_back_in_order_with_their_payload(path):
    with EventLog(path, attempt=3) as log:
        log.emit(EventType.STARTED, start_step=0, total_steps=None)
        log.emit(EventType.METRICS, step=1, values={"loss": 0.5}, flops=1e18)
    started, metrics = read_events(path)
    assert (started.seq, started.attempt, started.type) == (1, 3, EventType.STARTED)
    assert started.data == {"start_step": 0, "total_steps": None}
    assert metrics.data == {"step": 1, "values": {"loss": 0.5}, "flops": 1e18}
    assert started.time <= metrics.time
    assert metrics.end == path.stat().st_size


def test_the_sequence_goes_on_through_all_attempts(path):
    emit(path, "a", "b")
    emit(path, "c", attempt=2)
    assert [(event.seq, event.attempt) for event in read_events(path)] == [(1, 1), (2, 1), (3, 2)]


@pytest.mark.parametrize(
    "half", [b"{", b'{"seq": 3, "attempt": 1, "time": 5, "type": "log"}', '{"a": "漢'.encode()[:-1]]
)
def test_a_half_written_line_is_never_read_and_is_cut_off_by_the_next_attempt(path, half):
    emit(path, "a", "b")
    with path.open("ab") as file:
        file.write(half)
    assert messages(path) == ["a", "b"]
    emit(path, "c", attempt=2)
    assert messages(path) == ["a", "b", "c"]
    assert [event.seq for event in read_events(path)] == [1, 2, 3]


def test_a_file_with_nothing_but_half_a_line_starts_anew(path):
    path.write_bytes(b'{"seq": 1')
    emit(path, "a")
    assert [event.seq for event in read_events(path)] == [1]


def test_reading_goes_on_from_an_offset(path):
    emit(path, "a", "b", "c")
    first = next(read_events(path))
    assert messages(path, first.end) == ["b", "c"]
    last = list(read_events(path))[-1]
    assert messages(path, last.end) == []
    emit(path, "d")
    assert messages(path, last.end) == ["d"]


def test_a_file_that_is_not_there_has_no_events(path):
    assert list(read_events(path)) == []


def test_a_line_is_on_disk_as_soon_as_it_is_emitted(path):
    # The writer dies without closing anything.
    code = (
        "import os, pathlib, sys\n"
        "from rpt_core.run.events import EventLog, EventType\n"
        "log = EventLog(pathlib.Path(sys.argv[1]))\n"
        "log.emit(EventType.LOG, level='info', message='x' * 100_000)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, str(path)]).returncode == -9
    assert messages(path) == ["x" * 100_000]


def test_numbers_that_are_not_finite_become_null(path):
    with EventLog(path) as log:
        log.emit(EventType.METRICS, step=1, values={"a": math.nan, "b": [math.inf, 1.5]}, flops=-math.inf)
    assert next(read_events(path)).data == {"step": 1, "values": {"a": None, "b": [None, 1.5]}, "flops": None}


def test_text_of_any_kind_stays_on_one_line(path):
    text = "line one\nline two\r\u2028 漢字 😀 \u0000"
    emit(path, text, "next")
    assert messages(path) == [text, "next"]
    assert path.read_bytes().count(b"\n") == 2


def test_half_a_surrogate_pair_does_not_break_the_log(path):
    # The name of a file that is not UTF-8 comes as this.
    emit(path, "caf\udce9.jsonl", "next")
    assert messages(path) == ["caf?.jsonl", "next"]


BAD_LINES = {
    "not valid JSON": b"\x00\x00\x00\n",
    "not an event": b'{"a": 1}\n',
    "must be numbers": b'{"seq": "2", "attempt": 1, "time": 5, "type": "log"}\n',
    "does not know the event 'telepathy'": b'{"seq": 2, "attempt": 1, "time": 5, "type": "telepathy"}\n',
    "must be there": b"[1]\n",
}


@pytest.mark.parametrize("problem", BAD_LINES)
def test_a_line_that_is_no_event_is_left_out_with_a_warning_that_names_it(path, problem, caplog):
    emit(path, "a", "b")
    with path.open("ab") as file:
        file.write(BAD_LINES[problem])
    emit(path, "c", attempt=2)
    assert messages(path) == ["a", "b", "c"]
    assert [event.seq for event in read_events(path)] == [1, 2, 3]
    assert f"{path}, line 3: " in caplog.text
    assert problem in caplog.text


def test_a_line_that_is_too_long_is_left_out_and_reading_goes_on_behind_it(path, monkeypatch):
    monkeypatch.setattr(events, "LARGEST_LINE_BYTES", 200)
    emit(path, "a")
    with path.open("ab") as file:
        file.write(b'{"seq": 2, "message": "' + b"x" * 1000 + b'"}\n')
    emit(path, "b")
    bad = []
    found = list(read_events(path, on_bad=bad.append))
    assert [event.data["message"] for event in found] == ["a", "b"]
    assert [line.problem for line in bad] == ["more than 200 bytes"]
    assert bad[0].start == found[0].end
    assert next(read_events(path, bad[0].end)).data["message"] == "b"


def test_no_line_is_longer_than_what_reads_it_takes(path, monkeypatch):
    monkeypatch.setattr(events, "LARGEST_LINE_BYTES", 2000)
    monkeypatch.setattr(events, "_KEPT_CHARACTERS", 100)
    rows = [{"name": f"row {number}", "value": number} for number in range(500)]
    with EventLog(path) as log:
        log.emit(EventType.LOG, level="info", message="é" * 5000)
        log.emit(EventType.TABLE, path="tables/a.json", caption="All.", columns=[], rows=rows)
        with pytest.raises(ValueError, match="of more than 2,000 bytes"):
            log.emit(EventType.METRICS, step=1, values={f"number {n}": n for n in range(500)})
    message, table = read_events(path)
    assert message.data["message"] == "é" * 100 + " [cut: 5,000 characters]"
    assert table.data["rows"] == rows[: len(table.data["rows"])]
    assert 20 < len(table.data["rows"]) < 500
    assert table.data["caption"] == "All. These are the first of 500 rows; tables/a.json has them all."
    assert all(len(line) <= 2001 for line in path.read_bytes().splitlines())


def test_a_number_that_is_not_finite_in_a_file_is_read_as_missing(path):
    path.write_text(
        '{"seq":1,"attempt":1,"time":5,"type":"metrics","step":1,"values":{"loss":NaN,"x":[Infinity,1e999]}}\n'
    )
    [event] = read_events(path)
    assert event.data["values"] == {"loss": None, "x": [None, None]}
