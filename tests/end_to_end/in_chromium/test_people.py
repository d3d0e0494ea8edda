"""People in Chromium: somebody is invited, joins, adds a second factor and logs in with it, makes a token and revokes
it; an administrator sees all of it in the audit trail."""

from __future__ import annotations

import time

import pytest
from django.urls import reverse

from tests.end_to_end.chromium import THEMES, committed, press
from tests.end_to_end.in_chromium.test_corpora import pictures
from tests.end_to_end.in_chromium.test_pages import LOOKED_AT, look_at
from tests.factories import PASSWORD

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db]
HEADING = "return document.querySelector('h1')?.textContent === arguments[0]"


@pytest.fixture(scope="package")
def head(rows):
    """Somebody who administers the team of the rows, with a session."""
    from django.conf import settings
    from django.test import Client

    from rpt_web.teams.membership import first_team
    from rpt_web.teams.models import Invitation, Role
    from tests.factories import make_user

    def make():
        user = make_user("head", Role.ADMINISTRATOR)
        client = Client()
        client.force_login(user)
        return {"team": first_team(), "session": client.cookies[settings.SESSION_COOKIE_NAME].value, "user": user}

    yield committed(make)
    committed(lambda: Invitation.objects.all().delete())


@pytest.fixture
def as_head(browser, site, head):
    from tests.end_to_end.chromium import Visitor

    return Visitor(browser, site, head["session"])


def write(browser, **values):
    for name, value in values.items():
        browser.execute_script("document.getElementsByName(arguments[0])[0].value = arguments[1]", name, value)


def text_of(browser, selector):
    return browser.execute_script("return document.querySelector(arguments[0]).textContent.trim()", selector)


def code_of(secret, used):
    """A code that was not used yet: of this half minute or of one of its neighbours."""
    from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value

    now = int(time.time()) // 30
    code = next(one for later in (0, 1, -1) if (one := format_hotp_value(hotp_value(secret, now + later))) not in used)
    used.add(code)
    return code


def test_from_an_invitation_to_the_audit_trail(as_head, visit, head, site, redis_server):
    team = reverse("teams:team", args=[head["team"].pk])
    with as_head(team) as browser:
        write(browser, note="Grace")
        press(browser, f"form[action$='{team}invite'] .btn-primary")
        as_head.wait("return !!document.getElementById('link')")
        as_head.axe()
        link = text_of(browser, "#link").removeprefix(site)
    with visit(link, anonymous=True) as browser:
        write(browser, username="hopper", new_password=PASSWORD, again=PASSWORD)
        press(browser, "button.btn-primary")
        visit.wait(HEADING, head["team"].name)
        secret, used = add_app(visit, browser, site), set()
        press(browser, "details.menu summary")
        press(browser, f"form[action='{reverse('teams:logout')}'] button")
        visit.wait(HEADING, "RPT platform")
        log_in(visit, browser, secret, used)
        make_and_revoke_a_token(visit, browser, site)
    with as_head(f"{team}trail/?who=hopper") as browser:
        told = text_of(browser, "main .card")
        for what in ("API token", "notebook", "removed", "made", "user"):
            assert what in told
        assert secret not in told


def add_app(visit, browser, site):
    """Add an authenticator app; its secret."""
    browser.get(site + reverse("teams:account"))
    press(browser, f"a[href='{reverse('mfa_activate_totp')}']")
    visit.wait(HEADING, "Is it you?")
    write(browser, password=PASSWORD)
    press(browser, "main .btn-primary")
    visit.wait(HEADING, "Add an authenticator app")
    secret = text_of(browser, "#secret")
    for theme in THEMES:
        browser.execute_script("window.theme.choose(arguments[0])", theme)
        visit.axe()
        visit.picture(f"app-{theme}-wide")
    browser.execute_script("window.theme.choose('light')")
    write(browser, code=code_of(secret, set()))
    press(browser, "main .btn-primary")
    visit.wait(HEADING, "Recovery codes")
    visit.axe()
    visit.picture("recovery-codes-light-wide")
    return secret


