"""The page on which the first account of a platform is made, see `rpt_web.teams.first`."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from rpt_web.pages.teams.entering import enter
from rpt_web.pages.teams.forms import JoinForm
from rpt_web.teams.audit import name_user
from rpt_web.teams.first import is_open, make_first
from rpt_web.teams.models import User


@login_not_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def first(request: HttpRequest, signed: str) -> HttpResponse:
    """GET shows the form; POST makes the account and logs in."""
    form = JoinForm(User(), request.POST or None)
    if is_open(signed) and form.is_valid() and (user := _made(form)) is not None:
        messages.success(request, f"Welcome, {user}. You administer this platform and its first team.")
        return enter(request, user, "first account", reverse("home:home"))
    opens = is_open(signed)
    status = 410 if not opens else 422 if form.errors else 200
    return render(request, "teams/first.html", {"is_open": opens, "form": form}, status=status)


def _made(form: JoinForm) -> User | None:
    values = form.cleaned_data
    name_user(User(username=values["username"]))
    return make_first(values["username"], values["email"] or None, values["new_password"])
