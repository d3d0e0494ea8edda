"""Numbers of a run in TensorBoard's files and in Weights & Biases' offline ones, read back by their own libraries."""

from __future__ import annotations

import pytest

from rpt_core.config.training import NtpConfig
from rpt_core.errors import UserError
from rpt_core.run import trackers
from rpt_core.run.events import EventLog, EventType, read_events
from rpt_core.run.folder import RunDir

CELLS = {"greedy": {"hard": {"value": 0.25, "n": 4}, "easy": {"value": None, "n": 0}}}


def config_of(**asked):
    corpus = {"source": "tiny", "tiny_documents": 50}
    return NtpConfig(scratch={}, corpus=corpus, budget={"steps": 7}, trackers=asked)


@pytest.fixture
def play(tmp_path):
    """play(first, last, **trackers) tells of these steps as a stage does."""

    def play(first, last, attempt=1, **asked):
        config, run = config_of(**asked), RunDir(tmp_path / "run")
        run.path.mkdir(exist_ok=True)
        with EventLog(run.events, attempt) as log, trackers.tracked(config.trackers, config, run, log):
            log.emit(EventType.STARTED, start_step=first - 1, total_steps=last)
            for step in range(first, last + 1):
                values = {"loss": attempt / step, "broken": float("nan") if step == 2 else 1.0, "words": None}
                log.emit(EventType.METRICS, step=step, values=values, flops=1.0)
            log.emit(EventType.EVALUATION, step=last, flops=1.0, outcomes="o", results=CELLS)
        return run

    return play


def test_tensorboard_has_the_numbers_and_a_resumed_run_replaces_what_it_does_again(play):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    play(1, 3, tensorboard=True)
    run = play(3, 4, attempt=2, tensorboard=True)
    found = EventAccumulator(str(run.tensorboard))
    found.Reload()
    losses = [(point.step, pytest.approx(point.value)) for point in found.Scalars("loss")]
    assert losses == [(1, 1.0), (2, 0.5), (3, 2 / 3), (4, 0.5)]
    assert [(point.step, point.value) for point in found.Scalars("evaluation/greedy/hard")] == [(4, 0.25)]
    assert set(found.Tags()["scalars"]) == {"loss", "broken", "evaluation/greedy/hard"}


BLOCK, HEADER = 32_768, 7
"""Of LevelDB's log format, in which wandb stores what it would send: checksum, length and type before each piece."""


def records(folder):
    """What wandb would send, in its order."""
    from wandb.proto.wandb_internal_pb2 import Record

    for path in sorted(folder.rglob("*.wandb")):
        data, place, whole = path.read_bytes(), HEADER, b""  # the file begins with a header of wandb's own
        while place + HEADER <= len(data):
            length, type_ = int.from_bytes(data[place + 4 : place + 6], "little"), data[place + 6]
            whole += data[place + HEADER : place + HEADER + length]
            place += HEADER + length
            if BLOCK - place % BLOCK < HEADER:
                place += BLOCK - place % BLOCK
            if type_ in (1, 4):  # a whole record, or the last piece of one
                yield Record.FromString(whole)
                whole = b""


def history(folder):
    import json

    for record in records(folder):
        if record.WhichOneof("record_type") == "history":
            rows = {item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
            yield {name: value for name, value in rows.items() if not name.startswith("_")}


@pytest.mark.slow
def test_wandb_has_the_numbers_offline_and_knows_a_resumed_run_again(play):
    play(1, 2, wandb_project="lab/rpt", wandb_offline=True)
    run = play(2, 3, attempt=2, wandb_project="lab/rpt", wandb_offline=True)
    rows = list(history(run.wandb))
    assert [(row["step"], row["loss"]) for row in rows if "loss" in row] == [(1, 1.0), (2, 0.5), (2, 1.0), (3, 2 / 3)]
    assert [row["evaluation/greedy/hard"] for row in rows if "loss" not in row] == [0.25, 0.25]
    started = [record.run for record in records(run.wandb) if record.WhichOneof("record_type") == "run"]
    assert {(run.entity, run.project) for run in started} == {("lab", "rpt")}
    assert len({run.run_id for run in started}) == 1


def test_a_tracker_that_fails_later_is_told_of_once_and_the_run_continues(play, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(trackers._TensorBoard, "numbers", fail)
    run = play(1, 3, tensorboard=True)
    events = list(read_events(run.events))
    assert [event.data["step"] for event in events if event.type == EventType.METRICS] == [1, 2, 3]
    (warning,) = [event.data["message"] for event in events if event.type == EventType.LOG]
    assert warning == (
        "TensorBoard gets no more numbers of this run: No space left on device. The run continues without it."
    )


def test_what_is_not_installed_is_refused_with_what_to_do(play, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"trackers\.wandb_project needs the package wandb, which is not installed"):
        play(1, 1, wandb_project="rpt", wandb_offline=True)


@pytest.mark.parametrize("name", ["a b", "a/b/c", "/a", "a#b"])
def test_a_project_is_a_name(name):
    with pytest.raises(ValueError, match="wandb_project"):
        config_of(wandb_project=name)
