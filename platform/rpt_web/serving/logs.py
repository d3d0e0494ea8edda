"""One format for the logs of web server, worker and reaper.

    2026-01-31T12:00:00.123Z web ERROR django.request [4f1d2c3b5a697887 ada] Internal Server Error: /runs/1/

Time (UTC), program, level, logger, the request's id and its user where there is one, then what happened; a traceback
follows on lines of its own. Line ends and control characters within a message are written as escapes, since a message
may hold what a caller has sent; links that log somebody in, tokens and passwords are starred out. In: the program's
name and the least level. Out: settings for `logging.config`.
"""

from __future__ import annotations

import logging
import re
import sys
import time
from collections.abc import Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from django.http import HttpRequest

current_request: ContextVar[HttpRequest | None] = ContextVar("current_request", default=None)
"""The request that is being answered here."""
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
SECRETS = re.compile(
    r"((?:/login/link/|/join/|/login/reset/)(?!sent/|done/)"
    r"|\bBearer\s+|\brpt_(?=[\w-]{20})|\bhf_(?=\w{20})|://[^\s/:@]+:(?=[^\s/@]+@))"
    r"[^\s/@?'\"]+"
)
"""What lets somebody in, after what shows that it does: links, tokens, passwords in addresses."""
_UNWRITABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class LineFormatter(logging.Formatter):
    """Writes a record in the form above."""

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def __init__(self, program: str) -> None:
        super().__init__("%(asctime)s %(program)s %(levelname)s %(name)s%(where)s %(message)s")
        self.program = program

    def format(self, record: logging.LogRecord) -> str:
        """The line and the traceback, without secrets."""
        return without_secrets(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The line, without the traceback."""
        record.program, record.where = self.program, request_words(record)
        record.message = _UNWRITABLE.sub(lambda found: ascii(found[0])[1:-1], record.message)
        return super().formatMessage(record)


def without_secrets(text: str) -> str:
    """The text with what lets somebody in starred out."""
    return SECRETS.sub(r"\1***", text)


def request_words(record: logging.LogRecord) -> str:
    """Id and user of the record's request, or of the one that is being answered; nothing outside of requests."""
    given = getattr(record, "request", None)
    request = given if isinstance(given, HttpRequest) else current_request.get()
    return "" if request is None else f" [{getattr(request, 'request_id', '-')} {user_of(request)}]"


def user_of(request: HttpRequest) -> str:
    """The name of the request's user, as far as it is known already: a log never asks the database."""
    known = request.__dict__
    found = known.get("user")
    if not hasattr(type(found), "USERNAME_FIELD"):  # not there, or still to be looked up
        found = known.get("_cached_user") or known.get("_acached_user")
    return found.get_username() or "anonymous" if found is not None else "-"


def program_name(arguments: Sequence[str] = sys.argv) -> str:
    """What runs here, by its command line: web, worker, reaper, or manage for every other command."""
    started = Path(arguments[0]) if arguments else Path()
    for words, name in (("uvicorn", "web"), ("celery", "worker")):
        if words in (started.name, started.parent.name):
            return name
    return "reaper" if arguments[1:2] == ["reaper"] else "manage"


def logging_config(program: str, level: str) -> dict[str, Any]:
    """Settings for `logging.config.dictConfig`: all of it to standard error, which the supervisor keeps in files."""
    passed_on: dict[str, Any] = {"handlers": [], "propagate": True}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": LineFormatter, "program": program}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": level},
        # These would add handlers of their own, in other formats.
        "loggers": {
            name: passed_on | {"level": level}
            for name in ("django", "django.server", "uvicorn", "uvicorn.error", "uvicorn.access", "celery")
        }
        # A connection that cannot be made is reported by whoever asked for it, once, and not for each try of the pool.
        | {"psycopg.pool": {"level": "ERROR"}},
    }


def default_level(program: str) -> str:
    """Servers tell what they do; a command tells only what is wrong."""
    return "WARNING" if program == "manage" else "INFO"
