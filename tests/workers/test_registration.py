"""A worker tells of its machine: by a child process, and again when the database was away."""

from __future__ import annotations

import json
import os
import sys
import threading
import time

import pytest
from django.db import OperationalError
from django.utils import timezone

from rpt_web.runs import nodes
from rpt_web.runs.models import Node
from workers import registration


class Beats:
    """Stands for the pause between two signs of life: so many, then the end."""

    def __init__(self, count):
        self.left = count

    def wait(self, seconds):
        self.left -= 1

    def is_set(self):
        return self.left < 0


@pytest.fixture
def doctor(settings, tmp_path):
    """doctor(code) makes a small program the one that runs stages, and so the one that is asked."""

    def doctor(code):
        program = tmp_path / "program.py"
        program.write_text(code)
        settings.RPT_STAGE_COMMAND = [sys.executable, str(program)]

    return doctor


@pytest.mark.slow
def test_the_real_doctor_answers(settings):
    found = {finding["name"]: finding for finding in registration.examine(threading.Event())}
    assert found["data"]["words"].startswith(str(settings.RPT_DATA_DIR))
    assert found["torch"]["level"] == "good"


def test_it_is_asked_without_secrets(doctor, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:secret@h/d")
    doctor("import json, os, sys\nprint(json.dumps([sys.argv[1:], 'DATABASE_URL' in os.environ]))")
    assert registration.examine(threading.Event()) == [["doctor", "--json"], False]


def test_problems_are_an_answer(doctor):
    doctor("import sys\nprint('[]')\nsys.exit(1)")
    assert registration.examine(threading.Event()) == []


def test_a_doctor_that_crashes_is_a_finding(doctor):
    doctor("raise SystemExit('no CUDA driver')")
    (finding,) = registration.examine(threading.Event())
    assert finding["level"] == "problem"
    assert "ended with code 1: no CUDA driver" in finding["words"]


def test_a_doctor_that_hangs_is_a_finding(doctor, monkeypatch):
    monkeypatch.setattr(registration, "EXAMINE_SECONDS", 0.3)
    doctor("import time\ntime.sleep(60)")
    (finding,) = registration.examine(threading.Event())
    assert "did not answer within" in finding["words"]


def test_a_doctor_is_ended_with_its_worker(doctor, tmp_path):
    doctor(f"import os, time\nopen({str(tmp_path / 'pid')!r}, 'w').write(f'{{os.getpid()}}.')\ntime.sleep(60)")
    stop = threading.Event()
    thread = threading.Thread(target=registration.examine, args=(stop,))
    thread.start()
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text().endswith("."):
        time.sleep(0.02)
    stop.set()
    thread.join(30)
    assert not thread.is_alive()
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()[:-1]), 0)


@pytest.mark.django_db(transaction=True)
class TestWithDatabase:
    def test_the_node_is_there_before_it_is_examined(self, monkeypatch):
        seen = []
        monkeypatch.setattr(registration, "examine", lambda stop: seen.append(Node.objects.get().examined_at) or [])
        registration.keep_registered(["gpu"], Beats(0))
        assert seen == [None]
        node = Node.objects.get()
        assert (node.name, node.findings) == (nodes.own_name(), [])
        assert node.examined_at is not None
        assert [listener.queue for listener in node.listeners.all()] == ["gpu"]

    def test_who_takes_no_runs_examines_nothing(self, monkeypatch):
        monkeypatch.setattr(registration, "examine", lambda stop: pytest.fail("loads torch for nothing"))
        registration.keep_registered(["quick"], Beats(1))
        assert [listener.queue for listener in Node.objects.get().listeners.all()] == ["quick"]

    def test_it_gives_signs_of_life_and_examines_once(self, doctor, monkeypatch, tmp_path):
        doctor(f"open({str(tmp_path / 'asked')!r}, 'a').write('x')\nprint('[]')")
        beats = []
        monkeypatch.setattr(nodes, "register", lambda name, queues, findings, gpus: beats.append(findings))
        registration.keep_registered(["gpu"], Beats(3))
        assert beats == [None, [], None, None, None], "the findings are told once"
        assert (tmp_path / "asked").read_text() == "x"

    def test_a_database_that_is_away_is_tried_again(self, doctor, monkeypatch):
        finding = {"area": "machine", "name": "system", "level": "good", "words": "Linux", "remedy": ""}
        doctor(f"print({json.dumps([finding])!r})")
        real, failures = nodes.register, [1, 2]

        def register(name, queues, findings, gpus):
            if failures:
                failures.pop()
                raise OperationalError("away")
            real(name, queues, findings, gpus)

        monkeypatch.setattr(nodes, "register", register)
        registration.keep_registered(["gpu"], Beats(1))
        assert Node.objects.get().findings == [finding]

    def test_a_worker_of_a_drained_node_stops_listening_until_it_is_undrained(self, monkeypatch):
        node = Node.objects.create(name=nodes.own_name(), version="1", folder_mark="m", last_seen=timezone.now())
        drained = iter([None, timezone.now(), timezone.now(), None, None])
        told = []

        class Days(Beats):
            def wait(self, seconds):
                Node.objects.filter(pk=node.pk).update(drained_at=next(drained, None))
                return super().wait(seconds)

        monkeypatch.setattr(registration, "examine", lambda stop: [])
        registration.keep_registered(["gpu"], Days(5), told.append)
        assert told == [True, False]

    def test_a_worker_announces_the_queues_that_it_consumes(self, monkeypatch):
        called = threading.Event()
        told = []
        monkeypatch.setattr(registration, "keep_registered", lambda queues, *_: (told.append(queues), called.set()))

        class Consumer:
            from rpt_web.celery import app

        Consumer.app.amqp.queues.select(["gpu"])
        try:
            registration.announce(Consumer)
            assert called.wait(10)
        finally:
            Consumer.app.amqp.queues.select(["default"])
        assert told == [["gpu"]]
