"""Problems: a position of a document as a prompt for the policy and a completion to judge its prediction by.

In: the positions of a filter run, the policy's tokenizer, a prompt template. Out: a ProblemSet that makes each Problem
when it is asked for. Section 3.1 of the paper; the boundaries L_gt are those of the policy's tokenizer, since it is
the one that predicts. When the filter used another tokenizer, documents are tokenised again and those positions stay
whose byte offset is a boundary for the policy too. Positions where no box can hold a right answer are left out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np

from rpt_core.arrays import Floats, Indices
from rpt_core.config import PROMPT_DATE, PromptConfig, Split
from rpt_core.errors import UserError
from rpt_core.positions.documents import TokenDocument, named_documents, read_documents
from rpt_core.problems.chat import MARK, chat_frame
from rpt_core.problems.prompts import Template, load_template
from rpt_core.text.tokens import Tokenizer, begun, control_ids, encode, encode_within, tokenise, tokenizer_hash


@dataclass(frozen=True)
class Problem:
    """One context and its completion."""

    id: str
    """`document:position`"""
    document: str
    position: int
    """Index of the token to predict, in the policy's tokens."""
    prompt_ids: list[int]
    """What the policy is given, special tokens included."""
    context_ids: list[int]
    """The part of the document in it."""
    prompt: str
    """The same for people."""
    completion: bytes
    boundaries: list[int]
    """Cumulative byte lengths of the completion's tokens."""
    next_token_id: int
    entropy_nats: float
    domain: str
    byte_offset: int
    """Where the completion begins in the document: the position's name that does not depend on a tokenizer."""
    context_span: tuple[int, int] | None = None
    """Where the context begins and ends in `prompt`, in characters; None where the prompt is not there."""
    text_hash: bytes | None = None
    """What the document's text is known by in every run; None where the document is not at hand."""


@dataclass(frozen=True)
class PromptFrame:
    """The fixed parts of a prompt, and how many tokens of context fit between them."""

    before: str
    after: str
    before_ids: list[int]
    after_ids: list[int]
    max_context_tokens: int

    def around(self, context: str) -> str:
        """The prompt for people."""
        return f"{self.before}{context}{self.after}"

    def span(self, context: str) -> tuple[int, int]:
        """Where the context begins and ends in it, in characters."""
        return len(self.before), len(self.before) + len(context)


