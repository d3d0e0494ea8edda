"""Sharded checkpoints of two real processes (FSDP2 over gloo) in the Hugging Face layout."""

import pytest
import torch
import torch.multiprocessing as multiprocessing
from safetensors.torch import load_file
from transformers import GenerationConfig

from rpt_core.config import ModelConfig
from rpt_core.inference.transformers import TransformersSampler
from rpt_core.models.checkpoints import load_model, read_metadata
from rpt_core.run.folder import RunDir
from rpt_core.text.tokens import load_end_token_ids
from rpt_core.verl_backend.export import export, merged_weights
from tests.rpt_core import stages

WORLD = 2
TINY_STEP = 1e-6
PROBE = (1, 2, 3)


def save_shard(rank, port_file, actor):
    """What verl's workers do: shard the model, take a tiny step, save each its own part."""
    import torch.distributed as distributed
    from torch.distributed.fsdp import fully_shard

    distributed.init_process_group("gloo", init_method=f"file://{port_file}", rank=rank, world_size=WORLD)
    model, _ = load_model(ModelConfig(path=str(actor.parent / "model"), device="cpu"))
    mesh = torch.distributed.device_mesh.init_device_mesh("cpu", (WORLD,), mesh_dim_names=("fsdp",))
    fully_shard(model, mesh=mesh)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.to_local().add_(TINY_STEP)
    torch.save(model.state_dict(), actor / f"model_world_size_{WORLD}_rank_{rank}.pt")
    distributed.barrier()
    distributed.destroy_process_group()


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    """verl's checkpoint of a model after a tiny step."""
    folder = tmp_path_factory.mktemp("global_step_5")
    stages.save_taught(folder / "model")
    (folder / "actor").mkdir()
    stages.taught()[0].config.save_pretrained(folder / "actor" / "huggingface")
    arguments = folder / "rendezvous", folder / "actor"
    multiprocessing.set_forkserver_preload([__name__])  # torch is loaded once, not by each process
    multiprocessing.start_processes(save_shard, arguments, nprocs=WORLD, start_method="forkserver")
    return folder


def start():
    return stages.taught()[0].state_dict()


@pytest.mark.slow
def test_shards_are_joined_to_the_whole_weights(state):
    merged = merged_weights(state / "actor")
    assert merged.keys() == start().keys()
    for name, tensor in merged.items():
        assert tensor.dtype == torch.float32
        torch.testing.assert_close(tensor, start()[name] + TINY_STEP, rtol=0, atol=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "kept"), [("float32", True), ("bfloat16", False)])
def test_an_export_loads_with_transformers_and_float32_keeps_what_bfloat16_loses(state, tmp_path, dtype, kept):
    tokenizer = stages.taught()[1]
    path = export(state, RunDir(tmp_path), 5, tokenizer, getattr(torch, dtype), {"flops": 7.0}, PROBE)
    model, loaded = load_model(ModelConfig(path=str(path), device="cpu", dtype=dtype))
    assert str(model.dtype) == f"torch.{dtype}"
    assert len(loaded) == len(tokenizer)
    assert read_metadata(path) == {"step": 5, "flops": 7.0}
    saved = load_file(path / "model.safetensors")
    assert "lm_head.weight" not in saved, "a tied matrix is saved once"
    changed = [bool((tensor.float() != start()[name].to(tensor.dtype).float()).all()) for name, tensor in saved.items()]
    assert all(changed) == kept


@pytest.mark.slow
@pytest.mark.parametrize("ends", [None, [1, 5]])
def test_an_export_ends_responses_where_training_did(state, tmp_path, ends):
    tokenizer = stages.taught()[1]
    shape = state / "actor" / "huggingface"
    if ends:
        GenerationConfig(eos_token_id=ends).save_pretrained(shape)
    path = export(state, RunDir(tmp_path), 5, tokenizer, torch.float32, {}, PROBE)
    (shape / "generation_config.json").unlink(missing_ok=True)
    expected = sorted({tokenizer.eos_token_id, *(ends or [])})
    assert load_end_token_ids(str(path), tokenizer) == expected
    assert TransformersSampler(*load_model(ModelConfig(path=str(path), device="cpu"))).end_ids == expected


@pytest.mark.slow
def test_a_missing_shard_is_no_checkpoint(state, tmp_path):
    (tmp_path / "actor").mkdir()
    name = f"model_world_size_{WORLD}_rank_0.pt"
    (tmp_path / "actor" / name).write_bytes((state / "actor" / name).read_bytes())
    with pytest.raises(RuntimeError, match=r"1 shards of a world of \[2\]"):
        merged_weights(tmp_path / "actor")
