"""The login form in the style of the pages."""

from __future__ import annotations

from django import forms
from django.contrib.auth.forms import AuthenticationForm


class LoginForm(AuthenticationForm):
    """User name and password; one message for a wrong pair, which does not tell which of the two was wrong."""

    error_messages = {
        "invalid_login": "User name and password do not match. Mind capital letters in both.",
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
