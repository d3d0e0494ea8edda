"""A report in Chromium: filled from a figure's menu, ordered by keyboard, shared, read offline, withdrawn."""

from __future__ import annotations

import re
import socket

import pytest
from django.conf import settings
from django.urls import reverse

from tests.end_to_end.pages import PAGES

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db]
ORDER = """
return [...document.querySelectorAll('[data-part] h3, [data-part] h2')]
  .filter((head) => !head.closest("dialog")).map((head) => head.textContent.trim())
"""


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
        whole = browser.execute_script("return document.documentElement.outerHTML + document.title").lower()
        people = [rows["user"].username, rows["grace"].username]
        for private in (*people, rows["finished"].team.name, str(settings.RPT_DATA_DIR), socket.gethostname()):
            assert not re.search(rf"(?<!\w){re.escape(private.lower())}(?!\w)", whole), private
        visit.axe()
    with visit(reverse("reports:report_list")) as browser:
        browser.execute_script(
            "[...document.querySelectorAll('a.main-link')].find((a) => a.textContent === 'From a menu').click()"
        )
        visit.wait("return document.querySelector('[data-dialog^=withdraw-]') !== null")
        browser.execute_script("document.querySelector('[data-dialog^=withdraw-]').click()")
        asked = browser.execute_script("return document.querySelector('dialog[open] h2').textContent")
        assert asked == "Withdraw this link?"
        visit.axe()
        browser.execute_script("document.querySelector('dialog[open] .btn-danger').click()")
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


LEFT_OF_A_SHEET = """
const right = document.documentElement.clientWidth;
return [...document.querySelectorAll('.report *')].filter((one) => one.getBoundingClientRect().right > right + 1)
    .map((one) => one.textContent.trim().slice(0, 40));
"""
SCROLLED = """
return [...document.querySelectorAll('.table-wrap')].filter((one) => one.scrollWidth > one.clientWidth + 1
    || one.scrollHeight > one.clientHeight + 1 || getComputedStyle(one).backgroundImage !== 'none').length;
"""


def test_a_wide_table_of_a_report_fits_a_sheet_of_paper(visit, rows, tmp_path):
    path = tmp_path / "wide.html"
    path.write_bytes(wide_report())
    browser = visit.browser
    size = {"width": 680, "height": 1000, "deviceScaleFactor": 1, "mobile": False}  # A4 within its margins
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        browser.get(path.as_uri())
        visit.picture("report-wide", all_charts=False)
        assert browser.execute_script(LEFT_OF_A_SHEET) == []
        assert browser.execute_script(SCROLLED) == 0
        text = browser.execute_script("return document.body.innerText")
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    for place in range(16):
        assert f"Measure {place} with a long title" in text
        assert f"{place}.5 [" in text
    assert text.count("expert-responses-evaluation (28), step 20") == 3  # in each part of the table


def wide_report():
    """A report with a table of 17 columns, 60 rows."""
    from rpt_web.exhibits.exhibit import Exhibit
    from rpt_web.exports import PlainColumn, PlainTable, estimate_cells, estimate_columns
    from rpt_web.reports.content import ShownPart
    from rpt_web.reports.files import html_file

    measures = [estimate_columns(f"m{place}", f"Measure {place} with a long title") for place in range(16)]
    columns = (PlainColumn("run", "Run"), *(column for parts in measures for column in parts))
    cells = {}
    for place in range(16):
        cells |= estimate_cells(f"m{place}", (place + 0.5) / 100, place / 100, (place + 1) / 100, 700)
    rows = [{"run": "expert-responses-evaluation (28), step 20"}, *({"run": f"rpt ({n})"} for n in range(59))]
    table = PlainTable("wide", "Wide", columns, [row | cells for row in rows])
    exhibit = Exhibit("run/1/evaluations", "Wide", "", table, None, [])
    return html_file("Wide", [ShownPart(1, 1, "exhibit", "", "", exhibit=exhibit)], None)
