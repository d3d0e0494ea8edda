"""Registered models: the list with a form that registers one, and one with its card and its lineage."""

from __future__ import annotations

from typing import cast

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from rpt_core.errors import UserError
from rpt_web import access
from rpt_web.corpora import registry
from rpt_web.corpora.models import ModelSource
from rpt_web.pages.addresses import number_asked
from rpt_web.pages.jobs.views import is_unheard
from rpt_web.pages.rights import team_to_change
from rpt_web.runs import reach
from rpt_web.teams.models import User

MODELS_PER_PAGE, RUNS_SHOWN = 50, 50


@require_http_methods(["GET", "HEAD", "POST"])
def model_list(request: HttpRequest) -> HttpResponse:
    """The models of the user's teams, newest first; a POST registers one."""
    wrong = ""
    path, name = (request.POST.get(field, "") for field in ("path", "name"))
    if request.method == "POST":
        try:
            made = registry.register(team_to_change(request), path, name, cast(User, request.user))
        except UserError as error:
            wrong = str(error)
        else:
            messages.success(request, f"“{made.name}” was registered. A worker looks at it now.")
            return redirect("models:model_detail", made.pk)
    before = number_asked(request, "before")
    found = access.models_for(request.user)
    rows = list((found if before is None else found.filter(pk__lt=before))[: MODELS_PER_PAGE + 1])
    context = {
        "nav": "models",
        "rows": rows[:MODELS_PER_PAGE],
        "older": rows[MODELS_PER_PAGE - 1].pk if len(rows) > MODELS_PER_PAGE else None,
        "wrong": wrong,
        "typed": {"path": path, "name": name},
        "roots": list(dict.fromkeys(map(str, reach.roots()))),
        "hub_models": reach.hub_models(),
    }
    return render(request, "models/model_list.html", context, status=422 if wrong else 200)


@require_safe
def model_detail(request: HttpRequest, model_id: int) -> HttpResponse:
    """A model: what it is, what speaks against it, where it comes from, what started from it."""
    model = access.get_model_or_404(request.user, model_id)
    runs = registry.runs_that_start_from(model, access.runs_for(request.user))[: RUNS_SHOWN + 1]
    visible = access.runs_for(request.user)
    made_by = visible.filter(pk=model.run_id).first() if model.run_id else None
    started_from = made_by.parents.filter(role="start").first() if made_by else None
    start_id = started_from.parent_id if started_from else None
    context = {
        "nav": "models",
        "model": model,
        "made_by": made_by,
        "started_from": started_from,
        "start_run": visible.filter(pk=start_id).first() if start_id else None,
        "runs": runs,
        "runs_shown": RUNS_SHOWN,
        "may_check": access.can_change(request.user, model.team_id),
        "has_files": model.source != ModelSource.HUB,
        "job": model.job,
        "unheard": model.job is not None and is_unheard(model.job),
    }
    part = request.headers.get("HX-Target") == "card"
    return render(request, "models/_card.html" if part else "models/model_detail.html", context)


@require_POST
def model_check(request: HttpRequest, model_id: int) -> HttpResponse:
    """Have a worker look at a model again."""
    model = access.get_model_or_404(request.user, model_id, to_change=True)
    try:
        registry.check(model, cast(User, request.user))
    except UserError as error:
        messages.error(request, str(error))
    return redirect("models:model_detail", model.pk)


@require_POST
def checkpoint_register(request: HttpRequest, run_id: int, step: int) -> HttpResponse:
    """Register a checkpoint of a run for the run's team."""
    run = access.get_run_or_404(request.user, run_id)
    access.require_change(request.user, run.experiment.team_id)
    checkpoint = run.checkpoints.filter(step=step).first()
    if checkpoint is None:
        raise Http404("The run has no checkpoint of this step.")
    try:
        model = registry.register_checkpoint(checkpoint, "", cast(User, request.user))
    except UserError as error:
        messages.error(request, str(error))
        return redirect("models:model_list")
    messages.success(request, f"“{model.name}” was registered. A worker looks at it now.")
    return redirect("models:model_detail", model.pk)
