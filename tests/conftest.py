"""One real Postgres and one real Redis for the whole session, started when the first test asks for them.

DATABASE_URL and REDIS_URL are used instead when they are set. Everything is kept in a temporary folder. Run on several
processors (pytest-xdist), each worker has servers of its own, one thread, and whole files of tests.
"""

from __future__ import annotations

import atexit
import gc
import getpass
import os
import shutil
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import django
import pytest
from django.conf import settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.test import TransactionTestCase

LONGEST_FIRST = (
    "end_to_end/in_chromium",
    "end_to_end",
    "rpt_web/supervisor",
    "workers",
    "rpt_web/test_every_route.py",
    "rpt_web/api",
    "rpt_core/verl_backend",
    "rpt_core/plans",
    "benchmarks",
    "rpt_core/run",
    "old_data",
)
"""Folders and files whose tests take minutes: what begins last must not be long."""
TOGETHER = ("end_to_end/in_chromium",)
"""Folders whose files share what is slow to make."""
gc.set_threshold(20_000, 20, 100)  # all that is imported and collected need not be walked through again and again
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is loaded
DATA_DIR = Path(tempfile.mkdtemp(prefix="rpt-tests-"))
atexit.register(shutil.rmtree, DATA_DIR, ignore_errors=True)
os.environ["RPT_DATA_DIR"] = str(DATA_DIR)
os.environ["DJANGO_SETTINGS_MODULE"] = "rpt_web.settings"
# Tests name files of their own, of the checkout, models m and positions p that are nowhere.
ROOT = Path(__file__).resolve().parents[1]
PYTEST_FILES = Path(tempfile.gettempdir()) / f"pytest-of-{getpass.getuser()}"
os.environ["RPT_READ_ROOTS"] = ",".join(map(str, (PYTEST_FILES, ROOT)))
os.environ["RPT_HUB_MODELS"] = "*"

# Here and not by pytest-django: it would read the settings before they know the folder above.
django.setup()
import rpt_web.serving.static_files  # noqa: E402, F401 # before a test has another data folder
from tests.databases import give_database  # noqa: E402 # it needs the settings
from tests.emptying import empty  # noqa: E402 # it needs the settings

TransactionTestCase._fixture_teardown = lambda self: empty()  # type: ignore[method-assign]  # it has no setting
settings.WHITENOISE_AUTOREFRESH = True  # each test's client would list all static files first
# The real hash, quickly: whoever reads it (a server that a test starts, too) finds the number of rounds in it.
PBKDF2PasswordHasher.iterations = 1


def pytest_configure(config: pytest.Config) -> None:
    """The workers of pytest-xdist inherit this environment, and must not read the settings before this file is read."""
    if getattr(config.option, "numprocesses", None):
        os.environ.pop("DJANGO_SETTINGS_MODULE", None)
        config.pluginmanager.register(FailuresAtOnce(config))


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """No whole texts and files in a test's name: workers must agree on all names, and packed bytes hold the time."""
    return f"{argname}-of-{len(val)}" if isinstance(val, (bytes, str)) and len(val) > 120 else None


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Generator[None, None, None]:
    """Tests of one file stay on one worker, since they share what is slow to make; folders with long ones go first.

    pytest-xdist must find the groups when it looks, so they are given before all other hooks; pytest-randomly shuffles,
    so the order is made after them.
    """
    tests = Path(__file__).parent
    for item in items:
        file = item.path.relative_to(tests)
        group = file.parent if str(file.parent) in TOGETHER else file
        item.add_marker(pytest.mark.xdist_group(str(group)))
    yield
    items.sort(key=lambda item: _place(item.path.relative_to(tests).as_posix()))


def _place(file: str) -> int:
    found = [place for place, folder in enumerate(LONGEST_FIRST) if f"{file}/".startswith(f"{folder}/")]
    return found[0] if found else len(LONGEST_FIRST)


def pytest_collection_finish() -> None:
    """What was imported and collected stays: from here on no collection of garbage walks through it."""
    gc.freeze()


class FailuresAtOnce:
    """Says what fails when it fails: a run that is cut off never gets to the list at its end."""

    def __init__(self, config: pytest.Config) -> None:
        self.plugins = config.pluginmanager

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        terminal = self.plugins.get_plugin("terminalreporter")
        if report.failed and terminal:
            terminal.write_line(f"\n{report.nodeid} failed ({report.when}):\n{report.longreprtext[-4000:]}", red=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[None]:
    """Postgres for the session."""
    if os.environ.get("DATABASE_URL"):
        yield
        return
    from django.db import connection

    from rpt_web.supervisor.embedded import DATABASE, EmbeddedPostgres

    give_database(DATA_DIR)
    server = EmbeddedPostgres(DATA_DIR, durable=False)
    server.start()
    connection.settings_dict["TEST"]["TEMPLATE"] = DATABASE
    yield
    server.stop()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[None]:
    """Redis for the session; most tests do without, since a message that cannot be sent is no error."""
    if os.environ.get("REDIS_URL"):
        yield
        return
    from rpt_web.supervisor.embedded import EmbeddedRedis

    server = EmbeddedRedis(DATA_DIR, durable=False)
    server.start()
    yield
    server.stop()


@pytest.fixture(scope="session")
def django_db_modify_db_settings(postgres: None, django_db_modify_db_settings_parallel_suffix: None) -> None:
    """pytest-django asks for this before it makes the test database."""
