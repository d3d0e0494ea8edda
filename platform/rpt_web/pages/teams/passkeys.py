"""Passkeys: added, renamed and removed on the account page, and used to log in, as a second factor, or to confirm.

Each of them verifies its user (by a fingerprint, a face, a PIN), so that it is enough to log in with. django-allauth
does the ceremony; `static/js/passkeys.js` talks to the browser.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.mfa.base.views import AuthenticateView
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn import forms as given
from allauth.mfa.webauthn.internal.auth import begin_registration
from allauth.mfa.webauthn.views import AddWebAuthnView, LoginWebAuthnView, ReauthenticateWebAuthnView
from django import forms
from django.contrib import messages
from django.core.exceptions import NON_FIELD_ERRORS
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse

from rpt_web.pages.teams.forms import printable
from rpt_web.teams import passkeys

LONGEST_NAME = 100
NOT_ACCEPTED = "This passkey was not accepted. Try again, or use another way."
OF_NOBODY = ("credential", NON_FIELD_ERRORS)
"""Where errors stand that concern nothing that somebody typed."""
TOO_MANY = "too_many_login_attempts"
NOT_HERE = (
    "Passkeys work only at an address with a name that begins with https://, or at http://localhost. Open the platform "
    "there."
)
View = Callable[..., HttpResponseBase]


def where_they_work(view: View) -> View:
    """Elsewhere the account page, or the login page, says why not."""

    @wraps(view)
    def answer(request: HttpRequest, *arguments: Any, **named: Any) -> HttpResponseBase:
        if passkeys.are_possible(request):
            return view(request, *arguments, **named)
        messages.error(request, NOT_HERE)
        return redirect("teams:account" if request.user.is_authenticated else "teams:login")

    return answer


class _Ceremony(forms.Form):
    """The browser's answer. Nobody typed it, so its errors stand above the form."""

    def full_clean(self) -> None:
        """All errors but those of a name."""
        try:
            super().full_clean()
        except (LookupError, TypeError, ValueError, AttributeError):  # of somebody who makes answers up
            self.add_error(None, NOT_ACCEPTED)
        wrong = [error for place in OF_NOBODY for error in self.errors.pop(place, forms.utils.ErrorList()).as_data()]
        if wrong:
            self.add_error(None, next((error for error in wrong if error.code == TOO_MANY), NOT_ACCEPTED))

    @property
    def refusal(self) -> str:
        """The one sentence."""
        return str(self.non_field_errors()[0])


class AddPasskeyForm(_Ceremony, given.AddWebAuthnForm):  # type: ignore[misc]  # allauth has no types
    """A new passkey and what it is called. A name that cannot be is no reason to lose what the browser has made."""

    name = forms.CharField(
        label="Name",
        required=False,
        max_length=LONGEST_NAME,
        widget=forms.TextInput(attrs={"class": "form-control", "autocomplete": "off"}),
        help_text="So that you know it again, such as the device that it is on.",
    )
    passwordless = None  # each of them is

    def clean_name(self) -> str:
        """Printable, or the usual name."""
        try:
            return printable(super().clean_name())
        except forms.ValidationError:
            self.cleaned_data["name"] = ""
            return str(super().clean_name())


class RenamePasskeyForm(given.EditWebAuthnForm):  # type: ignore[misc]  # allauth has no types
    """Another name."""

    name = forms.CharField(
        label="Name",
        max_length=LONGEST_NAME,
        widget=forms.TextInput(attrs={"class": "form-control", "autocomplete": "off"}),
    )

    def clean_name(self) -> str:
        """Printable."""
        return printable(self.cleaned_data["name"])


class SecondFactorForm(_Ceremony, given.AuthenticateWebAuthnForm):  # type: ignore[misc]  # allauth has no types
    """A passkey after a password."""


class PasskeyLoginForm(_Ceremony, given.LoginWebAuthnForm):  # type: ignore[misc]  # allauth has no types
    """A passkey and nothing else."""


class ConfirmPasskeyForm(_Ceremony, given.ReauthenticateWebAuthnForm):  # type: ignore[misc]  # allauth has no types
    """A passkey of somebody who is logged in."""


class AddPasskeyPage(AddWebAuthnView):  # type: ignore[misc]  # allauth has no types
    """Make a passkey that logs in by itself."""

    def get_context_data(self, **more: Any) -> dict[str, Any]:
        """What the browser is asked for."""
        context: dict[str, Any] = super().get_context_data(**more)
        options = begin_registration(self.request.user, passwordless=True)
        return context | {"js_data": {"creation_options": options}}


class PasskeyLoginPage(LoginWebAuthnView):  # type: ignore[misc]  # allauth has no types
    """What the login page's button asks and posts."""

    def form_invalid(self, form: _Ceremony) -> HttpResponse:
        """Back, with the reason."""
        messages.error(self.request, form.refusal)
        return redirect("teams:login")


class ConfirmPasskeyPage(ReauthenticateWebAuthnView):  # type: ignore[misc]  # allauth has no types
    """Whether it is you, by a passkey."""

    def form_invalid(self, form: _Ceremony) -> HttpResponse:
        """Once more, with the reason."""
        messages.error(self.request, form.refusal)
        return redirect(self.passthrough_next_url(reverse("mfa_reauthenticate_webauthn")))


class SecondFactorPage(AuthenticateView):  # type: ignore[misc]  # allauth has no types
    """A code of the app, a recovery code, or a passkey."""

    def get_context_data(self, **more: Any) -> dict[str, Any]:
        """Also which of them the user has, and whether passkeys work at this address."""
        kinds = set(Authenticator.objects.filter(user=self.stage.login.user).values_list("type", flat=True))
        context: dict[str, Any] = super().get_context_data(**more)
        return context | {"kinds": kinds, "passkeys_possible": passkeys.are_possible(self.request)}
