"""Hits of a search, by the API."""

from __future__ import annotations

import pytest

from rpt_web.searches.models import Search, SearchHit
from tests.rpt_web.api_client import ROOT

pytestmark = pytest.mark.django_db


def test_hits_come_page_after_page_with_all_that_is_said_of_them(caller, experiment, run):
    search = Search.objects.create(team=experiment.team, text="the", runs=[run.pk])
    of_all = {"run": run, "step": 3, "kind": "train", "group": 1, "reward": 1.0, "reason": "match", "times": 2}
    for number in (1, 2, 3):
        words = {"before": "over ", "match": "the", "after": " moon"}
        SearchHit.objects.create(search=search, number=number, rollout=number + 10, sample=number, **of_all, **words)
    first = caller.get(f"{ROOT}/searches/{search.pk}/hits?limit=2").json()
    assert [hit["number"] for hit in first["items"]] == [1, 2]
    rest = caller.get(f"{ROOT}/searches/{search.pk}/hits?limit=2&after={first['next']}").json()
    told = {**of_all, "run": run.pk, "number": 3, "rollout": 13, "sample": 3}
    assert rest == {"items": [{**told, "before": "over ", "match": "the", "after": " moon"}], "next": None}
