"""Odd values in the address of any page: what cannot be meant is taken as not asked, or refused in words."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from django.db import transaction

from tests.rpt_web import test_every_route
from tests.rpt_web.routes import PAGES
from tests.rpt_web.test_every_route import page_routes

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
made = test_every_route.made
"""The world of everybody."""
NAMES = (
    "after archived at baseline before boxes by cell columns compared comparison corpus difficulty document domain "
    "entropy_from experiment field file finish from group held_out hidden keep kind label length like list metric mine "
    "mode name optional order page pair parts pass_to pattern plan planned position preset q queue reason reviewer "
    "reward right routine run runs search seeds set show side sort split stage standard start state status step "
    "step_from tab tables_at tau team thinks token tokenizer tokens type version view vocabulary where who words x"
)
ODD = (
    *("\x00", "-1", "9" * 30, "1e400", "²", "١٢", "12:s0-", "<b>&\"'", "\ud83d", "None", "%", "[", "a" * 3000),
    *("0" * 12 + "9" * 5000, 'config.seed="\\u0000"', "config.seed<1" + "0" * 400),
)
BEYOND = ("runs:run_stream", "account_logout")
"""What does not end, or ends the login."""


@pytest.mark.parametrize("turn", range(2))
def test_no_odd_query_breaks_a_page(made, nothing_found, turn):
    """Each name has another odd value in each turn; all values by turns take minutes."""
    names, client, broken = NAMES.split(), made.clients["server"], []
    values = {name: ODD[(place + 5 * turn) % len(ODD)] for place, name in enumerate(names)}
    query = urlencode(values, errors="surrogatepass")
    client.raise_request_exception = False
    for name, (methods, _) in sorted(PAGES.items()):
        if methods.startswith("get") and name not in BEYOND:
            with transaction.atomic():
                answer = client.get(f"{made.path(name, page_routes()[name]).partition('?')[0]}?{query}")
                transaction.set_rollback(True)
            if answer.status_code >= 500 and answer.status_code not in (502, 503):
                broken.append((name, answer.status_code))
    client.raise_request_exception = True
    assert not broken
