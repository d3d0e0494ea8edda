"""Questions about the built-in corpus: a problem in the terse form, up to where its result must follow.

In: how many, a seed. Out: records with the id of the document, the question's text, its answer and domain. Each text is
as long as a document's context at that position, so that a model of the corpus knows its form. All come from the part
`problems`, which pre-training and cold start never see.
"""

from __future__ import annotations

from typing import Any

from rpt_core.tiny.corpus import KINDS, MAX_DOCUMENTS, TERSE_OPENING, records

_KINDS = {kind.name: kind for kind in KINDS}


def question_records(count: int, seed: int) -> list[dict[str, Any]]:
    """So many questions, or as many as the corpus has problems: `id`, `text`, `answer`, `domain`."""
    return [_question(record) for record in records("problems", min(count, MAX_DOCUMENTS), seed)]


def _question(record: dict[str, Any]) -> dict[str, Any]:
    kind = _KINDS[record["id"].partition("-")[0]]
    text = f"Problem: {record['problem']}\nSolution: {TERSE_OPENING} {kind.result} "
    return {"id": record["id"], "text": text, "answer": record["answer"], "domain": record["domain"]}
