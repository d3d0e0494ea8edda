"""The page of one's own account: password, second factor, identities elsewhere, tokens of the API, sessions."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast

from allauth.account.decorators import reauthentication_required
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from rpt_web import access
from rpt_web.notices import choices
from rpt_web.pages.posting import posted_from
from rpt_web.pages.teams.entering import BY_LINK
from rpt_web.pages.teams.forms import AddressForm, ChangePasswordForm, NewPasswordForm, TokenForm
from rpt_web.teams import passkeys, sessions
from rpt_web.teams.models import ApiToken, Factor, Identity, LoginLink, Scope, User


@require_safe
def account(request: HttpRequest) -> HttpResponse:
    """Password, tokens and sessions of whoever asks."""
    return _account(request)


@posted_from("teams:account")
def password(request: HttpRequest) -> HttpResponse:
    """Set another password. Other browsers are logged out by it, this one is not; login links end."""
    user = cast(User, request.user)
    form = _password_form(request, request.POST)
    if not form.is_valid():
        return _account(request, password_form=form)
    user.set_password(form.cleaned_data["new_password"])
    user.save(update_fields=["password"])
    LoginLink.withdraw(user)
    before = request.session.session_key
    update_session_auth_hash(request, user)
    sessions.moved(before, request.session.session_key)
    request.session.pop(BY_LINK, None)
    messages.success(request, "The password was changed. Every other browser was logged out.")
    return redirect("teams:account")


@posted_from("teams:account")
def token_new(request: HttpRequest) -> HttpResponse:
    """Make a token. The answer shows it, and nothing else ever does."""
    form = TokenForm(request.POST)
    if not form.is_valid():
        return _account(request, token_form=form)
    values = form.cleaned_data
    lifetime, scope = timedelta(days=values["days"]), Scope(values["scope"])
    secret = ApiToken.issue(cast(User, request.user), values["name"], lifetime, scope)
    words = f"Store it where your {values['name']} can read it. It is not shown again; if it is lost, make another one."
    return _account(request, secret=secret, secret_words=words)


@require_POST
def token_revoke(request: HttpRequest, token_id: int) -> HttpResponse:
    """Make a token worth nothing."""
    token = access.get_token_or_404(request.user, token_id)
    token.delete()
    messages.success(request, f"The token “{token.name}” was revoked.")
    return redirect("teams:account")


@require_POST
def mail_choice(request: HttpRequest) -> HttpResponse:
    """What is to come by e-mail."""
    choices.choose(cast(User, request.user), request.POST.getlist("kind"))
    messages.success(request, "From now on you get by e-mail what you have chosen.")
    return redirect("teams:account")


@posted_from("teams:account")
@reauthentication_required(app="allauth.socialaccount")  # type: ignore[untyped-decorator]  # allauth has no types
def mail_address(request: HttpRequest) -> HttpResponse:
    """Another e-mail address, or none. A link for a new password goes there, so they confirm that it is they."""
    form = AddressForm(request.POST)
    if not form.is_valid():
        return _account(request, address_form=form)
    user = cast(User, request.user)
    user.email = form.cleaned_data["email"]
    user.save(update_fields=["email"])
    messages.success(request, "Your e-mail address was stored.")
    return redirect("teams:account")


@require_POST
def session_end(request: HttpRequest, session_id: int) -> HttpResponse:
    """Log another browser out."""
    sessions.end(access.get_browser_or_404(request.user, session_id))
    messages.success(request, "That browser was logged out.")
    return redirect("teams:account")


@require_POST
def sessions_end(request: HttpRequest) -> HttpResponse:
    """Log every other browser out."""
    ended = sessions.end_all(cast(User, request.user), but=request.session.session_key or "")
    messages.success(request, "Every other browser was logged out." if ended else "There was no other browser.")
    return redirect("teams:account")


def _password_form(request: HttpRequest, posted: Any = None) -> NewPasswordForm:
    """Who came by a link, or has no password yet, need not know the old one."""
    user = cast(User, request.user)
    is_new = _came_by_link(request) or not user.has_usable_password()
    return (NewPasswordForm if is_new else ChangePasswordForm)(user, posted)


def _came_by_link(request: HttpRequest) -> bool:
    """Whether this session began with a link of its user; another one's link in the same browser does not count."""
    return request.session.get(BY_LINK) == request.user.pk


def _may_connect(user: User, identities: list[Identity]) -> bool:
    """One identity at the provider; without a password nobody could confirm that it is they."""
    provider = settings.RPT_OIDC
    return bool(provider and user.has_usable_password() and provider.url not in {one.provider for one in identities})


def _account(
    request: HttpRequest,
    *,
    password_form: NewPasswordForm | None = None,
    token_form: TokenForm | None = None,
    address_form: AddressForm | None = None,
    **more: Any,
) -> HttpResponse:
    user = cast(User, request.user)
    identities = list(Identity.objects.filter(user=user).order_by("pk"))
    context = {
        "nav": "account",
        "roles": list(access.roles_of(user).items()),
        "password_form": password_form or _password_form(request),
        "came_by_link": _came_by_link(request),
        "factors": Factor.of(user),
        "passkeys_possible": passkeys.are_possible(request),
        "provider": settings.RPT_OIDC,
        "identities": identities,
        "may_connect": _may_connect(user, identities),
        "token_form": token_form or TokenForm(),
        "address_form": address_form or AddressForm(initial={"email": user.email}),
        "mail_kinds": choices.of_user(user),
        "sends_mail": settings.RPT_MAILS,
        "tokens": user.api_tokens.order_by("-id"),
        "browsers": sessions.sessions_of(user),
        "session_key": request.session.session_key,
    }
    is_wrong = any(form is not None and form.errors for form in (password_form, token_form, address_form))
    return render(request, "teams/account.html", context | more, status=422 if is_wrong else 200)
