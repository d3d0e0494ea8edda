"""Ray is told loopback or a private address, never a public one."""

from __future__ import annotations

import socket

import pytest

from rpt_core.errors import UserError
from rpt_core.machine import ray_network


def test_without_a_setting_it_is_loopback(monkeypatch):
    monkeypatch.delenv(ray_network.VARIABLE, raising=False)
    assert ray_network.node_address() == "127.0.0.1"


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "0.0.0.0", "::", "172.32.0.1", "172.15.255.255", "169.254.1.1", "192.0.2.1", "224.0.0.1", "2001:db8::1",
     "node-1", "10.0.0.1/8", "10.1"],
)  # fmt: skip
def test_what_is_not_private_is_refused(monkeypatch, address):
    monkeypatch.setenv(ray_network.VARIABLE, address)
    with pytest.raises(UserError, match="not allowed: Ray runs the code of whoever reaches it"):
        ray_network.node_address()


@pytest.mark.parametrize("address", ["10.1.2.3", "172.16.0.1", "172.31.255.254", "192.168.7.7", "fd00::7"])
def test_a_private_address_of_this_machine_is_taken(monkeypatch, address):
    monkeypatch.setenv(ray_network.VARIABLE, f" {address} ")
    monkeypatch.setattr(socket.socket, "bind", lambda self, address: None)
    assert ray_network.node_address() == address


def test_a_private_address_of_another_machine_is_refused(monkeypatch):
    monkeypatch.setenv(ray_network.VARIABLE, "10.255.254.253")
    with pytest.raises(UserError, match="not an address of this machine"):
        ray_network.node_address()


def test_ray_stays_on_loopback_only_when_it_is_told_so():
    assert ray_network.environment("127.0.0.1") == {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
    assert ray_network.environment("10.1.2.3") == {}


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8265", "https://10.0.0.5", "http://[::1]:8265", "http://localhost:1"]
)
def test_a_job_server_within_the_network_is_taken(url):
    assert ray_network.checked_job_server(url) == url


def test_a_job_server_on_the_internet_is_refused():
    with pytest.raises(UserError, match=r"public address 8\.8\.8\.8"):
        ray_network.checked_job_server("http://8.8.8.8:8265")


def test_a_name_with_one_public_address_is_refused(monkeypatch):
    found = [(2, 1, 6, "", ("10.0.0.1", 0)), (2, 1, 6, "", ("1.1.1.1", 0))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: found)
    with pytest.raises(UserError, match=r"public address 1\.1\.1\.1"):
        ray_network.checked_job_server("http://head:8265")


@pytest.mark.parametrize("url", ["10.0.0.5:8265", "ray://10.0.0.5:10001", "http://", "auto"])
def test_what_is_no_job_server_is_refused(url):
    with pytest.raises(UserError, match="not the address of a Ray job server"):
        ray_network.checked_job_server(url)
