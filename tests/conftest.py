"""One real Postgres and one real Redis for the whole session, started when the first test asks for them.

DATABASE_URL and REDIS_URL are used instead when they are set. Everything is kept in a temporary folder.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import django
import pytest

DATA_DIR = Path(tempfile.mkdtemp(prefix="rpt-tests-"))
atexit.register(shutil.rmtree, DATA_DIR, ignore_errors=True)
os.environ["RPT_DATA_DIR"] = str(DATA_DIR)
os.environ["DJANGO_SETTINGS_MODULE"] = "rpt_web.settings"

# Here and not by pytest-django: it would read the settings before they know the folder above.
django.setup()


@pytest.fixture(scope="session")
def postgres() -> Iterator[None]:
    """Postgres for the session."""
    if os.environ.get("DATABASE_URL"):
        yield
        return
    from rpt_web.supervisor.embedded import EmbeddedPostgres

    server = EmbeddedPostgres(DATA_DIR, durable=False)
    server.start()
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
