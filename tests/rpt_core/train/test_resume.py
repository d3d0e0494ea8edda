"""A resume goes on only from a checkpoint that is whole and was made by what the config says."""

import json

import pytest
from safetensors.torch import load_file, save_file

from rpt_core.config import STAGES
from rpt_core.errors import UserError
from rpt_core.models.checkpoints import read_metadata
from rpt_core.run.context import StageContext
from rpt_core.run.events import EventLog, EventType
from rpt_core.run.folder import RunDir
from rpt_core.train.changes import FREE, PATHS, differences, made_by, refuse_changes, refuse_unknown
from rpt_core.train.loop import load_trained
from rpt_core.train.resume import refuse_other_engine
from tests.rpt_core import stages


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    return stages.make_ground(tmp_path_factory.mktemp("ground"))


def compared(before, after):
    now = [made_by(STAGES[config["stage"]].model_validate(config)) for config in (before, after)]
    return differences(*now, {})


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"seed": 2, "batch_problems": 3, "group_size": 2}, ["batch_problems", "group_size", "seed"]),
        ({"optimiser": {**stages.OPTIMISER, "learning_rate": 1e-4}}, ["optimiser.learning_rate"]),
        ({"reward": {"kind": "dense"}}, ["reward.kind"]),
        ({"steps": 100, "checkpoint_every_steps": 1, "keep_checkpoints": 2, "skip_not_finite_steps": 3}, []),
        ({"grpo": {"batch_rows": 2}, "rollout_backend": "transformers"}, []),
    ],
)
def test_each_field_that_matters_is_named_and_the_others_may_differ(ground, changes, names):
    assert list(compared(stages.rpt(ground), stages.rpt(ground, **changes))) == names


def test_a_model_counts_by_what_its_folder_holds(ground, tmp_path):
    moved = stages.save_taught(tmp_path / "moved")
    assert compared(stages.rpt(ground), stages.rpt(ground, model=moved)) == {}
    tensors = load_file(tmp_path / "moved" / "model.safetensors")
    tensors[next(iter(tensors))][0] += 1
    save_file(tensors, tmp_path / "moved" / "model.safetensors", metadata={"format": "pt"})
    assert list(compared(stages.rpt(ground), stages.rpt(ground, model=moved))) == ["model.path"]


@pytest.mark.parametrize("word", ["optimiser.learning_rate", "learning_rate", "optimiser"])
def test_a_change_is_allowed_by_its_name(tmp_path, word):
    found = {"optimiser.learning_rate": "was 1, is 2"}
    assert refuse_changes(found, [word], tmp_path) == ["`optimiser.learning_rate` was 1, is 2"]
    with pytest.raises(UserError, match=r"--allow-changed optimiser\.learning_rate"):
        refuse_changes(found, ["seed"], tmp_path)


def test_the_lists_name_fields_that_there_are():
    known = {name.split(".")[0] for config in STAGES.values() for name in config.model_fields}
    assert {name.split(".")[0] for name in (*FREE, *PATHS)} <= known


def test_a_run_whose_config_has_changed_is_refused_and_an_old_checkpoint_goes_on_with_a_word(ground, tmp_path):
    stages.run_stage(tmp_path, stages.rpt(ground, steps=1))
    with pytest.raises(UserError, match="`seed` was 0, is 5"):
        stages.run_stage(tmp_path, stages.rpt(ground, steps=2, seed=5))
    newest = RunDir(tmp_path).newest_checkpoint()
    metadata = read_metadata(newest)
    del metadata["made_by"]
    (newest / "metadata.json").write_text(json.dumps(metadata))
    assert stages.run_stage(tmp_path, stages.rpt(ground, steps=2, seed=5))["steps"] == 2
    assert any("not compared" in event["message"] for event in stages.events(tmp_path, EventType.LOG))


DAMAGE = ("metadata.json", "model.safetensors", "training/optimiser.safetensors", "training/optimiser.json")


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_newest_checkpoint_is_passed_over_and_the_last_one_is_not(ground, tmp_path, name):
    config = stages.rpt(ground, steps=2, checkpoint_every_steps=1)
    stages.run_stage(tmp_path, config)
    run = RunDir(tmp_path)
    file = run.checkpoint(2) / name
    file.write_bytes(file.read_bytes()[:20])
    with EventLog(run.events) as log:
        context = StageContext(run, log)
        load_trained(context, STAGES["rpt"].model_validate(config).model)
        context.started(1, 2)
    assert run.checkpoint_steps() == [1]
    assert (run.checkpoints / "step-000002.damaged").is_dir()
    message = stages.events(tmp_path, EventType.LOG)[-1]["message"]
    assert "step-000002 is damaged" in message
    assert "continues from" in message
    file = run.checkpoint(1) / name
    file.write_bytes(b"")
    with pytest.raises(UserError, match="no other can be read"):
        load_trained(context, STAGES["rpt"].model_validate(config).model)
    assert run.checkpoint_steps() == [1]


