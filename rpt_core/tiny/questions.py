"""Questions about the built-in corpus: a problem in the terse form, up to where its result must follow.

In: how many questions, a seed. Out: questions for both sides, each as long as a document's context at that position, so
that a model of the corpus knows their form. Both sides come from the part `problems`, which pre-training and cold start
never see. Within it, test questions are of documents that every split with a `validation_share` of at least TEST_SHARE
holds out, and training questions of documents that every split up to 1 - TRAIN_SHARE trains on. So no test question is
trained on by any stage, and RLVR trains on no held-out position.
"""

from __future__ import annotations

import math
from typing import Any

from rpt_core.corpus import split_of
from rpt_core.questions import Question
from rpt_core.tiny.corpus import KINDS, MAX_DOCUMENTS, TERSE_OPENING, records

TEST_SHARE, TRAIN_SHARE = 0.05, 0.5
MARGIN = 1.3
"""Documents beyond the expected number: a side's share varies."""
_KINDS = {kind.name: kind for kind in KINDS}


def question_pools(train: int, test: int, seed: int) -> tuple[list[Question], list[Question]]:
    """At least so many training and test questions, where the corpus has so many problems."""
    wanted = math.ceil(MARGIN * max(train / TRAIN_SHARE, test / TEST_SHARE)) + 100
    made = records("problems", min(wanted, MAX_DOCUMENTS), seed)
    questions = [_question(record) for record in made]
    return (
        [question for question in questions if split_of(question.id, 1 - TRAIN_SHARE) == "train"],
        [question for question in questions if split_of(question.id, TEST_SHARE) == "validation"],
    )


def _question(record: dict[str, Any]) -> Question:
    kind = _KINDS[record["id"].partition("-")[0]]
    text = f"Problem: {record['problem']}\nSolution: {TERSE_OPENING} {kind.result} "
    return Question(record["id"], text, (record["answer"],), record["domain"])
