"""Which addresses corpora may be fetched from: what RPT_CORPUS_ADDRESSES lists, at stores that this code can ask.

In: what somebody has typed. Out: why it may not be fetched, or nothing. Keys and tokens are never part of an address:
the libraries take them from the worker's environment. http and https are left out, since a web server can send a reader
on to any other.
"""

from __future__ import annotations

import re
from importlib.util import find_spec

from django.conf import settings

from rpt_web.runs.reach import LONGEST_PATH
from rpt_web.text import clean_text

STORES = {
    "s3": "s3fs",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "az": "adlfs",
    "abfs": "adlfs",
    "hf": "huggingface_hub",
}
"""Protocol -> the Python package with its file system, as fsspec knows them."""
_ADDRESS = re.compile(r"([a-z0-9+.-]+)://(.*)", re.IGNORECASE | re.DOTALL)


def is_address(text: str) -> bool:
    """Whether this can be no path on the server."""
    return "://" in text


def protocol_of(address: str) -> str:
    """What stands before `://`."""
    return address.partition("://")[0].lower()


def why_not(address: str) -> str:
    """Why an address may not be fetched, and what is allowed; empty for one that may be."""
    shown = _shown(address)
    if words := _of_form(address, shown):
        return words
    if not any(_is_below(address, prefix) for prefix in settings.RPT_CORPUS_ADDRESSES):
        listed = ", ".join(settings.RPT_CORPUS_ADDRESSES) or "none"
        return (
            f"The address {shown} may not be fetched. Allowed: {listed}. Ask an administrator to list it in "
            "RPT_CORPUS_ADDRESSES, or give files on the server."
        )
    package = STORES[protocol_of(address)]
    if find_spec(package) is None:
        return (
            f"The address {shown} cannot be fetched: the Python package {package} is not installed. Ask an "
            f"administrator to install it for the web server and the quick worker (pip install {package})."
        )
    return ""


def _of_form(address: str, shown: str) -> str:
    """Why a text is not the address of a file or folder in a store, whichever addresses are allowed."""
    match = _ADDRESS.fullmatch(address)
    if match is None or not address.isprintable() or len(address.encode()) > LONGEST_PATH:
        return f"The address {shown} cannot be read. Write it as PROTOCOL://PLACE/FOLDER, in {LONGEST_PATH} bytes."
    protocol, place = match.groups()
    if "::" in address or protocol.lower() not in STORES:
        kinds = ", ".join(f"{name}://" for name in STORES)
        return (
            f"The address {shown} is of a kind that is not fetched. Allowed: {kinds}. Give one of these, or download "
            "the files first."
        )
    if "@" in place.partition("/")[0]:
        return f"The address {shown} names a user or a password. Leave it out: the worker has keys in its environment."
    parts = place.removesuffix("/").split("/")
    if any(part in ("", ".", "..") for part in parts) or any(sign in place for sign in "?#\\"):
        return f"The address {shown} holds `..`, an empty part, `?`, `#` or a backslash. Write the plain path out."
    return ""


def _shown(address: str) -> str:
    """The beginning of an address, without what may be a password in it or a signature behind it."""
    return repr(re.sub(r"(?<=://)[^/]*@|\?.*", "…", clean_text(address))[:100])


def _is_below(address: str, prefix: str) -> bool:
    """Whether an address is what the prefix names, or lies in it: `s3://texts` does not open `s3://texts-2`."""
    folder = _lowered(prefix).rstrip("/")
    return _lowered(address).rstrip("/") == folder or _lowered(address).startswith(f"{folder}/")


def _lowered(address: str) -> str:
    """The same with its protocol in small letters: names in stores tell large from small."""
    return protocol_of(address) + address[len(protocol_of(address)) :]
