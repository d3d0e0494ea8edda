"""Traces: lists of groups that lead to responses, the counts beside them, and the way on from a response."""

from __future__ import annotations

import re

import pytest

from rpt_web.teams.models import Team
from rpt_web.traces.group_lists import GROUPS_PER_PAGE
from rpt_web.traces.models import ResponseGroup
from tests.factories import HOSTILE, make_user
from tests.rpt_web.markup import flat
from tests.rpt_web.traces.groups_made import make_groups, make_runs

pytestmark = pytest.mark.django_db


def test_a_list_leads_to_responses_and_from_there_along_the_list(run, page):
    text = page("/traces/?solved=none&order=step")
    shown = list(ResponseGroup.objects.filter(run_id=run.pk, rewarded=0).order_by("step", "id"))
    links = re.findall(r'href="(/runs/\d+/rollouts/(\d+)/\?traces=[^"]*)"', text)
    assert [int(rollout) for _, rollout in links] == [group.first_rollout for group in shown][:GROUPS_PER_PAGE]
    assert "no response rewarded" in text
    assert HOSTILE not in text
    beside = page(f"/traces/beside/{run.pk}/{links[1][1]}/?solved=none&order=step")
    assert f"/rollouts/{links[0][1]}/?traces=solved%3Dnone%26order%3Dstep" in beside
    assert f"/rollouts/{links[2][1]}/?traces=" in beside
    assert 'href="/traces/?solved=none&amp;order=step"' in beside


def test_counts_come_after_the_list_and_lead_to_what_they_count(run, page):
    assert 'hx-get="/traces/counts/?kind=train"' in page("/traces/?kind=train")
    counts = page("/traces/counts/?kind=train")
    train = ResponseGroup.objects.filter(run_id=run.pk, kind="train")
    assert f"{train.count()} groups" in counts
    assert 'href="/traces/?kind=train&amp;reason=no_box"' in counts
    answer = page("/traces/?kind=train&reason=", headers={"HX-Request": "true", "HX-Target": "groups"})
    assert answer.startswith('<div id="groups"')


@pytest.mark.parametrize(
    ("query", "is_said"),
    [
        ("run={}&kind=sampled&difficulty=easy", True),
        ("at={}@0&kind=greedy&difficulty=medium", True),
        ("run={}&kind=sampled&difficulty=hard", False),
        ("run={}&kind=train&difficulty=easy", False),
        ("kind=sampled&difficulty=easy", False),
    ],
)
def test_why_a_list_may_exceed_the_result_that_leads_to_it_is_said_where_it_may(run, page, query, is_said):
    runs = make_runs(run.experiment, "made")
    make_groups(runs)
    step = ResponseGroup.objects.filter(run=runs[0], kind="greedy", difficulty__gte=2).earliest("id").step
    text = page(f"/traces/?{query.format(runs[0].pk).replace('@0', f'@{step}')}")
    assert "No group matches" not in text
    assert ("more positions here than a result counts" in text) == is_said


def test_what_is_of_others_is_not_listed_counted_or_walked_to(run, client):
    client.force_login(make_user("zoe", team=Team.objects.create(name="Elsewhere")))
    assert "No responses yet" in client.get("/traces/").content.decode()
    named = client.get(f"/traces/?run={run.pk}").content.decode()
    assert "which is not there" in named
    assert run.name not in named.split("<main")[1]
    assert "0 groups" in flat(client.get("/traces/counts/"))
    first = ResponseGroup.objects.filter(run_id=run.pk).first()
    assert client.get(f"/traces/beside/{run.pk}/{first.first_rollout}/").status_code == 404
