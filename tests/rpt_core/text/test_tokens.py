"""Tokens as bytes, for both families of tokenizers."""

import copy
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen2Config

from rpt_core.errors import UserError
from rpt_core.text.tokens import (
    boundaries,
    encode,
    encode_within,
    ended,
    load_tokenizer,
    prefix_ids,
    token_bytes,
    tokenise,
    tokenizer_hash,
)
from rpt_core.text.vocabulary import vocabulary_of

TEXTS = [
    "The cat sat.",
    " leading space",
    "  two spaces",
    "tab\tand\nnewline\r\n\n",
    "emoji 😀👍🏽 and a family 👨‍👩‍👧‍👦",
    "漢字かな交じり文",
    "combining e\u0301 and o\u0308, composed é and ö",
    "café é| </think> <tag> mixed",
    "literal <0x0A> and \u2028 separators",
    "x" * 300,
]
HAZARDS = st.sampled_from(
    [" ", "  ", "\n", "\t", "😀", "👍🏽", "漢", "e\u0301", "é|", "<tag>", "</think>", "<0x0A>", "{", "the"]
)
# U+2581 is left out: Metaspace tokenizers cannot tell it from a space.
ANY_TEXT = st.lists(HAZARDS | st.text(st.characters(codec="utf-8", exclude_characters="▁"), max_size=6)).map("".join)
MANY = settings(max_examples=150, deadline=None)


@pytest.mark.parametrize("text", TEXTS)
def test_joined_bytes_of_byte_level_tokens_are_the_text(byte_level, text):
    pieces = token_bytes(byte_level, encode(byte_level, text))
    assert b"".join(pieces) == text.encode()
    assert boundaries(pieces)[-1] == len(text.encode())


# A space before the text or after an added token: some of these tokenizers do not tell by the ids alone.
@pytest.mark.parametrize("text", [text for text in TEXTS if not text.startswith(" ") and "<tag>" not in text])
def test_joined_bytes_of_metaspace_tokens_are_the_text(metaspace, text):
    assert b"".join(token_bytes(metaspace, encode(metaspace, text))) == text.encode()


@given(text=ANY_TEXT)
@MANY
def test_any_text_is_spelt_exactly_by_byte_level_tokens(byte_level, text):
    ids = encode(byte_level, text)
    assert b"".join(token_bytes(byte_level, ids)) == text.encode()
    assert tokenise(byte_level, text).byte_offsets[-1] == len(text.encode())


@given(text=ANY_TEXT)
@MANY
def test_any_text_is_spelt_exactly_by_metaspace_tokens(metaspace, text):
    tokenised = tokenise(metaspace, text)
    assert tokenised.text == text
    assert len(tokenised.byte_offsets) == len(tokenised.token_ids) + 1
    assert tokenised.byte_offsets[0] == 0
    assert tokenised.byte_offsets[-1] == len(text.encode())


def test_a_token_may_hold_part_of_a_character(byte_level):
    # The family emoji's parts were never seen in training: its bytes are single tokens.
    pieces = token_bytes(byte_level, encode(byte_level, "👨"))
    assert len(pieces) > 1
    assert b"".join(pieces) == b"\xf0\x9f\x91\xa8"
    with pytest.raises(UnicodeDecodeError):
        pieces[0].decode()


def test_byte_fallback_tokens_are_single_bytes(llama_2):
    ids = encode(llama_2, "a\n😀")
    assert [token for token in llama_2.convert_ids_to_tokens(ids) if token.startswith("<0x")] == [
        "<0x0A>",
        "<0xF0>",
        "<0x9F>",
        "<0x98>",
        "<0x80>",
    ]
    assert token_bytes(llama_2, ids)[-5:] == [b"\n", b"\xf0", b"\x9f", b"\x98", b"\x80"]


def test_the_space_that_llama_2_puts_before_a_text_is_left_out_only_at_its_start(llama_2):
    ids = encode(llama_2, "cat sat")
    assert b"".join(token_bytes(llama_2, ids)) == b"cat sat"
    assert b"".join(token_bytes(llama_2, ids, at_start=False)) == b" cat sat"


def test_a_space_of_the_text_itself_stays(llama_2):
    assert b"".join(token_bytes(llama_2, encode(llama_2, " cat"))) == b" cat"
    assert b"".join(token_bytes(llama_2, encode(llama_2, "a<tag> b<tag>c"))) == b"a<tag> b<tag>c"


def test_a_start_token_is_spelt_out_and_does_not_hide_the_start(llama_2):
    assert b"".join(token_bytes(llama_2, llama_2("cat")["input_ids"])) == b"<s>cat"


