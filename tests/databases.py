"""A migrated, empty database, made once for each state of the migrations and copied to whoever needs one.

In: a data folder whose servers have not been started yet. Out: the files of its Postgres. To make and migrate one takes
some seconds of a processor, a run of all tests needs some twenty, and to start one test should take no such time. They
are kept in the folder for temporary files, under a hash of all that they are made from, for some days.
"""

from __future__ import annotations

import fcntl
import getpass
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path

from django.conf import settings
from django.db.migrations.loader import MigrationLoader

from rpt_web.supervisor.embedded import EmbeddedPostgres

KEPT_DAYS = 3
KEPT = Path(tempfile.gettempdir()) / f"rpt-databases-{getpass.getuser()}"


def give_database(data_dir: Path) -> None:
    """Put the database where the Postgres of this data folder will look for it."""
    target = EmbeddedPostgres(data_dir).cluster
    target.parent.mkdir(parents=True, exist_ok=True)
    KEPT.mkdir(exist_ok=True)
    with (KEPT / "lock").open("w") as lock:  # of all runs of tests of this person
        fcntl.flock(lock, fcntl.LOCK_EX)
        origin = KEPT / _state()
        if not origin.exists():
            _forget_old()
            _make(origin)
        origin.touch()
    subprocess.run(["cp", "-a", origin, target], check=True)


@cache
def _state() -> str:
    """What a database is made from: all migrations, and the packages that have some."""
    digest = hashlib.sha256((settings.ROOT / "constraints.txt").read_bytes())
    for module in sorted(_migrations()):
        for file in sorted(module.glob("*.py")):
            digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:24]


def _migrations() -> set[Path]:
    loader = MigrationLoader(None)
    return {
        Path(sys.modules[migration.__module__].__file__ or "").parent for migration in loader.disk_migrations.values()
    }


def _forget_old() -> None:
    oldest = time.time() - KEPT_DAYS * 24 * 3600
    for folder in KEPT.iterdir():
        if folder.is_dir() and folder.stat().st_mtime < oldest:
            shutil.rmtree(folder, ignore_errors=True)


def _make(origin: Path) -> None:
    """Whole or not at all: elsewhere at first, so that one that was interrupted is never taken for made."""
    with tempfile.TemporaryDirectory(prefix="rpt-database-", ignore_cleanup_errors=True) as folder:
        server = EmbeddedPostgres(Path(folder), durable=False)
        server.start()
        try:
            environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
            environment |= {"RPT_DATA_DIR": folder, "DJANGO_SETTINGS_MODULE": "rpt_web.settings"}
            environment["PYTHONPATH"] = os.pathsep.join(
                map(str, (settings.ROOT, settings.ROOT / "platform"))
            )  # no other
            command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
            subprocess.run(command, cwd=settings.ROOT, env=environment, check=True)
        finally:
            server.stop()
        server.cluster.rename(origin)
