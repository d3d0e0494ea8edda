"""Charts in Chromium: they answer the pointer, are drawn when they come near, and keep their place and drawing."""

from __future__ import annotations

import struct
import zlib

import pytest
from django.urls import reverse

from tests.end_to_end.chromium import WIDTHS, committed, press
from tests.end_to_end.pages import PAGES

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db]

PLOTS = "[...document.querySelectorAll('[data-figure] .plot')].filter((plot) => plot.checkVisibility())"
SHOW_LAST_PLOT = f"const plot = {PLOTS}.at(-1); plot.scrollIntoView({{behavior: 'instant'}}); return plot"


def test_charts_answer_the_pointer_within_the_policy(visit, rows):
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.by import By

    for page in ("run-rpt-curves", "results"):
        with visit(PAGES[page](rows)) as browser:
            for plot in browser.find_elements(By.CSS_SELECTOR, "[data-figure] .plot")[:4]:
                browser.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", plot)
                visit.wait("return arguments[0].dataset.drawn", plot)
                ActionChains(browser, duration=50).move_to_element(plot).move_by_offset(9, 5).perform()
                visit.wait("return arguments[0].querySelector('.hoverlayer > *') !== null", plot)
            visit.picture(f"{page}-hover")


def test_the_ticks_of_a_percent_axis_differ(visit, rows):
    ticks = """
    const [top, done] = arguments, plot = document.querySelector("[data-figure=outcomes] .plot");
    Plotly.restyle(plot, { y: plot.data.map((line) => line.x.map((_, index) => (index % 2) * top)) }).then(() =>
      done([...plot.querySelectorAll(".ytick text")].map((tick) => tick.textContent)));
    """
    with visit(PAGES["run-rpt-curves"](rows)) as browser:
        for top in (1, 0.012, 0.0004):
            found = browser.execute_async_script(ticks, top)
            assert len(set(found)) == len(found) > 2, found


def test_a_chart_is_drawn_when_it_comes_near_and_nothing_moves(visit, rows):
    places = (
        "return [...document.querySelectorAll('[data-figure]')].map("
        "(figure) => Math.round(figure.getBoundingClientRect().top + scrollY))"
    )
    missing = f"return {PLOTS}.filter((plot) => !plot.dataset.drawn).length"
    for page in ("run-rpt-curves", "run-analyse-tables", "results-paper"):
        for width in WIDTHS:
            with visit(PAGES[page](rows), width=width) as browser:
                before = browser.execute_script(places)
                last = browser.execute_script(SHOW_LAST_PLOT)
                visit.wait("return arguments[0].dataset.drawn", last)
                if page == "run-rpt-curves" and width == "narrow":
                    assert browser.execute_script(missing) > 0, "those in between were not near"
                browser.execute_script("window.dispatchEvent(new Event('beforeprint'))")
                assert browser.execute_script(missing) == 0, "on paper, all are there"
                assert browser.execute_script(places) == before


def test_a_chart_far_away_gets_its_theme_and_its_points_when_it_comes_near(visit, live):
    from tests import factories, preset_runs

    def another():
        return preset_runs.running_rpt(live[0].experiment, live[0].created_by, done=4, groups=1)

    run, events = committed(another)
    last_step = f"return {PLOTS}.at(-1).data?.[0].x.at(-1)"
    colour = f"return {PLOTS}.at(-1).layout.font.color"
    ink = "return getComputedStyle(document.documentElement).getPropertyValue('--ink').trim()"
    with visit(reverse("runs:run_curves", args=[run.pk])) as browser:
        light = browser.execute_script(ink)
        assert browser.execute_script(last_step) is None
        browser.execute_script("window.theme.choose('dark')")
        committed(lambda: (preset_runs.rpt_step(run, events, 5, groups=1), factories.record(run)))
        visit.wait("return document.querySelector('[data-live=step]').textContent === '5'")
        assert browser.execute_script(last_step) is None, "still not drawn"
        browser.execute_script(SHOW_LAST_PLOT)
        visit.wait(f"{last_step} === 5")
        assert browser.execute_script(colour) == browser.execute_script(ink) != light

        browser.execute_script("scrollTo({top: 0, behavior: 'instant'})")
        browser.execute_script("window.theme.choose('light')")
        browser.execute_script(SHOW_LAST_PLOT)
        visit.wait(f"{colour} === arguments[0]", light)


def test_a_chart_stays_drawn_while_its_part_of_the_page_is_fetched_anew(visit, live):
    from tests import factories, preset_runs

    def another():
        return preset_runs.running_rpt(live[0].experiment, live[0].created_by, done=4, groups=1)

    run, events = committed(another)
    with visit(reverse("runs:run_curves", args=[run.pk])) as browser:
        browser.execute_script(
            "window.drawing = document.querySelector('[data-figure=reward] .plot .main-svg');"
            "window.part = document.querySelector('#charts');"
        )
        committed(lambda: (preset_runs.rpt_step(run, events, 5, groups=1), factories.record(run)))
        browser.execute_script("htmx.trigger(document.body, 'refresh-charts')")
        visit.wait("return document.querySelector('#charts') !== window.part")
        assert browser.execute_script("return window.drawing.isConnected") is True
        visit.wait("return document.querySelector('[data-figure=reward] .plot').data[0].x.at(-1) === 5")
        assert browser.execute_script("return window.drawing.isConnected") is True


def test_the_camera_of_a_chart_gives_a_file_with_the_chart(visit, rows, tmp_path):
    with visit(PAGES["run-rpt-curves"](rows)) as browser:
        browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
        visit.wait("return document.querySelector('[data-figure=reward] .plot').dataset.drawn")
        press(browser, "[data-figure=reward] .modebar-btn")  # the first one
        file = visit.until(lambda: next(tmp_path.glob("*.png"), None))
    assert file.name == "reward.png"
    width, height, lines = read_png(file.read_bytes())
    assert (width, height) >= (400, 200)
    assert len(set(lines)) > height / 4, "its lines differ: there is something on it"


def read_png(data):
    """Width, height and the lines of a picture as they are stored; checks every part's sum."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    parts, place = [], 8
    while place < len(data):
        length, name = struct.unpack(">I4s", data[place : place + 8])
        body = data[place + 8 : place + 8 + length]
        assert zlib.crc32(name + body) == int.from_bytes(data[place + 8 + length : place + 12 + length], "big")
        parts.append((name, body))
        place += 12 + length
    assert parts[-1][0] == b"IEND"
    width, height, bits, kind = struct.unpack(">IIBB", parts[0][1][:10])
    assert (bits, kind) in ((8, 2), (8, 6)), "true colour"
    pixels = zlib.decompress(b"".join(body for name, body in parts if name == b"IDAT"))
    line = 1 + width * (3 if kind == 2 else 4)
    assert len(pixels) == line * height
    return width, height, [pixels[start : start + line] for start in range(0, len(pixels), line)]


def test_plotly_is_fetched_only_where_a_chart_is(visit, rows):
    fetched = "return performance.getEntriesByType('resource').some(({name}) => name.includes('plotly-cartesian'))"
    for page, has_chart in (
        ("run-rpt-curves", True),
        ("run-rpt", False),
        ("results-empty", False),
        ("run-queued", False),
    ):
        with visit(PAGES[page](rows)) as browser:
            assert browser.execute_script(fetched) is has_chart, page
            assert (browser.execute_script("return document.querySelector('[data-figure]')") is not None) is has_chart
