"""What a run that was broken off tells: the very rows of one that was not."""

import json

import pytest

from rpt_core.models.checkpoints import read_metadata
from rpt_core.run.context import StageContext
from rpt_core.run.events import EventLog, EventType
from rpt_core.run.folder import METADATA, RunDir
from rpt_core.train.checkpoint_records import emit_untold_checkpoint
from rpt_core.train.meter import Meter
from tests.rpt_core import stages


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    return stages.make_ground(tmp_path_factory.mktemp("ground"))


def ntp(ground, **changes):
    return {
        "stage": "ntp",
        "corpus": stages.write_corpus(ground / "digits.jsonl"),
        "model": {"path": str(ground / "model"), "device": "cpu"},
        "batch_documents": 6,
        "budget": {"steps": 7},
        "optimiser": stages.OPTIMISER,
        **changes,
    }


@pytest.mark.parametrize("stop", [1, 4, 5, 6])
def test_a_stop_between_two_metrics_events_moves_none(ground, tmp_path, stop):
    config = ntp(ground, log_every_steps=3, checkpoint_every_steps=5)
    stages.run_stage(tmp_path / "whole", config)
    assert stages.run_stage(tmp_path / "broken", config, stop_after=stop) is None
    stages.run_stage(tmp_path / "broken", config)
    whole = stages.without_times(tmp_path / "whole", EventType.METRICS)
    assert [event["step"] for event in whole] == [3, 5, 6, 7]
    assert stages.without_times(tmp_path / "broken", EventType.METRICS) == whole
    assert read_metadata(RunDir(tmp_path / "broken").checkpoint(7)) == read_metadata(
        RunDir(tmp_path / "whole").checkpoint(7)
    )


def test_a_stop_in_an_evaluation_before_the_checkpoint_of_its_step_moves_no_metrics(ground, tmp_path):
    evaluation = {"positions": str(ground / "filter" / "positions"), "modes": ["greedy"]}
    config = stages.rpt(
        ground,
        steps=3,
        log_every_steps=3,
        checkpoint_every_steps=2,
        evaluation=evaluation,
        evaluate_at_steps=[2],
    )
    stages.run_stage(tmp_path / "whole", config)
    assert stages.run_stage(tmp_path / "broken", config, stop_after=2) is None
    assert not stages.events(tmp_path / "broken", EventType.EVALUATION)
    stages.run_stage(tmp_path / "broken", config)
    for type_ in (EventType.METRICS, EventType.EVALUATION, EventType.CHECKPOINT):
        told = [stages.without_times(tmp_path / name, type_) for name in ("whole", "broken")]
        for event in (*told[0], *told[1]):
            event.pop("bytes", None)  # the metadata that the stop wrote say that the evaluation is due
        assert told[0] == told[1]
    assert [event["step"] for event in stages.events(tmp_path / "broken", EventType.METRICS)] == [2, 3]


@pytest.mark.parametrize("stage", ["ntp", "rpt"])
def test_a_checkpoint_without_its_event_is_told_of_when_the_run_goes_on(ground, tmp_path, stage):
    config = ntp(ground, checkpoint_every_steps=2) if stage == "ntp" else stages.rpt(ground, checkpoint_every_steps=2)
    stages.run_stage(tmp_path / "whole", config)
    stages.run_stage(tmp_path / "killed", config, stop_after=4)
    cut(RunDir(tmp_path / "killed"), step=4)
    assert [event["step"] for event in stages.events(tmp_path / "killed", EventType.CHECKPOINT)] == [2]
    stages.run_stage(tmp_path / "killed", config)
    starts = [event["start_step"] for event in stages.events(tmp_path / "killed", EventType.STARTED)]
    assert starts == [0, 4]
    told = [stages.events(tmp_path / name, EventType.CHECKPOINT) for name in ("whole", "killed")]
    assert told[0] == told[1]
    assert [event["step"] for event in told[1]] == [2, 4, 6, 7]


def test_what_an_attempt_that_went_back_made_void_is_told_of_again_and_once(tmp_path):
    run = RunDir(tmp_path)
    run.checkpoint(4).mkdir(parents=True)
    (run.checkpoint(4) / METADATA).write_text('{"step": 4, "flops": 8.0}')
    with EventLog(run.events) as log:
        context = StageContext(run, log)
        context.started(0, 6)
        for start, times in ((None, 1), (4, 1), (2, 2), (None, 2)):
            if start is not None:
                context.started(start, 6)
            emit_untold_checkpoint(context, 4)
            emit_untold_checkpoint(context, 3)  # which is not there
            assert [event["step"] for event in stages.events(tmp_path, EventType.CHECKPOINT)] == [4] * times
    assert {event["flops"] for event in stages.events(tmp_path, EventType.CHECKPOINT)} == {8.0}


def cut(run, step):
    """Take away the events from that of a step's checkpoint on, as a kill before it would."""
    lines = run.events.read_bytes().splitlines(keepends=True)
    parsed = [json.loads(line) for line in lines]
    at = next(n for n, e in enumerate(parsed) if e["type"] == "checkpoint" and e["step"] == step)
    run.events.write_bytes(b"".join(lines[:at]))


def test_a_meter_goes_on_from_what_it_gave():
    whole, first, second = Meter(), Meter(), Meter()
    assert first.state() is None
    steps = [({"loss": 0.1}, 3, 0.5), ({"loss": 0.7, "kl": 1e-3}, 4, 0.25), ({"loss": 1e9}, 5, 0.125)]
    for step in steps:
        whole.add(*step)
    first.add(*steps[0])
    second.restore(json.loads(json.dumps(first.state())))
    for step in steps[1:]:
        second.add(*step)
    taken = whole.take()
    assert taken == pytest.approx({"loss": 1e9 / 3 + 0.8 / 3, "kl": 0.001, "tokens_per_second": 12 / 0.875})
    assert second.take() == taken
    assert second.take() == {}
    assert second.state() is None
