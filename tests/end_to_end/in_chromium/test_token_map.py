"""The token map in Chromium: a long hostile document scrolls, the slider boxes and counts, keys go through it."""

from __future__ import annotations

import numpy as np
import pytest
from django.urls import reverse

from tests.end_to_end.chromium import committed
from tests.factories import HOSTILE, make_experiment
from tests.scored_files import BIDI, TEXTS, make_filter_run, whole_choice

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db]

LONG = 250_000
"""Characters of the long document."""
FILLED = "return document.getElementById('token-map').getAttribute('aria-busy') === 'false'"
SHOWN = """
return [...document.querySelectorAll('#token-map .tok[id]')].map((part) =>
  [Number(part.id.slice(1)), part.textContent, part.classList.contains('chosen')]);
"""


@pytest.fixture(scope="module")
def mapped(rows, django_db_blocker):
    """(the run, its training documents)"""
    sentences = (
        f"Step {number}: {HOSTILE if number % 50 == 3 else ''} add {number} é 中 {BIDI}" for number in range(10**6)
    )
    text = ""
    while len(text) < LONG:
        text += next(sentences)

    def make():
        experiment = make_experiment(rows["user"], "Token maps", preset="")
        return make_filter_run(experiment, rows["user"], [("long", text), *TEXTS])

    run, documents = committed(make)
    return run, documents["train"]


def address(run, row, **query):
    return reverse("token_maps:document_detail", args=[run.pk, "train", row], query=query)


def looks_right(visit, document, threshold):
    """What is shown is the document's tokens, boxed where they reach the threshold; returns the first and the last."""
    shown = visit.browser.execute_script(SHOWN)
    data = document.document.text.encode()
    for token, text, is_boxed in shown:
        piece = data[document.byte_offsets[token] : document.byte_offsets[token + 1]]
        if piece.isascii() and piece.decode().isprintable():
            assert text == piece.decode()
        assert all(character.isprintable() or character == "\n" for character in text)
        assert is_boxed == bool(document.entropies[token].astype(np.float64) >= threshold)
    assert len(shown) <= 7000  # whatever the document's length
    return shown[0][0], shown[-1][0]


def scroll(visit, share):
    visit.browser.execute_script(
        "const map = document.getElementById('token-map'); map.scrollTop = arguments[0] * map.scrollHeight", share
    )
    visit.wait("return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))")
    visit.wait(FILLED)


def counts(browser, name):
    cells = (
        f"return [...document.querySelectorAll('[data-counts={name}] [data-level]')].map((cell) => cell.textContent)"
    )
    return [int(text.replace("≈", "").replace(",", "").strip()) for text in browser.execute_script(cells)]


def test_a_long_document_is_scrolled_with_little_in_the_page(visit, mapped):
    run, documents = mapped
    with visit(address(run, 0, keep="threshold", at="0.80")):
        visit.wait(FILLED)
        assert looks_right(visit, documents[0], 0.8)[0] == 0
        visit.axe()
        for share in (0.25, 0.5, 0.9):
            scroll(visit, share)
            first, last = looks_right(visit, documents[0], 0.8)
            middle = (first + last) / 2 / len(documents[0].token_ids)
            assert abs(middle - share) < 0.15
        scroll(visit, 1.0)
        scroll(visit, 1.0)  # what was measured on the way moves the end
        assert looks_right(visit, documents[0], 0.8)[1] == len(documents[0].token_ids) - 1
        visit.picture("token-map-long-light-wide")


def test_the_slider_counts_and_boxes_at_once_and_stands_in_the_address(visit, mapped):
    from selenium.webdriver import Keys
    from selenium.webdriver.common.by import By

    run, documents = mapped
    with visit(address(run, 4, keep="threshold", at="1.00"), "dark", "narrow") as browser:
        visit.wait(FILLED)
        slider = browser.find_element(By.ID, "f-at")
        slider.send_keys(Keys.ARROW_RIGHT * 25)
        assert browser.execute_script("return new URL(location).searchParams.get('at')") == "1.25"
        assert browser.find_element(By.ID, "at-words").text == "1.25 nats"
        looks_right(visit, documents[4], 1.25)
        for name, part in (("document", [documents[4]]), ("split", documents)):
            flat = np.concatenate([document.entropies for document in part])
            flat = flat[np.isfinite(flat)].astype(np.float64)
            kept = flat[flat >= 1.25]
            assert counts(browser, name) == [len(kept), *(int((kept > nats).sum()) for nats in (0.5, 1.0, 1.5))]
        link = browser.find_element(By.ID, "new-run").get_attribute("href")
        assert f"like={run.pk}&keep=threshold&min_entropy_nats=1.25" in link
        visit.axe()
        visit.picture("token-map-slider-dark-narrow")


def test_shares_are_asked_for_and_are_those_of_a_run(visit, mapped):
    from selenium.webdriver.support.select import Select

    run, documents = mapped
    with visit(address(run, 4)) as browser:
        for keep in ("random", "top_share"):
            Select(browser.find_element("id", "f-keep")).select_by_value(keep)
            expected = whole_choice(run, documents, keep=keep, keep_share=0.2)
            visit.until(lambda of=expected: counts(browser, "split")[0] == sum(map(len, of)))
            visit.until(lambda: browser.execute_script(FILLED))
            assert counts(browser, "document")[0] == len(expected[4])
            assert [token for token, _, is_boxed in browser.execute_script(SHOWN) if is_boxed] == expected[4]


def test_the_arrow_keys_go_from_position_to_position_and_enter_opens_one(visit, mapped):
    from selenium.webdriver import ActionChains, Keys

    run, documents = mapped
    entropies = documents[4].entropies
    with visit(address(run, 4, keep="threshold", at="1.50")) as browser:
        visit.wait(FILLED)
        browser.execute_script("document.getElementById('token-map').focus()")
        active = "return document.getElementById('token-map').getAttribute('aria-activedescendant')"
        ActionChains(browser).send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT).perform()
        visit.until(lambda: browser.execute_script(active) == "t2")
        following = next(token for token in range(3, len(entropies)) if entropies[token] >= 1.5)
        ActionChains(browser).send_keys("n").perform()
        visit.until(lambda: browser.execute_script(active) == f"t{following}")
        here = browser.find_element("id", "token-here").text
        assert f"Token {following}" in here
        assert f"{entropies[following]:.3f} nats · hard · highest probability" in here
        ActionChains(browser).send_keys(Keys.ENTER).perform()
        visit.wait(
            "return document.getElementById('position-heading')?.textContent.includes(arguments[0])", f"{following}"
        )
        assert browser.execute_script("return new URL(location).searchParams.get('token')") == f"{following}"
        ActionChains(browser).send_keys("p", Keys.END).perform()
        visit.until(lambda: browser.execute_script(active) == f"t{len(entropies) - 1}")
        visit.axe()
