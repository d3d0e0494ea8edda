"""Pages of plans: the list, an editor with the graph of the runs, a file to take along."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from django.contrib import messages
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from rpt_core.errors import UserError
from rpt_core.plans.preset import load_preset, preset_names
from rpt_web import access
from rpt_web.pages.addresses import number_asked
from rpt_web.pages.rights import team_to_change
from rpt_web.runs import graph, own_plans
from rpt_web.runs.models import OwnPlan
from rpt_web.teams.models import User

PER_PAGE = 50


@require_safe
def plan_list(request: HttpRequest) -> HttpResponse:
    """Plans of the user's teams by name, and the presets that one can begin with."""
    plans, last = access.plans_for(request.user).defer("text"), number_asked(request, "after")
    after = access.plans_for(request.user).filter(pk=last).first() if last is not None else None
    if after is not None:  # teams may have plans of the same name
        plans = plans.filter(Q(name__gt=after.name) | Q(name=after.name, pk__gt=after.pk))
    rows = list(plans[: PER_PAGE + 1])
    context = {
        "nav": "experiments",
        "plans": rows[:PER_PAGE],
        "after": rows[PER_PAGE - 1].pk if rows[PER_PAGE:] else None,
        "presets": [load_preset(name) for name in preset_names()],
    }
    return render(request, "plans/plan_list.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def plan_new(request: HttpRequest) -> HttpResponse:
    """A new plan, beginning with a preset, another plan, an experiment, or a file."""
    team = team_to_change(request)
    name, text = request.POST.get("name", ""), request.POST.get("text", "")
    if request.method != "POST":
        name, text, wrong = _beginning(request)
        return _editor(request, None, name, text, wrong)
    try:
        if (file := request.FILES.get("file")) is not None:
            sent = _text_of(file.read(2 * own_plans.LONGEST_TEXT))
            return _editor(request, None, name or _stem(file.name or ""), sent)
        plan = own_plans.create(team, name, text, cast(User, request.user))
    except UserError as error:
        return _editor(request, None, name, text, str(error))
    messages.success(request, f"“{plan.name}” was saved.")
    return redirect("plans:plan_detail", plan.pk)


@require_http_methods(["GET", "HEAD", "POST"])
def plan_detail(request: HttpRequest, plan_id: int) -> HttpResponse:
    """A plan with its graph and its editor; a POST changes it."""
    is_change = request.method == "POST"
    plan = access.get_plan_or_404(request.user, plan_id, to_change=is_change)
    if not is_change:
        return _editor(request, plan, plan.name, plan.text, versions=own_plans.versions(plan))
    text = request.POST.get("text", "")
    try:
        own_plans.save(plan, text, request.POST.get("seen", ""))
    except UserError as error:
        return _editor(request, plan, plan.name, text, str(error))
    messages.success(request, "The plan was saved. Experiments that were submitted before keep their runs.")
    return redirect("plans:plan_detail", plan.pk)


@require_safe
def plan_file(request: HttpRequest, plan_id: int) -> HttpResponse:
    """The plan as a YAML file, which `read_plan` and the page of a new plan take."""
    plan = access.get_plan_or_404(request.user, plan_id)
    response = HttpResponse(plan.text, content_type="application/yaml; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{plan.name.replace(" ", "-")}.yaml"'
    return response


@require_POST
def plan_delete(request: HttpRequest, plan_id: int) -> HttpResponse:
    """Remove a plan. What was submitted stays."""
    plan = access.get_plan_or_404(request.user, plan_id, to_change=True)
    plan.delete()
    messages.success(request, f"The plan “{plan.name}” was deleted. Experiments that it has made stay.")
    return redirect("plans:plan_list")


def _editor(
    request: HttpRequest,
    plan: OwnPlan | None,
    name: str,
    text: str,
    wrong: str = "",
    versions: Sequence[own_plans.Version] = (),
) -> HttpResponse:
    number = number_asked(request, "version")
    earlier = next((version for version in versions[1:] if version.number == number), None)
    text = text if earlier is None else earlier.text
    parsed, status = None, 422 if wrong and request.method == "POST" else 200
    if text:
        try:
            parsed = own_plans.read(name, text)
        except UserError as error:
            wrong = wrong or str(error)
    context: dict[str, Any] = {
        "nav": "experiments",
        "plan": plan,
        "name": name,
        "text": text,
        "wrong": wrong,
        "versions": versions,
        "earlier": earlier,
        "parsed": parsed,
        "graph": graph.graph_of(graph.steps_of(parsed)) if parsed else None,
        "may_save": plan is None or access.can_change(request.user, plan.team_id),
    }
    return render(request, "plans/plan_detail.html", context, status=status)


def _beginning(request: HttpRequest) -> tuple[str, str, str]:
    """Name, text, and what is wrong with what the address asks to begin with."""
    if (name := request.GET.get("preset", "")) in preset_names():
        return f"my {name}", own_plans.as_text(load_preset(name)), ""
    if (key := number_asked(request, "plan")) is not None:
        plan = access.get_plan_or_404(request.user, key)
        return f"{plan.name} 2"[:80], plan.text, ""
    if (key := number_asked(request, "experiment")) is not None:
        experiment = access.get_experiment_or_404(request.user, key)
        try:
            return experiment.name[:80], own_plans.as_text(own_plans.of_experiment(experiment)), ""
        except UserError as error:
            return experiment.name[:80], "", str(error)
    return "", "", ""


def _text_of(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UserError("The file is no text in UTF-8. Choose a YAML file with a plan.") from None


def _stem(name: str) -> str:
    return name.rpartition("/")[2].rpartition(".")[0][:80]
