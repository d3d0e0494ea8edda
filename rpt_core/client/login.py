"""Where a program finds the platform: what it was given, the environment, or what `rpt login` has stored.

The stored file can be read by its owner alone. It belongs to one address: a token is never sent to another platform.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from rpt_core.client.connection import root_of
from rpt_core.client.errors import ClientError

URL, TOKEN = "RPT_URL", "RPT_TOKEN"


@dataclass(frozen=True)
class Credentials:
    """An address and a token for it."""

    url: str
    token: str


def found(url: str | None = None, token: str | None = None) -> Credentials:
    """What to call with. Raises ClientError when it is not complete."""
    url, token = url or os.environ.get(URL), token or os.environ.get(TOKEN)
    if url and token:
        return Credentials(url, token)
    stored = read()
    if stored is None or (token and not url):
        raise ClientError(
            f"No platform is known. Run `rpt login http://HOST:PORT`, set {URL} and {TOKEN}, or give address and token."
        )
    if url and root_of(url) != stored.url:
        raise ClientError(
            f"The stored token is for {stored.url}, not for {url}. Run `rpt login {url}`, or set {TOKEN}."
        )
    return stored


def read() -> Credentials | None:
    """What is stored. Raises ClientError for a file that is not as it was written."""
    path = place()
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return Credentials(str(values["url"]), str(values["token"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        raise ClientError(f"{path} cannot be read. Delete it, and run `rpt login` again.") from None


def store(known: Credentials) -> Path:
    """Write the file, for its owner's eyes alone; returns where it is."""
    path = place()
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(asdict(known), file)
    partial.replace(path)
    return path


def place() -> Path:
    """Where it is stored, as the XDG base directories have it."""
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "rpt" / "login.json"
