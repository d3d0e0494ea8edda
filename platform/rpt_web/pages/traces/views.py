"""A run's rollouts: the list, and one response with its verdict byte by byte. All text shown here is hostile input."""

from __future__ import annotations

from dataclasses import replace

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from rpt_web import access
from rpt_web.pages.runs.frame import frame
from rpt_web.traces import queries
from rpt_web.traces.models import RolloutShard


@require_safe
def rollout_list(request: HttpRequest, run_id: int) -> HttpResponse:
    """A page of a run's rollouts; the filters stand in the address."""
    run, rollouts = access.get_rollouts_or_404(request.user, run_id)
    shards = queries.shards_of(run.pk)
    kinds = [kind for kind in queries.KIND_LABELS if any(shard.kind == kind for shard in shards)]
    filters, steps = _filters(request, shards, kinds)
    page = queries.rollout_page(rollouts, filters, after=_key(request, "after"), before=_key(request, "before"))
    context = {
        "run": run,
        "filters": filters,
        "may_review": access.can_change(request.user, run.experiment.team_id),
        "page": page,
        "previous_query": filters.query(before=page.previous) if page.previous is not None else "",
        "next_query": filters.query(after=page.next) if page.next is not None else "",
        "shards": shards,
        "steps": steps,
        "kinds": [(kind, queries.KIND_LABELS[kind]) for kind in kinds],
        "choices": {"reward": queries.REWARDS, "reason": queries.REASONS, "finish": queries.FINISHES},
    }
    if request.headers.get("HX-Target") != "rollouts":
        return render(request, "traces/rollout_list.html", context | frame(request, run, "responses"))
    response = render(request, "traces/_filtered.html", context)
    response["HX-Push-Url"] = f"{request.path}?{filters.query()}"  # what is shown: the kind may lack the step
    return response


def _filters(
    request: HttpRequest, shards: list[RolloutShard], kinds: list[str]
) -> tuple[queries.Filters, list[tuple[int, str]]]:
    """What the address asks for, as far as the run has it, and the steps to choose from: those of the kind."""
    # Evaluations come after the training of their step: without a choice they would fill the first page.
    usual = "train" if "train" in kinds else queries.ALL_KINDS
    filters = queries.Filters.from_query(request.GET, usual)
    if filters.kind not in (*kinds, queries.ALL_KINDS):
        filters = replace(filters, kind=usual)
    steps = _steps(shards, filters.kind)
    return (filters if filters.step in dict(steps) else replace(filters, step=None)), steps


def _key(request: HttpRequest, name: str) -> int | None:
    value = request.GET.get(name, "")
    return int(value) if value.isdecimal() and len(value) < 19 else None


def _steps(shards: list[RolloutShard], kind: str) -> list[tuple[int, str]]:
    """The steps that have responses of a kind, with the share that was rewarded: of all kinds, those in training."""
    every = kind == queries.ALL_KINDS
    told = "train" if every else kind
    labels = {shard.step: f"{shard.step}" for shard in shards if every or shard.kind == kind}
    for shard in shards:
        if shard.kind == told and shard.rows:
            labels[shard.step] = f"{shard.step} ({100 * shard.rewarded / shard.rows:.0f} %)"
    return list(labels.items())
