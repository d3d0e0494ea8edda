"""The page of a team's alarms: what raises one, the newest ones, and the webhook that they are posted to.

Everybody of the team sees what raises an alarm. The webhook is an administrator's, who alone sees its address; its
secret is shown once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from rpt_core.errors import UserError
from rpt_web import access
from rpt_web.notices import hooks, limits, monitors
from rpt_web.notices.deliveries import MOST_TRIES
from rpt_web.notices.models import LONGEST_ADDRESS, Alarm, Webhook
from rpt_web.pages.posting import posted_from
from rpt_web.teams.models import Team, User

SHOWN = 20
Typed = dict[str, tuple[str, str]]
"""What was typed as limit and steps of each metric."""
SECRET_WORDS = "It signs each post and is not shown again. docs/alarms.md says how a receiver checks the signature."


class WebhookForm(forms.Form):
    """Where alarms are posted to."""

    url = forms.CharField(
        label="Address",
        max_length=LONGEST_ADDRESS,
        help_text="https://, on the open internet.",
        widget=forms.TextInput(attrs={"class": "form-control", "autocomplete": "off", "inputmode": "url"}),
    )
    with_successes = forms.BooleanField(
        label="Also when a run succeeds",
        required=False,
        widget=forms.CheckboxInput(attrs={"class": "form-check-input"}),
    )


@require_safe
def team_alarms(request: HttpRequest, team_id: int) -> HttpResponse:
    """The page."""
    return _alarms(request, access.get_team_or_404(request.user, team_id))


@posted_from("teams:team_alarms")
def hook_store(request: HttpRequest, team_id: int) -> HttpResponse:
    """Store where alarms go. The answer to the first time shows the secret, and nothing else ever does."""
    team = access.get_team_or_404(request.user, team_id, to_administer=True)
    form = WebhookForm(request.POST)
    if form.is_valid():
        try:
            given = form.cleaned_data
            secret = hooks.set_hook(team, given["url"], given["with_successes"], cast(User, request.user))
        except UserError as error:
            form.add_error("url", str(error))
        else:
            if secret:
                return _alarms(request, team, secret=secret, secret_words=SECRET_WORDS)
            messages.success(request, "The webhook was stored. Its secret is the same.")
            return redirect("teams:team_alarms", team.pk)
    return _alarms(request, team, form=form)


@posted_from("teams:team_alarms")
def limits_store(request: HttpRequest, team_id: int) -> HttpResponse:
    """Store the team's own limits of the monitors."""
    team = access.get_team_or_404(request.user, team_id, to_administer=True)
    rules = monitors.RULES
    if "defaults" in request.POST:
        typed: Typed = {}
    else:
        names, sent = [rule.metric for rule in rules], request.POST
        typed = {name: (sent.get(f"{name}:limit", ""), sent.get(f"{name}:steps", "")) for name in names}
    try:
        limits.store(team, typed, cast(User, request.user))
    except UserError as error:
        return _alarms(request, team, typed=typed, wrong=str(error))
    messages.success(request, "The limits were stored. They hold for runs from their next start on.")
    return redirect("teams:team_alarms", team.pk)


@posted_from("teams:team_alarms")
def hook_secret(request: HttpRequest, team_id: int) -> HttpResponse:
    """Make another secret, shown in the answer."""
    team = access.get_team_or_404(request.user, team_id, to_administer=True)
    try:
        return _alarms(request, team, secret=hooks.renew_secret(team), secret_words=SECRET_WORDS)
    except UserError as error:
        messages.error(request, str(error))
    return redirect("teams:team_alarms", team.pk)


@require_POST
def hook_test(request: HttpRequest, team_id: int) -> HttpResponse:
    """Post something that is no alarm."""
    words = "A test is on its way. Load the page again in a moment to see what came of it."
    return _change(request, team_id, hooks.test_hook, words)


@require_POST
def hook_remove(request: HttpRequest, team_id: int) -> HttpResponse:
    """Post nothing any more."""
    return _change(request, team_id, hooks.remove_hook, "The webhook was removed.")


def _change(request: HttpRequest, team_id: int, change: Callable[[Team], None], done: str) -> HttpResponse:
    team = access.get_team_or_404(request.user, team_id, to_administer=True)
    try:
        change(team)
        messages.success(request, done)
    except UserError as error:
        messages.error(request, str(error))
    return redirect("teams:team_alarms", team.pk)


def _alarms(
    request: HttpRequest, team: Team, *, form: WebhookForm | None = None, typed: Typed | None = None, **more: Any
) -> HttpResponse:
    may_administer = access.can_administer(request.user, team.pk)
    hook = Webhook.objects.filter(team=team).first() if may_administer else None
    initial = {"url": hook.url, "with_successes": hook.with_successes} if hook else {}
    newest = Alarm.objects.filter(run__experiment__team=team).select_related("run__experiment")
    context: dict[str, Any] = {
        "nav": "team",
        "team": team,
        "rules": _limit_rows(team, typed),
        "most_steps": monitors.MOST_STEPS,
        "alarms": newest.defer("run__config", "run__plan", "run__log_tail", "run__result")[:SHOWN],
        "may_administer": may_administer,
        "hook": hook,
        "deliveries": list(hook.deliveries.all()[:5]) if hook else [],
        "most_tries": MOST_TRIES,
        "form": form or WebhookForm(initial=initial),
        "sends_mail": settings.RPT_MAILS,
    }
    status = 422 if (form and form.errors) or "wrong" in more else 200
    return render(request, "teams/team_alarms.html", context | more, status=status)


def _limit_rows(team: Team, typed: Typed | None) -> list[dict[str, Any]]:
    """Each rule with its default, and the numbers that stand in its fields."""
    rows = []
    for rule, default in zip(limits.rules_for(team.pk), monitors.RULES, strict=True):
        limit, steps = (typed or {}).get(rule.metric, (f"{rule.default:g}", str(rule.steps)))
        rows.append({"rule": rule, "default": default, "limit": limit, "steps": steps})
    return rows