def test_training_that_would_end_before_what_is_done_is_refused(ground, tmp_path):
    config = stages.rpt(ground, steps=4, checkpoint_every_steps=2)
    stages.run_stage(tmp_path, config, stop_after=3)
    with pytest.raises(
        UserError, match=r"step-000003 has done step 3, but `steps` ends training earlier, at step 2\. .*raise `steps`"
    ):
        stages.run_stage(tmp_path, stages.rpt(ground, steps=2))
    assert stages.run_stage(tmp_path, stages.rpt(ground, steps=3))["steps"] == 3


@pytest.mark.parametrize(("kind", "words"), [("flops", r"[\d.e+]+ FLOPs"), ("tokens", r"[\d,]+ tokens")])
def test_a_budget_below_what_is_spent_is_refused_and_one_that_its_last_step_passed_is_not(
    ground, tmp_path, kind, words
):
    def config(share):
        budget = {kind: share * {"flops": 1e8, "tokens": 1000}[kind]}
        return {**stages.expert_iteration(ground), "budget": budget, "checkpoint_every_steps": 1}

    result = stages.run_stage(tmp_path, config(1))
    assert result[kind] > config(1)["budget"][kind], "the last step goes beyond the budget"
    assert stages.run_stage(tmp_path, config(1))["steps"] == result["steps"]
    with pytest.raises(UserError, match=rf"has done {words}, but `budget\.{kind}` ends training earlier, at {words}"):
        stages.run_stage(tmp_path, config(0.5))


def test_a_checkpoint_of_the_other_engine_is_not_gone_on_from(ground, tmp_path):
    stages.run_stage(tmp_path, stages.rpt(ground, steps=1))
    newest = RunDir(tmp_path).newest_checkpoint()
    refuse_other_engine(RunDir(tmp_path), "torch")
    with pytest.raises(
        UserError, match="made by the engine torch, and the engine verl cannot use its optimiser's state"
    ):
        refuse_other_engine(RunDir(tmp_path), "verl")
    (newest / "metadata.json").write_text(json.dumps(read_metadata(newest) | {"engine": "verl"}))
    with pytest.raises(UserError, match="`engine: verl` back"):
        stages.run_stage(tmp_path, stages.rpt(ground, steps=2))
    assert RunDir(tmp_path).newest_checkpoint() == newest, "it is not set aside as damaged"


@pytest.mark.parametrize("word", ["optimiser.learning_rate", "learning_rate", "optimiser", "tokenizer", "template"])
def test_a_word_that_names_a_field_may_be_allowed(ground, tmp_path, word):
    refuse_unknown([word], STAGES["rpt"].model_validate(stages.rpt(ground)), RunDir(tmp_path))


@pytest.mark.parametrize(
    ("word", "meant"),
    [("learning_rat", "optimiser.learning_rate"), ("sede", "seed"), ("rate", "optimiser.learning_rate"), ("zzz", "")],
)
def test_a_word_that_names_no_field_is_refused_with_what_may_be_meant(ground, tmp_path, word, meant):
    with pytest.raises(UserError, match=f"There is no field '{word}'") as error:
        refuse_unknown(["seed", word], STAGES["rpt"].model_validate(stages.rpt(ground)), RunDir(tmp_path))
    assert ("Did you mean" in str(error.value)) == bool(meant)
    assert meant in str(error.value)
    assert "batch_problems" in str(error.value)


def test_a_field_that_only_an_older_version_had_may_be_allowed(ground, tmp_path):
    config = stages.rpt(ground, steps=1)
    stages.run_stage(tmp_path, config)
    newest = RunDir(tmp_path).newest_checkpoint()
    metadata = read_metadata(newest)
    metadata["made_by"]["config"]["bygone"] = 3
    (newest / "metadata.json").write_text(json.dumps(metadata))
    refuse_unknown(["bygone"], STAGES["rpt"].model_validate(config), RunDir(tmp_path))
