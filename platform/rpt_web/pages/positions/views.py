"""The page of a position: its text, the filmstrip of runs and steps, one group's predictions, bytes and thoughts.

What question does it answer: what was thought here, by which run, when, and was it right. All text is hostile input.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from rpt_core.config import PAPER_NATS
from rpt_web import access
from rpt_web.pages.position_addresses import place_of
from rpt_web.pages.positions.context import scored_context
from rpt_web.pages.positions.film import Film, context_of, film_of, must_not_know, query_for
from rpt_web.pages.positions.rerun_form import RerunForm
from rpt_web.pages.traces.cards import cards_of
from rpt_web.pages.traces.detail import prompt_of, read_texts, votes_of, yet_to_review
from rpt_web.runs.models import Run
from rpt_web.traces import queries
from rpt_web.traces.models import CorpusPosition, ResponseGroup, Rollout, RolloutShard

FULL_TEXTS = 16


@require_safe
def position(request: HttpRequest, text_hash: str, byte_offset: int) -> HttpResponse:
    """A place in a text."""
    return page_of(request, access.get_place_or_404(request.user, text_hash, byte_offset))


@require_safe
def question(request: HttpRequest, text_hash: str) -> HttpResponse:
    """A question as a whole."""
    return page_of(request, access.get_place_or_404(request.user, text_hash, -1))


def page_of(request: HttpRequest, found: CorpusPosition, form: RerunForm | None = None) -> HttpResponse:
    """The page; with a form that was refused, its errors."""
    if must_not_know(request, found):
        return yet_to_review(request, "position")
    film = film_of(request, found)
    first = ResponseGroup.objects.get(pk=film.chosen.id)
    run = access.runs_for(request.user).get(pk=first.run_id)
    context: dict[str, Any] = {
        "nav": "traces",
        "position": found,
        "text_hash": bytes(found.text_hash).hex(),
        "group": first,
        "group_count": len(film.groups),
        "run_count": len(film.names),
        "levels": [(name, above) for name, above in PAPER_NATS.items()],
        "scored": scored_context(request.user, found, first.document, film.names),
        "kind_label": queries.KIND_LABELS[first.kind],
        "may_run_again": bool(access.teams_to_change(request.user)),
        **again_context(request, found, film, run, form),
        **context_of(request, found, film),
        **_responses(run, first),
    }
    return render(request, "positions/position.html", context, status=422 if form and form.errors else 200)


def again_context(
    request: HttpRequest, position: CorpusPosition, film: Film, run: Run, form: RerunForm | None
) -> dict[str, Any]:
    """For the template of the form."""
    return {
        "form": form,
        "run": run,
        "is_question": position.byte_offset < 0,
        "place": place_of(position),
        "film_query": query_for(request, film.chosen),
    }


def _responses(run: Run, group: ResponseGroup) -> dict[str, Any]:
    """The group's responses with their texts, its votes, its prompt."""
    rows = Rollout.objects.filter(run_id=run.pk, id__gte=group.first_rollout).order_by("id")
    members = [member for member in rows[: queries.GROUP_LIMIT] if _is_of(group, member)]
    if not members:
        return {"run": run, "cards": [], "tally": None}
    shard = RolloutShard.objects.filter(run=run, kind=group.kind, step=group.step).first()
    texts = read_texts(run, shard, [member.row for member in members[:FULL_TEXTS]])
    full = texts.get(members[0].row)
    return {
        "run": run,
        "members": members,
        "cards": cards_of(members, texts, None),
        "prompt": prompt_of(run, full) if full else None,
        "completion": bytes(members[0].completion),
        **votes_of(members, full.boundaries if full else []),
    }


def _is_of(group: ResponseGroup, member: Rollout) -> bool:
    return (member.step, member.kind, member.group) == (group.step, group.kind, group.group)
