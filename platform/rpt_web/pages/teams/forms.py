"""The login form in the style of the pages."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm

from rpt_web.teams import throttle


class LoginForm(AuthenticationForm):
    """User name and password; one message for a wrong pair, which does not tell which of the two was wrong."""

    error_messages = {
        "invalid_login": "User name and password do not match. Both are case-sensitive.",
        "too_many": "There have been too many attempts. Wait a quarter of an hour, or ask an administrator for a link.",
        "inactive": "This account is switched off. Ask whoever runs this platform.",
    }
    username = forms.CharField(
        label="User name",
        widget=forms.TextInput(
            attrs={"class": "form-control", "autocomplete": "username", "autocapitalize": "none", "autofocus": True}
        ),
    )
    password = forms.CharField(
        label="Password",
        strip=False,
        widget=forms.PasswordInput(attrs={"class": "form-control", "autocomplete": "current-password"}),
    )

    def clean(self) -> dict[str, Any]:
        """The password is looked at only while there have not been too many attempts."""
        username, address = self.cleaned_data.get("username", ""), self._address()
        if not throttle.may_try(username, address):
            raise forms.ValidationError(self.error_messages["too_many"], code="too_many")
        cleaned = super().clean()
        throttle.forget(username, address)
        return cleaned

    def _address(self) -> str:
        return str(self.request.META.get("REMOTE_ADDR", ""))[:64] if self.request else ""
