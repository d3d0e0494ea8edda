"""The tabs of a run's page in Chromium: none is long unless its reader asks for more, and an end can be looked into."""

from __future__ import annotations

import pytest
from django.urls import reverse

from tests.end_to_end.in_chromium.steps import pictures
from tests.end_to_end.in_chromium.test_weight import wire_bytes

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db]
TALLEST_PIXELS = 3000
LARGEST_COLD_BYTES = 700_000
TABS = "return [...document.querySelectorAll('nav.tabs a')].map((tab) => tab.getAttribute('href'))"


def test_no_tab_is_long_and_each_is_reached_from_the_others(visit, rows):
    for run in (rows["rpt"], rows["filter"], rows["failed"], rows["paper"].runs.get(name="s0-analysis")):
        with visit(reverse("runs:run_detail", args=[run.pk])) as browser:
            tabs = browser.execute_script(TABS)
            assert browser.execute_script("return document.querySelector('h1').textContent") == run.name
        for tab in tabs:
            with visit(tab) as browser:
                assert browser.execute_script("return document.documentElement.scrollHeight") <= TALLEST_PIXELS, tab
                assert browser.execute_script(TABS) == tabs
                chosen = "return document.querySelector('nav.tabs [aria-current]').getAttribute('href')"
                assert browser.execute_script(chosen) == tab


def test_a_cold_first_tab_is_light(visit, rows):
    with visit(reverse("experiments:experiment_list")) as browser:
        browser.execute_cdp_cmd("Network.clearBrowserCache", {})
    with visit(reverse("runs:run_detail", args=[rows["rpt"].pk])) as browser:
        received = wire_bytes(browser)
    print(f"\ncold: {sum(received.values()):,} bytes")
    assert 0 < sum(received.values()) < LARGEST_COLD_BYTES
    assert not any("plotly" in name for name in received)


def test_an_end_is_looked_into_from_its_cause_to_the_lines_of_the_log(visit, rows):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    from rpt_core.run.folder import RunDir

    run = rows["failed"]
    log = RunDir(run.directory).log
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("".join(f"reading line {number}\n" for number in range(500)) + "error: 3 of 857 records\n")
    with visit(reverse("runs:run_detail", args=[run.pk])) as browser:
        told = browser.find_element(By.ID, "postmortem").text
        assert "The run failed at step 0 of 400." in told
        assert "the cause is in the settings, the data or the model" in told
        pictures(visit, browser, "run-postmortem")
        browser.find_element(By.CSS_SELECTOR, "#postmortem a[href$='/log/']").click()
        visit.wait("return document.querySelector('#log-lines')?.textContent.includes('reading line 499')")
        browser.find_element(By.ID, "q").send_keys("LINE 49", Keys.ENTER)
        visit.wait("return location.search === '?q=LINE+49'")
        lines = browser.find_element(By.ID, "log-lines").text.split("\n")
        assert len(lines) == 11
        assert lines[0].endswith("reading line 49")
        visit.axe()
