"""What a reference to an earlier run stands for."""

import pytest

from rpt_core.errors import UserError
from rpt_core.run.events import EventLog, EventType
from rpt_core.run.folder import RunDir
from rpt_core.run.products import Wanted, is_number, parse, product


@pytest.fixture
def run(tmp_path):
    """A run with two checkpoints, evaluations at steps 0 and 100 and rollouts of two kinds."""
    run = RunDir(tmp_path / "run")
    for step in (20, 100):
        run.checkpoint(step).mkdir(parents=True)
    (run.checkpoints / "step-000900.partial").mkdir()
    files = [run.evaluation(0), run.evaluation(100), run.rollout_shard("train", 7), run.rollout_shard("sampled", 100)]
    files += [run.rollout_shard("sampled", 20), run.evaluations / "step-000900.parquet.partial"]
    for path in [*files, run.position_list("never-solved")]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return run


@pytest.mark.parametrize(
    ("what", "path"),
    [
        ("checkpoint", "checkpoints/step-000100"),
        ("checkpoint@20", "checkpoints/step-000020"),
        ("outcomes", "evaluations/step-000100.parquet"),
        ("outcomes@0", "evaluations/step-000000.parquet"),
        ("rollouts:sampled", "rollouts/sampled-000100.parquet"),
        ("rollouts:sampled@20", "rollouts/sampled-000020.parquet"),
        ("rollouts:train", "rollouts/train-000007.parquet"),
        ("never-solved", "position_lists/never-solved.jsonl"),
        ("folder", ""),
    ],
)
def test_a_reference_is_a_path_in_the_runs_folder(run, what, path):
    assert product(run, what) == str(run.path / path)


@pytest.mark.parametrize(
    "what",
    ["checkpoint@21", "outcomes@20", "rollouts:greedy", "rollouts:train@8", "positions", "always-solved", "flops"],
)
def test_what_a_run_has_not_made_is_refused(run, what):
    with pytest.raises(UserError, match=f"has no {what}: .* Run that stage to its end"):
        product(run, what)


@pytest.mark.parametrize(
    "what",
    [
        "",
        "colour",
        "checkpoint@",
        "checkpoint@x",
        "positions@3",
        "flops@3",
        "rollouts",
        "rollouts:eval",
        "folder:train",
    ],
)
def test_what_cannot_be_referred_to_is_refused_with_what_can(run, what):
    with pytest.raises(UserError, match="It can refer to: checkpoint, outcomes, rollouts:KIND"):
        product(run, what)


def test_a_reference_has_three_parts():
    assert parse("rollouts:greedy@12") == Wanted("rollouts", "greedy", 12)
    assert parse("folder") == Wanted("folder", None, None)


def test_compute_is_the_only_number():
    assert is_number("flops")
    assert not is_number("checkpoint@3")


def test_compute_is_what_the_run_itself_has_spent(run):
    with EventLog(run.events) as log:
        log.emit(EventType.METRICS, step=1, values={}, flops=3.0)
        log.emit(EventType.CHECKPOINT, step=2, path="x", bytes=1, flops=5.0)
        log.emit(EventType.STARTED, start_step=0, total_steps=2)
        log.emit(EventType.METRICS, step=1, values={}, flops=4.0)
        log.emit(EventType.EVALUATION, step=2, flops=9.0, outcomes="x", results={})  # of the model that it was given
    assert product(run, "flops") == 5.0