def test_an_added_token_is_its_own_utf_8_and_not_the_byte_alphabet(byte_level):
    number = byte_level.convert_tokens_to_ids("é|")
    assert token_bytes(byte_level, [number]) == ["é|".encode()]


def test_an_id_that_no_token_has_is_without_bytes(byte_level):
    assert token_bytes(byte_level, [len(byte_level) + 7, -1]) == [b"", b""]


def test_tokens_added_later_are_known(llama_2):
    tokenizer = copy.deepcopy(llama_2)
    token_bytes(tokenizer, encode(tokenizer, "the"))  # the table of bytes is made
    tokenizer.add_tokens(["<later>"])
    assert token_bytes(tokenizer, encode(tokenizer, "<later>")) == [b"<later>"]


class WithoutSize(PreTrainedTokenizerFast):
    """A tokenizer whose size must not be asked: transformers counts it by making the whole vocabulary again."""

    def __len__(self):
        raise AssertionError("the whole vocabulary was made again")

    def get_vocab(self):
        raise AssertionError("the whole vocabulary was made again")


def test_nothing_that_grows_with_the_vocabulary_is_done_for_each_text(byte_level):
    tokenizer = WithoutSize(tokenizer_object=byte_level.backend_tokenizer, eos_token="<|end|>")
    hash_ = tokenizer_hash(tokenizer)
    ids = tokenise(tokenizer, "the cat").token_ids
    unknown = 10**6  # a padded row of the embeddings must not have the table made again either
    read = vocabulary_of(tokenizer)
    assert token_bytes(tokenizer, [*ids, unknown])[-1] == b""
    assert encode_within(tokenizer, "the cat") == ids
    assert prefix_ids(tokenizer) == []
    assert ended(tokenizer, ids) == [*ids, tokenizer.eos_token_id]
    assert tokenizer_hash(tokenizer) == hash_
    assert vocabulary_of(tokenizer, [*ids, unknown, -1]) is read


def test_boundaries_are_cumulative_without_the_leading_zero():
    assert boundaries([b" the", b"", b"\xf0\x9f", b"x"]) == [4, 4, 6, 7]
    assert boundaries([]) == []


def test_special_tokens_in_a_document_are_plain_text(byte_level):
    tokenised = tokenise(byte_level, "a<|end|>b")
    assert byte_level.eos_token_id not in tokenised.token_ids
    assert byte_level.eos_token_id in encode(byte_level, "a<|end|>b")
    assert tokenised.text == "a<|end|>b"


def test_a_tokenizer_that_composes_characters_gives_its_own_text(byte_level_nfc):
    text = "cafe\u0301 noir"
    tokenised = tokenise(byte_level_nfc, text)
    assert tokenised.text == unicodedata.normalize("NFC", text) == "café noir"
    assert tokenised.byte_offsets[-1] == len("café noir".encode())


@pytest.mark.parametrize("text", ["cat", " cat", "\n\nthe", "<tag> the", "😀", ""])
def test_text_that_goes_on_gets_no_space_of_its_own(metaspace, text):
    ids = encode_within(metaspace, text)
    assert b"".join(token_bytes(metaspace, ids, at_start=False)) == text.encode()


def test_prefix_ids_are_what_the_tokenizer_puts_before_a_text(llama_2, byte_level):
    assert prefix_ids(llama_2) == [llama_2.bos_token_id]
    assert prefix_ids(byte_level) == []


def test_the_hash_survives_saving_and_padding_but_not_a_new_token(tmp_path, byte_level):
    before = tokenizer_hash(byte_level)
    byte_level.save_pretrained(tmp_path)
    loaded = load_tokenizer(tmp_path)
    loaded(["a", "the cat sat"], padding=True, truncation=True, max_length=2)
    assert tokenizer_hash(loaded) == before
    loaded.add_tokens(["<new>"])
    assert tokenizer_hash(loaded) != before


def test_the_type_of_the_model_beside_it_does_not_change_a_tokenizer(tmp_path, byte_level):
    Qwen2Config().save_pretrained(tmp_path)
    byte_level.save_pretrained(tmp_path)
    loaded = load_tokenizer(tmp_path)
    assert tokenizer_hash(loaded) == tokenizer_hash(byte_level)
    assert (len(loaded), loaded.eos_token) == (len(byte_level), "<|end|>")
    # Qwen2's own class would compose "e" and U+0301.
    assert tokenise(loaded, "cafe\u0301").text == "cafe\u0301"


def test_tokenizers_of_other_kinds_are_refused():
    words = Tokenizer(models.WordPiece({"[UNK]": 0, "the": 1}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]")
    with pytest.raises(UserError, match="Byte-level BPE"):
        token_bytes(tokenizer, [1])
