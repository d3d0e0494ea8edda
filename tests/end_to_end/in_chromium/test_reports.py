"""A report in Chromium: filled from a figure's menu, ordered by keyboard, shared, read offline, withdrawn."""

from __future__ import annotations

import pytest
from django.urls import reverse

from tests.end_to_end.pages import PAGES

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db]
ORDER = "return [...document.querySelectorAll('[data-part] h3, [data-part] h2')].map((head) => head.textContent.trim())"


def test_a_report_is_filled_ordered_shared_and_withdrawn(visit, rows):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    with visit(PAGES["run-rpt-curves"](rows)) as browser:
        add = (
            "return [...document.querySelectorAll('.export-menu a')].find((a) => a.textContent.includes('Add to')).href"
        )
        address = browser.execute_script(add)
        browser.get(address)
        browser.find_element(By.NAME, "title").send_keys("From a menu", Keys.ENTER)
        visit.wait("return document.querySelector('[data-figure=part-1] .plot')?.dataset.drawn")
        browser.find_element(By.ID, "new-text").send_keys("# Below it\n\nSome words.")
        browser.execute_script("document.querySelector('#new-text').form.requestSubmit()")
        visit.wait("return document.querySelectorAll('[data-part]').length === 2")
        first = browser.execute_script(ORDER)
        assert len(first) == 2
        browser.find_element(By.ID, "part-of-2").send_keys(Keys.ALT, Keys.ARROW_UP)
        visit.wait("return document.activeElement.id === 'part-of-1'")
        assert browser.execute_script(ORDER) == first[::-1]
        browser.execute_script("document.querySelector('[name=anonymous]').click()")
        browser.execute_script("document.querySelector('[name=days]').form.requestSubmit()")
        link = visit.wait("return document.querySelector('#fresh-link')?.textContent")
        place = link.removeprefix(visit.site)
    with visit(place, anonymous=True, width="narrow") as browser:
        visit.draw_all()
        assert "Some words." in browser.execute_script("return document.body.textContent")
        visit.axe()
    with visit(reverse("reports:report_list")) as browser:
        browser.execute_script(
            "[...document.querySelectorAll('a.main-link')].find((a) => a.textContent === 'From a menu').click()"
        )
        visit.wait("return document.querySelector('form[action$=withdraw] button') !== null")
        browser.execute_script("document.querySelector('form[action$=withdraw] button').click()")
        visit.wait("return document.querySelector('.note.green') !== null")
    with visit(place, anonymous=True, status=404) as browser:
        assert "leads nowhere" in browser.execute_script("return document.body.textContent")


def test_the_html_file_draws_its_figures_without_a_server(visit, rows, tmp_path):
    from rpt_web.reports.content import shown_parts
    from rpt_web.reports.files import html_file

    path = tmp_path / "report.html"
    path.write_bytes(html_file("RPT on cards", shown_parts(rows["report"]), None))
    browser = visit.browser
    browser.get_log("performance")
    browser.get(path.as_uri())
    visit.wait("return document.querySelector('[data-figure=part-2] .plot')?.dataset.drawn")
    assert browser.execute_script("return document.querySelectorAll('.plot .scatterlayer path').length") > 0
    said = [entry["message"] for entry in browser.get_log("performance")]
    assert not [message for message in said if "requestWillBeSent" in message and '"url":"http' in message]
    visit.picture("report-file", all_charts=False)
