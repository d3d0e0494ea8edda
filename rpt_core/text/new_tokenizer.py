"""Trains a byte-level BPE tokenizer with Qwen2's pre-tokenizer, for models that start from scratch.

In: texts, the size of the vocabulary. Out: a tokenizer in the Hugging Face layout. Digits stay single tokens, any text
can be encoded, and `<|endoftext|>` (end of a document or a response), `<|pad|>`, `<think>`, `</think>` are tokens of
their own. The box that responses end with is added to the texts, so that writing it costs few tokens.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from rpt_core.errors import UserError

END, PAD, THINK, END_THINK = SPECIAL_TOKENS = ("<|endoftext|>", "<|pad|>", "<think>", "</think>")
SMALLEST_VOCABULARY = 256 + len(SPECIAL_TOKENS)

_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""Qwen2's published rule: a word with the one character before it, a single digit, a run of signs, white space."""
_BOX = ("\\boxed{}",) * 1000
"""Often enough that its letters are merged first, whatever the corpus."""


def train_tokenizer(texts: Iterable[str], vocab_size: int) -> PreTrainedTokenizerFast:
    """A tokenizer of at most vocab_size tokens, fewer when the texts hold no more pairs to merge."""
    if vocab_size < SMALLEST_VOCABULARY:
        raise UserError(f"vocab_size is {vocab_size}: all bytes and the special tokens need {SMALLEST_VOCABULARY}.")
    tokenizer = _untrained()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(chain(texts, _BOX), trainer)
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]  # transformers has no type for it
        tokenizer_object=tokenizer,
        bos_token=END,
        eos_token=END,
        pad_token=PAD,
        additional_special_tokens=[THINK, END_THINK],
        clean_up_tokenization_spaces=False,
    )


def _untrained() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    split = pre_tokenizers.Split(Regex(_WORDS), behavior="isolated")
    to_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, to_bytes])
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer
