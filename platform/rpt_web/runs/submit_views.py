"""Pages that submit: one run of a preset with settings of one's own, and a whole preset as a new experiment."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods
from pydantic import ValidationError

from rpt_core.config import STAGES
from rpt_core.errors import UserError
from rpt_core.hardware import all_hardware
from rpt_core.presets import PlannedRun, Preset, load_preset, missing, preset_names
from rpt_web.runs import checks, planning, plans, preflight, services
from rpt_web.runs.forms import PlannedRunForm, SuiteForm
from rpt_web.runs.models import Experiment, Run
from rpt_web.runs.planning import Refusals
from rpt_web.teams import access
from rpt_web.teams.models import User

SMALLEST = "smoke"
"""The preset that is offered when the address asks for none."""


@require_http_methods(["GET", "HEAD", "POST"])
def run_new(request: HttpRequest) -> HttpResponse:
    """Submit a run of a preset into an experiment where everything that it needs has been made."""
    access.require_change(request.user)
    asked = (request.GET.get(name, "") for name in ("preset", "run", "experiment"))
    choice = plans.choose(access.experiments_for(request.user), *asked)
    form = report = None
    if choice.planned and choice.place:
        planned = choice.place.plan(choice.planned)
        name = plans.free_name(choice.place.experiment, planned.name)
        form = PlannedRunForm(planned, name, _posted(request), seed=choice.place.seed)
        if form.is_bound and "check" in request.POST:
            report = _checked(form, choice.place.experiment, request.POST.get("hardware", ""))
        elif form.is_bound and (run := _submitted(request, form, choice.place.experiment)) is not None:
            messages.success(request, f"“{run.name}” was submitted.")
            return redirect("runs:run_detail", run.pk)
    context = {
        "nav": "new",
        "choice": choice,
        "form": form,
        "report": report,
        "is_check": "check" in request.POST,
        "machines": all_hardware().values(),
        "machine": request.POST.get("hardware", ""),
    }
    return render(request, "runs/run_new.html", context, status=422 if form is not None and form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
def suite_new(request: HttpRequest) -> HttpResponse:
    """Submit a whole preset as a new experiment: each of its runs starts when what it needs has succeeded."""
    access.require_change(request.user)
    presets = sorted(map(load_preset, preset_names()), key=lambda found: (found.requires.gpu, found.run_count))
    wanted = request.GET.get("preset", "") or SMALLEST
    preset = next((found for found in presets if found.name == wanted), presets[0])
    form = SuiteForm(preset, _posted(request), seeds=request.GET.get("seeds", ""))
    if request.headers.get("HX-Target") == "run-count":
        return render(request, "runs/_run_count.html", {"form": form, "preset": preset})
    experiment = _submitted_suite(request, form, preset) if form.is_valid() else None
    if experiment is not None:
        messages.success(request, f"“{experiment.name}” was submitted. Its runs start one after the other.")
        return redirect("runs:experiment_detail", experiment.pk)
    context = {
        "nav": "new-suite",
        "presets": presets,
        "preset": preset,
        "form": form,
        "reasons": missing(preset),
        "lines": [(run, sorted(run.needs())) for run in preset.runs],
    }
    return render(request, "runs/suite_new.html", context, status=422 if form.errors else 200)


def _posted(request: HttpRequest) -> QueryDict | None:
    return request.POST if request.method == "POST" else None


def _submitted(request: HttpRequest, form: PlannedRunForm, experiment: Experiment) -> Run | None:
    """The queued run, or None with all problems on the form."""
    planned = form.planned()
    values, refusals = _values(form, experiment, planned)
    form.add_refusals(refusals)
    try:
        STAGES[planned.stage].model_validate(values)
        return None if form.errors else services.submit_planned(experiment, planned, cast(User, request.user))
    except ValidationError as error:
        form.add_problems(error)
    except UserError as error:
        form.add_error(None, str(error))
    return None


def _checked(form: PlannedRunForm, experiment: Experiment, hardware: str) -> dict[str, Any] | None:
    """What pre-flight says of the typed settings; its errors stand on their fields, too."""
    planned = form.planned()
    values, refusals = _values(form, experiment, planned)
    unread = [(name, words) for name in form.unread for words in form.errors[name]]
    refused = form.add_refusals(refusals)
    try:
        found = preflight.report(planned.stage, values, hardware)
    except UserError as error:
        form.add_error(None, str(error))
        return None
    told = [problem for problem in found["problems"] if not form.is_unread(problem["field"])]
    for problem in told:
        if problem["level"] == "error":
            form.add_problem(problem["field"], problem["message"])
    ours = [{"field": name, "message": words} for name, words in (*unread, *refused)]
    estimates = [("Typically", found["typical"]), ("At most", found["most"])]
    for _, estimate in estimates:
        if estimate is not None:
            estimate.update({name: round(estimate[name]) for name in ("tokens", "rollouts")})
    return found | {"problems": [*ours, *told], "failing": bool(form.errors), "estimates": estimates}


def _values(form: PlannedRunForm, experiment: Experiment, planned: PlannedRun) -> tuple[dict[str, Any], Refusals]:
    """The config's values, and why references of it cannot be resolved; a name that is taken stands on the form."""
    if experiment.runs.filter(name=planned.name).exists():
        form.add_error("run_name", checks.name_is_taken(planned.name))
    return planning.tentative_values(planned, experiment)


def _submitted_suite(request: HttpRequest, form: SuiteForm, preset: Preset) -> Experiment | None:
    """The experiment with all its runs, or None with the problem on the form and nothing stored."""
    user, values = cast(User, request.user), form.cleaned_data
    seeds = values["seeds"]
    is_single = preset.seeds is None and len(seeds) == 1  # then the experiment's seed is enough, without copies
    try:
        with transaction.atomic():
            experiment = services.create_experiment(
                values["name"],
                user,
                preset=preset.name,
                seed=seeds[0] if is_single else 0,
                description=values["description"],
            )
            services.submit_suite(experiment, preset, user, None if is_single else seeds, anyway=values["anyway"])
    except UserError as error:
        form.add_error("seeds" if "seed" in str(error) else None, str(error))
        return None
    return experiment
