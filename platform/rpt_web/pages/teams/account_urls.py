"""Addresses by the names that django-allauth knows: second factors, passkeys, resetting a password by e-mail."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.account import views as accounts
from allauth.mfa.base import views as factors
from allauth.mfa.recovery_codes import views as recovery
from allauth.mfa.totp import views as apps
from allauth.mfa.webauthn import views as webauthn
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LogoutView
from django.http import Http404, HttpRequest, HttpResponseBase
from django.urls import path, register_converter
from django.views.decorators.http import require_http_methods

from rpt_web.pages.teams import account, passkeys, views
from rpt_web.pages.teams.passkeys import where_they_work

View = Callable[..., HttpResponseBase]
FORM = require_http_methods(["GET", "HEAD", "POST"])
READ = require_http_methods(["GET", "HEAD"])


class Base36Converter:
    """A user's number as django-allauth writes it, which ends at the first hyphen."""

    regex = "[0-9A-Za-z]+"

    def to_python(self, value: str) -> str:
        """As it is."""
        return value

    def to_url(self, value: str) -> str:
        """As it is."""
        return value


register_converter(Base36Converter, "base36")


def by_mail(view: View) -> View:
    """Only where mail can be sent; elsewhere an administrator makes a login link."""

    @login_not_required
    @wraps(view)
    def answer(request: HttpRequest, *arguments: Any, **named: Any) -> HttpResponseBase:
        if not settings.RPT_MAILS:
            raise Http404("This platform sends no mail.")
        return view(request, *arguments, **named)

    return answer


urlpatterns = [
    path("login/", views.LoginPage.as_view(), name="account_login"),
    path("login/code/", FORM(passkeys.SecondFactorPage.as_view()), name="mfa_authenticate"),
    path(
        "login/passkey/",
        login_not_required(FORM(where_they_work(passkeys.PasskeyLoginPage.as_view()))),
        name="mfa_login_webauthn",
    ),
    path("login/reset/", FORM(by_mail(accounts.password_reset)), name="account_reset_password"),
    path("login/reset/sent/", READ(by_mail(accounts.password_reset_done)), name="account_reset_password_done"),
    path(
        "login/reset/<base36:uidb36>-<str:key>/",
        FORM(by_mail(accounts.password_reset_from_key)),
        name="account_reset_password_from_key",
    ),
    path(
        "login/reset/done/",
        READ(by_mail(accounts.password_reset_from_key_done)),
        name="account_reset_password_from_key_done",
    ),
    path("logout/", LogoutView.as_view(), name="account_logout"),
    path("account/", account.account, name="mfa_index"),
    path("account/confirm/", FORM(accounts.reauthenticate), name="account_reauthenticate"),
    path("account/confirm/code/", FORM(factors.reauthenticate), name="mfa_reauthenticate"),
    path(
        "account/confirm/passkey/",
        FORM(where_they_work(passkeys.ConfirmPasskeyPage.as_view())),
        name="mfa_reauthenticate_webauthn",
    ),
    path("account/", account.account, name="mfa_list_webauthn"),
    path("account/passkeys/new/", FORM(where_they_work(passkeys.AddPasskeyPage.as_view())), name="mfa_add_webauthn"),
    path("account/passkeys/<int:pk>/rename/", FORM(webauthn.edit_webauthn), name="mfa_edit_webauthn"),
    path("account/passkeys/<int:pk>/remove/", FORM(webauthn.remove_webauthn), name="mfa_remove_webauthn"),
    path("account/app/", FORM(apps.activate_totp), name="mfa_activate_totp"),
    path("account/app/remove/", FORM(apps.deactivate_totp), name="mfa_deactivate_totp"),
    path("account/recovery-codes/", READ(recovery.view_recovery_codes), name="mfa_view_recovery_codes"),
    path("account/recovery-codes/new/", FORM(recovery.generate_recovery_codes), name="mfa_generate_recovery_codes"),
    path("account/recovery-codes/file/", READ(recovery.download_recovery_codes), name="mfa_download_recovery_codes"),
]
