"""Probes of a base model: does it own the two skills that worked solutions are made of?

In: a model, held-out documents of the built-in corpus. Out: the share of right argmax predictions inside worked
solutions, of the new state after an operation (`step`) and of a card's digit after its label (`copy`). RPT finds and
sharpens reasoning that the base can do; where these skills are missing it gains little.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from rpt_core.inference.entropy import score
from rpt_core.text.corpus import Document
from rpt_core.text.tokens import Tokenizer, tokenise
from rpt_core.tiny.corpus import KINDS, LABELS, WORKED_OPENING

MAX_DOCUMENTS = 400
_SIGNS = re.escape("".join(kind.sign for kind in KINDS))
_WORKED_CARD = re.compile(rf" [{LABELS}](?P<copy>\d)[{_SIGNS}](?P<step>\d)".encode())


def measure(model: Any, tokenizer: Tokenizer, documents: Sequence[Document]) -> dict[str, float]:
    """{"step": share, "copy": share} over the first worked solutions; empty when there is none."""
    worked = [document for document in documents if WORKED_OPENING in document.text][:MAX_DOCUMENTS]
    read = [tokenise(tokenizer, document.text) for document in worked]
    scores = score(model, [text.token_ids for text in read])
    right: dict[str, list[bool]] = {"step": [], "copy": []}
    for document, text, found in zip(worked, read, scores, strict=True):
        is_right = found.argmax_ids == np.array(text.token_ids)
        for card in _WORKED_CARD.finditer(document.text.encode(), document.solution_start):
            for skill, outcomes in right.items():
                outcomes.append(bool(is_right[text.byte_offsets.index(card.start(skill))]))
    return {skill: sum(outcomes) / len(outcomes) for skill, outcomes in right.items() if outcomes}
