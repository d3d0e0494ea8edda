"""Loading: a model's weights are those of its files, or the run stops with a sentence that names what is wrong."""

import json
import shutil

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from rpt_core.config import ModelConfig
from rpt_core.errors import UserError
from rpt_core.models.checkpoints import load_model
from rpt_core.models.folder import DTYPES, read_config
from rpt_core.models.loading import checked_shape
from rpt_core.text.tokens import load_tokenizer
from tests.rpt_core import stages

SHAPE = {
    "vocab_size": 300,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "eos_token_id": 0,
    "bos_token_id": 0,
    "pad_token_id": 0,
}
EXPERTS = {"num_experts_per_tok": 2, "moe_intermediate_size": 16}
FAMILIES = {
    "Llama": {"tie_word_embeddings": False},
    "Qwen3": {"tie_word_embeddings": True, "head_dim": 16},
    "Mistral": {"sliding_window": 16},
    "Gemma3Text": {"head_dim": 16, "sliding_window": 16},
    "Phi3": {},
    "Mixtral": {"num_local_experts": 4},
    "Qwen3Moe": {**EXPERTS, "num_experts": 4, "head_dim": 16},
    "GptOss": {"head_dim": 16, "num_local_experts": 4},
    "DeepseekV3": {
        **EXPERTS,
        "num_key_value_heads": 4,
        "n_routed_experts": 8,
        "n_group": 2,
        "topk_group": 1,
        "q_lora_rank": 8,
        "kv_lora_rank": 8,
        "qk_rope_head_dim": 8,
        "qk_nope_head_dim": 8,
        "v_head_dim": 8,
    },
    "GPT2": {},
    "GPTNeoX": {},
    "Olmo2": {},
    "Bloom": {},
    "Falcon": {},
    "OPT": {"word_embed_proj_dim": 32, "ffn_dim": 48},
    "Mamba": {},
}


@pytest.fixture
def folder(tmp_path):
    """A copy of the taught model, to break."""
    stages.save_taught(tmp_path / "model")
    return tmp_path / "model"


def load(folder):
    return load_model(ModelConfig(path=str(folder), device="cpu"))


def edit(file, **values):
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def rename(folder, change):
    """Change the tensors of a model's file, {name: tensor} to the same."""
    file = folder / "model.safetensors"
    save_file(change(load_file(file)), file, metadata={"format": "pt"})


def test_the_copy_that_the_tests_break_loads_whole(folder):
    model, _ = load(folder)
    taught = stages.taught()[0]
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), taught.parameters(), strict=True))


@pytest.mark.parametrize("family", FAMILIES)
def test_what_a_family_of_models_saves_is_all_there_when_it_is_loaded(tmp_path, family):
    config = getattr(transformers, f"{family}Config")(**{**SHAPE, **FAMILIES[family]})
    made = AutoModelForCausalLM.from_config(config)
    made.save_pretrained(tmp_path)
    stages.taught()[1].save_pretrained(tmp_path)
    loaded, _ = load(tmp_path)
    expected, found = made.state_dict(), loaded.state_dict()
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[name], found[name].to(expected[name].dtype)) for name in expected)


@pytest.mark.parametrize("prefix", ["_orig_mod.", "module.", "base_model.model."])
def test_names_with_a_prefix_are_refused_and_the_prefix_is_named(folder, prefix):
    rename(folder, lambda tensors: {prefix + name: tensor for name, tensor in tensors.items()})
    with pytest.raises(UserError, match=rf"missing: .*{prefix}model.*have '{prefix}' in them"):
        load(folder)


def test_a_wrapper_in_the_middle_of_the_names_is_named(folder):
    inside = "model.layers.0._checkpoint_wrapped_module."
    rename(folder, lambda tensors: {n.replace("model.layers.0.", inside): t for n, t in tensors.items()})
    with pytest.raises(UserError, match=r"have '_checkpoint_wrapped_module\.' in them"):
        load(folder)


