"""Somebody in several teams chooses where something new goes; who is in one is asked nothing."""

from __future__ import annotations

import pytest
from django.urls import reverse

from rpt_web.runs import services
from rpt_web.runs.models import Experiment
from rpt_web.teams.membership import first_team, join
from rpt_web.teams.models import Role, Team
from tests.rpt_web.api_client import ROOT, client_of
from tests.rpt_web.markup import flat

CHOOSE = "/team/choose"
NEW = reverse("configure:suite_new")


@pytest.fixture
def other(ada):
    team = Team.objects.create(name="Zurich")
    join(ada, team)
    return team


def submit(client, name):
    posted = {"name": name, "description": "", "seeds": "0"}
    assert client.post(f"{NEW}?preset=tiny", posted).status_code == 302
    return Experiment.objects.get(name=name).team


def test_the_chosen_team_gets_what_is_new(client, page, other):
    assert f'value="{other.pk}"' in page("/")
    assert submit(client, "before") == first_team()
    assert client.post(CHOOSE, {"team": other.pk})["Location"] == "/"
    assert "will belong to the team <strong>Zurich</strong>" in page(NEW)
    assert submit(client, "after") == other
    text = page(reverse("experiments:experiment_detail", args=[Experiment.objects.get(name="after").pk]))
    assert "team Zurich" in text
    assert {"before", "after"} <= set(page("/").replace("<", ">").split(">")), "the list has those of all teams"


def test_a_team_where_one_may_only_look_gets_nothing(client, page, ada, other):
    join(ada, first_team(), Role.VIEWER)
    client.post(CHOOSE, {"team": first_team().pk})
    assert submit(client, "elsewhere") == other


@pytest.mark.parametrize("team", ["", "x", "0", "99999", "1" * 30])
def test_another_team_cannot_be_chosen(client, page, other, team):
    page("/")
    assert client.post(CHOOSE, {"team": team}).status_code == 404
    assert submit(client, "still") == first_team()


def test_one_team_is_no_choice(page):
    assert CHOOSE not in page("/")
    assert "will belong to the team" not in page(NEW)


def test_who_left_the_chosen_team_goes_on_in_another(client, page, ada, other):
    page("/")
    client.post(CHOOSE, {"team": other.pk})
    ada.memberships.filter(team=other).delete()
    assert submit(client, "here") == first_team()


def test_the_api_names_the_teams_and_takes_one(ada, other):
    caller = client_of(ada)
    disk = {"disk_bytes": 0, "quota_bytes": None}
    teams = [{"id": first_team().pk, "name": "Team", "role": "member"} | disk]
    teams.append({"id": other.pk, "name": "Zurich", "role": "member"} | disk)
    assert caller.get(f"{ROOT}/teams").json() == teams
    made = caller.post(f"{ROOT}/experiments", {"name": "A", "team": other.pk}, "application/json")
    assert (made.status_code, made.json()["team_id"]) == (201, other.pk)
    assert caller.post(f"{ROOT}/experiments", {"name": "B"}, "application/json").json()["team_id"] == first_team().pk
    missing = caller.post(f"{ROOT}/experiments", {"name": "C", "team": 10**9}, "application/json")
    assert missing.status_code == 422
    assert "There is no team 1000000000" in missing.json()["errors"]["team"]
    join(ada, other, Role.VIEWER)
    assert caller.post(f"{ROOT}/experiments", {"name": "D", "team": other.pk}, "application/json").status_code == 403


def test_a_form_and_a_run_keep_to_the_teams_of_their_user(client, page, ada, other):
    foreign = services.create_experiment("Foreign", None, team=Team.objects.create(name="Elsewhere"))
    look_only = services.create_experiment("Look only", None, team=first_team())
    join(ada, first_team(), Role.VIEWER)
    own = services.create_experiment("Own", ada)
    text = page(f"{reverse('configure:run_new')}?preset=tiny&run=base")
    assert f'<option value="{own.pk}"' in text
    assert "Foreign" not in text
    assert "Look only" not in text
    detail = flat(client.get(reverse("experiments:experiment_detail", args=[look_only.pk])))
    assert f"?experiment={look_only.pk}" not in detail
    assert client.get(reverse("experiments:experiment_detail", args=[foreign.pk])).status_code == 404
