"""A filter run's documents, and one of them with its tokens shaded by the proxy's entropy. All text here is hostile."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from rpt_core.analysis.entropy_curve import VOCABULARY
from rpt_core.config import PAPER_NATS
from rpt_core.positions.maps import DocumentMap
from rpt_core.positions.summary import bin_counts
from rpt_web import access
from rpt_web.corpora import token_maps
from rpt_web.exhibits.entropy_figures import split_figures, top_k_of
from rpt_web.pages.addresses import number_asked
from rpt_web.pages.runs.frame import frame
from rpt_web.pages.token_maps.found import ScoredRun, find, find_document, reading_files, told
from rpt_web.pages.token_maps.parts import position_context
from rpt_web.pages.token_maps.windows import BLOCK_TOKENS, WINDOW_TOKENS, window

DOCUMENTS_PER_PAGE = 50
LARGEST_VOCABULARY = 10_000_000


@require_safe
@told
def document_list(request: HttpRequest, run_id: int) -> HttpResponse:
    """The documents of a split, a page at a time, with how their entropies lie."""
    found = find(request, run_id, request.GET.get("split", ""))
    wanted = request.GET.get("document", "")
    with reading_files(found):
        file = token_maps.positions_file(found.run, found.name)
        row = file.row_of(wanted) if wanted else None
        if row is not None:
            return redirect(f"{_address(found, row)}?{urlencode(found.rule.query())}")
        start = min(number_asked(request, "from") or 0, max(file.documents - 1, 0))
        lines = file.lines(start, DOCUMENTS_PER_PAGE)
    own = token_maps.vocabulary_of(found.run)
    vocabulary = min(max(number_asked(request, "vocabulary") or own or VOCABULARY, 2), LARGEST_VOCABULARY)
    figures = split_figures(found.split, top_k_of(found.run), vocabulary)
    figures = [replace(own, ref=f"run/{run_id}/entropy/{found.name}/{own.id}/{vocabulary}") for own in figures]
    context = _shared(found) | {
        "lines": lines,
        "documents": file.documents,
        "first": start + 1,
        "last": start + len(lines),
        "previous": None if not start else max(start - DOCUMENTS_PER_PAGE, 0),
        "next": start + len(lines) if start + len(lines) < file.documents else None,
        "wanted": wanted,
        "vocabulary": vocabulary,
        "own_vocabulary": own,
        "figures": figures,
        "figures_json": [figure.as_json() for figure in figures],
    }
    return render(request, "token_maps/document_list.html", context | frame(request, found.run, "documents"))


@require_safe
@told
def document_detail(request: HttpRequest, run_id: int, split: str, row: int) -> HttpResponse:
    """A document's token map."""
    found, document = find_document(request, run_id, split, row)
    chosen = token_maps.chosen_tokens(found.rule, document, found.seed, found.split)
    token = min(number_asked(request, "token") or 0, max(document.tokens - 1, 0))
    counted = [
        ("document", "Document", token_maps.document_counts(document, chosen), len(document.positions)),
        ("split", split.capitalize(), token_maps.split_counts(found.rule, found.split), found.split.positions),
    ]
    context = _shared(found) | {
        "document": document,
        "counted": counted,
        "may_submit": access.can_change(request.user, found.run.experiment.team_id),
        "is_capped": found.run.config.get("max_positions_per_document"),
        "map": _for_the_script(found, document)
        | {"token": token, "first": window(document, chosen, token // WINDOW_TOKENS * WINDOW_TOKENS)},
        "next": row + 1 if row + 1 < found.split.documents else None,
        "previous": row - 1 if row else None,
        **(position_context(request, found, document, token) if "token" in request.GET else {}),
    }
    return render(request, "token_maps/document_detail.html", context)


def _shared(found: ScoredRun) -> dict[str, Any]:
    return {
        "nav": "experiments",
        "run": found.run,
        "split": found.split,
        "split_name": found.name,
        "splits": list(found.splits),
        "rule": found.rule,
        "rules": token_maps.RULES,
        "levels": PAPER_NATS,
        "by_level": [(name, above, found.split.by_difficulty.get(name)) for name, above in PAPER_NATS.items()],
        "query": urlencode(found.rule.query()),
        "slider": _slider(found),
    }


def _slider(found: ScoredRun) -> dict[str, float]:
    """Ends of the slider: shares go to 1, thresholds as far as the split has positions."""
    return {"share": 1.0, "threshold": max(2.0, len(found.split.summary.get("counts", ())) / 100)}


def _for_the_script(found: ScoredRun, document: DocumentMap) -> dict[str, Any]:
    """What token_map.js needs: where to fetch, and the histograms for counts that follow the slider at once."""
    candidates = document.entropies[document.positions]
    return {
        "tokens": document.tokens,
        "block": BLOCK_TOKENS,
        "window": WINDOW_TOKENS,
        "address": _address(found, document.row),
        "levels": PAPER_NATS,
        "document": {"counts": bin_counts(candidates), "levels": token_maps.levels_of(candidates)},
        "split": {"counts": found.split.summary.get("counts"), "levels": found.split.by_difficulty},
        "newRun": reverse("configure:run_new"),
        "run": found.run.pk,
    }


def _address(found: ScoredRun, row: int) -> str:
    return reverse("token_maps:document_detail", args=[found.run.pk, found.name, row])
