"""Logging in, by password or by a one-time link that only a press of its button uses up; and choosing a team."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render, resolve_url
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from rpt_web import access
from rpt_web.pages.addresses import number_posted
from rpt_web.pages.rights import CHOSEN
from rpt_web.pages.teams.entering import BY_LINK, enter
from rpt_web.pages.teams.forms import LoginForm
from rpt_web.teams import passkeys
from rpt_web.teams.models import LoginLink, digest


@method_decorator([login_not_required, require_http_methods(["GET", "HEAD", "POST"])], name="dispatch")
class LoginPage(LoginView):
    """The login page. Who is logged in already goes on to the experiments."""

    template_name = "teams/login.html"
    authentication_form = LoginForm
    redirect_authenticated_user = True

    def get_context_data(self, **more: Any) -> dict[str, Any]:
        """Also whether a link for a new password can be mailed, and where else one can log in."""
        ways = {"provider": settings.RPT_OIDC, "passkeys_possible": passkeys.are_possible(self.request)}
        return super().get_context_data(**more) | ways | {"sends_mail": settings.RPT_MAILS}

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        """Let them in, by way of their second factor."""
        return enter(self.request, form.get_user(), "password", self.get_success_url())


@login_not_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def login_link(request: HttpRequest, secret: str) -> HttpResponse:
    """GET shows a button, POST redeems: programs that fetch links for a preview do not use the link up."""
    if request.method == "POST" and (user := LoginLink.redeem(secret)) and user.is_active:
        response = enter(request, user, "link", resolve_url(settings.LOGIN_REDIRECT_URL))
        request.session[BY_LINK] = user.pk
        return response
    link = LoginLink.objects.filter(digest=digest(secret), used_at=None, expires_at__gt=timezone.now()).first()
    usable = link is not None and link.user.is_active
    context = {"usable": usable, "username": link.user.username if link and usable else ""}
    return render(request, "teams/login_link.html", context, status=200 if usable else 410)


@require_POST
def choose_team(request: HttpRequest) -> HttpResponse:
    """Remember the team in which something new is made."""
    team = access.get_team_or_404(request.user, number_posted(request, "team") or 0)
    request.session[CHOSEN] = team.pk
    return redirect(settings.LOGIN_REDIRECT_URL)
