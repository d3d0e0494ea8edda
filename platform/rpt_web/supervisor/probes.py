"""Whether what was started answers: the web server, the worker, the database."""

from __future__ import annotations

import http.client
import json
import socket

import redis
from django.conf import settings
from django.db import OperationalError, connection
from kombu.exceptions import OperationalError as BrokerError

from rpt_core.errors import UserError, said
from rpt_web.celery import app as celery_app

OLDEST_POSTGRES = 150000
_LOCAL = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}


def local_address(host: str) -> str:
    """The address by which this machine reaches a server that listens on `host`."""
    return _LOCAL.get(host, host)


def url(host: str, port: int) -> str:
    """The address for a browser on this machine."""
    name = local_address(host)
    return f"http://{f'[{name}]' if ':' in name else name}:{port}"


def web_start_id(host: str, port: int) -> str | None:
    """The start id that `/healthz` answers with; None while it does not answer 200."""
    connection = http.client.HTTPConnection(local_address(host), port, timeout=5)
    try:
        connection.request("GET", "/healthz", headers={"Host": _known_host()})
        answer = connection.getresponse()
        body = answer.read()
        return str(json.loads(body).get("start_id")) if answer.status == http.HTTPStatus.OK else None
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()


def worker_name(start_id: str, program: str = "worker") -> str:
    """Name of this start's worker of runs, or of the one of the quick lane, on the queue."""
    return f"rpt-{program}-{start_id}@{socket.gethostname()}"


def worker_answers(name: str) -> bool:
    """Whether a worker answers a ping through Redis."""
    try:
        return bool(celery_app.control.ping(destination=[name], timeout=0.5))
    except (OSError, BrokerError, redis.RedisError):
        return False


def check_database() -> None:
    """Raises UserError when the database cannot be used."""
    try:
        connection.ensure_connection()
    except OperationalError as error:
        raise UserError(
            f"The database does not answer: {said(error)}. Check DATABASE_URL and that its server runs."
        ) from None
    version = connection.cursor().connection.info.server_version
    if version < OLDEST_POSTGRES:
        raise UserError(f"The database is Postgres {version // 10000}. Postgres 15 or newer is needed.")


def check_redis() -> None:
    """Raises UserError when Redis cannot be used."""
    client = redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=5)
    try:
        client.ping()
    except redis.RedisError as error:
        raise UserError(f"Redis does not answer: {said(error)}. Check REDIS_URL and that its server runs.") from None
    finally:
        client.close()


def _known_host() -> str:
    """A name that ALLOWED_HOSTS accepts."""
    names = [name.lstrip(".") for name in settings.ALLOWED_HOSTS if name != "*"]
    return names[0] if names else "localhost"
