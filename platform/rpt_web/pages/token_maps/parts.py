"""What a token map fetches while somebody reads it: tokens, counts, and the responses at one position."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from rpt_core.config import PAPER_NATS
from rpt_core.positions.maps import DocumentMap
from rpt_web import access
from rpt_web.corpora import token_maps
from rpt_web.pages.addresses import number_asked
from rpt_web.pages.token_maps.found import ScoredRun, find_document
from rpt_web.pages.token_maps.windows import window
from rpt_web.runs.models import Run
from rpt_web.traces.models import Rollout

MOST_RUNS = 20
"""Runs that used the positions, the newest, whose responses are looked for."""


@dataclass(frozen=True)
class UsedBy:
    """A run's responses at a position."""

    run: Run
    first: Rollout
    responses: int
    rewarded: int


@require_safe
def tokens(request: HttpRequest, run_id: int, split: str, row: int) -> JsonResponse:
    """A window of tokens from `start` on, with those that the rule chooses."""
    found, document = find_document(request, run_id, split, row)
    start = min(number_asked(request, "start") or 0, document.tokens)
    chosen = token_maps.chosen_tokens(found.rule, document, found.seed, found.split)
    return JsonResponse(window(document, chosen, start))


@require_safe
def counts(request: HttpRequest, run_id: int, split: str, row: int) -> JsonResponse:
    """How many positions the rule chooses, in the document and in its split."""
    found, document = find_document(request, run_id, split, row)
    chosen = token_maps.chosen_tokens(found.rule, document, found.seed, found.split)
    return JsonResponse(
        {
            "document": asdict(token_maps.document_counts(document, chosen)),
            "split": asdict(token_maps.split_counts(found.rule, found.split)),
        }
    )


@require_safe
def position(request: HttpRequest, run_id: int, split: str, row: int, token: int) -> HttpResponse:
    """One token with its numbers, and the responses of runs that asked for it."""
    found, document = find_document(request, run_id, split, row)
    if token >= document.tokens:
        raise Http404("The document has no token of this number.")
    return render(request, "token_maps/_position.html", position_context(request, found, document, token))


def position_context(request: HttpRequest, found: ScoredRun, document: DocumentMap, token: int) -> dict[str, object]:
    """What the page shows about one token."""
    highest, rank = document.highest_probabilities, int(document.ranks[token])
    nats = float(document.entropies[token]) if rank else None
    return {
        "run": found.run,
        "split_name": found.name,
        "row": document.row,
        "token": token,
        "token_id": int(document.token_ids[token]),
        "piece": document.piece(token),
        "nats": nats,
        "highest": float(highest[token]) if highest is not None and rank else None,
        "token_levels": [level for level, above in PAPER_NATS.items() if nats is not None and nats > above],
        "rank": rank,
        "positions": len(document.positions),
        "is_kept": token in document.kept,
        "used_by": _used_by(request, found.run, document, token),
        "most_runs": MOST_RUNS,
    }


def _used_by(request: HttpRequest, run: Run, document: DocumentMap, token: int) -> list[UsedBy]:
    """Runs that took their positions from this one and have responses here, newest first."""
    readers = access.runs_for(request.user).filter(parents__parent=run).distinct().order_by("-id")[:MOST_RUNS]
    completion = document.text[document.byte_offsets[token] :]
    found = []
    for reader in readers:
        here = access.rollouts_for(request.user, reader).filter(document=document.id, position=token).order_by("id")
        responses = list(here.only("run_id", "id", "step", "reward", "completion"))
        # A policy with another tokenizer counts its own tokens: what follows there is another text.
        if responses and completion.startswith(bytes(responses[0].completion)):
            rewarded = sum(response.reward > 0 for response in responses)
            found.append(UsedBy(reader, responses[0], len(responses), rewarded))
    return found
