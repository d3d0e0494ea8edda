"""Tokens as bytes: what each token contributes to the text, and where tokens end.

In: a Hugging Face tokenizer and text or token ids. Out: ids, each token's bytes, cumulative byte boundaries (the set
L_gt of Eq. 3). Bytes come from the vocabulary itself, never from decoded strings: decoding replaces half a character
by U+FFFD and loses the length that the reward compares.

Two families of tokenizers are understood: byte-level (GPT-2's printable alphabet for bytes; Qwen, Llama 3) and
Metaspace (a space is written as U+2581; bytes outside the vocabulary as <0x0A>; Llama 2, Mistral, Gemma).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice, pairwise
from pathlib import Path
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from rpt_core.errors import UserError

Tokenizer: TypeAlias = PreTrainedTokenizerBase
_BYTE_TOKEN = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_META_SPACE = "▁"


@dataclass(frozen=True)
class TokenisedText:
    """A text as its tokenizer sees it. `byte_offsets` has one value more than `token_ids`."""

    text: str
    """The joined tokens; differs from the input only where the tokenizer normalises (NFC, for instance)."""
    token_ids: list[int]
    byte_offsets: list[int]


@dataclass(frozen=True)
class _Scheme:
    """How a tokenizer writes bytes in its vocabulary."""

    byte_level: bool
    byte_fallback: bool
    space_at_start: bool
    """A text's first token carries a space that is not in the text."""
    space_after_added: bool
    """So does the first token behind an added token (the `Prepend` normaliser of Llama 2)."""


@dataclass(frozen=True)
class _Vocabulary:
    scheme: _Scheme
    pieces: list[bytes]
    """Bytes by token id; empty for ids that no token has."""
    added: frozenset[int]
    special: frozenset[int]


_vocabularies: WeakKeyDictionary[Tokenizer, tuple[int, _Vocabulary]] = WeakKeyDictionary()


def load_tokenizer(path: str | Path) -> Tokenizer:
    """The tokenizer of a model folder or hub name, exactly as its tokenizer.json says.

    AutoTokenizer would choose a class by the model's type, and the classes of transformers 5 put their own
    normaliser and word splitting in place of the file's: another tokenizer for a model trained here, and wrong ids
    for published ones (R1-Distill, OLMo 2). Raises OSError or ValueError when there is none.
    """
    tokenizer: Tokenizer = PreTrainedTokenizerFast.from_pretrained(path)
    return tokenizer


def token_bytes(tokenizer: Tokenizer, ids: Sequence[int], at_start: bool = True) -> list[bytes]:
    """The bytes of each token. Joined, they are the text that the ids were made from.

    at_start: the ids begin a text, so that the space which Metaspace tokenizers put before a text is left out again.
    Pass False for ids from the middle of a text, such as a sampled response; byte-level tokenizers do not care.
    An id that the tokenizer does not know (a padded embedding row) has no bytes.
    """
    vocabulary = _vocabulary(tokenizer)
    size = len(vocabulary.pieces)
    pieces = [vocabulary.pieces[i] if 0 <= i < size else b"" for i in ids]
    for index in _added_spaces(vocabulary, ids, at_start):
        pieces[index] = pieces[index].removeprefix(b" ")
    return pieces


def boundaries(pieces: Iterable[bytes]) -> list[int]:
    """Cumulative byte lengths of tokens, without the leading 0."""
    return list(accumulate(map(len, pieces)))


def encode(tokenizer: Tokenizer, text: str, parse_special: bool = True) -> list[int]:
    """Token ids of a text; no special tokens are added.

    parse_special: read "<|endoftext|>" and the like as the special token. Pass False for text of unknown origin, so
    that a document cannot forge the end of a message.
    """
    encoded = tokenizer(text, add_special_tokens=False, split_special_tokens=not parse_special, verbose=False)
    ids: list[int] = encoded["input_ids"]
    return ids


def encode_within(tokenizer: Tokenizer, text: str, parse_special: bool = True) -> list[int]:
    """Token ids of a text that continues another one: without the space that some tokenizers put before a text."""
    ids = encode(tokenizer, text, parse_special)
    if b"".join(token_bytes(tokenizer, ids, at_start=False)) == text.encode():
        return ids
    for anchor in ("\n", ".", "a"):
        before = encode(tokenizer, anchor)
        rest = encode(tokenizer, anchor + text, parse_special)[len(before) :]
        if b"".join(token_bytes(tokenizer, rest, at_start=False)) == text.encode():
            return rest
    return ids


def tokenise(tokenizer: Tokenizer, text: str) -> TokenisedText:
    """A document's token ids and their byte offsets. Special tokens written in the text are read as plain text."""
    ids = encode(tokenizer, text, parse_special=False)
    data = text.encode()
    pieces = _aligned(token_bytes(tokenizer, ids, at_start=False), data)
    if pieces is None:  # the tokenizer normalises: the text that it can speak of is its own
        pieces = token_bytes(tokenizer, ids)
        text = b"".join(pieces).decode()
    return TokenisedText(text, ids, [0, *boundaries(pieces)])


