"""Pre-flight of a stored model: what its folder alone shows, told before a weight is read."""

import json
import shutil

import pytest
import transformers
from transformers import AutoModelForCausalLM

from rpt_core.config import STAGES, ModelConfig
from rpt_core.errors import UserError
from rpt_core.preflight import check, hardware
from rpt_core.preflight.checks import refuse_if_failing
from rpt_core.preflight.model_shape import shape_of
from tests.rpt_core.preflight.preflight_runs import CPU, fields, rpt


@pytest.fixture
def folder(model, tmp_path):
    """A copy of the taught model, to break."""
    return shutil.copytree(model["path"], tmp_path / "model")


def edit(file, **values):
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def cut(file):
    data = file.read_bytes()
    file.write_bytes(data[: len(data) // 2])


def pickle_weights(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


FAULTS = {
    "quantised": (lambda f: edit(f / "config.json", quantization_config={"quant_method": "awq"}), "quantised (awq)"),
    "half a config": (lambda f: cut(f / "config.json"), "config.json is not valid JSON"),
    "half a generation config": (lambda f: cut(f / "generation_config.json"), "generation_config.json is not valid"),
    "half a tokenizer": (lambda f: cut(f / "tokenizer.json"), "tokenizer.json is not valid JSON"),
    "half the weights": (lambda f: cut(f / "model.safetensors"), "model.safetensors cannot be read"),
    "pickled weights": (pickle_weights, "pickled (pytorch_model.bin)"),
    "unknown kind": (lambda f: edit(f / "config.json", model_type="my_llm", auto_map={}), "never run"),
    "no language model": (lambda f: edit(f / "config.json", model_type="t5"), "not a causal language model"),
    "nonsense": (lambda f: edit(f / "config.json", vocab_size=None), "'vocab_size'"),
    "no layers": (lambda f: edit(f / "config.json", num_hidden_layers=0, layer_types=[]), "'num_hidden_layers'"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_a_model_s_folder_shows_is_a_problem_of_its_field(folder, filtered, fault):
    spoil, told = FAULTS[fault]
    assert fields(check(rpt({"path": str(folder)}, filtered), CPU)) == []
    spoil(folder)
    report = check(rpt({"path": str(folder)}, filtered), CPU)
    assert fields(report) == ["model.path"]
    assert told in report.errors[0].message
    assert str(folder) in report.errors[0].message


def test_a_stage_refuses_such_a_folder_before_it_loads_anything(folder, filtered):
    edit(folder / "config.json", quantization_config={"quant_method": "gptq"})
    with pytest.raises(UserError, match=r"quantised \(gptq\)"):
        refuse_if_failing(rpt({"path": str(folder)}, filtered))


def test_older_configs_name_their_sizes_in_their_own_way(tmp_path):
    sizes = {"n_embd": 48, "n_layer": 3, "n_head": 4, "n_positions": 512, "vocab_size": 100, "n_inner": 96}
    (tmp_path / "config.json").write_text(json.dumps(sizes))
    shape = shape_of(ModelConfig(path=str(tmp_path)))
    assert (shape.hidden, shape.layers, shape.kv_width, shape.max_positions) == (48, 3, 48, 512)


SMALL = {
    "vocab_size": 300,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 1024,
    "eos_token_id": 0,
    "bos_token_id": 0,
    "pad_token_id": 0,
}
LONG_ROPE = {"rope_type": "longrope", "short_factor": [1.0] * 4, "long_factor": [2.0] * 4, "rope_theta": 1e4}


def put(folder, family, **changes):
    """Exchange the folder's config and weights for those of a random model."""
    config = getattr(transformers, f"{family}Config")(**{**SMALL, **changes})
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return {"path": str(folder)}


@pytest.mark.parametrize(
    ("family", "changes", "told"),
    [
        ("Mistral", {"sliding_window": 79}, "see only the last 79 tokens, but a prompt and its response may take 80"),
        ("Gemma3Text", {"head_dim": 16, "sliding_window": 79}, "see only the last 79 tokens"),
        ("Phi3", {"rope_parameters": LONG_ROPE, "original_max_position_embeddings": 79}, "beyond 79 tokens"),
    ],
)
def test_what_the_sampler_refuses_of_a_length_is_told_by_its_field(folder, filtered, family, changes, told):
    put(folder, family, **changes)
    config = rpt({"path": str(folder)}, filtered)
    report = check(config, CPU)
    assert fields(report) == ["sampling.max_response_tokens"]
    assert told in report.errors[0].message
    with pytest.raises(UserError, match=told):
        refuse_if_failing(config)
    edit(folder / "config.json", **{name: 80 for name, value in changes.items() if value == 79})
    assert fields(check(config, CPU)) == []


def test_layers_that_the_sampler_cannot_do_are_told_by_the_model_s_field(folder, filtered):
    put(folder, "Gemma2", head_dim=16)
    report = check(rpt({"path": str(folder)}, filtered), CPU)
    assert fields(report) == ["model.path"]
    assert "attn_logit_softcapping" in report.errors[0].message


def test_vllm_and_stages_that_sample_nothing_have_no_such_limits(folder, filtered):
    model = put(folder, "Mistral", sliding_window=16)
    assert fields(check(rpt(model, filtered, rollout_backend="vllm"), CPU)) == []
    on_gpu = check(rpt(model, filtered), hardware("h100"))
    assert fields(on_gpu) == []
    assert "sampling.max_response_tokens" in fields(on_gpu, "warning")
    assert fields(check(rpt(model, filtered, rollout_backend="transformers"), hardware("h100"))) != []
    values = {"model": model, "evaluation": {"positions": filtered, "modes": ["standard"]}}
    values |= {"prompt": {"template": "plain", "max_prompt_tokens": 60}, "sampling": {"max_response_tokens": 20}}
    assert fields(check(STAGES["evaluate"].model_validate(values), CPU)) == []
    values["evaluation"] |= {"modes": ["standard", "greedy"]}
    assert fields(check(STAGES["evaluate"].model_validate(values), CPU)) == ["sampling.max_response_tokens"]
