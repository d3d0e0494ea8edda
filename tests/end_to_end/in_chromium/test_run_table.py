"""The table of runs in Chromium: columns are found and chosen, a condition added, all of it saved as a view."""

from __future__ import annotations

import pytest
from django.urls import reverse

from tests.end_to_end.chromium import committed, press

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db]
TITLES = "return [...document.querySelectorAll('.run-table thead th')].map((head) => head.title).filter(Boolean)"
NAMES = "return [...document.querySelectorAll('#runs .main-link')].map((link) => link.textContent)"
FILL = """
const field = document.querySelector(arguments[0]);
field.value = arguments[1];
field.dispatchEvent(new Event("input", { bubbles: true }));
"""


@pytest.fixture
def no_views_left():
    yield
    from rpt_web.run_table.models import SavedView

    committed(lambda: (SavedView.objects.all().delete(), None))


def test_chosen_columns_and_a_condition_are_saved_as_a_view_and_ticked_runs_are_tagged(visit, rows, no_views_left):
    with visit(f"{reverse('runs:run_table')}?columns=stage,status") as browser:
        assert browser.execute_script(TITLES) == ["stage", "status"]
        press(browser, "details.table-menu:nth-of-type(2) > summary")
        visit.wait("return document.querySelectorAll('#found-columns input').length > 5")
        browser.execute_script(FILL, "#column-search", "reward best")
        box = "#found-columns input[value='metric.reward_mean.best']"
        visit.wait("return Boolean(document.querySelector(arguments[0]))", box)
        press(browser, box)
        visit.wait("return document.querySelectorAll('[data-chosen] li').length === 3")
        press(browser, "[data-chosen] li:last-child button")  # to the left
        visit.axe()
        visit.picture("runs-table-columns-light-wide", all_charts=False)
        press(browser, ".column-chooser + button")
        visit.wait("return location.search.includes('metric.reward_mean.best')")
        assert browser.execute_script(TITLES) == ["stage", "metric.reward_mean.best", "status"]

        browser.execute_script(FILL, "#where-column", "stage")
        browser.execute_script(FILL, "#where-value", "rpt")
        press(browser, "[data-where-form] button[type=submit]")
        visit.wait("return location.search.includes('where=stage%3Drpt')")
        assert set(browser.execute_script(NAMES)) >= {"rpt"}
        assert "base" not in browser.execute_script(NAMES)

        press(browser, "details.table-menu > summary")
        browser.execute_script(FILL, "#view-name", "RPT runs")
        press(browser, "form[action='/runs/views/new'] button")
        visit.wait("return location.search.startsWith('?view=')")
        assert browser.execute_script(TITLES) == ["stage", "metric.reward_mean.best", "status"]
        assert "base" not in browser.execute_script(NAMES)

        press(browser, "input[data-pick]")
        browser.execute_script(FILL, "#bulk-tags", "looked at")
        press(browser, "#bulk button[value=tag]")
        visit.wait("return document.body.textContent.includes('Tagged 1 run')")
        assert browser.execute_script(TITLES) == ["stage", "metric.reward_mean.best", "status"], "the view stays"
    committed(lambda: rows["finished"].runs.model.objects.update(tags=[]))
