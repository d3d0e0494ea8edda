"""From a point of a chart to the groups that it stands for, to a response, and on along the list."""

from __future__ import annotations

import pytest
from django.urls import reverse

from tests.end_to_end.chromium import committed
from tests.end_to_end.pages import PAGES
from tests.hybrid_runs import analysed

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db]
PLACE_OF_THE_THIRD_POINT = """
const [plot] = arguments, { xaxis, yaxis } = plot._fullLayout, line = plot.data.find((trace) => trace.meta.places);
const { width, height } = plot.getBoundingClientRect();
return [xaxis._offset + xaxis.d2p(line.x[2]) - width / 2, yaxis._offset + yaxis.d2p(line.y[2]) - height / 2];
"""
"""From the middle of the chart."""


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


def test_filters_are_folded_on_a_phone_unless_one_is_set(visit, rows):
    place, seen = reverse("traces:group_list"), "return document.querySelector('#t-run').checkVisibility()"
    summary = "return document.querySelector('.narrow-fold > summary').checkVisibility()"
    with visit(place, width="narrow") as browser:
        assert (browser.execute_script(seen), browser.execute_script(summary)) == (False, True)
        browser.execute_script("document.querySelector('.narrow-fold > summary').click()")
        assert browser.execute_script(seen)
        visit.axe()
    with visit(f"{place}?kind=train", width="narrow") as browser:
        assert browser.execute_script(seen)
    with visit(place) as browser:
        assert (browser.execute_script(seen), browser.execute_script(summary)) == (True, False)


def test_a_point_of_a_result_tables_chart_leads_where_its_number_does(visit, rows):
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.by import By

    from rpt_web.runs.services import create_experiment

    curve, _ = committed(
        lambda: analysed(create_experiment("Hybrid", rows["user"], team=rows["finished"].team))
    )  # fmt: skip
    with visit(reverse("runs:run_evaluations", args=[curve.run_id])) as browser:
        plot = browser.find_element(By.CSS_SELECTOR, ".result-chart[data-leads-on] .plot")
        browser.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", plot)
        visit.wait("return arguments[0].dataset.drawn", plot)
        x, y = browser.execute_script(PLACE_OF_THE_THIRD_POINT, plot)
        ActionChains(browser, duration=50).move_to_element_with_offset(plot, x, y).perform()
        visit.wait("return arguments[0].querySelector('.hoverlayer > *') !== null", plot)
        ActionChains(browser).click().perform()
        visit.wait("return location.pathname.endsWith('/evaluations/0/')")
        assert "tau=" in browser.current_url
        visit.wait("return document.querySelector('.position-table') !== null")
        assert "thinking (reasoning, greedy) only where" in browser.find_element(By.CSS_SELECTOR, ".lede").text


def test_a_list_by_what_reviewers_said_is_searched_by_keyboard_alone(visit, rows):
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.keys import Keys

    def tab_to(browser, selector):
        """Tab on until an element has the focus."""
        for _ in range(300):
            ActionChains(browser).send_keys(Keys.TAB).perform()
            if browser.execute_script("return document.activeElement.matches(arguments[0])", selector):
                return
        raise AssertionError(f"{selector} is not reached")

    with visit(reverse("traces:group_list") + "?reviewer=ada") as browser:
        assert browser.execute_script("return document.querySelector('#t-reviewer').options.length") >= 2
        assert browser.execute_script("return document.querySelector('#t-reviewer').value") == "ada"
        tab_to(browser, "#t-label")
        ActionChains(browser).send_keys("Lucky").perform()
        visit.wait("return location.search.includes('label=thought%3Alucky_guess')")
        visit.wait("return document.querySelector('.counts .facets') !== null")
        assert "reviewed by ada" in browser.execute_script("return document.querySelector('.told').textContent")
        visit.axe()
        browser.execute_script("document.querySelector('.told a').focus()")
        tab_to(browser, ".bulk a[href*='/searches/']")
        ActionChains(browser).send_keys(Keys.ENTER).perform()
        visit.wait("return location.pathname === arguments[0]", reverse("searches:search_list"))
        visit.axe()
        tab_to(browser, "#s-text")
        ActionChains(browser).send_keys("maybe", Keys.ENTER).perform()
        visit.wait("return /^.searches.[0-9]+.$/.test(location.pathname)")
        back = browser.execute_script("return document.querySelector('.lede a').search")
        assert (back.count("reviewer=ada"), back.count("label=thought%3Alucky_guess")) == (1, 1)
