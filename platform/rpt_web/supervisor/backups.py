"""Everything that a platform keeps, in one folder, and a platform restored from such a folder.

backup(folder, say)     # of the database and the data folder that the settings name, running or not
restore(folder, say)    # into an empty database and a data folder without runs, while nothing runs there

What lies in the folder: `database.dump` (pg_dump's custom format), FOLDERS of the data folder, `secret_key`, and
`backup.json`, which says what there is. The database is read first, in one snapshot, and the files after it, so every
file that the database names is in the copy. After a restore a run that was under way continues from its newest
checkpoint, as after a lost worker.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection, connections, transaction
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from rpt_core.errors import UserError, said
from rpt_core.files import PARTIAL_SUFFIX, read_json, write_whole, written_whole
from rpt_core.words import counted
from rpt_web.runs.models import Experiment, Run
from rpt_web.runs.versions import code_version
from rpt_web.supervisor.claims import DataFolderLock
from rpt_web.supervisor.embedded import EmbeddedPostgres
from rpt_web.supervisor.paths import make_private, servers_dir
from rpt_web.supervisor.programs import postgres_programs
from rpt_web.teams.models import User
from rpt_web.traces.models import Rollout

FOLDERS = ("runs", "corpora", "uploads", "wordings", "models", "templates")
"""What is copied from the data folder; static files, logs and Redis are made again."""
DUMP, KEY, CONTENTS = "database.dump", "secret_key", "backup.json"
FORMAT = 1
UNOWNED = ("--no-owner", "--no-privileges")
"""Whoever restores owns all of it."""
CONNECTION = ("host", "hostaddr", "port", "user", "password", "passfile", "sslmode", "sslrootcert", "sslcert", "sslkey")
TRIES = 5
"""A run that prunes a checkpoint while it is copied is copied again, so often at most."""
SPARE_BYTES = 2**28
Say = Callable[[str], None]


def backup(folder: Path, say: Say) -> None:
    """Write everything into a new folder, whole or not at all. Raises UserError with the reason."""
    if folder.exists():
        raise UserError(f"{folder} already exists. Name a folder that does not exist yet; it will be created.")
    _check_room(settings.RPT_DATA_DIR, folder.absolute().parent)
    draft = folder.with_name(folder.name + PARTIAL_SUFFIX)
    shutil.rmtree(draft, ignore_errors=True)
    make_private(draft)
    try:
        with _database(), _snapshot() as snapshot:
            contents = _contents()
            say("Writing the database.")
            _postgres("pg_dump", "--format=custom", *UNOWNED, f"--snapshot={snapshot}", f"--file={draft / DUMP}")
        for name in FOLDERS:
            _copy_folder(settings.RPT_DATA_DIR / name, draft / name, say)
        _copy_key(settings.RPT_DATA_DIR / KEY, draft / KEY)
        write_whole(draft / CONTENTS, json.dumps(contents, indent=1).encode())
        draft.replace(folder)
    except OSError as error:
        raise UserError(
            f"The backup in {folder} was not finished: {said(error)}. What had been written was removed again."
        ) from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    say(f"{folder} holds {_in_words(contents['rows'])}. Keep it private: it contains the secret key.")


def restore(folder: Path, say: Say) -> None:
    """Restore a platform's data from a backup, whole or not at all. Raises UserError with the reason."""
    contents = _read_contents(folder)
    _check_empty()
    _check_room(folder, settings.RPT_DATA_DIR)
    made: list[Path] = []
    try:
        with _database(made):
            _check_no_tables()
            for name in FOLDERS:
                made.append(settings.RPT_DATA_DIR / name)
                _copy_folder(folder / name, settings.RPT_DATA_DIR / name, say)
            _copy_key(folder / KEY, settings.RPT_DATA_DIR / KEY)
            say("Reading the database.")
            _postgres("pg_restore", "--single-transaction", "--exit-on-error", *UNOWNED, folder / DUMP)
            if (found := _rows()) != contents["rows"]:
                raise UserError(
                    f"{folder} should hold {_in_words(contents['rows'])}, and its database has {_in_words(found)}: "
                    "it is damaged. Empty the database again if DATABASE_URL names it."
                )
    except BaseException as error:
        for path in made:
            shutil.rmtree(path, ignore_errors=True)
        if isinstance(error, OSError):
            raise UserError(
                f"The backup could not be copied: {said(error)}. What had been copied was removed again."
            ) from None
        raise
    say(f"{settings.RPT_DATA_DIR} holds {_in_words(contents['rows'])}, as of {contents['made']}.")
    if contents["data_dir"] != str(settings.RPT_DATA_DIR):
        say(
            f"Configs name files below {contents['data_dir']}. Pages work as they are; to retry or continue a run, "
            f"make that path lead here: ln -s {settings.RPT_DATA_DIR} {contents['data_dir']}"
        )


@contextmanager
def _database(made: list[Path] | None = None) -> Iterator[None]:
    """A database that answers: one that runs, or the embedded one, started for the time of the block.

    `made` gets the cluster's folder when it is new; it may only be given when no platform may run on the data folder.
    """
    with _quiet_folder(made is not None) as lock:
        server = EmbeddedPostgres(settings.RPT_DATA_DIR, keep_open=(lock.fileno(),) if lock else ())
        if os.environ.get("DATABASE_URL") or lock is None:
            yield
            return
        if made is not None and not server.cluster.exists():
            made.append(server.cluster)
        server.start()
        try:
            yield
        finally:
            connections.close_all()
            server.stop()


