"""From a point of a chart to the groups that it stands for, to a response, and on along the list."""

from __future__ import annotations

import pytest

from tests.end_to_end.pages import PAGES

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db]


def test_a_point_of_a_chart_leads_to_its_groups_and_these_to_one_another(visit, rows):
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.by import By

    run = rows["rpt"].pk
    with visit(PAGES["run-rpt-curves"](rows)) as browser:
        plot = browser.find_element(By.CSS_SELECTOR, "[data-figure=outcomes] .plot")
        browser.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", plot)
        visit.wait("return arguments[0].dataset.drawn", plot)
        ActionChains(browser, duration=50).move_to_element(plot).perform()
        visit.wait("return arguments[0].querySelector('.hoverlayer > *') !== null", plot)
        ActionChains(browser).click().perform()
        visit.wait("return location.pathname === '/traces/'")
        query = browser.execute_script("return Object.fromEntries(new URLSearchParams(location.search))")
        assert (query["run"], query["kind"], query["step_from"]) == (str(run), "train", query["step_to"])
        visit.wait("return document.querySelector('.counts .facets') !== null")
        browser.get(browser.current_url.partition("?")[0] + f"?run={run}&order=step")
        links = "return [...document.querySelectorAll('.group-name .main-link')].map((link) => link.pathname)"
        first, second = browser.execute_script(links)[:2]
        browser.execute_script("document.querySelector('.group-name .main-link').click()")
        visit.wait("return document.querySelector('.walk a[data-key]') !== null")
        assert browser.execute_script("return location.pathname") == first
        ActionChains(browser).send_keys("]").perform()
        visit.wait("return location.pathname === arguments[0]", second)
        visit.wait("return document.querySelector('.walk a[data-key=\"[\"]') !== null")
        visit.axe()
