"""Clients for tests of pages and of the API, and the plainest data; a module may have fuller fixtures of its own."""

from __future__ import annotations

import pytest

from tests.rpt_web.markup import flat


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
        return flat(response)

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
    from tests.rpt_web.api_client import client_of

    return client_of(ada)


@pytest.fixture
def experiment(ada):
    """An empty experiment."""
    from rpt_web.runs import services

    return services.create_experiment("First", ada)


@pytest.fixture
def run(ada, experiment):
    """A queued run, as the API submits it."""
    from rpt_core.config import RptConfig
    from rpt_web.runs import services
    from tests.rpt_web.api_client import CONFIG

    return services.submit(experiment, "a", RptConfig.model_validate(CONFIG), ada)


@pytest.fixture
def nothing_found(settings, tmp_path):
    """Pre-flight's process is one of ours that finds nothing.

    Only for submits of runs whose models and positions are not there: the real one refuses them, rightly, and making
    them takes minutes. Whatever can be right without files (presets, runs of the built-in corpus) meets the real one.
    """
    import sys

    file = tmp_path / "nothing_found.py"
    file.write_text(
        "import json, sys\n"
        "names = ('typical', 'most', 'memory', 'first_prompt')\n"
        "one = {'problems': [], 'notes': [], 'hardware': {'title': 'none'}} | dict.fromkeys(names)\n"
        "more = sys.argv.count('--also')\n"
        "print(json.dumps([one] * (more + 1) if more else one))\n"
    )
    settings.RPT_STAGE_COMMAND = [sys.executable, str(file)]


@pytest.fixture
def diamond(experiment, ada):
    """The experiment, its own or the module's, with a graph of six runs."""
    from rpt_web.runs import services
    from tests.suite_graphs import DIAMOND

    services.submit_suite(experiment, DIAMOND, ada)
    return experiment
