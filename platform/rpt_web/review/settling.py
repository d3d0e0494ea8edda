"""Settling what reviewers disagree about: a decision stands beside their reviews and changes none of them.

In: an item, answers, a user. Out: a row, or a UserError.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rpt_core.errors import UserError
from rpt_web.review.models import Decision, ReviewItem
from rpt_web.review.questions import checked_answers
from rpt_web.review.reviews import LONGEST_NOTE, questions_of
from rpt_web.teams.models import User
from rpt_web.text import clean_text


def decide(item: ReviewItem, answers: Mapping[str, Any], note: str, user: User) -> Decision:
    """Say what holds for an item; a later decision takes the place of an earlier one. Raises UserError."""
    if not item.submitted:
        raise UserError("Nobody has submitted a review of this item yet, so there is nothing to settle.")
    if len(note) > LONGEST_NOTE:
        raise UserError(f"A note has at most {LONGEST_NOTE:,} characters. Shorten it.")
    values = {
        "queue": item.queue,
        "answers": checked_answers(questions_of(item.queue), answers, whole=True),
        "note": clean_text(note).strip(),
        "decided_by": user,
    }
    decision, _ = Decision.objects.update_or_create(item=item, defaults=values)
    return decision