def prefix_ids(tokenizer: Tokenizer) -> list[int]:
    """The special tokens that the tokenizer itself puts before a text (Llama's <s>); empty for most."""
    ids: list[int] = tokenizer("a", verbose=False)["input_ids"]
    plain = encode(tokenizer, "a")
    ends = (start for start in range(len(ids)) if ids[start : start + len(plain)] == plain)
    return ids[: next(ends, 0)]


def end_token_ids(generation: Any, tokenizer: Tokenizer) -> list[int]:
    """Ids that end a response: those of a generation config (None for a model without one) and the tokenizer's."""
    configured = None if generation is None else generation.eos_token_id
    ids = configured if isinstance(configured, list) else [configured]
    return sorted({i for i in [*ids, tokenizer.eos_token_id] if i is not None})


def load_end_token_ids(model: str, tokenizer: Tokenizer) -> list[int]:
    """The same for a model's folder, or its name on a hub."""
    from transformers import GenerationConfig

    try:
        return end_token_ids(GenerationConfig.from_pretrained(model), tokenizer)
    except OSError:
        return end_token_ids(None, tokenizer)


def tokenizer_hash(tokenizer: Tokenizer) -> str:
    """Hash of everything that decides how a text becomes ids and bytes; equal after saving and loading."""
    state = json.loads(_backend(tokenizer).to_str())
    parts = {name: state[name] for name in ("model", "normalizer", "pre_tokenizer", "decoder")}
    parts["added_tokens"] = sorted((token["id"], token["content"]) for token in state["added_tokens"])
    return hashlib.blake2b(json.dumps(parts, sort_keys=True).encode(), digest_size=16).hexdigest()


def _added_spaces(vocabulary: _Vocabulary, ids: Sequence[int], at_start: bool) -> set[int]:
    """Indices of the tokens whose leading space the tokenizer put there."""
    scheme, added, found = vocabulary.scheme, vocabulary.added, set[int]()
    if at_start and scheme.space_at_start:
        # Special tokens may stand before a text without being part of it.
        found |= set(islice((index for index, i in enumerate(ids) if i not in vocabulary.special), 1))
    if scheme.space_after_added:
        found |= {index for index, (before, _) in enumerate(pairwise(ids), start=1) if before in added}
    return {index for index in found if ids[index] not in added}


def _aligned(pieces: list[bytes], data: bytes) -> list[bytes] | None:
    """The pieces with added spaces taken out where the text has none, or None when they do not spell the text."""
    end, aligned = 0, []
    for piece in pieces:
        if not data.startswith(piece, end):
            piece = piece.removeprefix(b" ")
            if not data.startswith(piece, end):
                return None
        aligned.append(piece)
        end += len(piece)
    return aligned if end == len(data) else None


def _vocabulary(tokenizer: Tokenizer) -> _Vocabulary:
    """The tokenizer's table of bytes, made once and again when tokens were added."""
    size = len(tokenizer)
    known = _vocabularies.get(tokenizer)
    if known is None or known[0] != size:
        known = (size, _read_vocabulary(tokenizer))
        _vocabularies[tokenizer] = known
    return known[1]


def _read_vocabulary(tokenizer: Tokenizer) -> _Vocabulary:
    scheme = _scheme(_backend(tokenizer))
    added = tokenizer.added_tokens_decoder
    entries = tokenizer.get_vocab()
    pieces = [b""] * (max(entries.values(), default=-1) + 1)
    for token, i in entries.items():
        pieces[i] = _piece(token, scheme, is_added=i in added)
    special = frozenset(i for i, token in added.items() if token.special and not _is_byte(token.content, scheme))
    return _Vocabulary(scheme, pieces, frozenset(i for i in added if not _is_byte(added[i].content, scheme)), special)


def _piece(token: str, scheme: _Scheme, is_added: bool) -> bytes:
    if _is_byte(token, scheme):
        return bytes([int(token[3:5], 16)])
    if is_added and not _is_run_of_spaces(token, scheme):
        return token.encode()
    if scheme.byte_level:
        data = [_BYTE_OF_CHARACTER.get(character) for character in token]
        known = [byte for byte in data if byte is not None]
        return bytes(known) if len(known) == len(data) else token.encode()
    return token.replace(_META_SPACE, " ").encode()


def _is_byte(token: str, scheme: _Scheme) -> bool:
    return scheme.byte_fallback and _BYTE_TOKEN.fullmatch(token) is not None


def _is_run_of_spaces(token: str, scheme: _Scheme) -> bool:
    """Gemma lists its runs of U+2581 among the added tokens, though merges make them out of spaces."""
    return not scheme.byte_level and not token.strip(_META_SPACE)


def _scheme(backend: Any) -> _Scheme:
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
    return _Scheme(byte_level, bool(fallback and not byte_level), prepends or start, prepends)


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


def _backend(tokenizer: Tokenizer) -> Any:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise UserError(
            f"{type(tokenizer).__name__} has no `tokenizer.json`. Only fast tokenizers can be read as bytes; "
            "convert it with transformers and save it again."
        )
    return backend


def _byte_alphabet() -> dict[str, int]:
    """GPT-2's printable character for each byte: itself when it prints in Latin-1, else the next from U+0100 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(0x100 + n): byte for n, byte in enumerate(hidden)}


_BYTE_OF_CHARACTER = _byte_alphabet()
