"""Every route of the pages and of the API, called by everybody: one table says what each of them gets.

A route that the table does not know fails, and so does a line of the table without a route. Each call is undone, so
all of them meet the same rows. Statuses alone are looked at; what stands on the pages is the business of other tests.
"""

from __future__ import annotations

from copy import deepcopy
from types import SimpleNamespace

import pytest
from django.db import transaction
from django.urls import URLPattern, get_resolver

from rpt_web.api.operations import api
from rpt_web.teams.membership import first_team, join
from rpt_web.teams.models import Role
from tests.rpt_web.api_client import ROOT
from tests.rpt_web.api_routes import API, OUTSIDE_THE_DOCUMENT
from tests.rpt_web.routes import LOGIN, PAGES, PEOPLE, PROVIDER
from tests.rpt_web.world import World

pytestmark = [pytest.mark.django_db, pytest.mark.slow]  # it makes the test database
BELOW = ROOT.removeprefix("/") + "/"
METHODS = ("get", "post", "put", "patch", "delete")
ALL_METHODS = (*METHODS, "head", "options")


def routes(patterns, prefix="", namespace=""):
    """(its name, its whole address, itself) of each route."""
    for pattern in patterns:
        address = prefix + str(pattern.pattern)
        if isinstance(pattern, URLPattern):
            yield f"{namespace}:{pattern.name}" if namespace else pattern.name or address, address, pattern
        else:
            yield from routes(pattern.url_patterns, address, pattern.namespace or namespace)


def page_routes():
    every = routes(get_resolver().url_patterns)
    return {name: pattern for name, address, pattern in every if not address.startswith(BELOW)}


def operations():
    paths = api.get_openapi_schema()["paths"]
    return {(method, path.removeprefix(ROOT)) for path, methods in paths.items() for method in methods}


def test_the_table_knows_every_page_and_no_other():
    assert sorted(PAGES) == sorted(page_routes())


def test_the_table_knows_every_operation_and_no_other():
    assert sorted(API) == sorted(operations())


def test_the_api_has_no_address_beside_its_operations():
    """What Django routes to the API is in its document, or in the table of what is not."""
    every = {address for _, address, _ in routes(get_resolver().url_patterns)}
    routed = {address.removeprefix(BELOW) for address in every if address.startswith(BELOW)}
    named = {path.removeprefix("/").replace("{", "<int:").replace("}", ">") for _, path in operations()}
    assert routed - named == set(OUTSIDE_THE_DOCUMENT)


@pytest.fixture(scope="module")
def made(django_db_setup, django_db_blocker, redis_server, tmp_path_factory):
    """One for all tests here, in a transaction of its own."""
    with django_db_blocker.unblock(), transaction.atomic():
        yield World(tmp_path_factory.mktemp("model"))
        transaction.set_rollback(True)


@pytest.fixture
def world(made, nothing_found, monkeypatch, settings):
    """The stream of a run gives its connection back before it begins; here all share the one of the module."""
    monkeypatch.setattr("rpt_web.pages.runs.views.connections", SimpleNamespace(close_all=lambda: None))
    settings.RPT_OIDC = PROVIDER
    return made


def outcome(client, method, path, *data, **more):
    """What comes back, and nothing stays."""
    cookies = deepcopy(client.cookies)
    with transaction.atomic():
        answer = getattr(client, method)(path, *data, **more)
        transaction.set_rollback(True)
    client.cookies = cookies
    is_login = answer.status_code == 302 and answer["Location"].startswith("/login/")
    return LOGIN if is_login and not path.startswith("/login/") else answer.status_code


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_page_answers_each_person_as_the_table_says(world, name):
    methods, expected = PAGES[name]
    path = world.path(name, page_routes()[name])
    method = methods.split()[0]
    data = [world.posted.get(name, {})] if method == "post" else []
    more = {"headers": world.headers} if name.startswith("corpora:upload") else {}
    assert {who: outcome(world.clients[who], method, path, *data, **more) for who in PEOPLE} == expected


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_page_refuses_every_other_method(world, name):
    methods, expected = PAGES[name]
    path = world.path(name, page_routes()[name])
    others = set(METHODS) - set(methods.split())
    assert {method: outcome(world.clients["server"], method, path) for method in others} == dict.fromkeys(others, 405)
    for method in set(ALL_METHODS) - set(methods.split()):
        is_read = method == "head" and "get" in methods
        allowed = (expected["nobody"],) if is_read else (LOGIN, 405)
        assert outcome(world.clients["nobody"], method, path) in allowed, method


@pytest.mark.parametrize(("method", "path"), sorted(API))
def test_an_operation_answers_each_caller_as_the_table_says(world, method, path):
    own = {"run_id": world.filter_run.pk} if path.endswith(("/documents", "/splits")) else {}
    address = ROOT + path.format(**(world.arguments | own)) + world.queries.get(path, "")
    data = [world.bodies.get(path, {}), "application/json"] if method == "post" else []
    found = {who: outcome(client, method, address, *data) for who, client in world.callers.items()}
    assert found == API[method, path]


@pytest.mark.parametrize("route", sorted(OUTSIDE_THE_DOCUMENT))
def test_what_is_no_operation_answers_each_caller_as_the_table_says(world, route):
    method, expected = OUTSIDE_THE_DOCUMENT[route]
    address = f"{ROOT}/{route}"
    for written, value in (("<path:rest>", "runs/abc"), ("<uuid:upload_id>", str(world.arguments["upload_id"]))):
        address = address.replace(written, value)
    more = {"headers": world.headers} if "uploads" in route else {}
    assert {who: outcome(client, method, address, **more) for who, client in world.callers.items()} == expected


@pytest.mark.parametrize("path", sorted({path for _, path in API}))
def test_an_operation_refuses_every_other_method(world, path):
    address = ROOT + path.format(**world.arguments)
    clients = world.callers
    for method in set(METHODS) - {own for own, found in API if found == path}:
        assert outcome(clients["administrator"], method, address) == 405, method
        assert outcome(clients["none"], method, address) in (401, 405), method


def test_somebody_in_two_teams_gets_what_each_of_them_gives(world):
    with transaction.atomic():
        join(world.users["other"], first_team(), Role.VIEWER)
        client = world.clients["other"]
        assert outcome(client, "get", f"/experiments/{world.experiment.pk}/") == 200
        assert outcome(client, "post", f"/experiments/{world.experiment.pk}/cancel") == 403
        transaction.set_rollback(True)
