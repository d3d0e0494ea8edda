"""Logs: one format for all programs, a traceback with its request, nothing that a caller can forge."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ImproperlyConfigured
from django.test import RequestFactory

from rpt_web import settings as settings_module
from rpt_web.serving import logs
from rpt_web.serving.logs import LineFormatter, current_request, program_name, user_of

HEAD = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z web INFO some\.logger"


def line(message, *arguments, **extra):
    record = logging.getLogger("some.logger").makeRecord(
        "some.logger", 20, "f", 1, message, arguments, None, extra=extra
    )
    return LineFormatter("web").format(record)


@pytest.fixture
def request_of_nobody():
    request = RequestFactory().get("/")
    request.request_id = "00ff"
    return request


def test_a_line_has_time_program_level_logger_and_words():
    assert re.fullmatch(f"{HEAD} 3 things", line("%d things", 3))


def test_a_line_names_the_request_that_is_being_answered(request_of_nobody):
    token = current_request.set(request_of_nobody)
    try:
        assert re.fullmatch(rf"{HEAD} \[00ff -\] words", line("words"))
    finally:
        current_request.reset(token)


def test_a_line_names_the_request_of_its_record_and_its_user(request_of_nobody):
    request_of_nobody._cached_user = AnonymousUser()
    assert "[00ff anonymous] words" in line("words", request=request_of_nobody)


def test_a_log_does_not_look_up_the_user(request_of_nobody):
    from django.utils.functional import SimpleLazyObject

    request_of_nobody.user = SimpleLazyObject(lambda: pytest.fail("looked up"))
    assert user_of(request_of_nobody) == "-"


@pytest.mark.parametrize("sent", ["a\n2026-01-01T00:00:00.000Z web ERROR", "a\rb", "\x1b[31mred", "a\u2028b", "\x9b1m"])
def test_what_a_caller_sends_stays_on_its_line(sent):
    written = line("Not Found: %s", sent)
    assert len(written.splitlines()) == 1
    assert written.isprintable()


def test_a_traceback_keeps_its_lines():
    try:
        raise ValueError("why")
    except ValueError:
        record = logging.LogRecord("x", 40, "f", 1, "words", (), sys.exc_info())
    assert LineFormatter("web").format(record).splitlines()[-1] == "ValueError: why"


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["/venv/site-packages/uvicorn/__main__.py", "rpt_web.asgi:application"], "web"),
        (["/venv/bin/celery", "-A", "rpt_web", "worker"], "worker"),
        (["/venv/site-packages/celery/__main__.py", "-A", "rpt_web.celery", "worker"], "worker"),
        (["manage.py", "reaper"], "reaper"),
        (["manage.py", "up"], "manage"),
        ([], "manage"),
    ],
)
def test_the_program_is_known_by_its_command_line(arguments, name):
    assert program_name(arguments) == name


@pytest.mark.parametrize("program", ["web", "worker", "reaper"])
def test_all_loggers_write_in_the_one_format(program):
    names = ["django.request", "uvicorn.error", "celery.worker.strategy", "workers.runner", "py.warnings"]
    script = (
        "import logging, logging.config\n"
        "from uvicorn.config import LOGGING_CONFIG\n"
        "from rpt_web.serving.logs import logging_config\n"
        "logging.config.dictConfig(LOGGING_CONFIG)\n"  # as uvicorn does before it loads the application
        f"logging.config.dictConfig(logging_config({program!r}, 'INFO'))\n"
        f"for name in {names!r}: logging.getLogger(name).warning('words')"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    found = [text.split(" ", 1)[1] for text in done.stderr.splitlines()]
    assert found == [f"{program} WARNING {name} words" for name in names]


def test_a_level_that_there_is_not_is_refused(monkeypatch):
    monkeypatch.setenv("RPT_LOG_LEVEL", "loud")
    with pytest.raises(ImproperlyConfigured, match=r"RPT_LOG_LEVEL='loud' .* DEBUG, INFO, WARNING, ERROR"):
        settings_module.read_choice("RPT_LOG_LEVEL", "INFO", logs.LEVELS)


def test_a_worker_logs_in_the_format_of_the_settings():
    script = (
        "from rpt_web.celery import app\n"
        "app.log.setup(loglevel='INFO')\n"
        "import logging; logging.getLogger('celery.worker').warning('words')"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=os.environ)
    assert re.search(r"^\S+Z manage WARNING celery.worker words$", done.stderr, re.M), done.stderr


@pytest.mark.parametrize(
    ("told", "written"),
    [
        ("Gone: /login/link/Ab3-_x9", "Gone: /login/link/***"),
        ("Gone: /join/Ab3-_x9/", "Gone: /join/***/"),
        ("Not Found: /login/reset/3-c9k2-abc/", "Not Found: /login/reset/***/"),
        ("Authorization: Bearer rpt_abc", "Authorization: Bearer ***"),
        ("token rpt_" + "k" * 43 + " is old", "token rpt_*** is old"),
        ("HF_TOKEN=hf_" + "A1" * 17, "HF_TOKEN=hf_***"),
        ("postgresql://rpt:pa55@db:5432/rpt is away", "postgresql://rpt:***@db:5432/rpt is away"),
        ("/login/reset/sent/ and rpt_core and /runs/1/", "/login/reset/sent/ and rpt_core and /runs/1/"),
    ],
)
def test_what_lets_somebody_in_is_starred_out(told, written):
    assert line(told).endswith(written)


def test_secrets_are_starred_out_of_tracebacks_too():
    try:
        raise ValueError("/login/link/Ab3-_x9")
    except ValueError:
        record = logging.LogRecord("some.logger", 40, "f", 1, "words", (), sys.exc_info())
        text = LineFormatter("web").format(record)
    assert "ValueError: /login/link/***" in text
    assert "Ab3" not in text
