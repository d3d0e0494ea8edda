"""Ctrl+K and ? by keyboard alone, as a person without a mouse uses them."""

from __future__ import annotations

import pytest
from selenium.webdriver import ActionChains
from selenium.webdriver.common.keys import Keys

from tests.end_to_end.pages import PAGES

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db]
CHOSEN = "return document.querySelector('#find-list [aria-selected=true]')?.id"
NAMES = "return [...document.querySelectorAll('#find-list .find-name')].map((name) => name.textContent).join('|')"


def keys(browser, *pressed):
    ActionChains(browser).send_keys(*pressed).perform()


def ctrl_k(browser):
    ActionChains(browser).key_down(Keys.CONTROL).send_keys("k").key_up(Keys.CONTROL).perform()


def test_anything_is_found_by_keyboard_alone(visit, rows):
    run = rows["running"]
    with visit(PAGES["nodes"](rows)) as browser:
        ctrl_k(browser)
        visit.wait("return document.querySelectorAll('#find-list [role=option]').length > 5")
        visit.axe("#find")
        visit.picture("find-light-wide")
        keys(browser, "rpt cards")
        visit.wait("return document.getElementById('find-list').dataset.for === 'rpt cards'")
        assert run.name in browser.execute_script(NAMES).split("|")
        first = browser.execute_script(CHOSEN)
        keys(browser, Keys.ARROW_DOWN)
        assert browser.execute_script(CHOSEN) != first
        active = "return document.getElementById('find-text').getAttribute('aria-activedescendant')"
        assert browser.execute_script(active) == browser.execute_script(CHOSEN)
        keys(browser, Keys.ARROW_UP)
        assert browser.execute_script(CHOSEN) == first
        keys(browser, Keys.ESCAPE)
        visit.wait("return !document.getElementById('find').open")
        ctrl_k(browser)
        keys(browser, f"#{run.pk}", Keys.ENTER)  # faster than the answer
        visit.wait("return location.pathname === arguments[0]", f"/runs/{run.pk}/")


def test_the_keys_of_a_page_are_listed_and_no_field_opens_them(visit, rows):
    with visit(PAGES["experiments"](rows), theme="dark", width="narrow") as browser:
        keys(browser, "?")
        visit.wait("return document.getElementById('keys').open")
        visit.axe("#keys")
        visit.picture("keys-dark-narrow")
        keys(browser, Keys.ESCAPE)
        browser.execute_script("document.getElementById('q').focus()")
        keys(browser, "?")
        assert browser.execute_script("return document.getElementById('q').value") == "?"
        assert not browser.execute_script("return document.getElementById('keys').open")
    with visit(PAGES["token-map"](rows)) as browser:
        keys(browser, "?")
        listed = "return document.querySelector('#keys [data-keys]').textContent"
        assert "Next and previous position that is chosen" in browser.execute_script(listed)
