"""The page of a team's disk: what it takes and may take, its rule for old checkpoints, and what that would remove.

Everybody of the team sees it. The quota is a server administrator's, the rule and the removal an administrator's.
"""

from __future__ import annotations

from typing import Any, cast

from django.contrib import messages
from django.db.models import Count, F, Max, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from rpt_core.errors import UserError
from rpt_web import access
from rpt_web.pages.posting import posted_from
from rpt_web.pages.teams.forms import QuotaForm, RuleForm
from rpt_web.runs import retention, usage
from rpt_web.runs.models import Run
from rpt_web.teams.models import Team, User

RUNS_SHOWN = 50
GB = 1e9


@require_safe
def team_disk(request: HttpRequest, team_id: int) -> HttpResponse:
    """What the team takes on the disk, and what its rule would remove."""
    return _disk(request, access.get_team_or_404(request.user, team_id))


@posted_from("teams:team_disk")
def team_quota(request: HttpRequest, team_id: int) -> HttpResponse:
    """Change what the team may take."""
    team = access.get_team_or_404(request.user, team_id)
    access.require_server_administrator(request.user)
    form = QuotaForm(request.POST)
    if form.is_valid():
        gigabytes = form.cleaned_data["gigabytes"]
        try:
            usage.set_quota(team, None if gigabytes is None else round(gigabytes * GB))
            return redirect("teams:team_disk", team.pk)
        except UserError as error:
            form.add_error("gigabytes", str(error))
    return _disk(request, team, quota_form=form)


@posted_from("teams:team_disk")
def team_rule(request: HttpRequest, team_id: int) -> HttpResponse:
    """Change the rule; nothing is removed by that."""
    team = access.get_team_or_404(request.user, team_id, to_administer=True)
    form = RuleForm(request.POST)
    if form.is_valid():
        try:
            retention.set_rule(team, form.cleaned_data["days"])
            return redirect("teams:team_disk", team.pk)
        except UserError as error:
            form.add_error("days", str(error))
    return _disk(request, team, rule_form=form)


@require_POST
def team_remove(request: HttpRequest, team_id: int) -> HttpResponse:
    """Have removed what the rule lists; the page of the job shows how that goes."""
    team = access.get_team_or_404(request.user, team_id, to_administer=True)
    try:
        return redirect("jobs:job_detail", retention.ask(team, cast(User, request.user)).pk)
    except UserError as error:
        messages.error(request, str(error))
    return redirect("teams:team_disk", team.pk)


def _disk(
    request: HttpRequest, team: Team, *, quota_form: QuotaForm | None = None, rule_form: RuleForm | None = None
) -> HttpResponse:
    removable = retention.removable(team)
    by_run = removable.order_by("run").values("run", name=F("run__name"), experiment=F("run__experiment__name"))
    runs = Run.objects.filter(experiment__team=team).exclude(disk_bytes=None).select_related("experiment")
    quota = None if team.quota_bytes is None else team.quota_bytes / GB
    context: dict[str, Any] = {
        "nav": "team",
        "team": team,
        "usage": usage.of_team(team),
        "largest": list(runs.order_by("-disk_bytes", "pk")[:RUNS_SHOWN]),
        "removable": list(by_run.annotate(number=Count("id"), last=Max("step"), size=Sum("bytes"))[: RUNS_SHOWN + 1]),
        "runs_shown": RUNS_SHOWN,
        "in_all": removable.order_by().aggregate(
            number=Count("id"), runs=Count("run", distinct=True), size=Sum("bytes")
        ),
        "may_administer": access.can_administer(request.user, team.pk),
        "may_set_quota": access.is_server_administrator(request.user),
        "quota_form": quota_form or QuotaForm(initial={"gigabytes": quota}),
        "rule_form": rule_form or RuleForm(initial={"days": team.keep_checkpoints_days}),
    }
    is_wrong = bool((quota_form and quota_form.errors) or (rule_form and rule_form.errors))
    return render(request, "teams/team_disk.html", context, status=422 if is_wrong else 200)
