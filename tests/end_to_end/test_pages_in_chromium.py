"""Every page in headless Chromium, light and dark, wide and narrow: screenshots, and no error of any kind.

A page fails on a console message, a report of the content security policy, a request to another host, or when it is
wider than the window. Screenshots go to ./screenshots (RPT_SCREENSHOT_DIR for another folder). Without Chromium the
tests are skipped; with RPT_REQUIRE_BROWSER=1 they fail then.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta

import pytest
from django.urls import reverse

from tests.end_to_end.chromium import THEMES, WIDTHS, Visitor, chromium, committed, press
from tests.end_to_end.pages import GPU_NODE, PAGES, PUBLIC_PAGES
from tests.web_server import web_server

# The mark makes the test database; the rows are committed before a test's own transaction, which the server cannot see.
pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db]


@pytest.fixture(scope="module")
def browser():
    with chromium() as driver:
        yield driver


@pytest.fixture(scope="module")
def rows(django_db_setup, django_db_blocker, tmp_path_factory):
    """What the pages show: a finished experiment, a failed run, a running one, two nodes."""
    from django.conf import settings
    from django.test import Client

    from rpt_core import doctor
    from rpt_web.runs import nodes
    from rpt_web.runs.models import Experiment, Node
    from rpt_web.teams.models import LoginLink, User
    from tests import factories, preset_runs, suite_runs

    with django_db_blocker.unblock():
        user = factories.make_user("ada")
        finished = preset_runs.finished_experiment(user)
        broken = factories.make_experiment(user, "OmniMATH, first try", preset="", description="Own corpus, R1-Distill")
        failed = preset_runs.failed_run(broken, user)
        running, events = preset_runs.running_rpt(finished, user)
        queued = preset_runs.queued_rpt(finished, user)
        paper = suite_runs.finished_suite(user)
        stopped = suite_runs.stopped_suite(user)
        empty = factories.make_experiment(factories.make_user("grace"), "Seed 1, nothing yet", seed=1)
        preset_runs.put_real_files(finished, tmp_path_factory.mktemp("real"))
        nodes.register("laptop", ["default"], [asdict(found) for found in doctor.examine()])
        nodes.register("gpu-node-1", ["gpu"], GPU_NODE)
        client = Client()
        client.force_login(user)
        yield {
            "session": client.cookies[settings.SESSION_COOKIE_NAME].value,
            "user": user,
            "finished": finished,
            "rpt": finished.runs.get(name="rpt"),
            "filter": finished.runs.get(name="filter"),
            "hostile": preset_runs.hostile_id(),
            "base": finished.runs.get(name="base"),
            "broken": broken,
            "failed": failed,
            "running": running,
            "events": events,
            "queued": queued,
            "paper": paper,
            "stopped": stopped,
            "empty": empty,
            "link": LoginLink.issue(user, timedelta(hours=1)),
        }
        Experiment.objects.all().delete()
        Node.objects.all().delete()
        User.objects.all().delete()


@pytest.fixture(scope="module")
def site(rows):
    """The address of a real web server on these rows."""
    with web_server() as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def visit(browser, site, rows):
    """visit(path, theme, width, anonymous=False) opens a page and waits for its charts; checks run on leaving."""
    return Visitor(browser, site, rows["session"])


CHECKS = [
    ("check-passed", {}, 200),
    ("check-failed", {"sampling.max_response_tokens": "5000"}, 422),
    ("check-verl", {"engine": "verl", "optimiser.schedule": "linear"}, 422),
]


@pytest.mark.parametrize("page", PAGES)
def test_page_looks_right_and_does_nothing_wrong(visit, rows, page):
    path = PAGES[page](rows)
    for theme in THEMES:
        for width in WIDTHS:
            with visit(path, theme, width):
                visit.picture(f"{page}-{theme}-{width}")


@pytest.mark.parametrize("page", PUBLIC_PAGES)
def test_public_page_looks_right_and_does_nothing_wrong(visit, rows, page):
    make_path, status = PUBLIC_PAGES[page]
    for theme in THEMES:
        for width in WIDTHS:
            with visit(make_path(rows), theme, width, anonymous=True, status=status):
                visit.picture(f"{page}-{theme}-{width}")


@pytest.fixture(scope="module")
def live(rows, django_db_blocker):
    """A second, small experiment with an RPT run under way, for tests that change it."""
    from tests import preset_runs

    def make():
        experiment = preset_runs.finished_experiment(rows["user"], "Live", steps=2, groups=1)
        return preset_runs.running_rpt(experiment, rows["user"], done=5, groups=1)

    return committed(make)


def test_a_run_page_follows_its_run_without_a_reload(visit, live):
    from rpt_web.runs.models import Run
    from tests import factories, preset_runs

    run, events = live
    last_step = "return document.querySelector('[data-figure=reward] .plot')?.data[0].x.at(-1) === arguments[0]"
    with visit(reverse("runs:run_detail", args=[run.pk])) as browser:
        browser.execute_script("window.neverReloaded = true")
        visit.wait(last_step, 5)

        def three_steps():
            for step in (6, 7, 8):
                preset_runs.rpt_step(run, events, step, groups=1)
            factories.record(run)

        committed(three_steps)
        visit.wait(last_step, 8)
        visit.wait("return document.querySelector('[data-live=step]').textContent === '8'")

        def end():
            events.emit("finished", result={"steps": 8})
            factories.end_run(Run.objects.get(pk=run.pk), events)

        committed(end)
        visit.wait("return document.querySelector('#state h1 + .chip').textContent.trim() === 'Succeeded'")
        visit.wait("return document.querySelector('#events').textContent.includes('Finished')")
        visit.wait("return document.querySelector('#charts').dataset.runStream === ''")
        assert browser.execute_script("return window.neverReloaded") is True


def test_the_head_of_a_live_page_goes_on_by_itself(visit, live):
    from rpt_web.runs.templatetags import show
    from tests import factories, preset_runs

    def another():
        queued = preset_runs.queued_rpt(live[0].experiment, live[0].created_by)
        return factories.start_run(queued, timedelta(seconds=100))

    run, events = committed(another)
    with visit(reverse("runs:run_detail", args=[run.pk])) as browser:
        browser.execute_script("window.neverReloaded = true")
        time = "return document.querySelector('#state [data-ticks]').textContent"
        before = browser.execute_script(time)
        assert before.startswith("1 min 4")
        visit.wait(f"{time} !== arguments[0]", before)

        assert browser.execute_script("return document.querySelector('#state a[href$=\"/rollouts/\"]')") is None
        committed(lambda: (preset_runs.rpt_step(run, events, 1, groups=1), factories.record(run)))
        visit.wait("return document.querySelector('#state a[href$=\"/rollouts/\"]') !== null")

        in_words = (
            "const place = document.createElement('span'); place.dataset.ticks = arguments[0];"
            "document.querySelector('#state').append(place);"
            "return new Promise((done) => setTimeout(() => done(place.textContent), 1100))"
        )
        for seconds in (30, 59.5, 3599, 7325, 86_399, 200_000):  # written as the server would a second or two later
            later = {show.duration(seconds + more / 10) for more in range(25)}
            assert browser.execute_script(in_words, seconds) in later
        assert browser.execute_script("return window.neverReloaded") is True


def test_the_sums_of_an_experiment_go_on_with_its_runs(visit, live):
    from tests import preset_runs

    committed(lambda: preset_runs.running_rpt(live[0].experiment, live[0].created_by, done=1, groups=1))
    with visit(reverse("runs:experiment_detail", args=[live[0].experiment.pk])) as browser:
        time = "return document.querySelector('#totals').innerText.match(/Time in runs\\s+(.*)/)[1]"
        before = browser.execute_script(time)
        visit.wait(f"{time} !== arguments[0]", before)
        assert browser.execute_script("return document.querySelectorAll('.tiles').length") == 1


def test_a_live_page_goes_on_when_the_browser_comes_back_to_it(visit, live):
    from tests import factories, preset_runs

    def another():
        return preset_runs.running_rpt(live[0].experiment, live[0].created_by, done=2, groups=1)

    run, events = committed(another)
    with visit(reverse("runs:run_detail", args=[run.pk])) as browser:
        browser.execute_script("window.dispatchEvent(new PageTransitionEvent('pagehide', {persisted: true}))")
        committed(lambda: (preset_runs.rpt_step(run, events, 3, groups=1), factories.record(run)))
        browser.execute_script("window.dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
        visit.wait("return document.querySelector('[data-live=step]').textContent === '3'")


def test_cancelling_asks_first(visit, live):
    from tests import preset_runs

    def another():
        return preset_runs.running_rpt(live[0].experiment, live[0].created_by, done=2, groups=1)[0]

    run = committed(another)
    with visit(reverse("runs:run_detail", args=[run.pk]), width="narrow") as browser:
        press(browser, "[data-dialog=cancel-dialog]")
        visit.wait("return document.getElementById('cancel-dialog').open")
        visit.picture("cancel-dialog-light-narrow")
        press(browser, "#cancel-dialog [data-dialog-close]")
        visit.wait("return !document.getElementById('cancel-dialog').open")
        press(browser, "[data-dialog=cancel-dialog]")
        press(browser, "#cancel-dialog .btn-danger")
        visit.wait("return document.querySelector('#state h1 + .chip')?.textContent.trim() === 'Cancelling'")


def test_charts_answer_the_pointer_within_the_policy(visit, rows):
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.by import By

    for page in ("run-rpt", "results"):
        with visit(PAGES[page](rows)) as browser:
            for plot in browser.find_elements(By.CSS_SELECTOR, "[data-figure] .plot")[:4]:
                browser.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", plot)
                visit.wait("return arguments[0].dataset.drawn", plot)
                ActionChains(browser, duration=50).move_to_element(plot).move_by_offset(9, 5).perform()
                visit.wait("return arguments[0].querySelector('.hoverlayer > *') !== null", plot)
            visit.picture(f"{page}-hover")


PLOTS = "[...document.querySelectorAll('[data-figure] .plot')]"
SHOW_LAST_PLOT = f"const plot = {PLOTS}.at(-1); plot.scrollIntoView({{behavior: 'instant'}}); return plot"


def test_the_ticks_of_a_percent_axis_differ(visit, rows):
    ticks = """
    const [top, done] = arguments, plot = document.querySelector("[data-figure=outcomes] .plot");
    Plotly.restyle(plot, { y: plot.data.map((line) => line.x.map((_, index) => (index % 2) * top)) }).then(() =>
      done([...plot.querySelectorAll(".ytick text")].map((tick) => tick.textContent)));
    """
    with visit(reverse("runs:run_detail", args=[rows["rpt"].pk])) as browser:
        for top in (1, 0.012, 0.0004):
            found = browser.execute_async_script(ticks, top)
            assert len(set(found)) == len(found) > 2, found


def test_a_chart_is_drawn_when_it_comes_near_and_nothing_moves(visit, rows):
    places = (
        "return [...document.querySelectorAll('[data-figure]')].map("
        "(figure) => Math.round(figure.getBoundingClientRect().top + scrollY))"
    )
    missing = f"return {PLOTS}.filter((plot) => !plot.dataset.drawn).length"
    for page in ("run-rpt", "run-analyse", "results-paper"):
        for width in WIDTHS:
            with visit(PAGES[page](rows), width=width) as browser:
                before = browser.execute_script(places)
                last = browser.execute_script(SHOW_LAST_PLOT)
                visit.wait("return arguments[0].dataset.drawn", last)
                if page == "run-rpt":
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
    with visit(reverse("runs:run_detail", args=[run.pk])) as browser:
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
    with visit(reverse("runs:run_detail", args=[run.pk])) as browser:
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


def test_the_theme_is_switched_by_hand_and_remembered(visit, rows):
    with visit(PAGES["run-rpt"](rows)) as browser:
        ink = "return document.querySelector('[data-figure=reward] .plot').layout.font.color"
        before = browser.execute_script(ink)
        press(browser, "details.menu summary")
        visit.picture("menu-light-wide")
        press(browser, "[data-theme-choice=dark]")
        visit.wait("return document.documentElement.dataset.bsTheme === 'dark'")
        visit.wait(
            "return document.querySelector('[data-figure=reward] .plot').layout.font.color !== arguments[0]", before
        )
        assert browser.execute_script("return localStorage.getItem('theme')") == "dark"


def test_a_login_link_logs_in_by_its_button(visit, rows):
    from rpt_web.teams.models import LoginLink

    secret = committed(lambda: LoginLink.issue(rows["user"], timedelta(hours=1)))
    with visit(reverse("teams:login_link", args=[secret]), anonymous=True) as browser:
        press(browser, "button[type=submit]")
        visit.wait("return document.querySelector('h1')?.textContent === 'Experiments'")


def test_wrong_settings_are_marked_on_their_fields_and_kept(visit, rows):
    from selenium.webdriver.common.by import By

    with visit(PAGES["run-new"](rows), status=422) as browser:
        field = browser.find_element(By.NAME, "optimiser.learning_rate")
        field.clear()
        field.send_keys("quick")
        press(browser, "form[method=post] .card-foot button")
        visit.wait("return document.querySelector('.field.wrong .errors')?.textContent.includes('Give a number.')")
        assert browser.find_element(By.NAME, "optimiser.learning_rate").get_attribute("value") == "quick"
        for theme in THEMES:
            browser.execute_script("window.theme.choose(arguments[0])", theme)
            visit.picture(f"run-new-errors-{theme}-wide")
        browser.get_log("browser")  # Chromium reports the answer's status, which is meant


def test_rows_beyond_the_first_are_shown_on_request(visit, rows):
    shown = "return [...document.querySelectorAll('.more-row')].filter((row) => row.offsetParent !== null).length"
    with visit(PAGES["run-analyse"](rows)) as browser:
        assert browser.execute_script(shown) == 0
        press(browser, ".more-rows summary")
        assert browser.execute_script(shown) == 10  # of the first long table only


def test_a_wide_table_scrolls_in_its_own_place_by_keyboard_too(visit, rows):
    from selenium.webdriver import ActionChains, Keys

    with visit(PAGES["run-analyse"](rows), width="narrow") as browser:
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
    with visit(PAGES["run-analyse"](rows), theme, "narrow") as browser:
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


def test_the_bar_keeps_to_one_line_on_a_narrow_screen(visit, rows):
    for page in ("experiments", "run-new", "suite-new", "nodes"):
        with visit(PAGES[page](rows), width="narrow") as browser:
            heights = "return [...document.querySelectorAll('.topnav a')].map((link) => link.offsetHeight)"
            assert len(set(browser.execute_script(heights))) == 1
            assert max(browser.execute_script(heights)) < 40
            hidden = "const bar = document.querySelector('.topnav'); return bar.scrollWidth - bar.clientWidth"
            assert browser.execute_script(hidden) <= 0


@pytest.mark.parametrize("width", WIDTHS)
def test_the_search_box_and_its_button_stand_in_line_and_apart(visit, rows, width):
    with visit(PAGES["experiments"](rows), width=width) as browser:
        boxes = "return ['#q', '.filters .btn'].map((s) => document.querySelector(s).getBoundingClientRect().toJSON())"
        field, button = browser.execute_script(boxes)
        assert (field["top"], field["bottom"]) == (button["top"], button["bottom"])
        assert field["right"] < button["left"]


@pytest.mark.parametrize("width", WIDTHS)
def test_no_cell_of_a_list_runs_over_the_next(visit, rows, width):
    over = (
        "return [...document.querySelectorAll('td, tbody th')]"
        ".filter((cell) => cell.scrollWidth > cell.clientWidth + 1).map((cell) => cell.textContent)"
    )
    for page in ("experiments", "experiment", "rollouts-all", "suite-new", "results"):
        with visit(PAGES[page](rows), width=width) as browser:
            assert browser.execute_script(over) == [], page


@pytest.mark.parametrize(("name", "settings", "status"), CHECKS)
def test_the_report_of_a_check_looks_right(visit, rows, name, settings, status):
    from selenium.webdriver.common.by import By

    address = reverse("runs:run_new") + f"?preset=tiny&run=rpt&experiment={rows['finished'].pk}"
    for theme in THEMES:
        for width in WIDTHS:
            with visit(address, theme, width, status=status) as browser:
                set_value = "document.getElementsByName(arguments[0])[0].value = arguments[1]"
                for field, value in settings.items():
                    browser.execute_script(set_value, field, value)
                press(browser, "button[name=check]")
                visit.wait("return document.querySelector('#checked .note') !== null")
                assert ("Nothing speaks against" in browser.find_element(By.ID, "checked").text) is (status == 200)
                visit.picture(f"{name}-{theme}-{width}")


def test_result_tables_appear_when_the_stage_writes_them(visit, live):
    from rpt_core.result_tables import emit_table
    from rpt_core.run_dir import RunDir
    from tests import factories, preset_runs
    from tests.played_tables import played_tables

    def another():
        return preset_runs.running_rpt(live[0].experiment, live[0].created_by, done=3, groups=1)

    run, events = committed(another)
    with visit(reverse("runs:run_detail", args=[run.pk])) as browser:
        assert browser.execute_script("return document.querySelector('#tables').hasAttribute('data-empty')")
        browser.execute_script("window.neverReloaded = true")

        def one_table_and_one_step():
            preset_runs.rpt_step(run, events, 4, groups=1)
            emit_table(RunDir(run.directory), events, played_tables("templates")[0])
            factories.record(run)

        committed(one_table_and_one_step)
        visit.wait("return document.querySelector('#tables .result-table .plot')?.dataset.drawn")
        visit.wait("return document.querySelector('[data-figure=reward] .plot').data[0].x.at(-1) === 4")
        assert browser.execute_script("return window.neverReloaded") is True


def test_a_suite_is_submitted_by_one_button(visit, rows):
    from selenium.webdriver.common.by import By

    with visit(PAGES["suite-new"](rows) + "?preset=tiny") as browser:
        name = browser.find_element(By.NAME, "name")
        name.clear()
        name.send_keys("From the browser")
        press(browser, "form[method=post] .card-foot button")
        visit.wait("return document.querySelector('h1')?.textContent === 'From the browser'")
        assert browser.execute_script("return document.querySelectorAll('#runs tbody tr').length") == 10


def test_filters_of_rollouts_stand_in_the_address(visit, rows):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import Select

    with visit(PAGES["rollouts"](rows)) as browser:
        Select(browser.find_element(By.NAME, "reason")).select_by_value("not_on_boundary")
        visit.wait("return location.search.includes('reason=not_on_boundary')")
        visit.wait(
            "const chips = [...document.querySelectorAll('#rollouts td[data-label=Reward]')];"
            "return chips.length > 0 && chips.every((chip) => chip.textContent.includes('not on a boundary'))"
        )


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


@pytest.mark.parametrize("theme", THEMES)
def test_cells_that_stay_in_place_do_not_hide_that_a_table_goes_on(visit, rows, theme):
    def edges(browser, table, left):
        return browser.execute_async_script(SHADED_EDGES, table, left)

    with visit(PAGES["run-analyse"](rows), theme, "narrow") as browser:
        table = ".result-table .table-wrap"
        assert [edges(browser, table, left)[:2] for left in (0, 60, 9999)] == [
            [False, True],
            [True, True],
            [True, False],
        ]
    with visit(PAGES["rollout-match"](rows), theme, "narrow") as browser:
        assert [edges(browser, ".table-wrap", left)[2] for left in (0, 60)] == [False, True]
