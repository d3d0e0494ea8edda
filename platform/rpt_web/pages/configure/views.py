"""Pages that submit: one run of a preset with settings of one's own, and a whole preset as a new experiment."""

from __future__ import annotations

from typing import cast

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from rpt_core.errors import UserError
from rpt_core.plans.preset import Preset, load_preset, missing, preset_names
from rpt_web import access
from rpt_web.pages.addresses import number_asked, number_posted
from rpt_web.pages.configure.choice import PLACES_OFFERED, Choice, Place, as_it_is, choose, like, unreadable
from rpt_web.pages.configure.corpus import corpus_asked, without_models
from rpt_web.pages.configure.form_page import Beginning, answer, form_page, posted
from rpt_web.pages.configure.forms import SuiteForm
from rpt_web.pages.configure.from_file import MOST_BYTES, ConfigFile, read_file
from rpt_web.pages.once import made_once
from rpt_web.pages.rights import team_to_change
from rpt_web.runs import findings, graph, own_plans, planning, preflight, queues, services
from rpt_web.runs.models import Experiment, OwnPlan, Run
from rpt_web.runs.same_names import marks
from rpt_web.teams.models import Team, User

PLANS_OFFERED = 50
SMALLEST = "smoke"
"""The preset that is offered when the address asks for none."""


@require_http_methods(["GET", "HEAD", "POST"])
@made_once
def run_new(request: HttpRequest) -> HttpResponse:
    """Submit a run of a preset into an experiment where everything that it needs has been made."""
    access.require_change_somewhere(request.user)
    origin, corpus = _origin(request), corpus_asked(request)
    to_be_made = without_models if corpus else as_it_is
    asked = (request.GET.get(name, "") for name in ("preset", "run", "experiment"))
    choice = (
        like(origin) if origin else choose(access.experiments_to_change(request.user), *asked, to_be_made=to_be_made)
    )
    if origin and (reason := unreadable(choice)):
        messages.error(request, f"“{origin.name}” cannot be cloned. {reason}")
        return redirect("runs:run_detail", origin.pk)
    return form_page(request, Beginning(choice, origin, corpus, typed=posted(request)))


@require_http_methods(["GET", "HEAD", "POST"])
@made_once
def run_from_file(request: HttpRequest) -> HttpResponse:
    """The same, from a config that somebody has in a file: it comes with each request and is not stored."""
    access.require_change_somewhere(request.user)
    experiments = access.experiments_to_change(request.user).order_by("-id")
    key = number_asked(request, "experiment") or number_posted(request, "experiment")
    experiment = experiments.filter(pk=key).first() if key is not None else None
    wrong = ""
    if request.method == "POST":
        try:
            file, is_new = _config_file(request)
            if experiment is None:
                raise UserError("Choose the experiment that the run is to be in.")
            place = Place(experiment)
            choice = Choice([], None, file.planned, [place], [], place)
            return form_page(request, Beginning(choice, file=file, typed=None if is_new else request.POST))
        except UserError as error:
            wrong = str(error)
    offered = list(experiments[:PLACES_OFFERED])
    numbers = marks({found.pk: found.name for found in offered})
    listed = [(found.pk, f"{found.name}{numbers[found.pk]}", found == experiment) for found in offered]
    context = {"nav": "new", "experiments": listed, "experiment": experiment, "wrong": wrong}
    return render(request, "configure/run_from_file.html", context, status=422 if wrong else 200)


def _config_file(request: HttpRequest) -> tuple[ConfigFile, bool]:
    """The file, and whether it was chosen just now. Raises UserError for one that is no config."""
    if (sent := request.FILES.get("file")) is not None:
        return read_file(sent.name or "", sent.read(MOST_BYTES + 1)), True
    if not (carried := request.POST.get("carried", "")):
        raise UserError("Choose a file.")
    return read_file(request.POST.get("carried_name", ""), carried.encode()), False


@require_http_methods(["GET", "HEAD", "POST"])
@made_once
def suite_new(request: HttpRequest) -> HttpResponse:
    """Submit a whole preset as a new experiment: each of its runs starts when what it needs has succeeded."""
    own = _own_plan(request)
    team = own.team if own and access.can_change(request.user, own.team_id) else team_to_change(request)
    presets = sorted(map(load_preset, preset_names()), key=lambda found: (found.requires.gpu, found.run_count))
    wanted = request.GET.get("preset", "") or SMALLEST
    preset = next((found for found in presets if found.name == wanted), presets[0])
    if own is not None:
        try:
            preset = own_plans.preset_of(own)
        except UserError as error:
            messages.error(request, f"This version does not accept the plan. {error}")
            return redirect("plans:plan_detail", own.pk)
    may_raise = access.can_administer(request.user, team.pk)
    form = SuiteForm(preset, posted(request), seeds=request.GET.get("seeds", ""), may_raise=may_raise)
    if request.headers.get("HX-Target") == "run-count":
        return render(request, "configure/_run_count.html", {"form": form, "preset": preset, "own": own})
    experiment = _submitted_suite(request, form, preset, team, "" if own else preset.name) if form.is_valid() else None
    if experiment is not None:
        messages.success(request, f"“{experiment.name}” was submitted. Its runs start one after another.")
        return redirect("experiments:experiment_detail", experiment.pk)
    context = {
        "nav": "experiments",
        "team": team,
        "presets": presets,
        "plans": list(access.plans_for(request.user).defer("text")[:PLANS_OFFERED]),
        "preset": preset,
        "own": own,
        "form": form,
        "reasons": missing(preset),
        "lines": [(run, sorted(run.needs())) for run in preset.runs],
        "graph": graph.graph_of(graph.steps_of(preset)),
    }
    return answer(request, "configure/suite_new.html", context)


def _own_plan(request: HttpRequest) -> OwnPlan | None:
    """The saved plan that the address names, of a team or shared with one. Raises Http404."""
    access.require_change_somewhere(request.user)
    key = number_asked(request, "plan")
    return None if key is None else access.get_plan_or_404(request.user, key)


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


def _submitted_suite(request: HttpRequest, form: SuiteForm, preset: Preset, team: Team, name: str) -> Experiment | None:
    """The experiment with all its runs, or None with the problem on the form and nothing stored.

    name: of the preset that the experiment plays; empty for a plan of one's own.
    """
    user, values = cast(User, request.user), form.cleaned_data
    seeds = values["seeds"]
    is_single = preset.seeds is None and len(seeds) == 1  # then the experiment's seed is enough, without copies
    try:
        planning.suite(preset, seeds)  # refuses seeds that cannot be used, before anybody waits
        hardware = _hardware(preset)
        findings.require(findings.of_plan(preset, seeds[0], hardware, [team.pk]), anyway=values["anyway"])
        with transaction.atomic():
            experiment = services.create_experiment(
                values["name"],
                user,
                team=team,
                preset=name,
                seed=seeds[0] if is_single else 0,
                description=values["description"],
            )
            copies, priority = None if is_single else seeds, values["priority"]
            services.submit_suite(experiment, preset, user, copies, anyway=True, priority=priority)
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


def _hardware(preset: Preset) -> str:
    """What a plan is checked for when nobody says."""
    if queues.needs_gpu(preset.requires):
        return findings.WITH_GPU
    return findings.usual_hardware([run.config for run in preset.runs])
