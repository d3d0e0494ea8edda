"""Where Ray listens: on this machine only, or on the private network that an administrator names.

In: RPT_RAY_NODE_IP, or a job server's address. Out: a checked address and what Ray must be told. Whoever reaches a
Ray without a token runs code as its user (CVE-2023-48022; its makers call that intended), so a public address is
refused here and never handed to Ray. Loads without torch.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from urllib.parse import urlsplit

from rpt_core.errors import UserError, said

VARIABLE = "RPT_RAY_NODE_IP"
LOOPBACK = "127.0.0.1"
_PRIVATE = tuple(map(ipaddress.ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")))
_ALLOWED = "127.0.0.1, or a private address of this machine (10.x, 172.16.x to 172.31.x, 192.168.x, fd00::)"


def node_address() -> str:
    """The address on which a Ray of this machine listens: RPT_RAY_NODE_IP, or loopback. Raises UserError."""
    text = os.environ.get(VARIABLE, "").strip() or LOOPBACK
    if not _is_private(text):
        raise UserError(
            f"{VARIABLE}={text!r} is not allowed: Ray runs the code of whoever reaches it. Give {_ALLOWED}."
        )
    if not _is_own(text):
        raise UserError(
            f"{VARIABLE}={text!r} is not an address of this machine. Give {_ALLOWED}; `hostname -I` lists them."
        )
    return text


def environment(address: str) -> dict[str, str]:
    """What Ray must find in its environment to stay on an address.

    Ray replaces a loopback address by the machine's own on the network, `--node-ip-address=127.0.0.1` included, unless
    it believes that it cannot form a cluster, as on Windows and macOS.
    """
    return {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"} if is_loopback(address) else {}


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches an address."""
    return ipaddress.ip_address(address).is_loopback


def checked_job_server(url: str) -> str:
    """The address of a job server, all of whose addresses are private. Raises UserError."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UserError(f"{url!r} is not the address of a Ray job server. Give one such as http://127.0.0.1:8265.")
    try:
        found = {str(entry[4][0]) for entry in socket.getaddrinfo(parts.hostname, None)}
    except OSError as error:
        raise UserError(
            f"The job server {parts.hostname!r} has no address that is known here: {said(error)}."
        ) from None
    public = sorted(address for address in found if not _is_private(address))
    if public:
        raise UserError(
            f"The job server {url!r} has the public address {public[0]}: code and models would cross the internet to a "
            "Ray that anybody can reach. Reach it by a private network or through an SSH tunnel (docs/nodes.md)."
        )
    return url


def _is_private(text: str) -> bool:
    """Loopback or a network that is not routed; what is no address is not."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or any(address in network for network in _PRIVATE)


def _is_own(address: str) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True
