"""A tokenizer's vocabulary as bytes, and the tokens that text must never become.

In: a Hugging Face tokenizer. Out: a Vocabulary, read once: the bytes of each token, which tokens steer the model
instead of being text, and the same tokenizer without these. Bytes come from the vocabulary itself, never from decoded
strings: decoding replaces half a character by U+FFFD and loses the length that the reward compares.

Two families of tokenizers are understood: byte-level (GPT-2's printable alphabet for bytes; Qwen, Llama 3) and
Metaspace (a space is written as U+2581; bytes outside the vocabulary as <0x0A>; Llama 2, Mistral, Gemma).

A control token is an added token that the tokenizer flags as special, or whose content is more than letters, digits
and blanks: DeepSeek does not flag its marks of user and assistant, nor Qwen3 <think> and <tool_call>. What is left are
the runs of blanks that GPT-NeoX and Gemma list among their added tokens, and words that a vocabulary was extended by:
these are text.
"""

from __future__ import annotations

import json
import re
import secrets
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

import tokenizers
from transformers import PreTrainedTokenizerBase

from rpt_core.errors import UserError

Tokenizer: TypeAlias = PreTrainedTokenizerBase
_BYTE_TOKEN = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_META_SPACE = "▁"


@dataclass(frozen=True)
class Scheme:
    """How a tokenizer writes bytes in its vocabulary."""

    byte_level: bool
    byte_fallback: bool
    space_at_start: bool
    """A text's first token carries a space that is not in the text."""
    space_after_added: bool
    """So does the first token after an added token (the `Prepend` normaliser of Llama 2)."""


@dataclass(frozen=True)
class Vocabulary:
    """What is read of a tokenizer once."""

    backend: Any
    scheme: Scheme
    pieces: list[bytes]
    """Bytes by token id; empty for ids that no token has."""
    without_bytes: frozenset[int]
    """Ids of tokens that really are empty."""
    added: frozenset[int]
    special: frozenset[int]
    """Added tokens that the tokenizer flags as special."""
    control: frozenset[int]
    """Tokens that steer the model; text never becomes one."""

    @cached_property
    def text_backend(self) -> Any:
        """The same tokenizer without control tokens; every other id is the same."""
        return _without_control(self)

    def lacks(self, ids: Sequence[int]) -> bool:
        """Whether one of the ids is of a token that came after the reading. Costs nothing that grows with the size."""
        size = len(self.pieces)
        unknown = {i for i in ids if i >= size or (i >= 0 and not self.pieces[i])} - self.without_bytes
        return any(self.backend.id_to_token(i) is not None for i in unknown)


_vocabularies: WeakKeyDictionary[Tokenizer, Vocabulary] = WeakKeyDictionary()


def vocabulary_of(tokenizer: Tokenizer, ids: Sequence[int] = ()) -> Vocabulary:
    """The tokenizer's vocabulary, read once, and again when one of the ids is of a token that was added since.

    The size of a tokenizer is never asked: transformers counts it by making the whole vocabulary again, which takes
    tens of milliseconds for a real one. Raises UserError for a tokenizer of another family.
    """
    known = _vocabularies.get(tokenizer)
    if known is None or known.lacks(ids):
        known = _vocabularies[tokenizer] = _read_vocabulary(tokenizer)
    return known


