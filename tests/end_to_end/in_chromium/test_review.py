"""Reviewing by keyboard alone: two people label the same responses, disagree, settle it, and take the labels home."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.urls import reverse
from selenium.webdriver import ActionChains
from selenium.webdriver.common.keys import Keys

from tests.end_to_end.chromium import Visitor, committed

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db]
CHOSEN = "return document.querySelector('.question input:checked')?.value"
SAVED = "return document.getElementById('saved').textContent === 'saved'"
KEEP = """
const { dataset, elements } = document.getElementById("review");
const content = { answers: { thought: "hack", sure: "" }, note: "", flagged: false };
const version = Number(elements.version.value);
localStorage.setItem(`review ${dataset.user} ${dataset.draft}`, JSON.stringify({ version, content }));
"""
FOCUSED = "return document.activeElement?.matches(arguments[0])"
OFFLINE = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
ONLINE = OFFLINE | {"offline": False, "downloadThroughput": -1, "uploadThroughput": -1}
LINES = """
const done = arguments[arguments.length - 1];
fetch(arguments[0]).then((answer) => answer.text()).then((text) => done(text.trim().split("\\n").map(JSON.parse)));
"""


def keys(browser, *pressed):
    ActionChains(browser).send_keys(*pressed).perform()


def ctrl_enter(browser):
    ActionChains(browser).key_down(Keys.CONTROL).send_keys(Keys.ENTER).key_up(Keys.CONTROL).perform()


def tab_to(browser, selector):
    """To a place by the Tab key alone."""
    for _ in range(150):
        if browser.execute_script(FOCUSED, selector):
            return
        keys(browser, Keys.TAB)
    raise AssertionError(f"the Tab key does not lead to {selector}")


@pytest.fixture
def grace(browser, site, rows):
    """The second reviewer's visits."""
    from django.test import Client

    client = Client()
    committed(lambda: client.force_login(rows["grace"]))
    return Visitor(browser, site, client.cookies[settings.SESSION_COOKIE_NAME].value)


@pytest.fixture
def no_queue_stays():
    yield
    from rpt_web.review.models import ReviewQueue

    committed(ReviewQueue.objects.filter(name="Wrong ones").delete)


def make_queue_by_keyboard(visit, browser, rows):
    """From what the list of responses shows; leads to the page of the queue."""
    tab_to(browser, "a[href*='/review/queues/new/']")
    keys(browser, Keys.ENTER)
    visit.wait("return document.querySelector('h1')?.textContent === 'New queue'")
    tab_to(browser, "#id_name")
    keys(browser, "Wrong ones")
    tab_to(browser, "#id_sample")
    keys(browser, Keys.CONTROL + "a" + Keys.NULL, "2")
    for name in ("user", "grace"):
        tab_to(browser, f"input[name=reviewers][value='{rows[name].pk}']")
        keys(browser, Keys.SPACE)
    keys(browser, Keys.ENTER)
    visit.wait("return document.querySelector('h1')?.textContent === 'Wrong ones'")


def begin(visit, browser):
    """The button has the focus already."""
    assert browser.execute_script("return document.activeElement.textContent.trim()") == "Begin"
    keys(browser, Keys.ENTER)
    visit.wait("return document.querySelector('h1')?.textContent === 'Item 1'")


def submitted(visit, browser, title):
    ctrl_enter(browser)
    visit.wait("return document.querySelector('h1')?.textContent === arguments[0]", title)


def test_two_people_review_disagree_settle_and_export_by_keyboard_alone(visit, grace, rows, no_queue_stays):
    listed = reverse("traces:rollout_list", args=[rows["rpt"].pk]) + "?kind=sampled&reward=0"
    with visit(listed) as browser:
        make_queue_by_keyboard(visit, browser, rows)
        begin(visit, browser)
        keys(browser, "1")
        visit.wait(SAVED)
        assert browser.execute_script(CHOSEN) == "sound"
        browser.refresh()  # in the middle of an item
        visit.wait("return document.readyState === 'complete'")
        assert browser.execute_script(CHOSEN) == "sound"
        browser.execute_script(KEEP)  # as a page leaves it that could not send it
        browser.refresh()
        visit.wait(SAVED)
        assert browser.execute_script(CHOSEN) == "hack"
        keys(browser, "1")
        browser.execute_cdp_cmd("Network.emulateNetworkConditions", OFFLINE)
        keys(browser, "2")
        visit.wait("return document.getElementById('saved').textContent.startsWith('no connection')")
        browser.execute_cdp_cmd("Network.emulateNetworkConditions", ONLINE)
        visit.wait(SAVED)
        browser.get_log("browser")  # the console says that there was no connection
        keys(browser, "u")
        assert browser.execute_script(CHOSEN) == "sound"
        keys(browser, Keys.ENTER, "3", "f", "c")
        keys(browser, "sums are right", Keys.ESCAPE)
        keys(browser, "?")
        visit.wait("return document.getElementById('keys').open")
        visit.axe("#keys")
        keys(browser, Keys.ESCAPE)
        submitted(visit, browser, "Item 2")
        keys(browser, "u")  # nothing is undone here yet: the last review comes back
        visit.wait("return document.querySelector('h1')?.textContent === 'Item 1'")
        assert browser.execute_script("return document.getElementById('f-note').value") == "sums are right"
        submitted(visit, browser, "Item 2")
        keys(browser, "5")
        submitted(visit, browser, "Wrong ones")
        queue = browser.current_url.removeprefix(visit.site)
    with grace(queue) as browser:
        begin(grace, browser)
        assert "sums are right" not in browser.page_source
        assert rows["rpt"].name + "</a>" not in browser.page_source
        keys(browser, "2")
        submitted(grace, browser, "Item 2")
        keys(browser, "5")
        submitted(grace, browser, "Wrong ones")
    with visit(f"{queue}agreement/") as browser:
        assert "1 of 2 pairs" in browser.execute_script("return document.body.innerText")
        visit.picture("review-agreement-light-wide")
        keys(browser, Keys.ENTER)
        visit.wait("return document.querySelector('h1')?.textContent === 'Settle item 1'")
        assert "sums are right" in browser.page_source
        keys(browser, "2")
        submitted(visit, browser, "Agreement")
        assert "All are settled" in browser.page_source
        rows_out = browser.execute_async_script(LINES, f"{queue}labels.jsonl")
    said = [(row["item"], row["reviewer"], row["answers"].get("thought"), row["decision"]) for row in rows_out]
    lucky = {"thought": "lucky_guess"}
    assert said[:2] == [(1, "ada", "sound", lucky), (1, "grace", "lucky_guess", lucky)]
    assert [answer for _, _, answer, _ in said[2:]] == ["loops", "loops"]
    assert {row["run"] for row in rows_out} == {rows["rpt"].pk}
