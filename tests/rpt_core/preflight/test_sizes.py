"""Pre-flight: the sizes of a model are those of the real thing, told from its files without loading it."""

import json
import os
import shutil

import pytest

from rpt_core.config import STAGES, ModelConfig, ScratchConfig
from rpt_core.errors import UserError
from rpt_core.models.checkpoints import load_model, new_model
from rpt_core.models.flops import matrix_parameters, sizes
from rpt_core.preflight import check
from rpt_core.preflight.model_shape import shape_of, shape_of_scratch
from tests.rpt_core import stages
from tests.rpt_core.preflight.preflight_runs import CPU


def test_a_checkpoint_is_counted_as_its_loaded_model_is(model):
    loaded, _ = load_model(ModelConfig(**model))
    shape = shape_of(ModelConfig(**model))
    assert shape.parameters == sum(parameter.numel() for parameter in loaded.parameters())
    assert shape.matrix_parameters == matrix_parameters(loaded)
    assert (shape.layers, shape.hidden, shape.kv_width) == (1, 32, 32)


def test_a_model_is_computed_from_its_config_where_there_are_no_weights(tmp_path):
    # Llama 3.2 1B, whose published size is 1,235,814,400 parameters.
    sizes = {
        "hidden_size": 2048,
        "num_hidden_layers": 16,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 64,
        "intermediate_size": 8192,
        "vocab_size": 128256,
        "tie_word_embeddings": True,
        "max_position_embeddings": 131072,
    }
    (tmp_path / "config.json").write_text(json.dumps(sizes))
    shape = shape_of(ModelConfig(path=str(tmp_path)))
    assert shape.parameters == 1_235_814_400
    assert shape.kv_width == 512


def test_the_new_model_of_the_tiny_preset_has_the_size_that_its_docs_say():
    shape = shape_of_scratch(ScratchConfig())
    assert (shape.matrix_parameters, shape.parameters) == (185_344, 186_368)


@pytest.mark.parametrize("architecture", ["qwen2", "llama"])
def test_a_new_model_is_counted_as_it_is_made(architecture):
    tokenizer = stages.taught()[1]
    scratch = ScratchConfig(architecture=architecture).model_copy(update={"vocab_size": len(tokenizer)})
    shape = shape_of_scratch(scratch)
    assert sizes(new_model(scratch, tokenizer, seed=0)) == {
        "parameters": shape.parameters,
        "matrix_parameters": shape.matrix_parameters,
    }


def test_a_run_s_result_tells_the_sizes_that_its_pre_flight_told(model, tmp_path):
    values = {"stage": "ntp", "model": model, "corpus": stages.write_corpus(tmp_path / "corpus.jsonl")}
    config = STAGES["ntp"].model_validate(values | {"budget": {"steps": 1}})
    result = stages.run_stage(tmp_path / "run", config.model_dump(mode="json"))
    told = check(config, CPU).model
    assert (result["parameters"], result["matrix_parameters"]) == (told.parameters, told.matrix_parameters)
    assert result["parameters"] > result["matrix_parameters"]


@pytest.mark.parametrize("size", [0, 100, -100])
def test_half_a_file_of_weights_is_explained(model, tmp_path, size):
    folder = tmp_path / "half"
    shutil.copytree(model["path"], folder)
    file = folder / "model.safetensors"
    os.truncate(file, size % file.stat().st_size)
    with pytest.raises(UserError, match=r"half/model\.safetensors cannot be read.*cut off"):
        shape_of(ModelConfig(path=str(folder)))
    with pytest.raises(UserError, match=r"half/model\.safetensors cannot be read.*cut off"):
        load_model(ModelConfig(path=str(folder)))


def test_a_folder_without_a_model_is_explained(tmp_path):
    with pytest.raises(UserError, match=r"holds no config\.json"):
        shape_of(ModelConfig(path=str(tmp_path)))
