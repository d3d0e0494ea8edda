"""What an earlier version stored opens: its database is migrated, its runs are on their pages, its checkpoint loads."""

from __future__ import annotations

import contextlib
import difflib
import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from django.db import connection

FOLDER = Path(__file__).parent
TOKEN = "rpt_ivM45H_qBQ3zVsnbCkjVNLFXIFfsdurWyJgh1U8EHAQ"
RPT = 5
"""The run whose folder is here."""
SCRIPT = FOLDER / "open_pages.py"
NAME = "rpt_old_data"


def statements():
    """The dump without the one setting that only newer servers than the oldest supported one know."""
    lines = gzip.decompress((FOLDER / "dump.sql.gz").read_bytes()).decode().splitlines()
    return "\n".join(line for line in lines if not line.startswith("SET transaction_timeout"))


def address_of(name):
    """The test server's address as DATABASE_URL has it, with another database."""
    server = connection.settings_dict
    options = f"?host={quote(server['HOST'], safe='')}" + (f"&port={server['PORT']}" if server["PORT"] else "")
    secret = f":{quote(server['PASSWORD'], safe='')}" if server["PASSWORD"] else ""
    return f"postgresql://{server['USER']}{secret}@/{name}{options}"


@pytest.fixture(scope="module")
def restored(django_db_setup, django_db_blocker, tmp_path_factory):
    """The environment in which the old data are those of the platform."""
    folder = tmp_path_factory.mktemp("old") / "data"
    shutil.copytree(FOLDER / "runs", folder / "runs")
    server = address_of("postgres")
    with psycopg.connect(server, autocommit=True) as session:
        session.execute(f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)")
        session.execute(f"CREATE DATABASE {NAME}")
    with psycopg.connect(address_of(NAME), autocommit=True) as session:
        session.execute(statements())
    root = FOLDER.parents[1]
    yield os.environ | {
        "DATABASE_URL": address_of(NAME),
        "RPT_DATA_DIR": str(folder),
        "PYTHONPATH": f"{root}{os.pathsep}{root / 'platform'}",
    }
    with psycopg.connect(server, autocommit=True) as session:
        session.execute(f"DROP DATABASE {NAME} WITH (FORCE)")


@pytest.fixture(scope="module")
def asked(restored):
    """What is opened: pages and lists of the API."""
    with psycopg.connect(restored["DATABASE_URL"]) as session:
        runs = [key for (key,) in session.execute("SELECT id FROM runs_run ORDER BY id")]
        (rollout,) = session.execute("SELECT max(id) FROM traces_rollout WHERE run_id = %s", [RPT]).fetchone()
    pages = [
        "/",
        "/experiments/1/",
        "/experiments/1/results/",
        "/experiments/2/",
        "/nodes/",
        "/runs/new/",
        "/runs/table/",
    ]
    pages += [f"/runs/{run}/" for run in runs] + [f"/runs/{run}/rollouts/" for run in runs]
    pages += [f"/runs/{RPT}/rollouts/{rollout}/", f"/runs/{RPT}/config.json", f"/runs/{RPT}/metrics.json"]
    pages += [f"/runs/{run}/{tab}/" for run in runs for tab in ("curves", "groups", "evaluations", "log", "files")]
    api = [f"/api/v1/{name}" for name in ("experiments", "runs", f"runs/{RPT}", f"runs/{RPT}/evaluations")]
    return {"user": "ada", "token": TOKEN, "pages": pages, "api": api}


