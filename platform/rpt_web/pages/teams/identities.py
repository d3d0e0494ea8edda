"""Logging in with the OpenID Connect provider: the way there, the way back, and identities on the account page.

Nobody is let in by an e-mail address: an identity is connected on the account page, or joins by an invitation. Anybody
else who comes back from the provider reads so, and is not logged in.

The way there is a page that the browser leaves at once, and no redirect: browsers hold form-action of the content
security policy against every redirect that follows a form, and through which hosts a provider leads is not known here.
"""

from __future__ import annotations

from typing import Any, cast

import pghistory
from allauth.account.decorators import reauthentication_required
from allauth.account.internal.flows.reauthentication import raise_if_reauthentication_required
from allauth.core import ratelimit
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.internal import statekit
from allauth.socialaccount.internal.flows.connect import connect
from allauth.socialaccount.models import SocialLogin
from allauth.socialaccount.providers.base import AuthProcess
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render, resolve_url
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from rpt_core.errors import UserError
from rpt_web import access
from rpt_web.pages.teams.entering import enter
from rpt_web.serving.errors import request_id
from rpt_web.teams.adapters import OPENID_CONNECT, sealed, unsealed
from rpt_web.teams.audit import of_request
from rpt_web.teams.models import Identity, Invitation, User, digest
from rpt_web.teams.provider import Provider

WAITING = "identity"
"""The session remembers who came back from the provider with an invitation, until they have chosen a user name."""


@login_not_required
@never_cache
@require_POST
def identity_begin(request: HttpRequest) -> HttpResponse:
    """To the provider, from the login page or, with an invitation, from where somebody joins."""
    provider = _provider(request)
    if request.user.is_authenticated:
        return redirect(settings.LOGIN_REDIRECT_URL)
    refusal: HttpResponse | None = ratelimit.consume_or_429(request, action="login")
    if refusal is not None:
        return refusal
    secret = request.POST.get("invitation", "")
    secret = secret if Invitation.of(secret) else ""
    where = reverse("teams:join", args=[secret]) if secret else request.POST.get("next", "")
    return _leave(request, provider, AuthProcess.LOGIN, where=sealed(where), invitation=secret and digest(secret))


@require_POST
@reauthentication_required(app="allauth.socialaccount")  # type: ignore[untyped-decorator]  # allauth has no types
def identity_connect(request: HttpRequest) -> HttpResponse:
    """To the provider, to connect who somebody is there with their account here."""
    return _leave(request, _provider(request), AuthProcess.CONNECT)


@login_not_required
@never_cache
@require_safe
def identity_back(request: HttpRequest) -> HttpResponse:
    """Back from the provider: in, connected, on to choose a user name, or out with the reason."""
    provider = _provider(request)
    state = statekit.unstash_state(request, provider_id=provider.sub_id, state_id=request.GET.get("state", ""))
    if state is None:
        return _problem(request, provider, "This login began in another browser, or too long ago.", status=400)
    if "error" in request.GET:
        return _problem(request, provider, provider.refusal(request.GET["error"]), status=403)
    try:
        login = provider.arrival(request, state)
    except UserError as error:
        return _problem(request, provider, str(error), status=502)
    login.lookup()
    if state["process"] == AuthProcess.CONNECT:
        with pghistory.context(**of_request(request)):
            return cast(HttpResponse, connect(request, login))
    where = _safe(request, unsealed(state["where"]))
    return enter(request, login.user, OPENID_CONNECT, where) if login.is_existing else _unknown(request, login, where)


@require_POST
def identity_disconnect(request: HttpRequest, identity_id: int) -> HttpResponse:
    """It logs in no longer. Refused to somebody who would have no way in any more."""
    identity = access.get_identity_or_404(request.user, identity_id)
    if not cast(User, request.user).has_usable_password():
        messages.error(request, "Set a password first: without one you could not log in any more.")
        return redirect("teams:account")
    raise_if_reauthentication_required(request, app="allauth.socialaccount")
    identity.delete()
    messages.success(request, f"{identity.shown_name} can no longer log in as you.")
    return redirect("teams:account")


def waiting_identity(request: HttpRequest, secret: str) -> Identity | None:
    """Who came back from the provider to join by this invitation, not saved."""
    kept = request.session.get(WAITING)
    if not kept or kept["invitation"] != digest(secret):
        return None
    who_it_is = {"provider": kept["provider"], "uid": kept["uid"]}
    if Identity.objects.filter(**who_it_is).exists():  # since then, in another browser
        return None
    return Identity(**who_it_is, extra_data=kept["claims"])


def _provider(request: HttpRequest) -> Provider:
    if settings.RPT_OIDC is None:
        raise Http404("No OpenID Connect provider is configured.")
    return cast(Provider, get_adapter(request).get_provider(request, OPENID_CONNECT))


def _leave(request: HttpRequest, provider: Provider, process: str, **state: Any) -> HttpResponse:
    try:
        address = provider.departure(request, process, **state)
    except UserError as error:
        return _problem(request, provider, str(error), status=502)
    return render(request, "teams/leaving.html", {"address": address, "name": provider.name})


def _unknown(request: HttpRequest, login: SocialLogin, where: str) -> HttpResponse:
    account, invitation = login.account, login.state["invitation"]
    if Invitation.open_ones().filter(digest=invitation).exists():
        claims = account.extra_data
        kept = {"invitation": invitation, "provider": account.provider, "uid": account.uid, "claims": claims}
        request.session[WAITING] = kept
        return redirect(where)
    shown_name = Identity(uid=account.uid, extra_data=account.extra_data).shown_name
    context = {"name": login.provider.name, "shown_name": shown_name}
    return render(request, "teams/identity_unknown.html", context, status=403)


def _problem(request: HttpRequest, provider: Provider, sentence: str, *, status: int) -> HttpResponse:
    context = {"name": provider.name, "sentence": sentence, "status": status, "request_id": request_id(request)}
    return render(request, "teams/identity_problem.html", context, status=status)


def _safe(request: HttpRequest, where: str) -> str:
    """Where to go on: an address of this platform."""
    is_ours = url_has_allowed_host_and_scheme(where, {request.get_host()}, require_https=request.is_secure())
    return where if is_ours else resolve_url(settings.LOGIN_REDIRECT_URL)
