"""What a model's card says of good and of bad models, each fault in words and none hiding another."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from safetensors.numpy import load_file, save_file

from rpt_core.preflight.model_card import as_text, card_of, main
from rpt_core.text.tokens import load_tokenizer, tokenizer_hash
from tests.rpt_core import stages

OPENS = "{% for m in messages %}<u>{{ m.content }}</u>{% endfor %}{% if add_generation_prompt %}<a><think>{% endif %}"


@pytest.fixture
def folder(tmp_path):
    """The taught model with a chat template that opens a thought, and a licence."""
    stages.save_taught(tmp_path / "model")
    (tmp_path / "model" / "chat_template.jinja").write_text(OPENS)
    (tmp_path / "model" / "README.md").write_text("---\nlicense: apache-2.0\ntags: [x]\n---\n# A model\n")
    return tmp_path / "model"


def change(folder, name, **values):
    file = folder / name
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def errors(card):
    return [fault.message for fault in card.faults if fault.level == "error"]


def test_a_good_models_card_says_what_it_is(folder):
    card = card_of(str(folder))
    assert card.faults == []
    assert card.loads
    assert card.is_good
    model, tokenizer = stages.taught()
    assert card.facts["parameters"] == sum(p.numel() for p in model.parameters())
    assert card.facts["architecture"] == "Qwen2ForCausalLM"
    assert card.facts["context_tokens"] == model.config.max_position_embeddings
    assert card.facts["formats"] == ["F32"]
    assert card.facts["bytes"] == (folder / "model.safetensors").stat().st_size
    assert card.facts["tokenizer_hash"] == tokenizer_hash(load_tokenizer(folder))
    assert [end["id"] for end in card.facts["end_tokens"]] == [tokenizer.eos_token_id]
    assert card.facts["chat_template"] == OPENS
    assert card.facts["opens_thought"] is True
    assert card.facts["answer_begins"].endswith("<a><think>")
    assert card.facts["licence"] == "apache-2.0"
    assert "It loads." in as_text(card)


def test_a_template_that_opens_no_thought_and_a_missing_one_are_warned_of(folder):
    (folder / "chat_template.jinja").write_text(OPENS.replace("<think>", ""))
    card = card_of(str(folder))
    assert [fault.level for fault in card.faults] == ["warning"]
    assert "opens no thought" in card.faults[0].message
    assert (card.is_good, card.facts["opens_thought"]) == (True, False)
    (folder / "chat_template.jinja").write_text(OPENS.replace("<think>", "<think></think>"))
    assert card_of(str(folder)).facts["opens_thought"] is False
    (folder / "chat_template.jinja").unlink()
    card = card_of(str(folder))
    assert "has no chat template" in card.faults[0].message
    assert card.facts["chat_template"] is None


def test_a_template_that_fails_is_an_error_with_its_reason(folder):
    (folder / "chat_template.jinja").write_text("{{ raise_exception('only with a system prompt') }}")
    card = card_of(str(folder))
    assert "only with a system prompt" in errors(card)[0]
    assert card.loads
    assert not card.is_good


def test_weights_of_another_model_are_named_beside_what_else_is_wrong(folder):
    tensors = load_file(folder / "model.safetensors")
    lost = tensors.pop("model.layers.0.mlp.up_proj.weight")
    save_file(tensors | {"model.layers.0.mlp.extra.weight": lost}, folder / "model.safetensors", {"format": "pt"})
    change(folder, "tokenizer_config.json", eos_token=None)
    change(folder, "generation_config.json", eos_token_id=None)
    card = card_of(str(folder))
    found = " ".join(errors(card))
    assert "up_proj.weight" in found
    assert "has no end token" in found
    assert not card.loads
    assert card.facts["layers"] == 1
    assert len(errors(card)) == len(set(errors(card)))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda f: (f / "model.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1\n"), "pointer"),
        (lambda f: (f / "model.safetensors").rename(f / "pytorch_model.bin"), "pickled"),
        (lambda f: (f / "tokenizer.json").unlink(), "tokenizer"),
        (lambda f: (f / "config.json").write_text("{"), "not valid JSON"),
        (lambda f: change(f, "config.json", model_type="made_up", auto_map={}), "code of its own"),
        (lambda f: change(f, "config.json", quantization_config={"quant_method": "gptq"}), "quantised"),
        (lambda f: (f / "config.json").unlink(), "holds no config.json"),
    ],
)
def test_what_cannot_be_used_is_said_in_words(folder, damage, words):
    damage(folder)
    card = card_of(str(folder))
    assert any(words in message for message in errors(card)), card.faults
    assert not card.is_good


@pytest.mark.parametrize("values", [{"architectures": 5}, {"model_type": {"a": 1}}, {"vocab_size": -5}])
def test_a_config_with_values_of_other_kinds_is_a_fault_that_hides_no_other(folder, values):
    change(folder, "config.json", **values)
    card = card_of(str(folder))
    assert not card.is_good
    assert all(message.endswith("Copy the model again.") for message in errors(card)), errors(card)
    assert "tokenizer_hash" in card.facts


def test_a_readme_with_a_broken_head_does_no_harm(folder):
    (folder / "README.md").write_text("---\nlicense: [\n---\n")
    (folder / "LICENSE.txt").write_text("MIT")
    assert card_of(str(folder)).facts["licence"] == "see LICENSE.txt"


def test_the_shell_prints_the_card_and_says_by_its_code_whether_it_is_good(folder, capsys):
    assert main([str(folder), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["loads"], printed["faults"]) == (True, [])
    (folder / "tokenizer.json").unlink()
    done = subprocess.run([sys.executable, "-m", "rpt_core", "model", str(folder)], capture_output=True, text=True)
    assert done.returncode == 2
    assert "error: " in done.stdout
