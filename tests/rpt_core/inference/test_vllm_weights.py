"""vLLM's weights are those of the files and of the policy, or the run stops by name (run by `make test-verl`)."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from rpt_core.config import ModelConfig, SamplingConfig, VllmConfig
from rpt_core.errors import UserError
from rpt_core.inference.transformers import TransformersSampler
from tests.rpt_core import stages

pytestmark = [pytest.mark.verl, pytest.mark.slow]
LAYER = "model.layers.0.mlp.down_proj.weight"


def changed(folder, change):
    """A copy of the taught model with other weights; returns its folder."""
    path = stages.save_taught(folder, hidden_size=64)["path"]
    tensors = change(load_file(folder / "model.safetensors"))
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return path


def prefixed(tensors):
    return {f"_orig_mod.{name}": tensor for name, tensor in tensors.items()}


def without_a_layer(tensors):
    return {name: tensor for name, tensor in tensors.items() if name != LAYER}


def with_a_reward_head(tensors):
    return tensors | {"score.weight": torch.ones(1, 64)}


def of_another_shape(tensors):
    return tensors | {LAYER: torch.ones(64, 8)}


def moved(tensors):
    """Whole and finite, and another model."""
    return tensors | {LAYER: tensors[LAYER] + 0.3}


WRONG = [
    (prefixed, "missing: lm_head.weight, .* unknown to the model: _orig_mod."),
    (without_a_layer, f"1 missing: {LAYER}"),
    (with_a_reward_head, "1 unknown to the model: score.weight"),
    (of_another_shape, f"1 of another shape: {LAYER}"),
]


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    from rpt_core.inference.vllm import VllmEngine

    path = stages.save_taught(tmp_path_factory.mktemp("model"), hidden_size=64)["path"]
    return VllmEngine(ModelConfig(path=path), VllmConfig(), 64, step_tokens=100)


@pytest.mark.parametrize(("change", "words"), WRONG)
def test_an_engine_does_not_start_with_wrong_weights(tmp_path, change, words):
    from rpt_core.inference.vllm import VllmEngine

    with pytest.raises(UserError, match=f"The weights of .* are not those of the Qwen2ForCausalLM .*{words}"):
        VllmEngine(ModelConfig(path=changed(tmp_path, change)), VllmConfig(), 64)


@pytest.mark.parametrize(("change", "words"), WRONG)
def test_a_running_engine_takes_no_checkpoint_with_wrong_weights(engine, tmp_path, change, words):
    with pytest.raises(UserError, match=words):
        engine.load_folder(changed(tmp_path, change))


def test_weights_of_the_policy_that_are_not_all_there_are_not_taken_over(engine):
    model, _ = stages.taught(hidden_size=64)
    parts = without_a_layer(model.state_dict())
    policy = type("Policy", (), {"state_dict": lambda self: parts})()
    with pytest.raises(RuntimeError, match=f"vLLM keeps old weights, .* none for {LAYER}"):
        engine.load(policy)


def test_what_was_taken_over_is_what_samples(engine, tmp_path):
    """The check that would fail with weights that were left behind: log-probs of another model are others."""
    from rpt_core.inference.vllm import VllmSampler

    config = SamplingConfig(temperature=0.0, max_response_tokens=8)
    path = changed(tmp_path, moved)
    model, tokenizer = stages.load({"path": path, "device": "cpu"})
    prompt = tokenizer("Digits: 1 2<think>")["input_ids"]
    ((ours,),) = TransformersSampler(model, tokenizer).sample([prompt], 1, config, 0)
    sampler = VllmSampler(engine, tokenizer)
    engine.load(stages.taught(hidden_size=64)[0])
    ((before,),) = sampler.sample([prompt], 1, config, 0)
    assert before.log_probs != pytest.approx(ours.log_probs, abs=1e-2)
    for take_over in (lambda: engine.load(model), lambda: engine.load_folder(path)):
        engine.load(stages.taught(hidden_size=64)[0])
        take_over()
        ((theirs,),) = sampler.sample([prompt], 1, config, 0)
        assert theirs.token_ids == ours.token_ids
        assert theirs.log_probs == pytest.approx(ours.log_probs, abs=1e-4)
