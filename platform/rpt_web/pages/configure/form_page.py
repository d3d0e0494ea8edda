"""The form for one run, started from a preset, an earlier run or a file.

In: what the form begins with, and what was typed. Out: the page, a part of it while somebody types, or a queued run.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from pydantic import ValidationError

from rpt_core.config import STAGES
from rpt_core.errors import UserError
from rpt_core.machine.hardware import all_hardware
from rpt_core.plans.preset import PlannedRun
from rpt_core.words import counted
from rpt_web import access
from rpt_web.corpora import offers
from rpt_web.corpora.models import CorpusVersion
from rpt_web.pages.configure.choice import Choice, Place, free_name
from rpt_web.pages.configure.corpus import corpus_values, for_own_text, typed_corpus
from rpt_web.pages.configure.findings_form import FindingsForm
from rpt_web.pages.configure.forms import PlannedRunForm
from rpt_web.pages.configure.from_file import ConfigFile
from rpt_web.pages.configure.offered import Shelf, chosen_value
from rpt_web.pages.configure.sweep_page import ANYWAY, CHECK, SUBMIT, Sweep, begun, check, look, submitted
from rpt_web.runs import checks, findings, planning, preflight, quick_look, services
from rpt_web.runs.findings import Finding
from rpt_web.runs.models import Experiment, Run
from rpt_web.runs.planning import Refusals
from rpt_web.runs.queries import flatten
from rpt_web.teams.models import User

MODEL = "model.path"
SWEPT = {CHECK, SUBMIT, ANYWAY}
"""What is sent when a sweep is meant and not one run."""
ELSEWHERE = (
    "The experiment that this form was for is gone. Choose another one above; what you have typed is kept below."
)
FORM = "the form"
"""Where a finding comes from that is about what was typed, before it is a setting."""


@dataclass(frozen=True)
class Beginning:
    """What a form begins with."""

    choice: Choice
    origin: Run | None = None
    """The run that is cloned."""
    corpus: CorpusVersion | None = None
    """What it reads in place of its own corpus."""
    file: ConfigFile | None = None
    """The file whose settings it begins with."""
    typed: QueryDict | None = None
    """What was typed into it so far."""


def form_page(request: HttpRequest, begin: Beginning) -> HttpResponse:
    """The form, what came of a check, or the page of the run that was submitted."""
    choice = begin.choice
    form = report = sweep = None
    machine, user = _machine(request, choice), cast(User, request.user)
    if choice.planned and choice.place:
        form = _form(request, begin, choice.planned)
        sweep = begun(form, request.POST, choice.planned.name)
        if "difference" in request.POST:
            rows = seen_at_once(form, choice)
            shown: dict[str, Any] = {
                "form": form,
                "origin": begin.origin,
                "file": begin.file,
                "choice": choice,
                "rows": rows,
            }
            look(sweep, choice)
            shown["sweep"] = sweep
            return render(request, "configure/_live.html", shown)
        if form.is_bound and "download" in request.POST and (file := _file(form, choice.place.experiment)):
            return file
        if form.is_bound and choice.is_elsewhere:
            form.add_error(None, ELSEWHERE)
        elif SWEPT & set(request.POST):
            made = _swept(request, sweep, choice, machine, begin.origin)
            if made is not None:
                messages.success(request, f"“{made.name}” was submitted with {counted(made.runs.count(), 'run')}.")
                return redirect("experiments:experiment_detail", made.pk)
        elif form.is_bound and "check" in request.POST:
            report = _checked(form, choice, machine, user.pk)
        elif form.is_bound and not {"follow", "download"} & set(request.POST):
            run = _submitted(request, form, choice.place.experiment, machine, begin.origin)
            if run is not None:
                messages.success(request, f"“{run.name}” was submitted.")
                return redirect("runs:run_detail", run.pk)
    context = {
        "nav": "new",
        "choice": choice,
        "reasons": choice.reasons(_values_named(form, choice)),
        "origin": begin.origin,
        "form": form,
        "report": report,
        "sweep": sweep,
        "is_check": "check" in request.POST,
        "machines": all_hardware().values(),
        "machine": machine,
        "machine_title": all_hardware()[machine].title,
        "corpus": begin.corpus,
        "file": begin.file,
        "followed": ("model", "corpus"),
        "command": form and command_line(choice, form),
    }
    if sweep is not None and SWEPT & set(request.POST):
        status = 503 if sweep.is_busy else 422 if sweep.is_failing else 409 if sweep.is_asking else 200
        return render(request, "configure/run_new.html", context, status=status)
    if "follow" in request.POST:  # htmx puts in place only what is no error
        return render(request, "configure/run_new.html", context)
    return answer(request, "configure/run_new.html", context)


def _values_named(form: PlannedRunForm | None, choice: Choice) -> Iterable[object]:
    """The values of the run as they stand in the form, or else in its plan."""
    if form is not None:
        return form.shown_values()
    return dict(flatten(choice.planned.config)).values() if choice.planned else ()


def _swept(request: HttpRequest, sweep: Sweep, choice: Choice, machine: str, origin: Run | None) -> Experiment | None:
    """The experiment that a sweep was submitted as; None where it was only checked, or something speaks against it."""
    user = cast(User, request.user)
    if {SUBMIT, ANYWAY} & set(request.POST):
        return submitted(sweep, choice, machine, user, origin, anyway=ANYWAY in request.POST)
    check(sweep, choice, machine, user.pk)
    return None


def command_line(choice: Choice, form: PlannedRunForm) -> str:
    """What does the same in a shell, once the config was downloaded."""
    stage = choice.planned.stage if choice.planned else ""
    folder = shlex.quote(str(form["run_name"].value() or stage))
    return (
        f"mkdir -p {folder}\n"
        f"mv config.json {folder}/\n"
        f".venv/bin/python -m rpt_core preflight {stage} {folder}/config.json\n"
        f".venv/bin/python -m rpt_core {stage} {folder}"
    )


def answer(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    """The page with its form: 422 for what is wrong, 409 where it asks, 503 where too much is checked already."""
    form: FindingsForm | None = context["form"]
    if form is None:
        return render(request, template, context)
    status = 503 if form.is_busy else 422 if form.errors else 409 if form.asked else 200
    response = render(request, template, context, status=status)
    if form.is_busy:
        response["Retry-After"] = str(preflight.RETRY_AFTER_SECONDS)
    return response


def posted(request: HttpRequest) -> QueryDict | None:
    """What was typed; None where nothing was sent."""
    return request.POST if request.method == "POST" else None


def _form(request: HttpRequest, begin: Beginning, planned: PlannedRun) -> PlannedRunForm:
    place = cast(Any, begin.choice.place)
    team, data = place.experiment.team, begin.typed
    planned = place.plan(planned)
    values: dict[str, str] = {}
    if begin.corpus is not None:
        planned, values = for_own_text(planned), corpus_values(planned, begin.corpus, team)
    if data is not None and data.get("follow") == "corpus":
        data = typed_corpus(data, lambda path: offers.version_at(team, path))
    name = free_name(place.experiment, planned.name)
    shelf = Shelf(team, _model_path(planned, place.experiment, data))
    may_raise = access.can_administer(request.user, team.pk)
    form = PlannedRunForm(planned, name, data, seed=place.seed, shelf=shelf, may_raise=may_raise, begin=values)
    form.suggest(request.GET)
    return form


def _file(form: PlannedRunForm, experiment: Experiment) -> HttpResponse | None:
    """The typed settings as a file that `python -m rpt_core` takes; None with what is wrong on the form."""
    planned = form.planned()
    values, refusals = _values(form, experiment, planned)
    form.add_refusals(refusals)
    try:
        config = STAGES[planned.stage].model_validate(values)
    except ValidationError as error:
        form.add_problems(error)
        return None
    if form.errors:
        return None
    response = HttpResponse(config.model_dump_json(indent=2) + "\n", content_type="application/json")
    response["Content-Disposition"] = 'attachment; filename="config.json"'
    return response


def _model_path(planned: PlannedRun, experiment: Experiment, data: QueryDict | None) -> str:
    """The model that is chosen so far; empty for none. A reference stands for what its run has made."""
    part = planned.config.get("model")
    text = chosen_value(data, MODEL) if data else part.get("path") if isinstance(part, dict) else ""
    if not isinstance(text, str) or not text.startswith("@"):
        return text if isinstance(text, str) else ""
    alone = planned.model_copy(update={"config": {"path": text}})
    values, refusals = planning.tentative_values(alone, experiment)
    return "" if refusals else str(values["path"])


def _machine(request: HttpRequest, choice: Choice) -> str:
    """The hardware that was chosen, or else a usual one for the run."""
    if (asked := request.POST.get("hardware", "")) in all_hardware():
        return asked
    config = choice.planned.config if choice.planned else {}
    return findings.usual_hardware(config, choice.preset.name if choice.preset else "")


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
        user, priority = cast(User, request.user), form.cleaned_data["priority"]
        return services.submit_planned(experiment, planned, user, origin=origin, priority=priority)
    except ValidationError as error:
        form.add_problems(error)
    except findings.HeldBack as found:
        form.add_findings(found)
    except preflight.TooManyChecks as busy:
        form.add_busy(busy)
    except UserError as error:
        form.add_error(None, str(error))
    return None


def _checked(form: PlannedRunForm, choice: Choice, hardware: str, person: int) -> dict[str, Any] | None:
    """What pre-flight says of the typed settings; its errors stand on their fields, too."""
    experiment, planned = cast(Place, choice.place).experiment, form.planned()
    values, refusals = _values(form, experiment, planned)
    ours = own_findings(form, refusals) + in_name_only(choice)
    try:
        found = preflight.report(planned.stage, values, hardware, [experiment.team_id], person=person)
    except preflight.TooManyChecks as busy:
        form.add_busy(busy, "It was not checked.")
        return None
    except UserError as error:
        form.add_error(None, str(error))
        return None
    told = [problem for problem in found["problems"] if not form.is_unread(problem["field"])]
    for problem in told:
        if problem["level"] == "error":
            form.add_problem(problem["field"], problem["message"])
    estimates = [("Typically", found["typical"]), ("At most", found["most"])]
    for _, estimate in estimates:
        if estimate is not None:
            estimate.update({name: round(estimate[name]) for name in ("tokens", "rollouts")})
    rows = in_rows(form, [*ours, *(Finding(**_plain(problem)) for problem in told)])
    return found | {"rows": rows, "failing": bool(form.errors), "estimates": estimates}


def _plain(problem: dict[str, Any]) -> dict[str, Any]:
    return {name: problem.get(name, "") for name in ("level", "field", "message", "limit", "source")}


def seen_at_once(form: PlannedRunForm, choice: Choice) -> list[dict[str, Any]]:
    """The rows of the table of findings, as far as they are known without the model and the data."""
    experiment, planned = cast(Place, choice.place).experiment, form.planned()
    values, refusals = _values(form, experiment, planned)
    found = own_findings(form, refusals) + in_name_only(choice)
    found += quick_look.look(planned.stage, values, [experiment.team_id])
    return in_rows(form, [finding for finding in found if not form.is_unread(finding.field) or finding.source == FORM])


def own_findings(form: PlannedRunForm, refusals: Refusals) -> list[Finding]:
    """What the form itself has against what was typed: unreadable fields, references, what does not fit together."""
    unread = [(name, str(words)) for name, found in form.errors.items() for words in found]
    refused = form.add_refusals(refusals)
    found = [Finding("error", name, words, source=FORM) for name, words in unread]
    found += [Finding("error", name, words, source="the runs of the experiment") for name, words in refused]
    return found + [
        Finding("warning", name, f"{words}.", source="the tokenizers of both") for name, words in form.misfits()
    ]


def in_name_only(choice: Choice) -> list[Finding]:
    """Runs of the place that have the name of one that the preset's run needs, and another stage (1 query)."""
    place, planned, preset = choice.place, choice.planned, choice.preset
    if place is None or planned is None or preset is None:
        return []
    stages = {f"{place.prefix}{need}": preset.run(need).stage for need in planned.needs()}
    runs = place.experiment.runs.filter(name__in=stages).order_by("id")
    words = (
        "“{}” of this experiment is of stage {}, and that of the preset of stage {}: they have only the name in common."
    )
    return [
        Finding("warning", "", words.format(run.name, run.stage, stages[run.name]), source=f"the preset {preset.name}")
        for run in runs
        if run.stage != stages[run.name]
    ]


def in_rows(form: PlannedRunForm, found: Sequence[Finding]) -> list[dict[str, Any]]:
    """Findings as the table shows them, what is red first."""
    ordered = sorted(found, key=lambda finding: finding.level)
    return [{"finding": finding, "place": form.place_of(finding.field)} for finding in ordered]


def _values(form: PlannedRunForm, experiment: Experiment, planned: PlannedRun) -> tuple[dict[str, Any], Refusals]:
    """The config's values, and why references of it cannot be resolved; a name that is taken stands on the form."""
    if experiment.runs.filter(name=planned.name).exists():
        form.add_error("run_name", checks.name_is_taken(planned.name))
    return planning.tentative_values(planned, experiment)
