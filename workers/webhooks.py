"""One signed post to an address, which the platform does not trust: a public host, no redirect, little time.

In: an address, headers and a body. Out: what came of it, in words. The host's name is resolved once; every IP address
that it stands for must be public, unless the address is listed, and the connection goes to one of these and to no
other: a name that stands for something else a moment later leads nowhere. Proxies of the environment are not used.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import urlsplit

from rpt_core.errors import UserError, said
from rpt_web.notices import hooks

SECONDS = 10.0
"""For each step, and all of them together take no more than thrice as long."""


def post(address: str, body: bytes, headers: Mapping[str, str]) -> str:
    """Post it. Returns how the receiver answered. Raises UserError for an address that may not be, and for no success.

    The words of an error say nothing of what the receiver wrote.
    """
    hooks.checked_address(address)
    parts = urlsplit(address)
    host, port, is_open = str(parts.hostname), hooks.port_of(parts), hooks.is_listed(address)
    try:
        ip = _resolved(host, port, is_open)
        connection = _Connection(host, port, ip, is_tls=parts.scheme == "https", is_open=is_open)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        status = connection.post(path, body, {"Host": parts.netloc, **headers})
    except (OSError, http.client.HTTPException) as error:
        raise UserError(f"{host} cannot be reached: {said(error)}") from error
    if 300 <= status < 400:
        raise UserError(f"{host} answered with a redirect ({status}), which is not followed. Store the address itself.")
    if not 200 <= status < 300:
        raise UserError(f"{host} answered with the status {status}.")
    return f"{host} answered with the status {status}."


def _resolved(host: str, port: int, is_open: bool) -> str:
    """The IP address to connect to. Raises UserError where one of them is not public."""
    found = [info[4][0] for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    if not is_open and not all(hooks.is_public(str(ip)) for ip in found):
        raise UserError(hooks.private_words(host))
    return str(found[0])


class _Connection:
    """To one IP address, whatever its host's name stands for by now."""

    def __init__(self, host: str, port: int, ip: str, *, is_tls: bool, is_open: bool) -> None:
        self.host, self.port, self.ip, self.is_tls, self.is_open = host, port, ip, is_tls, is_open

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> int:
        """The status of the answer; its body is not read."""
        plain = socket.create_connection((self.ip, self.port), SECONDS)
        clock = threading.Timer(3 * SECONDS, _end, [plain])
        clock.daemon = True
        clock.start()
        try:
            if not self.is_open and not hooks.is_public(str(plain.getpeername()[0])):
                raise UserError(hooks.private_words(self.host))
            return self._answer(self._wrapped(plain), path, body, headers)
        finally:
            clock.cancel()
            plain.close()

    def _wrapped(self, plain: socket.socket) -> socket.socket:
        if not self.is_tls:
            return plain
        return ssl.create_default_context().wrap_socket(plain, server_hostname=self.host)

    def _answer(self, channel: socket.socket, path: str, body: bytes, headers: Mapping[str, str]) -> int:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=SECONDS)
        connection.sock = channel
        try:
            connection.request("POST", path, body, dict(headers))
            return connection.getresponse().status
        finally:
            connection.close()


def _end(channel: socket.socket) -> None:
    with suppress(OSError):
        channel.shutdown(socket.SHUT_RDWR)
