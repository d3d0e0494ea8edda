"""Sampling responses: the one protocol that every engine implements. Loads without torch.

In: prompts as token ids, a group size, a sampling config, a seed. Out: for each prompt a group of `Rollout`s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Literal, Protocol

from rpt_core.config import SamplingConfig

FinishReason = Literal["stop", "length"]
SAMPLED_LOG_PROB = "the log-prob of a sampled token"
"""What a sampler calls it when that is not finite."""


@dataclass(frozen=True)
class Rollout:
    """One sampled response."""

    token_ids: list[int]
    """Generated ids; the end token is the last one when `finish_reason` is `stop`."""
    data: bytes
    """The tokens' bytes joined, without the end token; may end inside a UTF-8 character."""
    log_probs: list[float]
    """Natural log-probability of each id under the distribution it was drawn from (temperature included).
    Greedy responses have the log-probs of temperature 1, because an argmax has no distribution of its own."""
    finish_reason: FinishReason
    """`stop` (an end token) or `length` (cut by the limit)."""
    record: Literal["none", "boxed", "all"] = "none"
    """Which tokens are to be stored."""
    token_ends: list[int] = field(default_factory=list)
    """Where each token ends in `data`, in bytes; empty when none is to be stored."""
    entropies: list[float] | None = None
    """Nats of the distribution that each id was drawn from; None when not asked for, and where the backend does not
    tell."""

    @property
    def text(self) -> str:
        """The response for people; broken UTF-8 shows as replacement characters."""
        return self.data.decode("utf-8", errors="replace")


def token_ends(pieces: Sequence[bytes], tokens: int) -> list[int]:
    """Cumulative lengths of tokens' bytes; an end token, which has no piece, ends where the last one does."""
    ends = list(accumulate(map(len, pieces)))
    return ends + [ends[-1] if ends else 0] * (tokens - len(ends))


class Asked(Protocol):
    """What a policy is asked: a position of a document, or a question."""

    @property
    def document(self) -> str:
        """Id of the document or of the question."""
        ...

    @property
    def position(self) -> int:
        """Index of the token to predict in the document; 0 for a question."""
        ...

    @property
    def byte_offset(self) -> int:
        """Where the completion begins in the document; 0 for a question."""
        ...

    @property
    def text_hash(self) -> bytes | None:
        """What the document's or question's text is known by in every run; None where it is not at hand."""
        ...

    @property
    def domain(self) -> str:
        """Subject area; empty when it is not known."""
        ...

    @property
    def entropy_nats(self) -> float | None:
        """The proxy's entropy at the position; None for a question."""
        ...

    @property
    def prompt_ids(self) -> list[int]:
        """What the policy is given, special tokens included."""
        ...

    @property
    def prompt(self) -> str:
        """The same for people."""
        ...

    @property
    def context_span(self) -> tuple[int, int] | None:
        """Where the document's or question's own text begins and ends in `prompt`, in characters."""
        ...

    @property
    def completion(self) -> bytes:
        """The true continuation, or the reference answer."""
        ...

    @property
    def boundaries(self) -> list[int]:
        """Cumulative byte lengths of the completion's tokens; a reference answer counts as a whole."""
        ...


class PromptWithOptions(Protocol):
    """A prompt in tokens, and the options of which each may follow it."""

    @property
    def prompt_ids(self) -> list[int]:
        """What stands before each option."""
        ...

    @property
    def options(self) -> list[list[int]]:
        """Each option's tokens."""
        ...

    @property
    def tokens(self) -> int:
        """Length of the prompt with its longest option."""
        ...


class Sampler(Protocol):
    """A backend that samples groups of responses from the policy."""

    def sample(
        self, prompts: Sequence[Sequence[int]], group_size: int, config: SamplingConfig, seed: int
    ) -> list[list[Rollout]]:
        """`group_size` responses for each prompt, in the order of the prompts; equal arguments give equal responses.

        Raises NotFiniteError when a sampled token's log-prob is not finite.
        """
        ...
