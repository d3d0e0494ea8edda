"""Limits of the collapse monitors that a team sets: stored, refused, used for its runs and for nobody else's."""

from __future__ import annotations

import pytest
from django.urls import reverse

from rpt_web.notices import limits
from rpt_web.notices.models import Alarm, MonitorLimit
from rpt_web.notices.monitors import RULES
from rpt_web.teams.membership import first_team
from rpt_web.teams.models import Role, Team
from tests import factories
from tests.rpt_web.markup import flat

NO_BOX, SHORT = "share_no_box", "response_tokens_mean"


@pytest.fixture
def head(client, db):
    head = factories.make_user("head", Role.ADMINISTRATOR)
    client.force_login(head)
    return head


def store(client, **more):
    team = first_team()
    values = {f"{rule.metric}:limit": f"{rule.default:g}" for rule in RULES}
    values |= {f"{rule.metric}:steps": str(rule.steps) for rule in RULES}
    typed = {name.replace("__", ":"): value for name, value in more.items()}
    return client.post(reverse("teams:limits_store", args=[team.pk]), values | typed, follow=True)


def own():
    return {row.metric: (row.limit, row.steps) for row in MonitorLimit.objects.all()}


def test_an_administrator_stores_limits_and_goes_back_to_the_defaults(client, head):
    page = flat(store(client, share_no_box__limit="0.2", share_no_box__steps="1", response_tokens_mean__limit="0.5"))
    assert "The limits were stored" in page
    assert own() == {NO_BOX: (0.2, 1), SHORT: (0.5, 3)}, "what equals its default is none"
    assert page.count("the team&#x27;s own") + page.count("the team's own") == 2
    assert "above 0.5 for 3 steps" in page, "the default stands beside"
    assert "MonitorLimit" not in flat(client.get(reverse("teams:team_trail", args=[first_team().pk])))
    client.post(reverse("teams:limits_store", args=[first_team().pk]), {"defaults": "1"})
    assert own() == {}


@pytest.mark.parametrize("typed", ["much", "nan", "inf", "-1", "0", "1.5", "1e400"])
def test_what_can_be_no_limit_is_refused_with_what_can_and_nothing_is_stored(client, head, typed):
    answer = store(client, share_no_box__limit=typed, response_tokens_mean__limit="0.5")
    assert answer.status_code == 422
    text = flat(answer)
    assert "No box: " in text
    assert f'value="{typed}"' in text, "what was typed stays"
    assert own() == {}
    assert "the steps in a row are 1 to" in flat(store(client, share_no_box__steps="0"))


def test_runs_of_the_team_are_watched_by_its_limits_and_those_of_others_by_the_defaults(client, ada, run):
    team = first_team()
    limits.store(team, {NO_BOX: ("0.2", "2")}, ada)
    assert limits.rules_for(Team.objects.create(name="Other").pk) == list(RULES)
    claimed, events = factories.start_run(run)
    events.emit("started", start_step=0, total_steps=7)
    for step, share in enumerate([0.1, 0.3, 0.3, 0.3], 1):
        events.emit("metrics", step=step, values={NO_BOX: share}, flops=1.0)
    factories.record(claimed)
    alarm = Alarm.objects.get(run=run)
    assert (alarm.metric, alarm.step, alarm.limit) == (NO_BOX, 3, 0.2)
    client.force_login(ada)
    shown = flat(client.get(reverse("runs:run_monitors", args=[run.pk])))
    assert "above 0.2 for 2 steps" in shown
    page = flat(client.get(reverse("teams:team_alarms", args=[team.pk])))
    assert "Store the limits" not in page, "a member reads them"
    assert "the team" in page
