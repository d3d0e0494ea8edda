"""Tokens as bytes: what each token contributes to the text, and where tokens end.

In: a Hugging Face tokenizer and text or token ids. Out: ids, each token's bytes, cumulative byte boundaries (the set
L_gt of Eq. 3). How a vocabulary spells bytes, and which tokens text must never become, is told by `text.vocabulary`;
how a tokenizer is read from its files, by `text.tokenizer_files`.

Text of unknown origin (documents, questions, options, predictions) never becomes a control token: `tokenise`, and
`encode` with `parse_special=False`. Only what the run's owner wrote (templates, traces) and what a chat template
rendered may hold control tokens.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice, pairwise
from weakref import WeakKeyDictionary

from rpt_core.text.tokenizer_files import (
    end_token_ids,
    ids_before_text,
    load_end_token_ids,
    load_tokenizer,
    refuse_without_end,
)
from rpt_core.text.vocabulary import Tokenizer, Vocabulary, backend_of, vocabulary_of

__all__ = [
    "TokenisedText",
    "Tokenizer",
    "begun",
    "boundaries",
    "control_ids",
    "encode",
    "encode_within",
    "end_token_ids",
    "ended",
    "load_end_token_ids",
    "load_tokenizer",
    "prefix_ids",
    "refuse_without_end",
    "token_bytes",
    "tokenise",
    "tokenizer_hash",
]


@dataclass(frozen=True)
class TokenisedText:
    """A text as its tokenizer sees it. `byte_offsets` has one value more than `token_ids`."""

    text: str
    """The joined tokens; differs from the input only where the tokenizer normalises (NFC, for instance)."""
    token_ids: list[int]
    byte_offsets: list[int]


_hashes: WeakKeyDictionary[Tokenizer, tuple[int, str]] = WeakKeyDictionary()


def token_bytes(tokenizer: Tokenizer, ids: Sequence[int], at_start: bool = True) -> list[bytes]:
    """The bytes of each token. Joined, they are the text that the ids were made from.

    at_start: the ids begin a text, so that the space which Metaspace tokenizers put before a text is left out again.
    Pass False for ids from the middle of a text, such as a sampled response; byte-level tokenizers do not care.
    An id that the tokenizer does not know (a padded embedding row) has no bytes.
    """
    vocabulary = vocabulary_of(tokenizer, ids)
    size = len(vocabulary.pieces)
    pieces = [vocabulary.pieces[i] if 0 <= i < size else b"" for i in ids]
    for index in _added_spaces(vocabulary, ids, at_start):
        pieces[index] = pieces[index].removeprefix(b" ")
    return pieces


def boundaries(pieces: Iterable[bytes]) -> list[int]:
    """Cumulative byte lengths of tokens, without the leading 0."""
    return list(accumulate(map(len, pieces)))


def control_ids(tokenizer: Tokenizer) -> frozenset[int]:
    """The tokens that steer the model instead of being text, flagged as special or not: see `text.vocabulary`."""
    return vocabulary_of(tokenizer).control


def encode(tokenizer: Tokenizer, text: str, parse_special: bool = True) -> list[int]:
    """Token ids of a text; nothing is put before or after it.

    parse_special: read "<|endoftext|>", "<think>" and the like as control tokens. Pass False for text of unknown
    origin, so that a document cannot forge the end of a message.
    """
    if not parse_special:
        return list(vocabulary_of(tokenizer).text_backend.encode(text, add_special_tokens=False).ids)
    encoded = tokenizer(text, add_special_tokens=False, split_special_tokens=False, verbose=False)
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
    """A document's token ids and their byte offsets. Control tokens written in the text are read as plain text."""
    ids = encode(tokenizer, text, parse_special=False)
    data = text.encode()
    pieces = _aligned(token_bytes(tokenizer, ids, at_start=False), data)
    if pieces is None:  # the tokenizer normalises: the text that it can speak of is its own
        pieces = token_bytes(tokenizer, ids)
        text = b"".join(pieces).decode()
    return TokenisedText(text, ids, [0, *boundaries(pieces)])


def prefix_ids(tokenizer: Tokenizer) -> list[int]:
    """The special tokens that the tokenizer itself puts before a text (Llama's <s>); empty for most."""
    return ids_before_text(backend_of(tokenizer))


def begun(tokenizer: Tokenizer, ids: Sequence[int]) -> list[int]:
    """Ids of a whole text after what the tokenizer puts before one, which stands there once."""
    prefix = prefix_ids(tokenizer)
    return list(ids) if list(ids[: len(prefix)]) == prefix else [*prefix, *ids]


def ended(tokenizer: Tokenizer, ids: Sequence[int], end_ids: Iterable[int] = ()) -> list[int]:
    """Ids of a response with one end token: its own when it ends with one, else the tokenizer's.

    end_ids: ids that end a response beside the tokenizer's own. What a chat template writes after an end token, such
    as a line break, is left out.
    """
    own = [] if tokenizer.eos_token_id is None else [int(tokenizer.eos_token_id)]
    ends, last = {*own, *end_ids}, len(ids)
    while last and ids[last - 1] not in ends and not b"".join(token_bytes(tokenizer, [ids[last - 1]])).strip():
        last -= 1
    if not last or ids[last - 1] not in ends:
        return [*ids, *own]
    while last > 1 and ids[last - 2] in ends:
        last -= 1
    return list(ids[:last])


def tokenizer_hash(tokenizer: Tokenizer) -> str:
    """Hash of everything that decides how a text becomes ids and bytes; equal after saving and loading."""
    added = len(tokenizer.added_tokens_decoder)
    known = _hashes.get(tokenizer)
    if known is None or known[0] != added:
        known = _hashes[tokenizer] = (added, _hash(tokenizer))
    return known[1]


def _hash(tokenizer: Tokenizer) -> str:
    state = json.loads(backend_of(tokenizer).to_str())
    parts = {name: state[name] for name in ("model", "normalizer", "pre_tokenizer", "decoder")}
    parts["added_tokens"] = sorted((token["id"], token["content"]) for token in state["added_tokens"])
    return hashlib.blake2b(json.dumps(parts, sort_keys=True).encode(), digest_size=16).hexdigest()


def _added_spaces(vocabulary: Vocabulary, ids: Sequence[int], at_start: bool) -> set[int]:
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
