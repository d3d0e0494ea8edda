"""Webhooks: where alarms of a team are posted to, which addresses may be, and the signature of each post.

In: what an administrator typed. Out: a row with a sealed secret. An address leads to a public host by https, unless
RPT_WEBHOOK_ADDRESSES lists its beginning. What the host's name stands for is looked at when a post goes out.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
from urllib.parse import SplitResult, urlsplit

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from rpt_core.errors import UserError
from rpt_web.notices import deliveries
from rpt_web.notices.models import LONGEST_ADDRESS, Webhook
from rpt_web.teams.adapters import sealed, unsealed
from rpt_web.teams.models import Team, User
from rpt_web.text import clean_text

PORTS = {"http": 80, "https": 443}


def set_hook(team: Team, address: str, with_successes: bool, by: User) -> str:
    """Store where a team's alarms go. Returns the new secret, or "" where there is one already. Raises UserError."""
    checked = checked_address(address)
    with transaction.atomic():
        values = {"url": checked, "with_successes": with_successes}
        found = Webhook.objects.select_for_update().filter(team=team).first()
        if found is not None:
            Webhook.objects.filter(pk=found.pk).update(**values)
            return ""
        secret = _new_secret()
        Webhook.objects.create(team=team, created_by=by, sealed_secret=sealed(secret), **values)
    return secret


def renew_secret(team: Team) -> str:
    """Another secret, from the next post on. UserError without a webhook."""
    secret = _new_secret()
    if not Webhook.objects.filter(team=team).update(sealed_secret=sealed(secret), secret_at=Now()):
        raise UserError("The team has no webhook. Store an address first.")
    return secret


def remove_hook(team: Team) -> None:
    """Nothing is posted any more, and what waits is forgotten."""
    Webhook.objects.filter(team=team).delete()


def test_hook(team: Team) -> None:
    """Post something that is no alarm. UserError without a webhook."""
    if not Webhook.objects.filter(team=team).exists():
        raise UserError("The team has no webhook. Store an address first.")
    words = f"A test of the webhook of {team.name}."
    deliveries.post(team.pk, lambda: {"event": "test", "text": words, "team": team.name})


def checked_address(text: str) -> str:
    """An address that a post may go to, as far as its text tells. Raises UserError."""
    address = text.strip()
    parts = _parts(address)
    if parts is None:
        raise UserError(
            f"This is no address for a webhook: {clean_text(address)[:80]!r}. Write https://host/path, without user, "
            f"password and #, in at most {LONGEST_ADDRESS} characters."
        )
    if is_listed(address):
        return address
    if parts.scheme != "https":
        raise UserError(
            "A webhook goes out by https:// alone. Ask who runs the platform to list the address in "
            "RPT_WEBHOOK_ADDRESSES if it must be http://."
        )
    host = str(parts.hostname)
    if host == "localhost" or host.endswith(".localhost") or (_is_ip(host) and not is_public(host)):
        raise UserError(private_words(host))
    return address


def private_words(host: str) -> str:
    """Why a host is refused."""
    return (
        f"{host} is in a private network, or on this machine. A webhook goes to public addresses; ask who runs the "
        "platform to list others in RPT_WEBHOOK_ADDRESSES."
    )


def is_listed(address: str) -> bool:
    """Whether RPT_WEBHOOK_ADDRESSES allows an address whatever network it is in."""
    parts = _parts(address)
    return parts is not None and any(_is_below(parts, urlsplit(known)) for known in settings.RPT_WEBHOOK_ADDRESSES)


def is_public(ip: str) -> bool:
    """Whether an IP address is one of the open internet, also where it only wraps another one."""
    found = ipaddress.ip_address(ip.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        if found in _NAT64:
            return is_public(str(ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)))
        wrapped = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if wrapped is not None:
            return is_public(str(wrapped))
    return found.is_global and not found.is_multicast and not found.is_reserved


def signature(secret: str, timestamp: int, body: bytes) -> str:
    """Of a post: what a receiver computes, too, and compares."""
    return hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()


def secret_of(hook: Webhook) -> str:
    """The secret, to sign with."""
    return unsealed(hook.sealed_secret)


def port_of(parts: SplitResult) -> int:
    """The port of an address."""
    return parts.port or PORTS[parts.scheme]


_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def _parts(address: str) -> SplitResult | None:
    """The parts of an address; None for what is none."""
    if not address.isascii() or not address.isprintable() or " " in address or len(address) > LONGEST_ADDRESS:
        return None
    try:
        parts = urlsplit(address)
        is_fit = parts.scheme in PORTS and bool(parts.hostname) and port_of(parts) > 0
    except ValueError:
        return None
    is_plain = "@" not in parts.netloc and "\\" not in address and not parts.fragment
    return parts if is_fit and is_plain else None


def _is_below(parts: SplitResult, known: SplitResult) -> bool:
    if known.scheme not in PORTS or (parts.scheme, parts.hostname) != (known.scheme, known.hostname):
        return False
    folder = known.path.rstrip("/")
    is_there = parts.path == folder or parts.path.startswith(f"{folder}/")
    return port_of(parts) == port_of(known) and is_there and ".." not in parts.path


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _new_secret() -> str:
    return f"rpths_{secrets.token_urlsafe(32)}"
