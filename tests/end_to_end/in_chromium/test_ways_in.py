"""Ways in, in Chromium: a passkey of its virtual authenticator, and an OpenID Connect provider on loopback."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
from django.urls import reverse

from rpt_web.serving.outside import Oidc
from tests.end_to_end.chromium import THEMES, WIDTHS, Visitor, committed, press
from tests.end_to_end.in_chromium.test_pages import look_at
from tests.end_to_end.in_chromium.test_people import HEADING, text_of, write
from tests.factories import PASSWORD, make_user
from tests.openid_provider import CLIENT_ID, SECRET, openid_provider

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db]
WIDER = "return document.documentElement.scrollWidth > document.documentElement.clientWidth"
LOGIN, ACCOUNT = reverse("teams:login"), reverse("teams:account")


@pytest.fixture(scope="module")
def running():
    with openid_provider() as provider:
        yield provider


@pytest.fixture
def provider(running, settings, redis_server):
    settings.RPT_OIDC = Oidc(running.url, CLIENT_ID, SECRET, "Example SSO")
    return running


@pytest.fixture
def by_name(browser, site, rows, redis_server):
    """The same server, at the name that browsers allow passkeys at."""
    return Visitor(browser, site.replace("127.0.0.1", "localhost"), rows["session"])


@pytest.fixture
def person(rows):
    """Somebody with a password, and without a second factor or an identity."""
    user = committed(lambda: make_user("barbara", password=PASSWORD))
    yield user
    committed(user.delete)


@contextmanager
def authenticator(browser):
    """One in the device, whose user it has just verified."""
    from selenium.webdriver.common.virtual_authenticator import VirtualAuthenticatorOptions

    options = VirtualAuthenticatorOptions(
        protocol="ctap2", transport="internal", has_resident_key=True, has_user_verification=True, is_user_verified=True
    )
    browser.add_virtual_authenticator(options)
    try:
        yield
    finally:
        browser.remove_virtual_authenticator()


def log_in(visit, browser):
    write(browser, username="barbara", password=PASSWORD)
    press(browser, "form[method=post][novalidate] .btn-primary")


def log_out(visit, browser):
    press(browser, "details.menu summary")
    press(browser, f"form[action='{reverse('teams:logout')}'] button")
    visit.wait(HEADING, "RPT platform")


def test_a_passkey_is_added_and_logs_in_with_and_without_the_password(by_name, browser, person):
    with by_name(LOGIN, anonymous=True), authenticator(browser):
        log_in(by_name, browser)
        by_name.wait(HEADING, "Home")
        browser.get(by_name.site + ACCOUNT)
        press(browser, f"a[href='{reverse('mfa_add_webauthn')}']")
        by_name.wait(HEADING, "Is it you?")
        write(browser, password=PASSWORD)
        press(browser, "main .btn-primary")
        by_name.wait(HEADING, "Add a passkey")
        by_name.axe()
        by_name.picture("passkey-new-light-wide")
        write(browser, name="Laptop")
        press(browser, "main .btn-primary")
        by_name.wait(HEADING, "Recovery codes")
        browser.get(by_name.site + reverse("mfa_add_webauthn"))
        press(browser, "main .btn-primary")
        by_name.wait("return document.body.textContent.includes('This device has a passkey of yours already.')")
        by_name.axe()
        log_out(by_name, browser)
        press(browser, "form[data-passkey] button")
        by_name.wait(HEADING, "Home")
        log_out(by_name, browser)
        log_in(by_name, browser)
        by_name.wait(HEADING, "Second factor")
        by_name.axe()
        by_name.picture("second-factor-passkey-light-wide")
        press(browser, "form[data-passkey] button")
        by_name.wait(HEADING, "Home")
        for theme in THEMES:
            browser.get(by_name.site + ACCOUNT)
            by_name.switch(theme)
            for width in WIDTHS:
                by_name.resize(width)
                by_name.axe()
                by_name.picture(f"account-passkey-{theme}-{width}")
                assert not browser.execute_script(WIDER)
            by_name.resize("wide")
        log_out(by_name, browser)
        browser.remove_all_credentials()
        press(browser, "form[data-passkey] button")
        by_name.wait("return document.body.textContent.includes('there is no passkey for this address')")
        by_name.axe()


def at_the_provider(visit, browser, username):
    visit.wait("return document.title === 'Example provider'")
    write(browser, username=username)
    press(browser, "button[value=yes]")


def test_an_identity_is_connected_and_logs_in(visit, browser, site, provider, person):
    """Outside of a visit, which allows no other host: this is about going to one and coming back."""
    browser.get(site + LOGIN)
    browser.delete_all_cookies()
    browser.get(site + LOGIN)
    press(browser, f"form[action='{reverse('teams:identity_begin')}'] button")
    at_the_provider(visit, browser, "grace")
    visit.wait(HEADING, "No account here belongs to you at Example SSO")
    press(browser, "main .btn-primary")
    visit.wait(HEADING, "RPT platform")
    log_in(visit, browser)
    visit.wait(HEADING, "Home")
    browser.get(site + ACCOUNT)
    press(browser, f"form[action='{reverse('teams:identity_connect')}'] button")
    visit.wait(HEADING, "Is it you?")
    write(browser, password=PASSWORD)
    press(browser, "main .btn-primary")
    at_the_provider(visit, browser, "grace")
    visit.wait("return document.body.textContent.includes('Example SSO is connected')")
    log_out(visit, browser)
    press(browser, f"form[action='{reverse('teams:identity_begin')}'] button")
    at_the_provider(visit, browser, "grace")
    visit.wait(HEADING, "Home")
    assert text_of(browser, ".user-name") == "barbara"
    browser.get(site + ACCOUNT)
    press(browser, "button[aria-label='Disconnect grace']")
    visit.wait("return document.body.textContent.includes('Is it you?')")


def identified(user, provider):
    from rpt_web.teams.models import Identity

    Identity.objects.create(
        user=user, provider=provider.url, uid="4711", extra_data={"preferred_username": "grace.hopper@example.org"}
    )


@pytest.mark.parametrize("page", ["login", "account", "join", "problem"])
def test_the_pages_of_ways_in_look_right(by_name, provider, rows, page):
    from rpt_web.teams.models import Identity, Invitation, Role

    committed(lambda: identified(rows["user"], provider))
    team = rows["finished"].team
    path, status = {
        "login": (LOGIN, 200),
        "account": (ACCOUNT, 200),
        "join": (
            reverse("teams:join", args=[committed(lambda: Invitation.issue(team, Role.MEMBER, rows["user"]))]),
            200,
        ),
        "problem": (reverse("teams:identity_back"), 400),
    }[page]
    look_at(by_name, f"ways-in-{page}", path, anonymous=page != "account", status=status)
    committed(lambda: (Identity.objects.all().delete(), Invitation.objects.all().delete()))
