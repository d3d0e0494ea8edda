"""Servers elsewhere that the platform talks to, from the environment: the one for mail, and the one to log in with.

A bad value stops the start and is named with what is allowed; passwords and secrets are in no message and on no page.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

from rpt_core.errors import said

LOOPBACK = ("localhost", "127.0.0.1", "::1")
LONGEST_URL, LONGEST_NAME = 200, 40


@dataclass(frozen=True)
class Smtp:
    """Where mail goes out."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    is_tls: bool
    """From the start."""
    is_starttls: bool

    @classmethod
    def read(cls) -> Smtp | None:
        """From RPT_SMTP_URL; None sends no mail. No error tells the password."""
        if not (url := os.environ.get("RPT_SMTP_URL", "")):
            return None
        parts = urlsplit(url)
        is_tls = parts.scheme == "smtps"
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
            raise ImproperlyConfigured(
                f"RPT_SMTP_URL with scheme {parts.scheme!r} is not usable. Allowed: smtps://user:password@host:port, "
                "smtp:// with STARTTLS, or smtp://...?tls=no for a server on this machine."
            )
        is_plain = is_tls or dict(parse_qsl(parts.query)).get("tls") == "no"
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        return cls(parts.hostname, parts.port or (465 if is_tls else 587), user, password, is_tls, not is_plain)


@dataclass(frozen=True)
class Oidc:
    """An OpenID Connect provider: where people may log in instead of here."""

    url: str
    """Its issuer, without a slash at the end."""
    client_id: str
    secret: str = field(repr=False)
    name: str
    """What people call it."""

    @classmethod
    def read(cls) -> Oidc | None:
        """From RPT_OIDC_URL and its neighbours; None where no such login is wanted. No error tells the secret."""
        names = ("RPT_OIDC_URL", "RPT_OIDC_CLIENT_ID", "RPT_OIDC_SECRET", "RPT_OIDC_NAME")
        given = {name: os.environ.get(name, "").strip() for name in names}
        if not any(given.values()):
            return None
        missing = [name for name in names[:3] if not given[name]]
        if missing:
            raise ImproperlyConfigured(
                f"OpenID Connect is only half configured: {' and '.join(missing)} not set. Set RPT_OIDC_URL, "
                "RPT_OIDC_CLIENT_ID and RPT_OIDC_SECRET, or none of them."
            )
        url, client_id, secret, name = given.values()
        return cls(_issuer(url), client_id, secret, _shown_name(name or str(urlsplit(url).hostname)))


def _issuer(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise ImproperlyConfigured(f"RPT_OIDC_URL is no address: {said(error)}. Give https://host/path.") from error
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
    if not is_safe or not parts.hostname or "@" in parts.netloc or parts.query or parts.fragment:
        raise ImproperlyConfigured(
            f"RPT_OIDC_URL with scheme {parts.scheme!r} and host {parts.hostname!r} is not usable. Allowed: "
            "https://host/path without user, ? and #, or http:// for a provider on this machine."
        )
    if len(url) > LONGEST_URL:
        raise ImproperlyConfigured(f"RPT_OIDC_URL is too long. Give at most {LONGEST_URL} characters.")
    return url.rstrip("/")


def _shown_name(name: str) -> str:
    if not name.isprintable() or len(name) > LONGEST_NAME:
        raise ImproperlyConfigured(f"RPT_OIDC_NAME is not usable. Give 1 to {LONGEST_NAME} printable characters.")
    return name