def test_one_missing_tensor_is_enough_to_refuse_and_nothing_is_initialised(folder, capfd):
    rename(folder, lambda tensors: {n: t for n, t in tensors.items() if n != "model.norm.weight"})
    with pytest.raises(UserError, match=r"1 missing: model\.norm\.weight\. Use"):
        load(folder)
    assert "LOAD REPORT" not in capfd.readouterr().err


def test_a_model_without_an_output_layer_is_refused_unless_it_is_tied(folder):
    assert load(folder)[0].config.tie_word_embeddings
    edit(folder / "config.json", tie_word_embeddings=False)
    with pytest.raises(UserError, match=r"missing: lm_head\.weight.*`tie_word_embeddings`"):
        load(folder)


def test_a_value_head_and_layers_too_many_are_refused_though_nothing_is_missing(folder):
    rename(folder, lambda tensors: tensors | {"score.weight": torch.zeros(1, 32)})
    with pytest.raises(UserError, match=r"1 unknown to the model: score\.weight"):
        load(folder)


def test_a_model_of_rewards_is_refused_by_its_name(folder):
    edit(folder / "config.json", architectures=["Qwen2ForSequenceClassification"])
    with pytest.raises(UserError, match=r"Qwen2ForSequenceClassification.*another head"):
        load(folder)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"hidden_size": 64}, r"of another shape: .*instead of"),
        ({"num_hidden_layers": 2, "layer_types": None}, r"missing: model\.layers\.1\."),
        ({"vocab_size": 999}, r"model\.embed_tokens\.weight \(\d+, 32\) instead of \(999, 32\)"),
    ],
)
def test_the_config_of_another_model_is_refused(folder, change, told):
    edit(folder / "config.json", **change)
    with pytest.raises(UserError, match=told):
        load(folder)


def test_buffers_that_older_versions_stored_are_no_fault(folder):
    old = {"model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(4)}
    rename(folder, lambda tensors: tensors | old)
    load(folder)


@pytest.mark.parametrize("special", [False, True])
def test_more_tokens_than_embeddings_are_refused_where_a_text_can_have_them(folder, special):
    state = json.loads((folder / "tokenizer.json").read_text())
    size = json.loads((folder / "config.json").read_text())["vocab_size"]
    token = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": special}
    state["added_tokens"].append({**token, "id": size, "content": "remainder"})
    (folder / "tokenizer.json").write_text(json.dumps(state))
    if special:  # as Gemma 3 lists the token for an image, which its models of text lack
        load(folder)
        edit(folder / "tokenizer_config.json", pad_token="remainder")
    with pytest.raises(
        UserError, match=rf"ids up to {size}, but the model has {size} embeddings.*'remainder' \({size}\)"
    ):
        load(folder)


def test_a_special_token_without_an_embedding_is_refused_where_the_chat_template_writes_it(folder):
    tokenizer = load_tokenizer(folder)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|turn|>"]})
    tokenizer.save_pretrained(folder)
    load(folder)
    tokenizer.chat_template = "{{ '<|turn|>' + messages[0]['content'] }}"
    tokenizer.save_pretrained(folder)
    with pytest.raises(UserError, match=r"none for '<\|turn\|>'"):
        load(folder)


@pytest.mark.parametrize(
    "values",
    [
        {"quantization_config": {"quant_method": "gptq", "bits": 4}},
        {"quantization_config": {"quant_method": "awq", "bits": 4}},
        {"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True}},
        {"quantization_config": {"quant_method": "fp8"}},
        {"quantization_config": {"quant_method": "mxfp4"}},
        {"quantization_config": {"quant_method": "compressed-tensors", "format": "pack-quantized"}},
        {"compression_config": {"format": "pack-quantized"}},
        {"quantization": {"group_size": 64, "bits": 4}},
        {"text_config": {"quantization_config": {"quant_method": "fp8"}}},
    ],
)
def test_a_quantised_model_is_refused_with_the_name_of_the_method(folder, values):
    edit(folder / "config.json", **values)
    method = values.get("quantization_config", {}).get("quant_method", "")
    with pytest.raises(UserError, match=rf"{folder} is quantised \(.*{method}.*unquantised"):
        load(folder)


@pytest.mark.parametrize("name", ["quantize_config.json", "hf_quant_config.json"])
def test_a_file_that_says_how_a_model_was_quantised_is_enough(folder, name):
    (folder / name).write_text("{}")
    with pytest.raises(UserError, match=name):
        load(folder)


@pytest.mark.parametrize("name", ["config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"])
@pytest.mark.parametrize(
    "content", [b"", b'{"a": ', b"\xff\xfe\x00", b"[" * 100_000, b"[1]", b"<html>Not found</html>"]
)
def test_a_damaged_json_file_is_named(folder, name, content):
    (folder / name).write_bytes(content)
    with pytest.raises(UserError, match=rf"{folder}/{name}"):
        load(folder)


@pytest.mark.parametrize("values", [{"hidden_size": "wide"}, {"num_attention_heads": 0}, {"rope_parameters": 7}])
def test_a_config_with_nonsense_in_it_is_refused_with_its_name(folder, values):
    edit(folder / "config.json", **values)
    with pytest.raises(UserError, match=str(folder)):
        load(folder)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a Git LFS pointer .* `git lfs pull`"),
        (b"<!DOCTYPE html><title>Log in</title>", "a web page instead of the data"),
    ],
)
def test_what_stands_for_the_weights_is_called_what_it_is(folder, content, words):
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(UserError, match=rf"{folder}/model\.safetensors is {words}"):
        load(folder)


