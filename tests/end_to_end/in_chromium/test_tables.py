"""Tables and lists in Chromium: rows on request, cells that fit, and wide tables that scroll and say so."""

from __future__ import annotations

import pytest

from tests.end_to_end.chromium import THEMES, WIDTHS, press
from tests.end_to_end.pages import PAGES

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db]

SHADED_EDGES = """
const [wrap] = [...document.querySelectorAll(arguments[0])].filter((found) => found.scrollWidth > found.clientWidth);
wrap.scrollLeft = arguments[1];
const done = arguments[arguments.length - 1];
requestAnimationFrame(() => requestAnimationFrame(() => {
  const heads = [...wrap.querySelectorAll("thead th")];
  const shaded = (edge) => heads.some((head) => getComputedStyle(head, edge).opacity === "1");
  const first = wrap.querySelector("tbody th");
  const lifted = first && !/^none|rgba\\(0, 0, 0, 0\\)/.test(getComputedStyle(first).boxShadow);
  done([shaded("::before"), shaded("::after"), lifted]);
}));
"""


def test_rows_beyond_the_first_are_shown_on_request(visit, rows):
    shown = "return [...document.querySelectorAll('.more-row')].filter((row) => row.offsetParent !== null).length"
    with visit(PAGES["run-analyse-tables"](rows)) as browser:
        assert browser.execute_script(shown) == 0
        press(browser, ".more-rows summary")
        assert browser.execute_script(shown) == 10  # of the first long table only


@pytest.mark.parametrize("width", WIDTHS)
def test_what_stands_in_a_cell_of_accuracies_keeps_to_it(visit, rows, width):
    """The longest that can: an interval, its n, and a share of responses without a box."""
    wider = """
    const cells = [...document.querySelectorAll(".table-1 .interval")];
    for (const cell of cells) cell.textContent = "40.0 to 47.3 · n 1,700 · no box 96.3 %";
    return [cells.length, cells.filter((cell) => cell.scrollWidth > cell.clientWidth).length];
    """
    with visit(PAGES["results-paper"](rows), width=width) as browser:
        found, too_wide = browser.execute_script(wider)
        assert found > 0
        assert too_wide == 0


def test_a_wide_table_scrolls_in_its_own_place_by_keyboard_too(visit, rows):
    from selenium.webdriver import ActionChains, Keys

    with visit(PAGES["run-analyse-tables"](rows), width="narrow") as browser:
        table = browser.execute_script(
            "return [...document.querySelectorAll('#tables .table-wrap')].find((e) => e.scrollWidth > e.clientWidth)"
        )
        assert table.accessible_name == "Paired comparisons"
        browser.execute_script("arguments[0].focus()", table)
        ActionChains(browser).send_keys(Keys.ARROW_RIGHT).perform()
        visit.wait("return arguments[0].scrollLeft > 0", table)


@pytest.mark.parametrize("theme", THEMES)
def test_a_shade_tells_where_a_table_goes_on(visit, rows, theme):
    """The edge of a row without text: shaded while columns are hidden there, and plain at the end."""
    with visit(PAGES["run-analyse-tables"](rows), theme, "narrow") as browser:
        table = browser.execute_script(
            "return [...document.querySelectorAll('#tables .table-wrap')].find((e) => e.scrollWidth > e.clientWidth)"
        )
        browser.execute_script(
            "arguments[0].querySelectorAll('td').forEach((cell) => cell.replaceChildren('–'));"
            "arguments[0].scrollIntoView({block: 'center', behavior: 'instant'});"
            "arguments[0].querySelector('table').style.minWidth = '700px'",
            table,
        )

        def edge(place):
            browser.execute_async_script(  # the shade follows the scrolling a frame later
                "arguments[0].scrollLeft = arguments[1];"
                "requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(arguments[2], 100)))",
                table,
                place,
            )
            right, middle = browser.execute_script(
                "const box = arguments[0].getBoundingClientRect();"
                "return [box.right + scrollX, (box.top + box.bottom) / 2 + scrollY]",
                table,
            )
            strip = {"x": right - 6, "y": middle, "width": 5, "height": 4, "scale": 1}
            return browser.execute_cdp_cmd("Page.captureScreenshot", {"clip": strip, "format": "png"})["data"]

        assert edge(0) != edge(10_000)


@pytest.mark.parametrize("theme", THEMES)
def test_cells_that_stay_in_place_do_not_hide_that_a_table_goes_on(visit, rows, theme):
    def edges(browser, table, left):
        return browser.execute_async_script(SHADED_EDGES, table, left)

    with visit(PAGES["run-analyse-tables"](rows), theme, "narrow") as browser:
        table = ".result-table .table-wrap"
        assert [edges(browser, table, left)[:2] for left in (0, 60, 9999)] == [
            [False, True],
            [True, True],
            [True, False],
        ]
    with visit(PAGES["rollout-match"](rows), theme, "narrow") as browser:
        assert [edges(browser, ".table-wrap", left)[2] for left in (0, 60)] == [False, True]


@pytest.mark.parametrize("width", WIDTHS)
def test_no_cell_of_a_list_runs_over_the_next(visit, rows, width):
    over = (
        "return [...document.querySelectorAll('td, tbody th')]"
        ".filter((cell) => cell.scrollWidth > cell.clientWidth + 1).map((cell) => cell.textContent)"
    )
    for page in ("experiments", "experiment", "rollouts-all", "suite-new", "results"):
        with visit(PAGES[page](rows), width=width) as browser:
            assert browser.execute_script(over) == [], page
