"""The tokens of a prompt as a part of a response's page: looked at, and asked for."""

from __future__ import annotations

from typing import cast

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from rpt_web import access
from rpt_web.pages.traces.detail import read_texts
from rpt_web.pages.traces.prompt_window import prompt_part
from rpt_web.teams.models import User
from rpt_web.traces import prompts
from rpt_web.traces.models import RolloutShard


@require_http_methods(["GET", "HEAD", "POST"])
def prompt_tokens(request: HttpRequest, run_id: int, rollout_id: int) -> HttpResponse:
    """The part alone; a POST has the tokens made."""
    run, rollout = access.get_rollout_or_404(request.user, run_id, rollout_id)
    shard = RolloutShard.objects.filter(run=run, kind=rollout.kind, step=rollout.step).first()
    full = read_texts(run, shard, [rollout.row]).get(rollout.row)
    if full is None:
        raise Http404("The shard with this response's prompt is missing or damaged.")
    if request.method == "POST":
        prompts.ask(run, rollout, full, cast(User, request.user))
        if not request.headers.get("HX-Request"):
            messages.info(request, "The prompt's tokens are being made.")
            return redirect(reverse("traces:rollout_detail", args=[run.pk, rollout.id]) + "#prompt-tokens")
    return render(request, "traces/_prompt_tokens.html", {"prompt_part": prompt_part(request, run, rollout, full)})
