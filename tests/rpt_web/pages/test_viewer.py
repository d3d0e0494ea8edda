"""A viewer is offered nothing that they may not do: no link, form or part of a page answers them with 403."""

from __future__ import annotations

import html
import re
from collections import Counter
from urllib.parse import urljoin, urlsplit

import pytest
from django.urls import reverse

from rpt_core.run.folder import RunDir
from rpt_web.runs import services
from rpt_web.runs.models import Status
from rpt_web.teams.models import Role
from tests.factories import end_run, hostile_rows, make_user, start_run, write_shard
from tests.rpt_web.markup import flat
from tests.suite_graphs import DIAMOND

pytestmark = pytest.mark.slow  # every page is walked

ANSWERS = (200, 302, 304)
LINK = re.compile(r"""<(a|form|[a-z]+)\b[^>]*?\s(href|action|hx-get|hx-post)="([^"]*)"[^>]*>""")
QUERIES = 4
LOGOUT = "/logout/"
OWN = re.compile(r"^/(account|searches)/|^/runs/change$|/prompt/$")
"""Viewers change their own account, too; they search, compare the runs that they tick, and have a prompt put into
tokens. These forms have tests of their own."""


def offers(text):
    """(address, whether it is posted) of everything that a page offers."""
    for element in LINK.finditer(text):
        _, attribute, address = element.groups()
        is_posted = attribute == "hx-post" or (attribute == "action" and 'method="post"' in element[0])
        yield html.unescape(address), is_posted
    yield from ((html.unescape(found), True) for found in re.findall(r'formaction="([^"]*)"', text))


def walk(client, start):
    """Address -> status of all that can be reached from a page, itself included; what was posted with a + before it.

    Filters can be combined without end: of one path, some queries are asked for.
    """
    answers, left, queries = {}, [start], Counter()
    while left:
        address = left.pop()
        path = urlsplit(address).path
        if address in answers or queries[path] == QUERIES:
            continue
        queries[path] += 1
        response = client.get(address)
        answers[address] = response.status_code
        if response.status_code == 302:
            left.append(response["Location"])
        if response.status_code != 200 or response.streaming or "html" not in response["Content-Type"]:
            continue
        for found, is_posted in offers(flat(response)):
            place = urljoin(address, found).partition("#")[0]
            if urlsplit(place).netloc or place.startswith("/static/"):
                continue
            if not is_posted:
                left.append(place)
            elif not place.endswith(LOGOUT) and not OWN.search(urlsplit(place).path):
                answers[f"+{place}"] = client.post(place).status_code
    return answers


@pytest.fixture
def everything(experiment, ada):
    """Runs of every status, one with responses."""
    services.submit_suite(experiment, DIAMOND, ada)
    for name, status in (("alone", Status.FAILED), ("base", Status.SUCCEEDED)):
        claimed, events = start_run(experiment.runs.get(name=name))
        events.emit("started", start_step=0, total_steps=7)
        write_shard(claimed, events, "train", 1, hostile_rows(1, 0))
        for step in (5, 7):
            RunDir(claimed.directory).checkpoint(step).mkdir(parents=True)
        end_run(claimed, events, status, error="it failed" if status == Status.FAILED else "")
    services.advance(experiment.pk)
    start_run(experiment.runs.get(name="left"))
    services.request_cancel(experiment.runs.get(name="right"), ada)
    services.create_experiment("Empty", ada)
    return experiment


@pytest.mark.parametrize("has_rows", [True, False])
def test_nothing_that_a_viewer_is_offered_is_refused(client, db, has_rows, request):
    if has_rows:
        request.getfixturevalue("everything")
    client.force_login(make_user("eve", Role.VIEWER))
    answers = walk(client, "/")
    assert {address: status for address, status in answers.items() if status not in ANSWERS} == {}
    assert not [address for address in answers if address.startswith("+")], "a viewer changes nothing"
    if has_rows:
        assert len(answers) > 25


def test_a_member_is_offered_what_a_viewer_is_not(client, everything, ada):
    client.force_login(ada)
    text = flat(client.get(reverse("experiments:experiment_list")))
    offered = {address for address, _ in offers(text)}
    assert {reverse("configure:run_new"), reverse("configure:suite_new")} <= offered
    detail = flat(client.get(reverse("experiments:experiment_detail", args=[everything.pk])))
    assert any(is_posted for address, is_posted in offers(detail) if not address.endswith(LOGOUT))
    client.force_login(make_user("eve", Role.VIEWER))
    refused = [address for address in offered if client.get(address).status_code == 403]
    assert len(refused) == 3, "the walk would find them"


def test_an_empty_list_tells_a_viewer_what_will_be_there(client, db):
    client.force_login(make_user("eve", Role.VIEWER))
    text = flat(client.get(reverse("experiments:experiment_list")))
    assert "Runs that members submit appear here." in text
    assert "new suite" not in text