def log_in(visit, browser, secret, used):
    write(browser, username="hopper", password=PASSWORD)
    press(browser, "button.btn-primary")
    visit.wait(HEADING, "Second factor")
    visit.axe()
    visit.picture("second-factor-light-wide")
    write(browser, code=code_of(secret, used))
    press(browser, "button.btn-primary")
    visit.wait(HEADING, "Home")


def make_and_revoke_a_token(visit, browser, site):
    browser.get(site + reverse("teams:account"))
    write(browser, name="notebook")
    press(browser, f"form[action='{reverse('teams:token_new')}'] button")
    visit.wait("return !!document.getElementById('token')")
    assert text_of(browser, "#token").startswith("rpt_")
    visit.axe()
    visit.picture("token-made-light-wide")
    press(browser, "button[aria-label='Revoke notebook']")
    visit.wait("return document.body.textContent.includes('The token “notebook” was revoked.')")


@pytest.mark.parametrize("page", ["team", "trail", "person", "account", "teams"])
def test_the_pages_of_people_look_right(as_head, head, rows, page):
    team = head["team"].pk
    path = {
        "team": reverse("teams:team", args=[team]),
        "trail": reverse("teams:team_trail", args=[team]) + "?routine=1",
        "person": reverse("teams:person", args=[team, rows["user"].pk]),
        "account": reverse("teams:account"),
        "teams": reverse("teams:team_list"),
    }[page]
    look_at(as_head, page, path)


@pytest.mark.parametrize(("theme", "width"), LOOKED_AT)
def test_an_invitation_looks_right(visit, head, theme, width):
    from rpt_web.teams.models import Invitation, Role

    secret = committed(lambda: Invitation.issue(head["team"], Role.VIEWER, head["user"]))
    with visit(reverse("teams:join", args=[secret]), theme, width, anonymous=True):
        visit.axe()
        visit.picture(f"join-{theme}-{width}")


def test_the_trail_of_a_run_opens_on_its_page(as_head, rows):
    with as_head(reverse("runs:run_detail", args=[rows["failed"].pk])) as browser:
        press(browser, "details:has(#history) > summary")
        as_head.wait("return document.querySelectorAll('#history tbody tr').length > 0")
        as_head.axe("details:has(#history)")
        as_head.picture("run-history-light-wide", all_charts=False)


def test_an_experiment_is_shared_with_another_team_on_its_page_and_withdrawn(as_head, browser, site, rows):
    from django.conf import settings
    from django.test import Client

    from rpt_web.teams.models import Team
    from tests.end_to_end.chromium import Visitor
    from tests.factories import make_user

    def make():
        client = Client()
        client.force_login(make_user("visitor", team=Team.objects.create(name="Guests of the house")))
        return client.cookies[settings.SESSION_COOKIE_NAME].value

    visitor = Visitor(browser, site, committed(make))
    address = reverse("experiments:experiment_detail", args=[rows["finished"].pk])
    with as_head(address):
        write(browser, team="Guests of the house")
        press(browser, "#sharing .card-foot button")
        as_head.wait("return !!document.querySelector('#sharing tbody')")
        assert "Guests of the house" in text_of(browser, "#sharing tbody")
        pictures(as_head, browser, "experiment-shared")
    with visitor(address):
        assert "shared by Team" in text_of(browser, ".page-title")
        assert browser.execute_script("return !document.getElementById('sharing')")
        pictures(visitor, browser, "experiment-of-others")
    with visitor(reverse("experiments:experiment_list")):
        assert "shared by Team" in text_of(browser, "#experiments")
        pictures(visitor, browser, "experiments-of-others")
    with as_head(address):
        press(browser, "#sharing tbody button")
        as_head.wait("return document.querySelector('#sharing') && !document.querySelector('#sharing tbody')")
    with visitor(address, status=404):
        assert "no experiment" in text_of(browser, "main")
    committed(lambda: Team.objects.filter(name="Guests of the house").delete())
