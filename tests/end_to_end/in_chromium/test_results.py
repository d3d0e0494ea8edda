"""The page of results in Chromium: filters in the address, the reason of a flag by keyboard, a pinned baseline."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest

from tests.end_to_end.pages import PAGES

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db]

MODES = "return [...document.querySelectorAll('.board-table .mode-words')].map((words) => words.textContent)"
CHOOSE = """
const select = document.getElementById("b-mode");
select.value = "standard";
select.dispatchEvent(new Event("change", { bubbles: true }));
"""


def test_rows_are_narrowed_their_flags_say_why_and_one_becomes_the_baseline(visit, rows):
    from selenium.webdriver import ActionChains, Keys

    with visit(PAGES["leaderboard-of-a-set"](rows)) as browser:
        assert browser.execute_script(MODES)[0] == "reasoning"
        browser.execute_script(CHOOSE)
        visit.wait("return location.search.includes('mode=standard')")
        visit.wait("return document.readyState === 'complete'")
        assert set(browser.execute_script(MODES)) == {"standard"}
        browser.execute_script("document.querySelector('.flag summary').focus()")
        ActionChains(browser).send_keys(Keys.ENTER).perform()
        assert "covers the positions only" in browser.execute_script(
            "return document.querySelector('.flag[open] p').innerText"
        )
        browser.execute_script("document.querySelector('.row-actions button[name=row]').click()")
        visit.wait("return document.querySelector('.is-baseline .chip.blue') !== null")
        assert "the team's baseline" in browser.execute_script("return document.querySelector('.board').innerText")


def test_rows_ticked_with_shift_are_compared(visit, rows):
    from selenium.webdriver import ActionChains, Keys
    from selenium.webdriver.common.by import By

    from rpt_web.compare.entries import query_of, read_entries

    with visit(PAGES["leaderboard-of-a-set"](rows)) as browser:
        boxes = browser.find_elements(By.CSS_SELECTOR, "input[data-pick]")
        assert len(boxes) > 2
        words = browser.find_element(By.CSS_SELECTOR, "[data-picked-rows]")
        assert words.text == "the first rows"
        boxes[0].send_keys(Keys.SPACE)
        assert words.text == "the ticked row"
        ActionChains(browser).key_down(Keys.SHIFT).click(boxes[2]).key_up(Keys.SHIFT).perform()
        assert words.text == "the 3 ticked rows"
        visit.picture("leaderboard-ticked-light-wide", all_charts=False)
        picks = [box.get_attribute("value") for box in boxes[:3]]
        browser.find_element(By.CSS_SELECTOR, "form[id^=pick-] button").click()
        visit.wait("return location.pathname === '/compare/'")
        expected = query_of(read_entries(",".join(picks))[0])
        assert browser.current_url.endswith(f"?{urlencode(expected, safe=',@:')}")
