"""A window of a prompt's tokens, or how far the job is that makes them.

In: a response with its stored prompt. Out: what the template of that part shows; plain data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from rpt_core.run.rollout_files import RolloutRow
from rpt_web.jobs.models import QUICK_QUEUE
from rpt_web.pages.addresses import number_asked
from rpt_web.pages.token_maps.windows import shown
from rpt_web.runs.models import Run
from rpt_web.runs.queues import is_heard
from rpt_web.traces import prompts
from rpt_web.traces.models import PromptTokens, Rollout

SHOWN = 400
"""Tokens of a window."""
FIELD = "prompt"
"""What names a window's first token in the address."""


@dataclass(frozen=True)
class PromptToken:
    """A token of a prompt."""

    number: int
    text: str
    id: int
    hex: str
    is_control: bool
    """Whether it steers the model instead of being text."""


def prompt_part(request: HttpRequest, run: Run, rollout: Rollout, full: RolloutRow) -> dict[str, Any]:
    """For the template of the part (2 queries)."""
    found = prompts.tokens_of(run, full)
    job = found.job if found else None
    is_coming = job is not None and not job.has_ended
    return {
        "address": reverse("traces:prompt_tokens", args=[run.pk, rollout.id]),
        "job": job,
        "is_coming": is_coming,
        "is_unheard": is_coming and not is_heard(QUICK_QUEUE),
        **(_window(request, found) if found and found.ids else {}),
    }


def _window(request: HttpRequest, found: PromptTokens) -> dict[str, Any]:
    """The window that the address asks for, or the last: the position is at the end."""
    count = len(found.ids)
    asked = number_asked(request, FIELD)
    start = max(0, count - SHOWN) if asked is None else min(asked, count - 1)
    end = min(count, start + SHOWN)
    return {
        "tokens": [_token(found, number) for number in range(start, end)],
        "start": start,
        "end": end,
        "count": count,
        "control": len(found.control),
        "before": max(0, start - SHOWN) if start else None,
        "after": end if end < count else None,
    }


def _token(found: PromptTokens, number: int) -> PromptToken:
    piece = bytes(found.data)[found.ends[number - 1] if number else 0 : found.ends[number]]
    id_ = found.ids[number]
    return PromptToken(number, shown(piece) or f"token {id_}", id_, piece.hex(" "), number in found.control)
