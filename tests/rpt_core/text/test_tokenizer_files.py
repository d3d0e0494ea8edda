"""Damaged files of a tokenizer are named."""

import json

import pytest

from rpt_core.errors import UserError
from rpt_core.text.tokens import load_end_token_ids, load_tokenizer
from tests.rpt_core.text.families import save_family


@pytest.fixture
def folder(tmp_path):
    """A model's folder with tokenizer files."""
    return save_family(tmp_path / "model", "qwen")


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"])
@pytest.mark.parametrize("damage", ["cut", "empty", "list", "lfs", "utf-16", "mark"])
def test_a_damaged_file_of_a_tokenizer_is_named(folder, name, damage):
    file = folder / name
    data = file.read_bytes() if file.is_file() else b'{"eos_token": "<|im_end|>"}'
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 7\n"
    damaged = {"cut": data[:-9], "empty": b"", "list": b"[]", "lfs": pointer, "utf-16": data.decode().encode("utf-16")}
    damaged["mark"] = b"\xef\xbb\xbf" + data
    file.write_bytes(damaged[damage])
    if name == "special_tokens_map.json":  # transformers reads it for a tokenizer without a list of added tokens
        settings = json.loads((folder / "tokenizer_config.json").read_text())
        settings.pop("added_tokens_decoder", None)
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    with pytest.raises(UserError, match=rf"{folder}/{name} "):
        load_tokenizer(folder)


@pytest.mark.parametrize("state", [{}, {"model": {"type": "BPE"}}, {"version": "1.0", "model": {"type": "New"}}])
def test_a_tokenizer_file_that_describes_no_tokenizer_is_named(folder, state):
    (folder / "tokenizer.json").write_text(json.dumps(state))
    with pytest.raises(UserError, match=rf"{folder}/tokenizer\.json cannot be read: .*Copy the model again"):
        load_tokenizer(folder)


def test_a_chat_template_file_that_is_no_text_is_named(folder):
    (folder / "chat_template.jinja").write_bytes(b"{{ messages }} caf\xe9")
    with pytest.raises(UserError, match=rf"{folder}/chat_template\.jinja cannot be read"):
        load_tokenizer(folder)


def test_a_folder_without_a_tokenizer_is_told_what_it_needs(tmp_path):
    with pytest.raises(UserError, match=r"The tokenizer of .* needs its tokenizer\.json"):
        load_tokenizer(tmp_path)


def test_a_damaged_generation_config_is_named_and_not_passed_over(folder):
    tokenizer = load_tokenizer(folder)
    assert load_end_token_ids(str(folder), tokenizer) == [tokenizer.eos_token_id]
    (folder / "generation_config.json").write_text('{"eos_token_id": [1, ')
    with pytest.raises(UserError, match=r"generation_config\.json"):
        load_end_token_ids(str(folder), tokenizer)
