"""Every page in headless Chromium, light and dark, wide and narrow: no error of any kind.

A page fails on a console message, a report of the content security policy, a request to another host, on anything that
axe-core finds, or when it is wider than the window. RPT_SCREENSHOT_DIR names a folder for screenshots; each page then
has its picture in both themes at both widths. Without Chromium the tests are skipped; with
RPT_REQUIRE_BROWSER=1 they fail then. All but axe-core holds for each visit in the modules beside.
"""

from __future__ import annotations

import pytest

from tests.end_to_end.chromium import SCREENSHOTS, THEMES, WIDTHS, press
from tests.end_to_end.pages import PAGES, PUBLIC_PAGES

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db]

LOOKED_AT = (("light", "wide"), ("dark", "narrow"))
"""Where axe-core looks at each page: once in each theme and at each width, since it takes a second."""


def look_at(visit, page, path, **options):
    """Open a page where it is looked at, and switch to the other theme from there."""
    for theme, width in LOOKED_AT:
        with visit(path, theme, width, **options):
            visit.axe()
            visit.picture(f"{page}-{theme}-{width}")
            [other] = set(THEMES) - {theme}
            visit.switch(other)
            if SCREENSHOTS is not None:  # drawing all charts of a run once more takes seconds
                visit.picture(f"{page}-{other}-{width}")


@pytest.mark.parametrize("page", PAGES)
def test_page_looks_right_and_does_nothing_wrong(visit, rows, page):
    look_at(visit, page, PAGES[page](rows))


@pytest.mark.parametrize("page", PUBLIC_PAGES)
def test_public_page_looks_right_and_does_nothing_wrong(visit, rows, page):
    make_path, status = PUBLIC_PAGES[page]
    look_at(visit, page, make_path(rows), anonymous=True, status=status)


def test_the_theme_is_switched_by_hand_and_remembered(visit, rows):
    with visit(PAGES["run-rpt-curves"](rows)) as browser:
        ink = "return document.querySelector('[data-figure=reward] .plot').layout.font.color"
        before = browser.execute_script(ink)
        press(browser, "details.menu summary")
        visit.axe("details.menu")  # open, it lies over what is below it
        visit.picture("menu-light-wide", all_charts=False)
        press(browser, "[data-theme-choice=dark]")
        visit.wait("return document.documentElement.dataset.bsTheme === 'dark'")
        visit.wait(
            "return document.querySelector('[data-figure=reward] .plot').layout.font.color !== arguments[0]", before
        )
        assert browser.execute_script("return localStorage.getItem('theme')") == "dark"


@pytest.mark.parametrize("theme", THEMES)
def test_on_a_narrow_screen_a_button_opens_the_links_by_keyboard_alone(visit, rows, theme):
    from selenium.webdriver import ActionChains, Keys

    is_open = "return document.getElementById('pages').matches(':popover-open')"
    seen = "return [...document.querySelectorAll('.topnav a')].filter((link) => link.checkVisibility()).length"
    with visit(PAGES["nodes"](rows), theme, "narrow") as browser:
        assert browser.execute_script("return document.querySelector('.topbar').offsetHeight") < 60, "one line"
        assert browser.execute_script(seen) == 0
        browser.execute_script("document.querySelector('.bar-menu').focus()")
        ActionChains(browser).send_keys(Keys.ENTER).perform()
        assert browser.execute_script(seen) >= 7
        visit.axe()
        visit.picture(f"links-{theme}-narrow")
        ActionChains(browser).send_keys(Keys.ESCAPE).perform()
        assert not browser.execute_script(is_open)
        assert browser.execute_script("return document.activeElement.className").endswith("bar-menu")
        ActionChains(browser).send_keys(Keys.SPACE, Keys.TAB, Keys.TAB, Keys.ENTER).perform()
        visit.wait("return location.pathname === arguments[0]", PAGES["compare"](rows))


@pytest.mark.parametrize("width", WIDTHS)
def test_both_bars_stay_at_the_top_of_a_long_page(visit, rows, width):
    with visit(PAGES["run-rpt-curves"](rows), width=width) as browser:
        browser.execute_script("window.scrollTo({top: 0.8 * document.body.scrollHeight, behavior: 'instant'})")
        top, below, next_top = browser.execute_script(
            "const [bar, jump] = ['.topbar', '.tabs'].map((name) => document.querySelector(name));"
            "const place = bar.getBoundingClientRect();"
            "return [place.top, place.bottom, jump.getBoundingClientRect().top]"
        )
        assert top == 0
        assert abs(next_top - below) <= 1


@pytest.mark.parametrize("theme", THEMES)
def test_the_first_key_of_the_keyboard_shows_a_link_to_the_content(visit, rows, theme):
    from selenium.webdriver import ActionChains, Keys

    with visit(PAGES["experiments"](rows), theme) as browser:
        ActionChains(browser).send_keys(Keys.TAB).perform()
        assert browser.execute_script("return document.activeElement.className") == "skip-link"
        visit.wait("return document.querySelector('.skip-link').getBoundingClientRect().top >= 0")
        link, bar, body = browser.execute_script(
            "return [document.activeElement, document.querySelector('.topbar'), document.body].map((element) =>"
            "(({color, backgroundColor}) => [color, backgroundColor])(getComputedStyle(element)))"
        )
        assert link == [body[0], bar[1]], "the ink of the page on the ground of the bar"
        visit.picture(f"skip-link-{theme}-wide")
