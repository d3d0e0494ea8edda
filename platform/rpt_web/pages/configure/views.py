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
from rpt_core.machine.hardware import all_hardware
from rpt_core.plans.preset import PlannedRun, Preset, load_preset, missing, preset_names
from rpt_web import access
from rpt_web.pages.addresses import number_asked
from rpt_web.pages.configure.choice import Choice, choose, free_name, like, unreadable
from rpt_web.pages.configure.corpus import corpus_asked, with_corpus
from rpt_web.pages.configure.forms import FindingsForm, PlannedRunForm, SuiteForm
from rpt_web.pages.rights import team_to_change
from rpt_web.runs import checks, findings, planning, preflight, services
from rpt_web.runs.models import Experiment, Run
from rpt_web.runs.planning import Refusals
from rpt_web.teams.models import Team, User

SMALLEST = "smoke"
"""The preset that is offered when the address asks for none."""


@require_http_methods(["GET", "HEAD", "POST"])
def run_new(request: HttpRequest) -> HttpResponse:
    """Submit a run of a preset into an experiment where everything that it needs has been made."""
    access.require_change_somewhere(request.user)
    origin = _origin(request)
    asked = (request.GET.get(name, "") for name in ("preset", "run", "experiment"))
    choice = like(origin) if origin else choose(access.experiments_to_change(request.user), *asked)
    if origin and (reason := unreadable(choice)):
        messages.error(request, f"“{origin.name}” cannot be cloned. {reason}")
        return redirect("runs:run_detail", origin.pk)
    corpus = corpus_asked(request)
    form = report = None
    machine = _machine(request, choice)
    if choice.planned and choice.place:
        planned = choice.place.plan(choice.planned)
        planned = planned if corpus is None else with_corpus(planned, corpus)
        name = free_name(choice.place.experiment, planned.name)
        form = PlannedRunForm(planned, name, _posted(request), seed=choice.place.seed)
        form.suggest(request.GET)
        if "difference" in request.POST:
            return render(request, "configure/_difference.html", {"form": form, "origin": origin, "choice": choice})
        if form.is_bound and "check" in request.POST:
            report = _checked(form, choice.place.experiment, machine)
        elif form.is_bound and (run := _submitted(request, form, choice.place.experiment, machine, origin)):
            messages.success(request, f"“{run.name}” was submitted.")
            return redirect("runs:run_detail", run.pk)
    context = {
        "nav": "new",
        "choice": choice,
        "origin": origin,
        "form": form,
        "report": report,
        "is_check": "check" in request.POST,
        "machines": all_hardware().values(),
        "machine": machine,
        "corpus": corpus,
    }
    return _answer(request, "configure/run_new.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def suite_new(request: HttpRequest) -> HttpResponse:
    """Submit a whole preset as a new experiment: each of its runs starts when what it needs has succeeded."""
    team = team_to_change(request)
    presets = sorted(map(load_preset, preset_names()), key=lambda found: (found.requires.gpu, found.run_count))
    wanted = request.GET.get("preset", "") or SMALLEST
    preset = next((found for found in presets if found.name == wanted), presets[0])
    form = SuiteForm(preset, _posted(request), seeds=request.GET.get("seeds", ""))
    if request.headers.get("HX-Target") == "run-count":
        return render(request, "configure/_run_count.html", {"form": form, "preset": preset})
    experiment = _submitted_suite(request, form, preset, team) if form.is_valid() else None
    if experiment is not None:
        messages.success(request, f"“{experiment.name}” was submitted. Its runs start one after another.")
        return redirect("experiments:experiment_detail", experiment.pk)
    context = {
        "nav": "new-suite",
        "team": team,
        "presets": presets,
        "preset": preset,
        "form": form,
        "reasons": missing(preset),
        "lines": [(run, sorted(run.needs())) for run in preset.runs],
    }
    return _answer(request, "configure/suite_new.html", context)


def _answer(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    """The page with its form: 422 for what is wrong, 409 where it asks, 503 where too much is checked already."""
    form: FindingsForm | None = context["form"]
    if form is None:
        return render(request, template, context)
    status = 503 if form.is_busy else 422 if form.errors else 409 if form.asked else 200
    response = render(request, template, context, status=status)
    if form.is_busy:
        response["Retry-After"] = str(preflight.RETRY_AFTER_SECONDS)
    return response


def _origin(request: HttpRequest) -> Run | None:
    """The run whose settings the form begins with, when the address names one that has its config.

    Raises Http404, and PermissionDenied where the user may not submit beside it.
    """
    key = number_asked(request, "like")
    origin = access.get_run_or_404(request.user, key) if key is not None else None
    if origin is None or not origin.config:
        return None
    access.require_change(request.user, origin.experiment.team_id)
    return origin


def _machine(request: HttpRequest, choice: Choice) -> str:
    """The hardware that was chosen, or else a usual one for the run."""
    if (asked := request.POST.get("hardware", "")) in all_hardware():
        return asked
    config = choice.planned.config if choice.planned else {}
    return findings.usual_hardware(config, choice.preset.name if choice.preset else "")


def _posted(request: HttpRequest) -> QueryDict | None:
    return request.POST if request.method == "POST" else None


def _submitted(
    request: HttpRequest, form: PlannedRunForm, experiment: Experiment, hardware: str, origin: Run | None
) -> Run | None:
    """The queued run, or None with all problems and questions on the form."""
    planned = form.planned()
    values, refusals = _values(form, experiment, planned)
    form.add_refusals(refusals)
    try:
        config = STAGES[planned.stage].model_validate(values)
        if form.errors:
            return None
        findings.require(findings.of_config(config, hardware, [experiment.team_id]), anyway="anyway" in request.POST)
        return services.submit_planned(experiment, planned, cast(User, request.user), origin=origin)
    except ValidationError as error:
        form.add_problems(error)
    except findings.HeldBack as found:
        form.add_findings(found)
    except preflight.TooManyChecks as busy:
        form.add_busy(busy)
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
        found = preflight.report(planned.stage, values, hardware, [experiment.team_id])
    except UserError as error:
        form.add_error(None, str(error))
        return None
    told = [problem for problem in found["problems"] if not form.is_unread(problem["field"])]
    for problem in told:
        if problem["level"] == "error":
            form.add_problem(problem["field"], problem["message"])
    ours = [{"field": name, "message": words} for name, words in (*unread, *refused)]
    problems = [problem | {"place": form.place_of(problem["field"])} for problem in (*ours, *told)]
    estimates = [("Typically", found["typical"]), ("At most", found["most"])]
    for _, estimate in estimates:
        if estimate is not None:
            estimate.update({name: round(estimate[name]) for name in ("tokens", "rollouts")})
    return found | {"problems": problems, "failing": bool(form.errors), "estimates": estimates}


def _values(form: PlannedRunForm, experiment: Experiment, planned: PlannedRun) -> tuple[dict[str, Any], Refusals]:
    """The config's values, and why references of it cannot be resolved; a name that is taken stands on the form."""
    if experiment.runs.filter(name=planned.name).exists():
        form.add_error("run_name", checks.name_is_taken(planned.name))
    return planning.tentative_values(planned, experiment)


def _submitted_suite(request: HttpRequest, form: SuiteForm, preset: Preset, team: Team) -> Experiment | None:
    """The experiment with all its runs, or None with the problem on the form and nothing stored."""
    user, values = cast(User, request.user), form.cleaned_data
    seeds = values["seeds"]
    is_single = preset.seeds is None and len(seeds) == 1  # then the experiment's seed is enough, without copies
    try:
        planning.suite(preset, seeds)  # refuses seeds that cannot be used, before anybody waits
        hardware = findings.usual_hardware([run.config for run in preset.runs], preset.name)
        findings.require(findings.of_plan(preset, seeds[0], hardware, [team.pk]), anyway=values["anyway"])
        with transaction.atomic():
            experiment = services.create_experiment(
                values["name"],
                user,
                team=team,
                preset=preset.name,
                seed=seeds[0] if is_single else 0,
                description=values["description"],
            )
            services.submit_suite(experiment, preset, user, None if is_single else seeds, anyway=True)
    except findings.HeldBack as found:
        form.add_findings(found)
        return None
    except preflight.TooManyChecks as busy:
        form.add_busy(busy)
        return None
    except UserError as error:
        form.add_error("seeds" if "seed" in str(error) else None, str(error))
        return None
    return experiment
