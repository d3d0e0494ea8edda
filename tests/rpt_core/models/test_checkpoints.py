"""Checkpoints: there whole or not at all, the same after loading, old ones removed."""

import json

import pytest
import torch

from rpt_core.config import ModelConfig, OptimiserConfig, ScratchConfig
from rpt_core.errors import UserError
from rpt_core.models import checkpoints
from rpt_core.models.checkpoints import (
    checkpoint_flops,
    choose_device,
    load_model,
    new_model,
    prune_checkpoints,
    read_metadata,
    remove_leftovers,
    restore_optimiser,
    restore_tensors,
    save_checkpoint,
)
from rpt_core.run.folder import RunDir
from rpt_core.text.tokens import tokenizer_hash
from rpt_core.train.loop import make_optimiser
from tests.rpt_core import stages

SCRATCH = ScratchConfig(hidden_size=8, layers=1, intermediate_size=8, vocab_size=280)


@pytest.fixture
def trained():
    """A small model, its tokenizer, and an optimiser that has done two steps."""
    _, tokenizer = stages.taught()
    model = new_model(SCRATCH, tokenizer, seed=0)
    optimiser = make_optimiser(list(model.parameters()), OptimiserConfig(learning_rate=0.01))
    for _ in range(2):
        step(model, optimiser)
    return model, tokenizer, optimiser


def step(model, optimiser):
    model(input_ids=torch.arange(5)[None], labels=torch.arange(5)[None]).loss.backward()
    optimiser.step()
    optimiser.zero_grad()


@pytest.mark.parametrize("architecture", ["qwen2", "llama"])
def test_a_loaded_checkpoint_goes_on_exactly_like_the_model_that_was_saved(tmp_path, architecture):
    _, tokenizer = stages.taught()
    model = new_model(SCRATCH.model_copy(update={"architecture": architecture}), tokenizer, seed=0)
    optimiser = make_optimiser(list(model.parameters()), OptimiserConfig(learning_rate=0.01))
    step(model, optimiser)
    path = save_checkpoint(RunDir(tmp_path), 1, model, tokenizer, optimiser, {"flops": 1.0})
    loaded, loaded_tokenizer = load_model(ModelConfig(path=str(path), device="cpu"))
    again = make_optimiser(list(loaded.parameters()), OptimiserConfig(learning_rate=0.01))
    restore_optimiser(path, loaded, again)
    for _ in range(3):
        step(model, optimiser)
        step(loaded, again)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), loaded.parameters(), strict=True))
    assert tokenizer_hash(loaded_tokenizer) == tokenizer_hash(tokenizer)


def test_an_optimiser_that_has_done_nothing_is_saved_too(tmp_path, trained):
    model, tokenizer, _ = trained
    optimiser = make_optimiser(list(model.parameters()), OptimiserConfig())
    path = save_checkpoint(RunDir(tmp_path), 0, model, tokenizer, optimiser, {})
    restore_optimiser(path, model, optimiser)
    assert optimiser.state_dict()["state"] == {}


def test_metadata_tells_step_and_compute(tmp_path, trained):
    path = save_checkpoint(RunDir(tmp_path), 12, *trained, {"flops": 3.5e9, "stage": "rpt"})
    assert path == tmp_path / "checkpoints" / "step-000012"
    assert read_metadata(path) == {"step": 12, "flops": 3.5e9, "stage": "rpt"}
    assert checkpoint_flops(path) == 3.5e9


def test_a_model_that_is_none_of_ours_has_no_metadata(tmp_path):
    assert read_metadata(tmp_path) == {}
    assert checkpoint_flops("Qwen/Qwen2.5-0.5B") == 0


def test_weights_and_optimiser_are_safetensors_and_nothing_is_pickled(tmp_path, trained):
    path = save_checkpoint(RunDir(tmp_path), 1, *trained, {})
    endings = {file.suffix for file in path.rglob("*") if file.is_file()}
    assert endings <= {".json", ".safetensors", ".jinja"}


def test_kept_tensors_come_back_into_the_same_memory(tmp_path, trained):
    kept = {"average": {"a": torch.tensor([1.0, 2.0]), "b": torch.eye(3).T[:, ::2]}}
    path = save_checkpoint(RunDir(tmp_path), 1, *trained, {}, kept)
    tensors = {"a": torch.zeros(2, requires_grad=True), "b": torch.zeros(3, 2)}
    same = tensors["b"]
    restore_tensors(path, "average", tensors)
    assert tensors["a"].tolist() == [1, 2]
    assert same.tolist() == [[1, 0], [0, 0], [0, 1]]


