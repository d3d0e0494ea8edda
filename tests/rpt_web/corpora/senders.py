"""Who sends files by the tus protocol, as a browser does: with a session and Django's token against forged requests."""

from __future__ import annotations

import base64
import http.client
import socket
import time

TOKEN = "a" * 32
TUS = {"Tus-Resumable": "1.0.0"}
BODY = {"Content-Type": "application/offset+octet-stream"}


def encoded(**pairs):
    return ",".join(f"{name} {base64.b64encode(str(value).encode()).decode()}" for name, value in pairs.items())


class Sender:
    """Talks to one server in the name of one session."""

    def __init__(self, port, session):
        self.port = port
        self.headers = {"Cookie": f"sessionid={session}; csrftoken={TOKEN}", "X-CSRFToken": TOKEN, **TUS}

    def ask(self, method, path, body=None, **headers):
        """(status, headers, text) of an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        named = {name.replace("_", "-"): str(value) for name, value in headers.items()}
        try:
            connection.request(method, path, body=body, headers=self.headers | named)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read().decode()
        finally:
            connection.close()

    def begin(self, version, name, length):
        """The address of a new upload."""
        told = {"Upload-Length": str(length), "Upload-Metadata": encoded(filename=name, version=version.pk)}
        status, headers, text = self.ask("POST", "/corpora/uploads/", **told)
        assert status == 201, text
        return "/corpora/uploads/" + headers["Location"].rpartition("/")[2]

    def add(self, address, offset, body, **more):
        """Send a part of the file."""
        return self.ask("PATCH", address, body=body, Upload_Offset=offset, **BODY, **more)

    def offset(self, address):
        """How much the server has."""
        status, headers, _ = self.ask("HEAD", address)
        assert status == 200
        return int(headers["Upload-Offset"])

    def settled(self, address):
        """How much the server has, once it has read all that a broken connection still held; None before."""
        before = self.offset(address)
        time.sleep(0.5)
        return before if self.offset(address) == before else None

    def cut_off(self, address, offset, body, announced):
        """Send the beginning of a body, and then break the connection."""
        with self.opened(address, offset, announced) as connection:
            connection.sendall(body)
            time.sleep(0.2)
            connection.shutdown(socket.SHUT_RDWR)

    def opened(self, address, offset, announced):
        """A connection on which a PATCH has begun."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        headers = {**self.headers, **BODY, "Host": "127.0.0.1", "Upload-Offset": offset, "Content-Length": announced}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        connection.sendall(f"PATCH {address} HTTP/1.1\r\n{lines}\r\n".encode())
        return connection


def until(found, seconds=20):
    """Wait until a function finds something."""
    deadline = time.monotonic() + seconds
    while not (it := found()):
        assert time.monotonic() < deadline, f"still {it!r}"
        time.sleep(0.05)
    return it
