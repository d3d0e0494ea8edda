"""Clients for tests of pages."""

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