class ProblemSet:
    """All positions of a split that may be predicted, in the order of the documents.

    The arrays have one value for each position: `document_index` and `token_index` say where it is, `filter_index`
    where it is in the filter's own tokens, `entropies` are nats, `is_kept` tells whether the filter chose it for
    training.
    """

    def __init__(self, documents: list[TokenDocument], frame: PromptFrame, completion_tokens: int, lost: int) -> None:
        self.frame = frame
        self.completion_tokens = completion_tokens
        self.lost_positions = lost
        """Positions of the filter that are no boundary for the policy's tokenizer."""
        found = sum(len(document.positions) for document in documents)
        self._documents = documents = [document.where(document.boxable()) for document in documents]
        self.unboxable_positions = found - sum(len(document.positions) for document in documents)
        """Positions left out because no box can hold what comes next there."""
        counts = [len(document.positions) for document in documents]
        self.document_index: Indices = np.repeat(np.arange(len(documents)), counts)
        self.token_index: Indices = _joined([document.positions for document in documents], np.int64)
        self.filter_index: Indices = _joined([document.filter_positions for document in documents], np.int64)
        self.entropies: Floats = _joined([document.entropies for document in documents], np.float32)
        self.is_kept = _joined([document.is_kept for document in documents], np.bool_)

    @classmethod
    def load(cls, positions_dir: Path | str, split: Split, tokenizer: Tokenizer, prompt: PromptConfig) -> ProblemSet:
        """A filter run's positions for a policy. Raises UserError when they, or the template, are no good."""
        frame = prompt_frame(load_template(prompt.template), tokenizer, prompt.max_prompt_tokens, prompt.date)
        return cls._of([read_documents(positions_dir, split)], frame, tokenizer, prompt)

    @classmethod
    def load_named(
        cls, positions_dir: Path | str, names: Collection[str], tokenizer: Tokenizer, prompt: PromptConfig
    ) -> ProblemSet:
        """The same for the documents of both splits with these ids, or hashes of their texts, alone."""
        frame = prompt_frame(load_template(prompt.template), tokenizer, prompt.max_prompt_tokens, prompt.date)
        splits = [named_documents(positions_dir, split, names) for split in get_args(Split)]
        return cls._of(splits, frame, tokenizer, prompt)

    @classmethod
    def _of(
        cls,
        read: Iterable[tuple[list[TokenDocument], str]],
        frame: PromptFrame,
        tokenizer: Tokenizer,
        prompt: PromptConfig,
    ) -> ProblemSet:
        """read: documents, and the hash of the tokenizer that made their tokens."""
        own, control = tokenizer_hash(tokenizer), list(control_ids(tokenizer))
        documents, found = list[TokenDocument](), 0
        for stored, made_by in read:
            found += sum(len(document.positions) for document in stored)
            # Stored tokens may be older than the rule that text never becomes control tokens.
            documents += [
                document
                if made_by == own and not np.isin(document.token_ids, control).any()
                else _retokenise(document, tokenizer)
                for document in stored
            ]
        lost = found - sum(len(document.positions) for document in documents)
        return cls(documents, frame, prompt.completion_tokens, lost)

    def __len__(self) -> int:
        return len(self.token_index)

    def kept(self) -> Indices:
        """Indices of the positions that the filter chose for training."""
        return np.flatnonzero(self.is_kept)

    def document_id(self, index: int) -> str:
        """Id of the document that a position is in."""
        return self._document(index).id

    def names(self, index: int) -> tuple[str, str]:
        """What the document that a position is in may be called: its id, and the hash of its text in hexadecimal."""
        document = self._document(index)
        return document.id, document.text_hash.hex()

    def byte_offset(self, index: int) -> int:
        """Where the completion of a position begins in its document."""
        return int(self._document(index).byte_offsets[int(self.token_index[index])])

    def problem(self, index: int) -> Problem:
        """The problem at an index of the arrays."""
        document = self._document(index)
        position, offsets = int(self.token_index[index]), document.byte_offsets
        first = max(0, position - self.frame.max_context_tokens)
        context_ids: list[int] = document.token_ids[first:position].tolist()
        context = document.text[offsets[first] : offsets[position]].decode(errors="replace")
        ends = offsets[position + 1 : position + 1 + self.completion_tokens]
        return Problem(
            id=f"{document.id}:{position}",
            document=document.id,
            position=position,
            prompt_ids=self.frame.before_ids + context_ids + self.frame.after_ids,
            context_ids=context_ids,
            prompt=self.frame.around(context),
            completion=document.text[offsets[position] : ends[-1]],
            boundaries=(ends - offsets[position]).tolist(),
            next_token_id=int(document.token_ids[position]),
            entropy_nats=float(self.entropies[index]),
            domain=document.domain,
            byte_offset=int(offsets[position]),
            context_span=self.frame.span(context),
            text_hash=document.text_hash,
        )

    def _document(self, index: int) -> TokenDocument:
        return self._documents[int(self.document_index[index])]


def prompt_frame(
    template: Template, tokenizer: Tokenizer, max_prompt_tokens: int, date: str = PROMPT_DATE
) -> PromptFrame:
    """The template in the policy's tokens. date: `YYYY-MM-DD`, for chat templates that write one.

    A rendered chat holds the special tokens that its template gives it, as with transformers; any other prompt begins
    as the tokenizer begins a text. Raises UserError when the chat template fails or there is no room for a context.
    """
    if template.chat and tokenizer.chat_template:
        before, after = chat_frame(tokenizer, template.render(MARK), date)
        before_ids = encode(tokenizer, before)
    else:
        before, after = template.before, template.after
        before_ids = begun(tokenizer, encode(tokenizer, before))
    after_ids = encode_within(tokenizer, after)
    room = max_prompt_tokens - len(before_ids) - len(after_ids)
    if room < 1:
        raise UserError(
            f"The prompt template {template.id!r} alone takes {len(before_ids) + len(after_ids)} of "
            f"{max_prompt_tokens} tokens. Raise `max_prompt_tokens` or use a shorter template."
        )
    return PromptFrame(before, after, before_ids, after_ids, room)


def _retokenise(document: TokenDocument, tokenizer: Tokenizer) -> TokenDocument:
    """The document in other tokens, with the positions that begin a token there too."""
    tokenised = tokenise(tokenizer, document.text.decode())
    offsets = np.array(tokenised.byte_offsets)
    at = document.byte_offsets[document.positions]
    # Of several tokens at one offset the last one has the bytes.
    positions = np.searchsorted(offsets, at, side="right") - 1
    same_text = tokenised.text.encode() == document.text
    stays = (offsets[positions] == at) & (positions > 0) & (positions < len(offsets) - 1) & same_text
    token_ids = np.array(tokenised.token_ids, dtype=np.int32)
    return replace(document, token_ids=token_ids, byte_offsets=offsets, positions=positions).where(stays)


def _joined(arrays: list[Any], dtype: type) -> Any:
    return np.concatenate([np.empty(0, dtype), *arrays]).astype(dtype, copy=False)
