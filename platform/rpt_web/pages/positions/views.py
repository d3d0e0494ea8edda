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
from rpt_web.pages.addresses import number_asked
from rpt_web.pages.positions.context import scored_context
from rpt_web.pages.traces.cards import cards_of
from rpt_web.pages.traces.detail import prompt_of, read_texts, votes_of
from rpt_web.pages.traces.places import place_of
from rpt_web.runs.models import Run
from rpt_web.traces import queries
from rpt_web.traces.filmstrip import NEEDED, filmstrip
from rpt_web.traces.models import CorpusPosition, ResponseGroup, Rollout, RolloutShard

MOST_GROUPS = 4000
"""Of one position: the newest runs' come first."""
FULL_TEXTS = 16


@require_safe
def position(request: HttpRequest, text_hash: str, byte_offset: int) -> HttpResponse:
    """A place in a text."""
    return _page(request, access.get_place_or_404(request.user, text_hash, byte_offset))


@require_safe
def question(request: HttpRequest, text_hash: str) -> HttpResponse:
    """A question as a whole."""
    return _page(request, access.get_place_or_404(request.user, text_hash, -1))


def _page(request: HttpRequest, found: CorpusPosition) -> HttpResponse:
    groups = list(access.groups_at(request.user, found).only(*NEEDED).order_by("-run_id", "step", "id")[:MOST_GROUPS])
    runs = access.runs_for(request.user).filter(pk__in={group.run_id for group in groups}).order_by("-id")
    by_id = {run.pk: run for run in runs.defer("plan", "result", "log_tail")}
    strip = filmstrip(groups, list(by_id))
    chosen = _chosen(request, groups)
    first = ResponseGroup.objects.get(pk=chosen.pk)
    context: dict[str, Any] = {
        "nav": "traces",
        "position": found,
        "place": place_of(found),
        "is_question": found.byte_offset < 0,
        "text_hash": bytes(found.text_hash).hex(),
        "strip": strip,
        "film_rows": [(by_id[row.run_id], queries.KIND_LABELS[row.kind], row.cells) for row in strip.rows],
        "group": first,
        "group_count": len(groups),
        "run_count": len(by_id),
        "levels": [(name, above) for name, above in PAPER_NATS.items()],
        "scored": scored_context(request.user, found, first.document, by_id),
        "kind_label": queries.KIND_LABELS[first.kind],
    }
    return render(request, "positions/position.html", context | _responses(by_id[first.run_id], first))


def _chosen(request: HttpRequest, groups: list[ResponseGroup]) -> ResponseGroup:
    """The group that the address names; or the newest of the newest run, sampled ones first."""
    asked = tuple(number_asked(request, name) for name in ("run", "step", "group"))
    kind = request.GET.get("kind", "")
    for group in groups:
        if (group.run_id, group.step, group.group) == asked and group.kind == kind:
            return group
    newest = [group for group in groups if group.run_id == groups[0].run_id]
    return max(newest, key=lambda group: (group.kind != "greedy", group.step))


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
