"""What answers say of themselves: pages are kept nowhere, static files are, and nothing is guessed to be a script."""

from __future__ import annotations

import socket
import time

import pytest
from django.core.exceptions import ImproperlyConfigured

from rpt_web import settings as settings_module
from tests.rpt_web.api_client import ROOT

pytestmark = pytest.mark.django_db


def test_pages_behind_login_are_kept_nowhere(client, ada, experiment):
    client.force_login(ada)
    for address in ("/", f"/experiments/{experiment.pk}/", "/nodes/", "/no/such/page"):
        assert client.get(address)["Cache-Control"] == "no-store", address


def test_answers_of_the_api_are_kept_nowhere(caller, run):
    assert caller.get(f"{ROOT}/runs/{run.pk}")["Cache-Control"] == "no-store"
    assert caller.get(f"{ROOT}/runs/999999")["Cache-Control"] == "no-store"


def test_the_policy_lets_a_chart_become_a_file(client):
    policy = client.get("/login/")["Content-Security-Policy"]
    [images] = [part for part in policy.split("; ") if part.startswith("img-src")]
    assert "blob:" in images.split()


def test_an_empty_secret_key_is_named(tmp_path):
    (tmp_path / "secret_key").write_text("\n")
    with pytest.raises(ImproperlyConfigured, match=rf"{tmp_path}/secret_key is empty"):
        settings_module.read_secret_key(tmp_path)


def test_a_frozen_redis_delays_a_message_by_two_seconds_at_most(tmp_path):
    from kombu.exceptions import OperationalError

    from rpt_web.celery import app

    with socket.socket(socket.AF_UNIX) as frozen:
        frozen.bind(str(tmp_path / "redis.sock"))
        frozen.listen()  # takes connections and says nothing
        begin = time.monotonic()
        with app.connection_for_write(f"redis+socket://{tmp_path}/redis.sock") as connection:
            with pytest.raises(OperationalError):
                app.send_task("workers.execute_run", args=[1], connection=connection, retry=False)
            assert time.monotonic() - begin < 4  # twice what is promised, for a busy machine
