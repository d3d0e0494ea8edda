"""`manage.py invite` lets people in; commands say in words that the database is not there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from io import StringIO

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from rpt_web.supervisor.claims import served_address
from rpt_web.teams.membership import first_team
from rpt_web.teams.models import LoginLink, Membership, Role, Team, User

ADDRESS = "http://rpt.example:8000"
HOME = reverse("home:home")


def invite(*words):
    out, told = StringIO(), StringIO()
    call_command("invite", *words, stdout=out, stderr=told)
    return out.getvalue().strip(), told.getvalue()


@pytest.mark.django_db
def test_a_new_user_is_a_member_whom_the_link_logs_in_once():
    link, told = invite("ada", "--address", f"{ADDRESS}/")
    assert link.startswith(f"{ADDRESS}/login/link/")
    assert told == "This logs ada (member) in, once, within 7 days:\n"
    client, path = Client(), link.removeprefix(ADDRESS)
    assert client.post(path).status_code == 302
    assert client.get(HOME).status_code == 200
    assert Client().post(path).status_code == 410
    assert not User.objects.get().has_usable_password()


@pytest.mark.django_db
def test_a_user_keeps_password_and_role_unless_another_role_is_asked_for(ada):
    ada.set_password("a long sentence")
    ada.save()
    invite("ada", "--address", ADDRESS)
    ada.refresh_from_db()
    assert (ada.memberships.get().role, ada.check_password("a long sentence")) == (Role.MEMBER, True)
    assert "(viewer)" in invite("ada", "--address", ADDRESS, "--role", "viewer")[1]
    assert "(viewer)" in invite("ada", "--address", ADDRESS)[1]
    assert Membership.objects.get().role == Role.VIEWER


@pytest.mark.django_db
def test_somebody_is_let_into_a_team(ada):
    other = Team.objects.create(name="Zurich")
    assert "(administrator)" in invite("ada", "--address", ADDRESS, "--team", "Zurich", "--role", "administrator")[1]
    assert "(member)" in invite("bob", "--address", ADDRESS, "--team", "Zurich")[1]
    assert {(found.user.username, found.team, found.role) for found in Membership.objects.all()} == {
        ("ada", first_team(), Role.MEMBER),
        ("ada", other, Role.ADMINISTRATOR),
        ("bob", other, Role.MEMBER),
    }
    assert "(member)" in invite("bob", "--address", ADDRESS)[1], "a team of their own is enough"
    assert Membership.objects.filter(user__username="bob").count() == 1
    with pytest.raises(CommandError, match=r"There is no team 'Bern'. The teams are: Team, Zurich."):
        invite("cy", "--address", ADDRESS, "--team", "Bern")
    assert not User.objects.filter(username="cy").exists()


@pytest.mark.django_db
def test_a_server_administrator_needs_no_team():
    User.objects.create_superuser("root")
    assert "(server administrator)" in invite("root", "--address", ADDRESS)[1]
    assert not Membership.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["", "a b", "x" * 151])
def test_a_name_that_cannot_be_makes_no_user(name):
    with pytest.raises(CommandError):
        invite(name, "--address", ADDRESS)
    assert not User.objects.exists()


@pytest.mark.django_db
def test_the_address_is_that_of_the_platform_on_this_data_folder(settings, tmp_path):
    settings.RPT_DATA_DIR = tmp_path
    with pytest.raises(CommandError, match=r"No platform runs from the data folder .* Start it with `make up`"):
        invite("ada")
    assert not LoginLink.objects.exists()
    lock = tmp_path / "lock"
    lock.write_text(json.dumps({"pid": os.getpid(), "address": "http://127.0.0.1:9000"}))
    link, told = invite("ada")
    assert link.startswith("http://127.0.0.1:9000/login/link/")
    assert "For other machines add --address" in told
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    lock.write_text(json.dumps({"pid": ended.pid, "address": "http://127.0.0.1:9000"}))
    assert served_address(tmp_path) is None


@pytest.mark.parametrize("words", [["create_api_token", "ada", "x"], ["invite", "ada", "--address", ADDRESS]])
def test_without_a_database_a_command_says_so_and_what_to_do(tmp_path, words):
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    done = subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=settings.ROOT,
        env=environment | {"RPT_DATA_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 2, done.stderr
    first, second = done.stderr.splitlines()
    assert first.startswith("manage.py: The database does not answer: ")
    assert "`make up`" in second
