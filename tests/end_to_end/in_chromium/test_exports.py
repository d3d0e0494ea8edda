"""A figure leaves its page as PNG and SVG, made there; its CSV has the numbers that are drawn; paper is light."""

from __future__ import annotations

import csv
import io
import struct
from xml.etree import ElementTree

import pytest
from django.urls import reverse

from tests.end_to_end.pages import PAGES

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db]
DRAWN = "return JSON.parse(document.getElementById('figures').textContent)[0]"
FETCH = "const [address, done] = arguments; fetch(address).then((answer) => answer.text()).then(done)"


def export(visit, browser, folder, figure, format_):
    """Press the button of a format in the figure's menu, and read the file that the browser has stored."""
    behaviour = {"behavior": "allow", "downloadPath": str(folder)}
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", behaviour)
    menu = f"[data-figure='{figure}'] .export-menu" if figure != "exhibit" else ".page-actions"
    press = f"""
    const menu = document.querySelector("{menu}");
    if (menu.matches("details")) menu.open = true;
    menu.querySelector("[data-export={format_}]").click();
    """
    browser.execute_script(press)
    path = folder / f"{figure}.{format_}"
    visit.until(lambda: path.exists() and path.stat().st_size > 0)
    return path.read_bytes()


def test_a_figure_is_stored_as_png_and_svg_and_its_csv_has_its_numbers(visit, rows, tmp_path):
    with visit(PAGES["run-rpt-curves"](rows), theme="dark") as browser:
        png = export(visit, browser, tmp_path, "reward", "png")
        assert png[:8] == b"\x89PNG\r\n\x1a\n"
        assert struct.unpack(">II", png[16:24]) == (2000, 1120)
        svg = export(visit, browser, tmp_path, "reward", "svg").decode()
        drawing = ElementTree.fromstring(svg)
        assert drawing.tag == "{http://www.w3.org/2000/svg}svg"
        assert (drawing.get("width"), drawing.get("height")) == ("1000", "560")
        words = "".join(drawing.itertext())
        assert "mean reward" in words
        assert "optimiser step" in words
        assert "fill: rgb(255, 255, 255)" in svg[:400], "a file is light in every theme"
        drawn = browser.execute_script(DRAWN)
        link = browser.execute_script("return document.querySelector('.export-menu a[download]').getAttribute('href')")
        text = browser.execute_async_script(FETCH, link)
    read = list(csv.DictReader(io.StringIO(text, newline="")))
    line = drawn["data"][0]
    assert drawn["id"] == "reward"
    assert [int(row["step"]) for row in read] == line["x"]
    assert [float(row["reward_mean"]) for row in read] == line["y"]


def test_where_a_figure_came_from_is_fetched_when_it_is_unfolded(visit, rows):
    with visit(PAGES["run-rpt-curves"](rows)) as browser:
        browser.execute_script("document.querySelector('[data-figure=reward] .came-from').open = true")
        visit.wait("return document.querySelector('[data-figure=reward] .came-from dl.source') !== null")
        found = browser.execute_script("return document.querySelector('[data-figure=reward] .came-from').textContent")
        assert "Code version" in found
        assert f"{rows['rpt'].pk}, rpt" in " ".join(found.split())
        visit.axe("[data-figure=reward]")
        browser.execute_script("document.querySelector('[data-figure=reward] .export-menu').open = true")
        visit.axe("[data-figure=reward] .export-menu")
        visit.picture("export-menu", all_charts=False)


def test_on_a_phone_each_menu_of_files_can_be_pressed(visit, rows):
    with visit(PAGES["run-rpt-evaluations"](rows), width="narrow") as browser:
        sizes = "return [...document.querySelectorAll('.export-menu > summary')].map((one) => one.offsetWidth)"
        found = browser.execute_script(sizes)
        assert len(found) == 4
        assert min(found) >= 24


def test_paper_is_light_and_without_the_navigation(visit, rows):
    with visit(
        reverse("exhibits:exhibit_detail", args=[f"run/{rows['rpt'].pk}/metric/reward"]), theme="dark"
    ) as browser:
        browser.execute_script("window.dispatchEvent(new Event('beforeprint'))")
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
        try:
            assert browser.execute_script("return document.documentElement.dataset.bsTheme") == "light"
            for hidden in (".topbar", ".page-foot", ".page-actions"):
                assert not browser.execute_script(
                    "return document.querySelector(arguments[0]).checkVisibility()", hidden
                )
            visit.picture("exhibit-print", all_charts=False)
        finally:
            browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
        browser.execute_script("window.dispatchEvent(new Event('afterprint'))")
        assert browser.execute_script("return document.documentElement.dataset.bsTheme") == "dark"