@pytest.mark.parametrize("dtype", [torch.int8, torch.uint8, torch.float8_e4m3fn])
def test_weights_that_are_numbers_only_with_scales_are_refused_though_no_config_says_so(folder, dtype):
    tensors = load_file(folder / "model.safetensors")
    narrow = {n: t.to(dtype) if t.dim() == 2 else t for n, t in tensors.items()}
    save_file(narrow, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match=r"model\.safetensors is quantised: model\.embed_tokens\.weight"):
        load(folder)


def test_weights_that_lie_in_a_folder_twice_are_refused(folder):
    whole = (folder / "model.safetensors").read_bytes()
    sharded(folder)
    (folder / "model.safetensors").write_bytes(whole)
    with pytest.raises(UserError, match=r"holds the weights twice: in model\.safetensors, and in the files that"):
        load(folder)


@pytest.mark.parametrize("content", [b"", b"\x00" * 8, b"PAR1"])
def test_a_damaged_file_of_weights_is_named(folder, content):
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(UserError, match=rf"{folder}/model\.safetensors cannot be read"):
        load(folder)


def sharded(folder):
    """The model in several files with their index, as large models come."""
    stages.taught()[0].save_pretrained(folder, max_shard_size="20KB")
    (folder / "model.safetensors").unlink()
    return folder / "model.safetensors.index.json"


def test_a_model_in_several_files_is_read_and_a_missing_or_damaged_one_is_named(folder):
    index = sharded(folder)
    load(folder)
    shard = folder / sorted(set(json.loads(index.read_text())["weight_map"].values()))[-1]
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-8])
    with pytest.raises(UserError, match=f"{shard} cannot be read"):
        load(folder)
    shard.unlink()
    with pytest.raises(UserError, match=f"{index} names {shard.name}, which {folder} does not hold"):
        load(folder)


@pytest.mark.parametrize(
    "content", ['{"weight_map": ', '{"weight_map": {}}', '{"weight_map": {"a": "../b.safetensors"}}']
)
def test_a_damaged_index_is_named(folder, content):
    index = sharded(folder)
    index.write_text(content)
    with pytest.raises(UserError, match=str(index)):
        load(folder)