def backend_of(tokenizer: Tokenizer) -> Any:
    """The Rust tokenizer inside. Raises UserError when there is none."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise UserError(
            f"{type(tokenizer).__name__} has no `tokenizer.json`. Only fast tokenizers can be read as bytes; "
            "convert it with transformers and save it again."
        )
    return backend


def _read_vocabulary(tokenizer: Tokenizer) -> Vocabulary:
    backend = backend_of(tokenizer)
    scheme = _scheme(backend)
    entries = backend.get_vocab(with_added_tokens=True)
    added = {i: token for i, token in backend.get_added_tokens_decoder().items() if not _is_byte(token.content, scheme)}
    pieces = [b""] * (max(entries.values(), default=-1) + 1)
    for token, i in entries.items():
        pieces[i] = _piece(token, scheme, is_added=i in added)
    return Vocabulary(
        backend,
        scheme,
        pieces,
        without_bytes=frozenset(i for i in entries.values() if not pieces[i]),
        added=frozenset(added),
        special=frozenset(i for i, token in added.items() if token.special),
        control=frozenset(i for i, token in added.items() if token.special or not _is_text(token.content)),
    )


def _is_text(content: str) -> bool:
    """Whether an added token that is not flagged as special is text: letters, digits and blanks."""
    return all(c.isspace() or c == _META_SPACE or unicodedata.category(c)[0] in "LMN" for c in content)


def _without_control(vocabulary: Vocabulary) -> Any:
    """A copy of the tokenizer in which control tokens have names that no text can have.

    They keep their places, so that all other tokens keep their ids. They are renamed in the model's own vocabulary too,
    and merges that would make them are left out: Unigram, and BPE with `ignore_merges`, find a token by its name alone.
    """
    state = json.loads(vocabulary.backend.to_str())
    state |= {"truncation": None, "padding": None, "post_processor": None}
    model, salt = state["model"], secrets.token_hex(16)
    fallback = vocabulary.scheme.byte_fallback
    as_bytes = {t["content"] for t in state["added_tokens"] if fallback and _BYTE_TOKEN.fullmatch(t["content"])}
    control = (t["content"] for t in state["added_tokens"] if t["id"] in vocabulary.control)
    names = {content: f"\U0010ffff{salt} {number}" for number, content in enumerate([*control, *sorted(as_bytes)])}
    # The model spells unknown characters with its byte tokens: these keep their names there, and are no added tokens.
    inside = as_bytes & (model["vocab"].keys() if isinstance(model["vocab"], dict) else {p for p, _ in model["vocab"]})
    state["added_tokens"] = [
        token | {"content": names.get(token["content"], token["content"])}
        for token in state["added_tokens"]
        if token["content"] not in inside
    ]
    _rename(model, {content: name for content, name in names.items() if content not in inside})
    return tokenizers.Tokenizer.from_str(json.dumps(state))


def _rename(model: dict[str, Any], names: dict[str, str]) -> None:
    """Rename tokens in the JSON of a Unigram or a BPE model, in place."""
    if isinstance(model["vocab"], list):
        model["vocab"] = [[names.get(piece, piece), score] for piece, score in model["vocab"]]
        return
    model["vocab"] = {names.get(token, token): i for token, i in model["vocab"].items()}
    unknown = model.get("unk_token")
    model["unk_token"] = None if unknown is None else names.get(unknown, unknown)
    pairs = (merge.split(" ") if isinstance(merge, str) else merge for merge in model["merges"])
    model["merges"] = [[a, b] for a, b in pairs if not names.keys() & {a, b, a + b}]


def _piece(token: str, scheme: Scheme, is_added: bool) -> bytes:
    if _is_byte(token, scheme):
        return bytes([int(token[3:5], 16)])
    if is_added and not _is_run_of_spaces(token, scheme):
        return token.encode()
    if scheme.byte_level:
        data = [_BYTE_OF_CHARACTER.get(character) for character in token]
        known = [byte for byte in data if byte is not None]
        return bytes(known) if len(known) == len(data) else token.encode()
    return token.replace(_META_SPACE, " ").encode()


def _is_byte(token: str, scheme: Scheme) -> bool:
    return scheme.byte_fallback and _BYTE_TOKEN.fullmatch(token) is not None


def _is_run_of_spaces(token: str, scheme: Scheme) -> bool:
    """Gemma lists its runs of U+2581 among the added tokens, though merges make them out of spaces."""
    return not scheme.byte_level and not token.strip(_META_SPACE)


def _scheme(backend: Any) -> Scheme:
    pre, normal, decoder = (_components(part) for part in (backend.pre_tokenizer, backend.normalizer, backend.decoder))
    parts = [*pre, *normal, *decoder]
    fallback = getattr(backend.model, "byte_fallback", False) or any(part["type"] == "ByteFallback" for part in parts)
    byte_level = any(part["type"] == "ByteLevel" for part in parts)
    if not byte_level and not fallback and not any(_is_metaspace(part) for part in parts):
        raise UserError(
            "This tokenizer cannot be read as bytes. Byte-level BPE (Qwen, Llama 3, GPT-2) and Metaspace tokenizers "
            "(Llama 2, Mistral, Gemma) can; choose a model with one of these."
        )
    prepends = any(part["type"] == "Prepend" for part in normal)
    start = any(part.get("add_prefix_space") or part.get("prepend_scheme", "never") != "never" for part in pre)
    return Scheme(byte_level, bool(fallback and not byte_level), prepends or start, prepends)


def _is_metaspace(part: dict[str, Any]) -> bool:
    return part["type"] == "Metaspace" or (
        part["type"] == "Replace" and _META_SPACE in (part.get("content"), part.get("pattern", {}).get("String"))
    )


def _components(part: Any) -> list[dict[str, Any]]:
    """A normaliser, pre-tokenizer or decoder as the plain list of its parts."""
    return [] if part is None else list(_flatten(json.loads(part.__getstate__())))


def _flatten(state: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if state["type"] != "Sequence":
        yield state
        return
    inner = next(value for key, value in state.items() if key != "type")
    for part in inner:
        yield from _flatten(part)


def _byte_alphabet() -> dict[str, int]:
    """GPT-2's printable character for each byte: itself when it prints in Latin-1, else the next from U+0100 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(0x100 + n): byte for n, byte in enumerate(hidden)}


_BYTE_OF_CHARACTER = _byte_alphabet()
