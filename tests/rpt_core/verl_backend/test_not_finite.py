"""Numbers that are not finite, and changed configs, in runs that verl trains: the same messages as the plain loop."""

import json

import pytest

from rpt_core.errors import UserError
from rpt_core.models.checkpoints import read_metadata
from rpt_core.run.events import EventType
from rpt_core.run.folder import RunDir
from tests.rpt_core import stages
from tests.rpt_core.verl_backend.played_runs import config, execute

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("played")]


def kept_batch(folder, step):
    head, *rows = (json.loads(line) for line in RunDir(folder).not_finite_batch(step).read_text().splitlines())
    return head, rows


@pytest.mark.parametrize(
    ("how", "number"),
    [
        ("not finite", "the gradient norm"),
        ("loss not finite", "the loss"),
        ("log-prob not finite", "the log-prob of a sampled token"),
    ],
)
def test_a_step_with_such_a_number_ends_the_run_and_is_never_exported(ground, tmp_path, played, how, number):
    played(how)
    with pytest.raises(UserError, match=f"^Step 3: {number} is not finite") as error:
        execute(tmp_path, config(ground))
    run = RunDir(tmp_path)
    assert [data["step"] for data in stages.events(tmp_path, EventType.METRICS)] == [1, 2]
    assert run.checkpoint_steps() == [2]
    assert "The newest checkpoint, step 2, is good: started again, the run continues from there." in str(error.value)
    assert "`optimiser.learning_rate`" in str(error.value)
    head, rows = kept_batch(tmp_path, 3)
    assert head == {"step": 3, "number": number, "value": "nan"}
    assert str(run.not_finite_batch(3)) in str(error.value)
    assert [len(row["responses"]) for row in rows] == [4] * 5
    assert all(set(row["rewards"]) <= {"0.0", "1.0"} and row["prompt"] for row in rows)
    played("well")
    assert execute(tmp_path, config(ground), attempt=2)["steps"] == 6


def test_a_step_without_an_update_is_skipped_where_that_is_allowed(ground, tmp_path, played):
    played("not finite")
    assert execute(tmp_path, config(ground, skip_not_finite_steps=1))["steps"] == 6
    (message,) = [e["message"] for e in stages.events(tmp_path, EventType.LOG) if e["message"].startswith("Step 3")]
    assert "is skipped: the gradient norm is not finite" in message
    assert kept_batch(tmp_path, 3)[1]
    values = {data["step"]: data["values"] for data in stages.events(tmp_path, EventType.METRICS)}
    assert [values[step]["steps_skipped"] for step in range(1, 7)] == [0, 0, 1, 1, 1, 1]
    assert "gradient_norm" not in values[3]
    assert read_metadata(RunDir(tmp_path).checkpoint(6))["skipped_steps"] == 1


@pytest.mark.parametrize("how", ["loss not finite", "log-prob not finite"])
def test_a_step_that_verl_has_learnt_from_is_not_skipped(ground, tmp_path, played, how):
    played(how)
    with pytest.raises(UserError, match=r"^Step 3: "):
        execute(tmp_path, config(ground, skip_not_finite_steps=5))


@pytest.mark.parametrize(
    ("how", "number"),
    [("weights not finite", "the weight `model.embed_tokens.weight`"), ("output not finite", "the model's output")],
)
def test_what_verl_has_saved_is_no_checkpoint_when_it_is_not_finite(ground, tmp_path, played, how, number):
    played(how)
    with pytest.raises(UserError, match=f"^After step 4 {number} is not finite, .* newest checkpoint, step 2, is good"):
        execute(tmp_path, config(ground, keep_checkpoints=1))
    assert RunDir(tmp_path).checkpoint_steps() == [2]
    assert not list(RunDir(tmp_path).checkpoints.glob("*.partial"))
    played("well")
    assert execute(tmp_path, config(ground, keep_checkpoints=1), attempt=2)["steps"] == 6


def test_a_resume_is_compared_with_what_made_the_checkpoint(ground, tmp_path):
    execute(tmp_path, config(ground))
    longer = config(ground) | {"steps": 8, "seed": 3}
    with pytest.raises(UserError, match=r"- `seed` was 0, is 3\n.*--allow-changed seed"):
        execute(tmp_path, longer, attempt=2)
    assert execute(tmp_path, longer, attempt=3, allow_changed=("seed",))["steps"] == 8
    metadata = read_metadata(RunDir(tmp_path).checkpoint(8))
    assert metadata["changed"] == [{"step": 6, "fields": {"seed": "was 0, is 3"}}]
    assert any("changed config: `seed`" in event["message"] for event in stages.events(tmp_path, EventType.LOG))
    with pytest.raises(UserError, match="has done step 8, but `steps` ends training earlier, at step 7"):
        execute(tmp_path, longer | {"steps": 7}, attempt=4, allow_changed=("seed",))
    with pytest.raises(
        UserError, match="made by the engine verl, and the engine torch cannot use its optimiser's state"
    ):
        execute(tmp_path, longer | {"engine": "torch", "steps": 9}, attempt=5, allow_changed=("seed",))


def test_a_damaged_count_of_the_ledger_is_named(ground, tmp_path):
    execute(tmp_path, config(ground))
    (tmp_path / "verl" / "ledger" / "step-000006.npz").write_bytes(b"PK")
    with pytest.raises(UserError, match=r"step-000006\.npz cannot be read.*Start a new run from .*step-000006"):
        execute(tmp_path, config(ground) | {"steps": 8}, attempt=2)
