"""Pages of runs under way in Chromium: they follow what is recorded without a reload, and a run is cancelled there."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse

from tests.end_to_end.chromium import THEMES, committed, press

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db]


def test_every_tab_follows_its_run_without_a_reload(visit, live):
    from rpt_web.runs.models import Run
    from tests import factories, preset_runs

    def three_steps(first):
        for step in range(first, first + 3):
            preset_runs.rpt_step(run, events, step, groups=1)
        factories.record(run)

    run, events = live
    last_step = "return document.querySelector('[data-figure=%s] .plot')?.data?.[0].x.at(-1) === arguments[0]"
    fetched = "return performance.getEntriesByType('resource').some(({name}) => /(curves|monitors)\\/$/.test(name))"
    for tab, figure, first in (("run_curves", "reward", 6), ("run_monitors", "form", 9)):
        with visit(reverse(f"runs:{tab}", args=[run.pk])) as browser:
            browser.execute_script("window.neverReloaded = true")
            visit.wait(last_step % figure, first - 1)
            committed(lambda first=first: three_steps(first))
            visit.wait(last_step % figure, first + 2)
            visit.wait("return document.querySelector('[data-live=step]').textContent === arguments[0]", str(first + 2))
            assert browser.execute_script(fetched) is False, "points come by the stream alone"
            assert browser.execute_script("return window.neverReloaded") is True

    with visit(reverse("runs:run_detail", args=[run.pk])) as browser:
        browser.execute_script("window.neverReloaded = true")

        def end():
            events.emit("finished", result={"steps": 11})
            factories.end_run(Run.objects.get(pk=run.pk), events)

        committed(end)
        visit.wait("return document.querySelector('#state h1 + .chip').textContent.trim() === 'Succeeded'")
        visit.wait("return document.querySelector('#records').textContent.includes('Finished')")
        visit.wait("return document.querySelector('#state').dataset.isLive === undefined")
        assert browser.execute_script("return window.neverReloaded") is True


def test_what_is_folded_stays_so_and_addresses_of_old_lead_on(visit, rows):
    with visit(reverse("runs:run_curves", args=[rows["rpt"].pk])) as browser:
        press(browser, "[data-fold=Learning] summary")
        browser.execute_script(
            "window.part = document.querySelector('#charts'); htmx.trigger(document.body, 'refresh-charts')"
        )
        visit.wait("return document.querySelector('#charts') !== window.part")
        assert browser.execute_script("return document.querySelector('[data-fold=Learning]').open") is False
    with visit(reverse("runs:run_detail", args=[rows["rpt"].pk]) + "#config-section"):
        visit.wait("return location.pathname.endsWith('/config/')")


def test_a_time_that_goes_on_is_written_as_one_that_is_over(visit, live):
    from rpt_web.numbers import duration

    seconds = [0, 0.04, 0.05, 0.25, 0.349, 8.449, 9.949, 9.95, 9.97, 10.5, 11.5, 59.4, 59.5, 60, 60.5, 61.5, 119.7]
    seconds += [192, 3599.4, 3599.5, 3600, 7500, 86399.4, 86399.5, 86400, 180_000, 31_557_600.5]
    with visit(reverse("runs:run_detail", args=[live[0].pk])) as browser:
        written = browser.execute_script("return arguments[0].map(inWords.duration)", seconds)
    assert written == [duration(value) for value in seconds]


def test_the_head_of_a_live_page_goes_on_by_itself(visit, live):
    from rpt_web.pages.templatetags import show
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

        committed(lambda: (preset_runs.rpt_step(run, events, 1, groups=1), factories.record(run)))
        visit.wait("return document.querySelector('#state').dataset.stateKey.includes('rollouts')")

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
    with visit(reverse("experiments:experiment_detail", args=[live[0].experiment.pk])) as browser:
        time = "return document.querySelector('#totals').innerText.match(/Time in runs\\s+(.*)/)[1]"
        before = browser.execute_script(time)
        visit.wait(f"{time} !== arguments[0]", before)
        assert browser.execute_script("return document.querySelectorAll('#totals').length") == 1


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
        visit.axe()
        visit.picture("cancel-dialog-light-narrow")
        press(browser, "#cancel-dialog [data-dialog-close]")
        visit.wait("return !document.getElementById('cancel-dialog').open")
        press(browser, "[data-dialog=cancel-dialog]")
        press(browser, "#cancel-dialog .btn-danger")
        visit.wait("return document.querySelector('#state h1 + .chip')?.textContent.trim() === 'Cancelling'")


def test_result_tables_appear_when_the_stage_writes_them(visit, live):
    from rpt_core.run.folder import RunDir
    from rpt_core.run.tables import emit_table
    from tests import factories, preset_runs
    from tests.played_tables import played_tables

    def another():
        return preset_runs.running_rpt(live[0].experiment, live[0].created_by, done=3, groups=1)

    run, events = committed(another)
    with visit(reverse("runs:run_evaluations", args=[run.pk])) as browser:
        assert browser.execute_script("return document.querySelector('#tables').hasAttribute('data-empty')")
        browser.execute_script("window.neverReloaded = true")

        def one_table():
            emit_table(RunDir(run.directory), events, played_tables("templates")[0])
            factories.record(run)

        committed(one_table)
        visit.wait("return document.querySelector('#tables .result-table .plot')?.dataset.drawn")
        assert browser.execute_script("return window.neverReloaded") is True


def test_a_page_whose_stream_is_lost_and_refused_goes_live_when_it_is_let_in(visit, live, settings):
    """The server is full when the page comes first, and again when it comes back after a break."""
    from rpt_web.pages.runs import stream
    from tests import factories, preset_runs

    def another():
        return preset_runs.running_rpt(live[0].experiment, live[0].created_by, done=2, groups=1)

    mark = "return document.querySelector('[data-live-mark]').textContent.trim()"
    step = "return document.querySelector('[data-live=step]').textContent"
    run, events = committed(another)
    room = settings.RPT_WEB_STREAMS
    settings.RPT_WEB_STREAMS = 0
    with visit(reverse("runs:run_detail", args=[run.pk]), status=503) as browser:
        visit.wait(f"{mark} === 'connecting again'")
        committed(lambda: (preset_runs.rpt_step(run, events, 3, groups=1), factories.record(run)))
        settings.RPT_WEB_STREAMS = room
        visit.wait(f"{step} === '3'")
        assert browser.execute_script(mark) == "live"

        settings.RPT_WEB_STREAMS = 0
        hub = stream.hubs[run.pk]
        hub.task.get_loop().call_soon_threadsafe(hub.end)
        visit.wait(f"{mark} === 'connecting again'")
        committed(lambda: (preset_runs.rpt_step(run, events, 4, groups=1), factories.record(run)))
        settings.RPT_WEB_STREAMS = room
        visit.wait(f"{step} === '4'")
        assert browser.execute_script(mark) == "live"
        browser.get_log("browser")  # Chromium reports the refusals, which are meant


def test_the_log_of_a_live_run_is_followed_while_somebody_looks_at_its_end(visit, live):
    from rpt_core.run.folder import RunDir
    from tests import preset_runs

    def another():
        return preset_runs.running_rpt(live[0].experiment, live[0].created_by, done=2, groups=1)

    run, _ = committed(another)
    log = RunDir(run.directory).log
    log.write_text("".join(f"line {number}\n" for number in range(200)) + "\x1b[31m<b>red</b>\x1b[0m\n")
    lines = "return document.querySelector('#log-lines')?.textContent"
    with visit(reverse("runs:run_log", args=[run.pk])) as browser:
        visit.wait(f"{lines}?.endsWith('line 199\\n<b>red</b>')")
        at_the_end = "const {scrollTop, clientHeight, scrollHeight} = document.querySelector('#log-lines');"
        assert browser.execute_script(at_the_end + "return scrollTop > 0 && scrollTop + clientHeight >= scrollHeight")
        visit.axe()
        for theme in THEMES:
            browser.execute_script("window.theme.choose(arguments[0])", theme)
            visit.picture(f"log-{theme}-wide", all_charts=False)
        with log.open("a") as file:
            file.write("one more\n")
        visit.wait(f"{lines}.endsWith('one more')")
        fetched = browser.execute_async_script(
            "const {href} = document.querySelector('[data-log] a[download]');"
            "fetch(href).then((answer) => answer.text()).then(arguments[0])"
        )
        assert fetched == log.read_text()
        browser.get_log("browser")  # Chromium tells that it left the focus where it was when the state was fetched