def open_pages(asked, environment):
    """{address: (status, text)}, after the migration of the database that the environment names."""
    done = subprocess.run(
        [sys.executable, SCRIPT], input=json.dumps(asked), env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def opened(asked, restored):
    return open_pages(asked, restored)


@pytest.mark.slow
class TestOldData:
    def test_every_page_opens(self, opened):
        assert len(opened) > 35
        assert {address: answer[0] for address, answer in opened.items() if answer[0] != 200} == {}

    def test_nothing_is_lost_by_the_migration(self, opened, restored):
        with psycopg.connect(restored["DATABASE_URL"]) as session:
            for table, rows in {"runs_run": 12, "traces_rollout": 1338, "teams_user": 3}.items():
                assert session.execute(f"SELECT count(*) FROM {table}").fetchone() == (rows,)

    def test_lists_show_the_runs_as_they_ended(self, opened):
        text = opened["/experiments/1/"][1]
        assert "Smoke before the move" in text
        assert "10 of 10" in text
        assert "Blocked" in opened["/experiments/2/"][1]
        assert "/nowhere.jsonl" in opened["/runs/11/"][1]

    def test_a_run_has_its_curves_evaluations_and_tables(self, opened):
        text = opened[f"/runs/{RPT}/files/"][1]
        assert "step-000006" in text
        assert "Succeeded" in text
        assert len(json.loads(opened[f"/runs/{RPT}/metrics.json"][1])["steps"]) == 6
        assert json.loads(opened[f"/runs/{RPT}/config.json"][1])["steps"] == 6
        evaluations = json.loads(opened[f"/api/v1/runs/{RPT}/evaluations"][1])
        assert {row["step"] for row in evaluations} == {0, 1, 2, 3, 4, 6}

    def test_a_response_is_read_from_the_old_folder(self, opened):
        (page,) = [text for address, (_, text) in opened.items() if address.startswith(f"/runs/{RPT}/rollouts/1")]
        assert "The full text is missing" not in page

    def test_an_old_token_still_works(self, opened):
        assert len(json.loads(opened["/api/v1/runs"][1])["items"]) == 12


@pytest.mark.slow
def test_the_old_checkpoint_loads():
    from rpt_core.config import ModelConfig
    from rpt_core.models.checkpoints import load_model

    path = FOLDER / "runs" / str(RPT) / "checkpoints" / "step-000006"
    model, _ = load_model(ModelConfig(path=str(path), dtype="float32", device="cpu"))
    assert sum(parameter.numel() for parameter in model.parameters()) == 186_368


def test_the_old_events_and_config_are_read():
    from rpt_core.run.events import EventType, read_events
    from rpt_core.run.folder import RunDir

    run = RunDir(FOLDER / "runs" / str(RPT))
    assert run.read_config("rpt").steps == 6
    events = list(read_events(run.events))
    assert events[-1].type == EventType.FINISHED
    assert sum(event.type == EventType.METRICS for event in events) == 6


def manage(environment, *words):
    """A command of `manage.py` in a process of its own: its exit code and what it says."""
    done = subprocess.run(
        [sys.executable, "manage.py", *map(str, words)],
        cwd=FOLDER.parents[1],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def kept(opened, restored, tmp_path_factory):
    """A backup of the migrated data."""
    folder = tmp_path_factory.mktemp("backup") / "kept"
    code, told = manage(restored, "backup", folder)
    assert code == 0, told
    assert "holds 2 experiments, 12 runs, 1,338 responses, 3 users." in told
    return folder


@pytest.fixture
def elsewhere(restored):
    """The environment of a new platform with servers of its own."""
    folder = Path(tempfile.mkdtemp(prefix="rpt-restored-"))
    yield {name: value for name, value in restored.items() if name != "DATABASE_URL"} | {"RPT_DATA_DIR": str(folder)}
    shutil.rmtree(folder)


@contextlib.contextmanager
def used(environment):
    """The data folder is that of a platform that runs: this process, with a server that answers."""
    from rpt_web.supervisor.claims import DataFolderLock

    lock = DataFolderLock(Path(environment["RPT_DATA_DIR"]))
    lock.take(address="http://127.0.0.1:1")
    try:
        yield
    finally:
        lock.release()


def contents(backup):
    return json.loads((backup / "backup.json").read_text())


def same_for_all(answer, environment):
    """An answer without what no other can have: tokens against forgery and doubled forms, nonces, the data's place."""
    status, text = answer
    return status, re.sub(r'\b\w{64}\b|nonce="[^"]+"|value="[0-9a-f]{24}"', "", text).replace(
        environment["RPT_DATA_DIR"], "DATA"
    )


@pytest.mark.slow
class TestBackup:
    def test_a_platform_restored_elsewhere_shows_the_same(self, kept, opened, asked, restored, elsewhere, tmp_path):
        from rpt_web.supervisor.embedded import EmbeddedPostgres

        code, told = manage(elsewhere, "restore", kept)
        assert code == 0, told
        assert f"ln -s {elsewhere['RPT_DATA_DIR']} {restored['RPT_DATA_DIR']}" in told
        server = EmbeddedPostgres(elsewhere["RPT_DATA_DIR"], durable=False)
        server.start()
        try:
            again = open_pages(asked, elsewhere)
            with used(elsewhere):
                code, told = manage(elsewhere, "backup", tmp_path / "again")
        finally:
            server.stop()
        assert code == 0, told
        assert contents(tmp_path / "again")["rows"] == contents(kept)["rows"]
        assert (tmp_path / "again" / "secret_key").stat().st_mode & 0o777 == 0o600
        before = open_pages(asked, restored)
        assert again.keys() == before.keys() == opened.keys()
        for address in opened:
            found, expected = same_for_all(again[address], elsewhere), same_for_all(before[address], restored)
            assert found == expected, [
                address,
                *difflib.unified_diff(expected[1].split("\n"), found[1].split("\n"), n=0),
            ]
        assert restored_files(elsewhere) == restored_files(restored)

        code, told = manage(elsewhere, "restore", kept)
        assert code == 1
        assert "already holds a platform (runs, postgres). Nothing is overwritten" in told

    def test_a_damaged_backup_leaves_nothing(self, kept, elsewhere, tmp_path):
        damaged = tmp_path / "damaged"
        shutil.copytree(kept, damaged)
        dump = (damaged / "database.dump").read_bytes()
        (damaged / "database.dump").write_bytes(dump[: len(dump) // 2])
        code, told = manage(elsewhere, "restore", damaged)
        assert code == 1
        assert "pg_restore has failed" in told
        left = {path.name for path in Path(elsewhere["RPT_DATA_DIR"]).iterdir()}
        assert not left & {"runs", "postgres"}

    def test_a_backup_that_cannot_copy_a_file_says_why_and_leaves_nothing(self, kept, restored, tmp_path):
        pipe = Path(restored["RPT_DATA_DIR"]) / "runs" / str(RPT) / "pipe"
        os.mkfifo(pipe)
        try:
            code, told = manage(restored, "backup", tmp_path / "backup")
        finally:
            pipe.unlink()
        assert (code, "is a named pipe" in told) == (1, True), told
        assert not list(tmp_path.iterdir())

    def test_what_cannot_be_is_refused(self, kept, restored, elsewhere, tmp_path):
        for words, reason in {
            ("backup", kept): "already exists. Name a folder that does not exist yet",
            ("restore", tmp_path): "is not a backup: it has no backup.json",
        }.items():
            code, told = manage(restored, *words)
            assert (code, reason in told) == (1, True), told
        newer = tmp_path / "newer"
        shutil.copytree(kept, newer)
        named = contents(newer)
        named["migrations"].append(["runs", "0999_from_tomorrow"])
        (newer / "backup.json").write_text(json.dumps(named))
        code, told = manage(elsewhere, "restore", newer)
        assert (code, "does not know the migrations runs.0999_from_tomorrow" in told) == (1, True), told
        full = elsewhere | {"DATABASE_URL": restored["DATABASE_URL"]}
        code, told = manage(full, "restore", kept)
        assert (code, "Nothing is overwritten: name an empty database." in told) == (1, True), told
        assert not (Path(elsewhere["RPT_DATA_DIR"]) / "runs").exists()


def restored_files(environment):
    """What lies in the runs' folders: path -> content."""
    runs = Path(environment["RPT_DATA_DIR"]) / "runs"
    return {path.relative_to(runs): path.read_bytes() for path in runs.rglob("*") if path.is_file()}