@contextmanager
def _quiet_folder(must_be: bool) -> Iterator[DataFolderLock | None]:
    """The lock of the data folder; None while a platform that runs holds it, which is an error if none may."""
    lock = DataFolderLock(settings.RPT_DATA_DIR)
    try:
        lock.take()
    except UserError:
        if must_be:
            raise
        yield None
        return
    try:
        yield lock
    finally:
        lock.release()


@contextmanager
def _snapshot() -> Iterator[str]:
    """What the database holds at one moment: for our own queries in the block, and by its name for pg_dump."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        cursor.execute("SELECT pg_export_snapshot()")
        (name,) = cursor.fetchone() or ("",)
        yield name


def _contents() -> dict[str, Any]:
    return {
        "format": FORMAT,
        "made": timezone.now().isoformat(timespec="seconds"),
        "code_version": code_version(),
        "data_dir": str(settings.RPT_DATA_DIR),
        "migrations": sorted(map(list, MigrationRecorder(connection).applied_migrations())),
        "rows": _rows(),
    }


def _rows() -> dict[str, int]:
    tables: dict[str, Any] = {"experiment": Experiment, "run": Run, "response": Rollout, "user": User}
    return {name: model.objects.count() for name, model in tables.items()}


def _in_words(rows: dict[str, int]) -> str:
    return ", ".join(counted(number, name) for name, number in rows.items())


def _read_contents(folder: Path) -> dict[str, Any]:
    if not (folder / CONTENTS).is_file():
        raise UserError(
            f"{folder} is not a backup: it has no {CONTENTS}. Name a folder that `manage.py backup` has made."
        )
    contents = read_json(folder / CONTENTS)
    if contents.get("format") != FORMAT:
        raise UserError(
            f"{folder} has the format {contents.get('format')}, and this version reads {FORMAT}. "
            f"Restore it with the version that made it: {contents.get('code_version')}."
        )
    known = {*MigrationLoader(None).disk_migrations}
    if unknown := [".".join(key) for key in contents["migrations"] if tuple(key) not in known]:
        raise UserError(
            f"{folder} was made by a newer version ({contents['code_version']}): this one does not know the migrations "
            f"{', '.join(unknown[:3])}. Restore it with that version."
        )
    return contents


def _check_empty() -> None:
    data_dir = settings.RPT_DATA_DIR
    filled = [name for name in FOLDERS if any((data_dir / name).glob("*"))]
    if not os.environ.get("DATABASE_URL") and (servers_dir(data_dir) / "postgres").exists():
        filled.append("postgres")
    if filled:
        raise UserError(
            f"{data_dir} already holds a platform ({', '.join(filled)}). Nothing is overwritten: "
            "set RPT_DATA_DIR to a folder that does not exist yet."
        )


def _check_no_tables() -> None:
    if tables := connection.introspection.table_names():
        raise UserError(
            f"The database that DATABASE_URL names has {counted(len(tables), 'table')}. Nothing is overwritten: "
            "name an empty database."
        )


def _check_room(source: Path, target: Path) -> None:
    needed = sum(_bytes_below(source / name) for name in FOLDERS) + SPARE_BYTES
    place = next(path for path in (target, *target.parents) if path.exists())
    free = shutil.disk_usage(place).free
    if free < needed:
        raise UserError(f"{place} has {free / 1e9:.1f} GB free, and about {needed / 1e9:.1f} GB are needed.")


def _bytes_below(folder: Path) -> int:
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(path, name)).st_size
            except FileNotFoundError:  # pruned meanwhile
                continue
    return total


def _copy_folder(source: Path, target: Path, say: Say) -> None:
    if not source.is_dir():
        return
    entries = sorted(source.iterdir())
    say(f"Copying {source.name} ({len(entries):,}).")
    make_private(target)
    for entry in entries:
        _copy(entry, target / entry.name)


def _copy_key(source: Path, target: Path) -> None:
    with written_whole(target) as draft:
        draft.touch(mode=0o600)  # before there is anything in it to read
        draft.write_bytes(source.read_bytes())


def _copy(source: Path, target: Path) -> None:
    """One run, or another file or folder. A file that goes while its folder is copied means that it is copied again."""
    copy = partial(shutil.copytree, symlinks=True) if source.is_dir() else shutil.copy2
    for tries_left in reversed(range(TRIES)):
        try:
            copy(source, target)
        except shutil.Error as error:  # of a folder: (from, to, reason) of each file
            shutil.rmtree(target, ignore_errors=True)
            failed = error.args[0]
            if all(os.path.lexists(name) for name, _, _ in failed):
                raise OSError(failed[0][2]) from None
            if not tries_left:
                raise UserError(f"{source} kept changing while it was copied. Start the backup again.") from None
        else:
            return


def _postgres(program: str, *options: str | Path) -> None:
    """Run one of Postgres's programs on the database of the settings. Raises UserError with what it says."""
    target = connection.get_connection_params()
    # In the environment, where other users of the machine see no password.
    environment = {f"PG{name.upper()}": str(target[name]) for name in CONNECTION if target.get(name)}
    command = [postgres_programs(servers_dir(settings.RPT_DATA_DIR)) / program, "--dbname", target["dbname"], *options]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"{program} has failed: {done.stderr.strip()[-2000:]}")