def test_weights_that_are_only_pickled_are_not_read(folder):
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(UserError, match=r"pickled \(pytorch_model\.bin\).*safetensors"):
        load(folder)
    (folder / "pytorch_model.bin").unlink()
    with pytest.raises(UserError, match="holds no weights"):
        load(folder)


def test_an_adapter_is_not_put_under_another_base_model(folder):
    (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "someone/else"}))
    with pytest.raises(UserError, match=r"adapter_config\.json.*Merge"):
        load(folder)


@pytest.mark.parametrize("kind", ["my_llm", "llama"])
def test_code_that_comes_with_a_model_is_never_run_whoever_sits_at_the_keyboard(folder, kind, monkeypatch):
    ran = folder / "ran"
    (folder / "configuration_my.py").write_text(f"open({str(ran)!r}, 'w')\nraise SystemExit")
    shutil.copy(folder / "configuration_my.py", folder / "modeling_my.py")
    shutil.copy(folder / "configuration_my.py", folder / "tokenization_my.py")
    maps = {"AutoConfig": "configuration_my.C", "AutoModelForCausalLM": "modeling_my.M"}
    edit(folder / "config.json", model_type=kind, auto_map=maps)
    edit(folder / "tokenizer_config.json", auto_map={"AutoTokenizer": ["tokenization_my.T", "tokenization_my.T"]})
    asked = []
    monkeypatch.setattr("builtins.input", lambda words="": asked.append(words) or "y")
    if kind == "my_llm":
        with pytest.raises(UserError, match=r"'my_llm'.*code that comes with a model is never run"):
            load(folder)
    else:  # a kind that transformers knows is read by its code
        assert read_config(str(folder)).model_type == "llama"
    load_tokenizer(folder)
    assert not asked
    assert not ran.exists()


@pytest.mark.parametrize(("kind", "told"), [("no-such-model", "newer version"), ("t5", "not a causal language model")])
def test_a_kind_of_model_that_cannot_be_loaded_is_told(folder, kind, told):
    (folder / "config.json").write_text(json.dumps({"model_type": kind}))
    with pytest.raises(UserError, match=rf"{folder}/config\.json .*'{kind}'.*{told}"):
        load(folder)


def test_a_format_of_numbers_that_torch_does_not_know_is_told_of_any_part_of_a_config(folder):
    known = {name for name in dir(torch) if isinstance(getattr(torch, name), torch.dtype)}
    assert {name for name in known if getattr(torch, name).is_floating_point} == DTYPES
    edit(folder / "config.json", dtype="float15")
    with pytest.raises(UserError, match=rf"{folder}/config\.json says 'float15' for 'dtype'"):
        read_config(str(folder))
    edit(folder / "config.json", dtype="float32", text_config={"torch_dtype": "nn"})
    with pytest.raises(UserError, match="says 'nn' for 'torch_dtype'"):
        read_config(str(folder))


def test_an_engine_with_a_loader_of_its_own_gets_no_folder_that_ours_refuses(folder):
    parameters = sum(parameter.numel() for parameter in stages.taught()[0].parameters())
    assert sum(parameter.numel() for parameter in checked_shape(str(folder)).parameters()) == parameters
    rename(folder, lambda tensors: {n: t for n, t in tensors.items() if n != "model.norm.weight"})
    with pytest.raises(UserError, match=r"1 missing: model\.norm\.weight"):
        checked_shape(str(folder))


def test_an_output_layer_of_its_own_in_a_tied_model_is_refused_for_such_an_engine(folder):
    head = load_file(folder / "model.safetensors")["model.embed_tokens.weight"]
    rename(folder, lambda tensors: tensors | {"lm_head.weight": head.clone()})
    checked_shape(str(folder))
    rename(folder, lambda tensors: tensors | {"lm_head.weight": head + 1})
    assert torch.equal(load(folder)[0].get_output_embeddings().weight, head + 1)
    with pytest.raises(UserError, match="Set `tie_word_embeddings` to false"):
        checked_shape(str(folder))
