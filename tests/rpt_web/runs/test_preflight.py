"""Pre-flight's process: what it may read, how much memory, how many at once, and no connection while it runs."""

from __future__ import annotations

import subprocess

import pytest
from django.db import connection

from rpt_core.errors import UserError
from rpt_web.runs import preflight
from rpt_web.teams.models import Role
from tests.factories import make_user
from tests.rpt_web.api_client import ROOT, client_of
from tests.rpt_web.runs.checked import TINY

pytestmark = pytest.mark.slow  # checks are processes


def corpus_of(*paths: object) -> dict[str, object]:
    return TINY | {"corpus": {"paths": [str(path) for path in paths]}}


def test_what_may_not_be_read_is_told_by_field_and_never_opened(settings, tmp_path):
    settings.RPT_READ_ROOTS = [tmp_path / "root"]
    (tmp_path / "root").mkdir()
    (tmp_path / "foreign.txt").write_text("the secret line")
    values = corpus_of(tmp_path / "foreign.txt", "/dev/zero") | {"batch_documents": "x"}
    found = preflight.report("ntp", values, "cpu-2", None)
    problems = {problem["field"]: problem["message"] for problem in found["problems"]}
    assert {"corpus.paths.0", "corpus.paths.1", "batch_documents"} == problems.keys()
    assert "is not below a folder that runs may read" in problems["corpus.paths.0"]
    assert "secret line" not in str(found)
    assert found["typical"] is None


def test_a_foreign_template_list_or_address_is_refused_with_the_rest_looked_at(settings):
    settings.RPT_READ_ROOTS = []
    config = {
        "stage": "rpt",
        "model": {"path": "@base/checkpoint"},
        "positions": "@filter/positions",
        "prompt": {"template": "/etc/hostname"},
        "verl": {"ray_address": "http://10.0.0.1:8265"},
    }
    problems = preflight.report("rpt", config, "h100", None)["problems"]
    assert [problem["field"] for problem in problems] == ["prompt.template", "verl.ray_address"]


def test_what_takes_more_memory_than_allowed_is_ended_in_words(monkeypatch):
    monkeypatch.setattr(preflight, "MEMORY_GB", 0.04)
    with pytest.raises(UserError, match=r"more than 0\.04 GB of memory"):
        preflight.report("ntp", TINY, "cpu-2", None)


def test_a_line_without_an_end_takes_no_more_memory_than_allowed_and_ends_in_words(tmp_path):
    file = tmp_path / "endless.jsonl"
    with file.open("wb") as out:
        out.truncate(3 * 10**9)
    with pytest.raises(UserError, match=r"more than 1 GB of memory.* a line of a file may be very long"):
        preflight.report("ntp", corpus_of(file), "cpu-2", None)


def test_the_process_has_the_limit_and_nothing_of_the_database(program, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://secret@host/name")
    program("import json, os, sys; print(json.dumps({'problems': sys.argv, 'env': dict(os.environ)}))")
    found = preflight.report("ntp", TINY, "cpu-2", None)
    at = found["problems"].index("--max-memory-gb")
    assert found["problems"][at + 1] == "1"
    assert "DATABASE_URL" not in found["env"]


def test_what_the_process_says_of_itself_is_not_passed_on(program):
    program("raise KeyError('internal')")
    with pytest.raises(UserError, match="ended without an answer") as caught:
        preflight.report("ntp", TINY, "cpu-2", None)
    assert "KeyError" not in str(caught.value)
    program("import sys; sys.exit('warning: x\\nerror: There is no such thing.')")
    with pytest.raises(UserError, match=r"^There is no such thing\.$"):
        preflight.report("ntp", TINY, "cpu-2", None)


def test_a_process_that_takes_too_long_is_ended(program, monkeypatch):
    monkeypatch.setattr(preflight, "TIMEOUT_SECONDS", 0.5)
    program("import time; time.sleep(60)")
    with pytest.raises(UserError, match="took longer than"):
        preflight.report("ntp", TINY, "cpu-2", None)


def test_more_than_two_at_once_are_told_to_come_again(ada):
    with preflight.slot(), preflight.slot():
        answer = client_of(ada).post(f"{ROOT}/preflight", {"config": TINY}, content_type="application/json")
    assert (answer.status_code, answer["Retry-After"]) == (503, "10")
    assert answer.json()["detail"].startswith("2 checks are running already")
    with preflight.slot():
        pass


@pytest.mark.django_db(transaction=True)
def test_no_connection_is_held_while_it_runs(program, monkeypatch):
    make_user("ada")
    held = [connection.connection is not None]
    run = subprocess.run

    def watched(*words, **more):
        held.append(connection.connection is not None)
        return run(*words, **more)

    monkeypatch.setattr(subprocess, "run", watched)
    program("print('{\"problems\": []}')")
    preflight.report("ntp", TINY, "cpu-2", None)
    assert held == [True, False]


def test_a_viewer_gets_no_check(db):
    viewer = client_of(make_user("eve", Role.VIEWER))
    answer = viewer.post(f"{ROOT}/preflight", {"config": corpus_of("/etc/passwd")}, content_type="application/json")
    assert answer.status_code == 403
    assert "passwd" not in answer.content.decode()
