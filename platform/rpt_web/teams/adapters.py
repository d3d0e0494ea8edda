"""How django-allauth fits into the platform: nobody signs up, messages are few, secrets of second factors are sealed.

Named by the settings ACCOUNT_ADAPTER and MFA_ADAPTER.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from cryptography.fernet import Fernet
from django.conf import settings
from django.http import HttpRequest

TOLD = ("account/messages/", "mfa/messages/")
"""What allauth would say of each login and each step, and our own pages show anyway."""


class Accounts(DefaultAccountAdapter):  # type: ignore[misc]  # allauth has no types
    """Registration is closed: accounts come from invitations and from the shell."""

    error_messages = DefaultAccountAdapter.error_messages | {
        "too_many_login_attempts": "There have been too many attempts. Wait some minutes, then try again.",
        "rate_limited": "There have been too many attempts. Wait some minutes, then try again.",
        "incorrect_password": "This is not your password.",
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Never."""
        return False

    def get_client_ip(self, request: HttpRequest) -> str:
        """The address that the connection comes from, as for the throttle of passwords."""
        return str(request.META.get("REMOTE_ADDR") or "0.0.0.0")

    def add_message(
        self, request: HttpRequest, level: int, message_template: str | None = None, *rest: Any, **more: Any
    ) -> None:
        """Only what is no routine."""
        if not (message_template or "").startswith(TOLD):
            super().add_message(request, level, message_template, *rest, **more)

    def send_notification_mail(self, *arguments: Any, **more: Any) -> None:
        """Where mail can be sent."""
        if settings.RPT_MAILS:
            super().send_notification_mail(*arguments, **more)


class SecondFactors(DefaultMFAAdapter):  # type: ignore[misc]  # allauth has no types
    """Secrets of authenticator apps, and seeds of recovery codes, are sealed with the platform's secret key."""

    error_messages = DefaultMFAAdapter.error_messages | {
        "incorrect_code": "This code is not right. An app shows a new one every 30 seconds; a recovery code works once."
    }

    def get_totp_issuer(self) -> str:
        """What the app calls the platform."""
        return f"RPT ({self._get_site_name()})"

    def get_totp_label(self, user: Any) -> str:
        """Whose code it is."""
        return str(user.get_username())

    def encrypt(self, text: str) -> str:
        """Sealed text."""
        return _seal().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """The text again."""
        return _seal().decrypt(encrypted_text.encode()).decode()


def _seal() -> Fernet:
    key = hashlib.sha256(b"rpt second factors" + settings.SECRET_KEY.encode()).digest()
    return Fernet(base64.urlsafe_b64encode(key))