def test_a_checkpoint_without_the_kept_tensors_is_refused_with_their_name(tmp_path, trained):
    path = save_checkpoint(RunDir(tmp_path), 1, *trained, {})
    with pytest.raises(UserError, match=r"average\.safetensors"):
        restore_tensors(path, "average", {})


@pytest.mark.parametrize("breaks", ["tokenizer", "optimiser", "disk"])
def test_a_crash_while_writing_leaves_no_half_checkpoint(tmp_path, trained, monkeypatch, breaks):
    model, tokenizer, optimiser = trained
    run = RunDir(tmp_path)
    save_checkpoint(run, 1, model, tokenizer, optimiser, {})

    def fail(*_, **__):
        raise OSError("no space left")

    target = {"tokenizer": (tokenizer, "save_pretrained"), "optimiser": (optimiser, "state_dict")}
    monkeypatch.setattr(*target.get(breaks, (checkpoints, "force_to_disk")), fail)
    with pytest.raises(OSError, match="no space left"):
        save_checkpoint(run, 2, model, tokenizer, optimiser, {})
    assert run.checkpoint_steps() == [1]
    assert run.newest_checkpoint() == run.checkpoint(1)
    monkeypatch.undo()
    save_checkpoint(run, 2, model, tokenizer, optimiser, {})
    assert run.checkpoint_steps() == [1, 2]
    assert not list(run.checkpoints.glob("*.partial"))


def test_a_checkpoint_takes_the_place_of_one_of_the_same_step(tmp_path, trained):
    run = RunDir(tmp_path)
    for flops in (1.0, 2.0):
        path = save_checkpoint(run, 1, *trained, {"flops": flops})
    assert checkpoint_flops(path) == 2.0
    assert [entry.name for entry in run.checkpoints.iterdir()] == ["step-000001"]


def test_only_the_newest_are_kept(tmp_path, trained):
    run = RunDir(tmp_path)
    for number in (1, 2, 10):
        save_checkpoint(run, number, *trained, {})
    prune_checkpoints(run, keep=2)
    assert [entry.name for entry in sorted(run.checkpoints.iterdir())] == ["step-000002", "step-000010"]


def test_leftovers_of_a_crash_are_removed_and_checkpoints_are_not(tmp_path, trained):
    run = RunDir(tmp_path)
    save_checkpoint(run, 1, *trained, {})
    (run.checkpoints / "step-000002.partial").mkdir()
    (run.checkpoints / "step-000002.partial" / "model.safetensors").write_bytes(b"half")
    remove_leftovers(run)
    assert [entry.name for entry in run.checkpoints.iterdir()] == ["step-000001"]


def test_equal_seeds_give_equal_weights_and_leave_the_global_generator_alone():
    _, tokenizer = stages.taught()
    state = torch.random.get_rng_state()
    first, again, other = (new_model(SCRATCH, tokenizer, seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["lm_head.weight"], other["lm_head.weight"])
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_model_is_loaded_in_the_number_format_asked_for(tmp_path):
    config = stages.save_taught(tmp_path)
    model, _ = load_model(ModelConfig(**config, dtype="bfloat16"))
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}
    assert not model.training


@pytest.mark.parametrize("content", [None, {}, {"model_type": "no-such-model"}])
def test_what_is_no_model_is_refused_with_its_path(tmp_path, content):
    folder = tmp_path / "model"
    if content is not None:
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=str(folder)):
        load_model(ModelConfig(path=str(folder)))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_refused():
    with pytest.raises(UserError, match="GPU"):
        choose_device("cuda")
    assert choose_device("auto") == torch.device("cpu")


def test_a_small_model_runs_on_one_thread_unless_the_environment_says_otherwise(monkeypatch):
    _, tokenizer = stages.taught()
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        monkeypatch.setenv("OMP_NUM_THREADS", "2")
        new_model(SCRATCH, tokenizer, seed=0)
        assert torch.get_num_threads() == 2
        monkeypatch.delenv("OMP_NUM_THREADS")
        new_model(SCRATCH, tokenizer, seed=0)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)
