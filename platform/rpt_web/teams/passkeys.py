"""Where passkeys work: browsers bind them to a host's name, under HTTPS or on localhost."""

from __future__ import annotations

from ipaddress import ip_address

from django.http import HttpRequest
from django.http.request import split_domain_port

LOCALHOST = "localhost"


def host_of(request: HttpRequest) -> str:
    """The name that the browser has in its address bar, without a port."""
    return split_domain_port(request.get_host())[0]


def are_possible(request: HttpRequest) -> bool:
    """Whether a browser would make and use passkeys at this address."""
    host = host_of(request)
    return host == LOCALHOST or (request.is_secure() and not _is_number(host))


def _is_number(host: str) -> bool:
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True
