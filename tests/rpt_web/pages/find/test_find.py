"""Ctrl+K's answers: what is found by which words, by whom, and how many queries that takes."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from rpt_core.config import RptConfig
from rpt_web.corpora import services as corpora
from rpt_web.runs import services
from rpt_web.teams.models import Role, Team
from tests.factories import HOSTILE, make_experiment, make_user
from tests.rpt_web.api_client import CONFIG
from tests.rpt_web.markup import flat
from tests.scored_files import make_filter_run

FIND = reverse("find:find")


@pytest.fixture
def found(page):
    def found(text):
        return page(f"{FIND}?q={text}")

    return found


@pytest.fixture
def things(diamond, ada):
    corpora.create_corpus("Card texts", ada)
    make_experiment(ada, f"Cards {HOSTILE}")
    return diamond


def test_each_kind_is_found_by_its_words_and_leads_to_its_page(found, things):
    run = things.runs.get(name="alone")
    text = found("alone+first")
    assert f'href="/runs/{run.pk}/"' in text
    assert "rpt, queued, First" in text
    assert f'href="/runs/{run.pk}/"' in found(f"%23{run.pk}"), "by its number"
    assert f'href="/experiments/{things.pk}/"' in found("FIRST")
    text = found("card")
    assert "Card texts" in text
    assert "<script>alert" not in text
    assert 'role="option"' not in found("nothing+has+this")


def test_what_is_named_exactly_so_comes_first(found, experiment, ada):
    for name in ("alike", "alike-eval"):
        services.submit(experiment, name, RptConfig.model_validate(CONFIG), ada)
    text = found("alike")
    assert text.index(">alike</span>") < text.index(">alike-eval</span>")


def test_terms_of_the_glossary_lead_to_what_they_mean(found):
    assert f'href="{reverse("help:document", args=["glossary"])}#entropy"' in found("entropy")
    assert "Glossary" not in found("nothing+has+this")


def test_without_words_all_pages_and_actions_stand_there(found, client):
    text = found("")
    for place in ("home:home", "configure:run_new", "help:help", "nodes:node_list"):
        assert f'href="{reverse(place)}"' in text
    assert reverse("teams:account") in found("password"), "by what is done there"
    for words, place in (
        ("leaderboard", "results:leaderboard"),
        ("compare", "compare:basket"),
        ("reports", "reports:report_list"),
        ("paper", "results:paper_index"),
        ("table+of+runs", "runs:run_table"),
    ):
        assert f'href="{reverse(place)}"' in found(words), words
    assert f'href="{reverse("results:paper_page", args=["table-8"])}"' in found("table+8+templates")
    client.force_login(make_user("eve", Role.VIEWER))
    assert reverse("configure:run_new") not in flat(client.get(FIND)), "a viewer may not"


def test_nobody_finds_what_they_may_not_see(client, things):
    client.force_login(make_user("other", team=Team.objects.create(name="Other")))
    run = things.runs.get(name="alone")
    for text in ("alone", "first", "card", str(run.pk)):
        answer = flat(client.get(f"{FIND}?q={text}"))
        assert f"/runs/{run.pk}/" not in answer
        assert "Card texts" not in answer
        assert f"/experiments/{things.pk}/" not in answer


def test_a_document_and_a_position_are_found_by_name(found, experiment, ada, client):
    run, _ = make_filter_run(experiment, ada, [("card-1", "One text of a few words."), ("card-2", "Another one.")])
    place = reverse("token_maps:document_detail", args=[run.pk, "train", 1])
    assert f'href="{place}"' in found("card-2")
    text = found("card-2:1")
    assert f'href="{place}?token=1"' in text
    assert "position 1 of card-2" in text
    assert client.get(f"{place}?token=1").status_code == 200
    assert place not in found("card-3")


def test_an_address_that_is_pasted_leads_there(found):
    assert 'href="/runs/7/rollouts/?step=3"' in found("http://testserver/runs/7/rollouts/%3Fstep=3")
    for other in (
        "http://elsewhere.example/runs/7/",
        "/nowhere/",
        "/api/v1/runs/7",
        "javascript:alert(1)",
        "//x.example/",
    ):
        assert "Go to" not in found(other)


@pytest.mark.parametrize("text", ["%00", "%25", "a" * 500, "'; --", "%F0%9F%8D%8B", "99999999999999999999", "#", ":1"])
def test_odd_words_find_nothing_and_break_nothing(found, text):
    assert 'role="option"' not in found(text) or text in ("#", "%00")


def test_the_number_of_queries_does_not_grow(found, things, ada):
    with CaptureQueriesContext(connection) as few:
        found("a")
    count = len(few)
    for n in range(8):
        make_experiment(ada, f"another {n}")
    with CaptureQueriesContext(connection) as many:
        found("a")
    assert len(many) <= count <= 16
