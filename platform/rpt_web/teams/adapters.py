"""How django-allauth fits into the platform: nobody signs up, messages are few, secrets of second factors are sealed.

Named by the settings ACCOUNT_ADAPTER, MFA_ADAPTER and SOCIALACCOUNT_ADAPTER.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from cryptography.fernet import Fernet
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from rpt_web.serving import errors
from rpt_web.teams import passkeys

OPENID_CONNECT = "openid_connect"
"""What django-allauth calls providers of this kind."""
TOLD = ("account/messages/", "mfa/messages/")
"""What allauth would say of each login and each step, and our own pages show anyway."""

PASSKEY, BY_PASSKEY = "mfa_reauthenticate:webauthn", {"description": "Use a passkey"}
SWITCHED_OFF = "This account is switched off. Ask whoever runs this platform."


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

    def get_reauthentication_methods(self, user: Any) -> list[dict[str, Any]]:
        """A passkey only where it works."""
        found: list[dict[str, Any]] = super().get_reauthentication_methods(user)
        if passkeys.are_possible(context.request):
            return [method | BY_PASSKEY if method["id"] == PASSKEY else method for method in found]
        return [method for method in found if method["id"] != PASSKEY]

    def set_password(self, user: Any, password: str) -> None:
        """By a link in an e-mail; as on the account page, login links end with it."""
        from rpt_web.teams.models import LoginLink

        super().set_password(user, password)
        LoginLink.withdraw(user)

    def respond_user_inactive(self, request: HttpRequest, user: Any) -> HttpResponse:
        """Whoever they are elsewhere, and whatever second factor they have."""
        return errors.answer(request, 403, sentence=SWITCHED_OFF)

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

    def generate_authenticator_name(self, user: Any, type: str) -> str:
        """What a passkey is called until somebody gives it another name."""
        from allauth.mfa.models import Authenticator

        number = Authenticator.objects.filter(user=user, type=type).count() + 1
        return "Passkey" if number == 1 else f"Passkey {number}"

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        """What browsers bind a passkey to, and what they call the platform."""
        return {"id": passkeys.host_of(context.request), "name": self.get_totp_issuer()}

    def get_public_key_credential_user_entity(self, user: Any) -> dict[str, Any]:
        """What browsers call the account."""
        entity: dict[str, Any] = super().get_public_key_credential_user_entity(user)
        return entity | dict.fromkeys(("name", "display_name"), user.get_username())

    def encrypt(self, text: str) -> str:
        """Sealed text."""
        return sealed(text)

    def decrypt(self, encrypted_text: str) -> str:
        """The text again."""
        return unsealed(encrypted_text)


class Identities(DefaultSocialAccountAdapter):  # type: ignore[misc]  # allauth has no types
    """Identities elsewhere: at the one provider that the environment names. Nobody gets an account by them alone."""

    def list_apps(self, request: HttpRequest, provider: str | None = None, client_id: str | None = None) -> list[Any]:
        """The provider; a row in the database makes none."""
        from allauth.socialaccount.models import SocialApp

        found = settings.RPT_OIDC
        if found is None or provider not in (None, OPENID_CONNECT, found.url):
            return []
        more = {"server_url": found.url}
        names = {"provider": OPENID_CONNECT, "provider_id": found.url, "name": found.name}
        return [SocialApp(**names, client_id=found.client_id, secret=found.secret, settings=more)]

    def is_open_for_signup(self, request: HttpRequest, sociallogin: Any) -> bool:
        """Never."""
        return False

    def get_connect_redirect_url(self, request: HttpRequest, socialaccount: Any) -> str:
        """To the account page."""
        return reverse("teams:account")


def sealed(text: str) -> str:
    """A text that only this platform can read, for the database."""
    return _seal().encrypt(text.encode()).decode()


def unsealed(text: str) -> str:
    """The text again."""
    return _seal().decrypt(text.encode()).decode()


def _seal() -> Fernet:
    key = hashlib.sha256(b"rpt second factors" + settings.SECRET_KEY.encode()).digest()
    return Fernet(base64.urlsafe_b64encode(key))
