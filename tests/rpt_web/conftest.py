"""Clients for tests of pages and of the API, and the plainest data; a module may have fuller fixtures of its own."""

from __future__ import annotations

import pytest


@pytest.fixture
def ada(db):
    from tests.factories import make_user

    return make_user("ada")


@pytest.fixture
def page(client, ada):
    """page(address, **headers) -> the text of a page as a logged-in member sees it."""
    client.force_login(ada)

    def page(address, status=200, **extra):
        response = client.get(address, **extra)
        assert response.status_code == status
        return response.content.decode()

    return page


@pytest.fixture
def viewer_client(db, client):
    """A client logged in as somebody who may only look."""
    from rpt_web.teams.models import Role
    from tests.factories import make_user

    client.force_login(make_user("eve", Role.VIEWER))
    return client


@pytest.fixture
def caller(ada):
    """A client that calls the API as a member."""
    from tests.api_client import client_of

    return client_of(ada)


@pytest.fixture
def experiment(ada):
    """An empty experiment."""
    from rpt_web.runs import services

    return services.create_experiment("First", ada)


@pytest.fixture
def run(caller, experiment):
    """A run that was submitted through the API."""
    from rpt_web.runs.models import Run
    from tests.api_client import CONFIG, ROOT

    body = {"experiment": experiment.pk, "name": "a", "config": CONFIG}
    answer = caller.post(f"{ROOT}/runs", body, content_type="application/json")
    assert answer.status_code == 201
    return Run.objects.get(pk=answer.json()["id"])


@pytest.fixture
def diamond(experiment):
    """The experiment, its own or the module's, with a graph of six runs."""
    from rpt_web.runs import services
    from tests.suite_graphs import DIAMOND

    services.submit_suite(experiment, DIAMOND, None)
    return experiment
