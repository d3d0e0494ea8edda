"""A migrated, empty database, made once for a run of the tests and copied to whoever needs one.

In: a data folder whose servers have not been started yet. Out: the files of its Postgres. To make and migrate one takes
seconds of a processor, and a run of the tests needs some twenty.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from django.conf import settings

from rpt_web.supervisor.embedded import EmbeddedPostgres

if "RPT_TESTS_DATABASE" not in os.environ:  # the workers of pytest-xdist inherit it
    os.environ["RPT_TESTS_DATABASE"] = tempfile.mkdtemp(prefix="rpt-database-")
    atexit.register(shutil.rmtree, os.environ["RPT_TESTS_DATABASE"], ignore_errors=True)
ORIGIN = Path(os.environ["RPT_TESTS_DATABASE"])


def give_database(data_dir: Path) -> None:
    """Put the database where the Postgres of this data folder will look for it."""
    with (ORIGIN / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (ORIGIN / "made").exists():
            _make()
            (ORIGIN / "made").touch()
    target = EmbeddedPostgres(data_dir).cluster
    target.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-a", EmbeddedPostgres(ORIGIN).cluster, target], check=True)


def _make() -> None:
    server = EmbeddedPostgres(ORIGIN, durable=False)
    server.start()
    try:
        environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
        environment |= {"RPT_DATA_DIR": str(ORIGIN), "DJANGO_SETTINGS_MODULE": "rpt_web.settings"}
        command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
        subprocess.run(command, cwd=settings.ROOT, env=environment, check=True)
    finally:
        server.stop()
