"""The byte-level tokenizer of models that start from scratch."""

import pytest
from transformers import AutoTokenizer

from rpt_core.errors import UserError
from rpt_core.text.new_tokenizer import SMALLEST_VOCABULARY, SPECIAL_TOKENS, train_tokenizer
from rpt_core.text.tokens import encode, token_bytes, tokenizer_hash

TEXTS = ["Problem: add 12 and 30.\nSolution: So the answer is 42."] * 20


def test_any_bytes_survive_though_the_texts_never_had_them():
    tokenizer = train_tokenizer(TEXTS, 300)
    text = "π ≈ 3.14 — naïve 🙂\n\tend"
    assert b"".join(token_bytes(tokenizer, encode(tokenizer, text))) == text.encode()


def test_digits_are_single_tokens():
    tokenizer = train_tokenizer(["1234 1234 1234"] * 50, 300)
    assert token_bytes(tokenizer, encode(tokenizer, "1234")) == [b"1", b"2", b"3", b"4"]


def test_the_box_costs_one_token_though_the_texts_never_had_it():
    tokenizer = train_tokenizer(TEXTS, 300)
    pieces = token_bytes(tokenizer, encode(tokenizer, "\\boxed{7}"))
    assert pieces == [b"\\boxed", b"{", b"7", b"}"]


def test_special_tokens_have_the_first_ids_and_their_parts():
    tokenizer = train_tokenizer(TEXTS, 300)
    assert tokenizer.convert_tokens_to_ids(list(SPECIAL_TOKENS)) == [0, 1, 2, 3]
    assert (tokenizer.eos_token, tokenizer.pad_token) == ("<|endoftext|>", "<|pad|>")
    assert encode(tokenizer, "<think></think>") == [2, 3]


def test_the_vocabulary_stays_within_its_limit():
    assert len(train_tokenizer(TEXTS, 280)) == 280


def test_it_is_the_same_after_saving_and_loading(tmp_path):
    tokenizer = train_tokenizer(TEXTS, 300)
    tokenizer.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    assert tokenizer_hash(loaded) == tokenizer_hash(tokenizer)
    assert encode(loaded, TEXTS[0]) == encode(tokenizer, TEXTS[0])


def test_a_vocabulary_without_room_for_all_bytes_is_refused():
    with pytest.raises(UserError, match=str(SMALLEST_VOCABULARY)):
        train_tokenizer(TEXTS, SMALLEST_VOCABULARY - 1)
