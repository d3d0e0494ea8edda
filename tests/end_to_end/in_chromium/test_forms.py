"""Forms in Chromium: logging in, settings and their check, submitting a suite, searching and filtering."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse

from tests.end_to_end.chromium import THEMES, WIDTHS, committed, press
from tests.end_to_end.in_chromium.test_pages import LOOKED_AT
from tests.end_to_end.pages import PAGES

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db]

CHECKS = [
    ("check-passed", {}, 200),
    ("check-failed", {"sampling.max_response_tokens": "5000"}, 422),
    ("check-verl", {"engine": "verl", "optimiser.schedule": "linear"}, 422),
]


def test_a_login_link_logs_in_by_its_button(visit, rows):
    from rpt_web.teams.models import LoginLink

    secret = committed(lambda: LoginLink.issue(rows["user"], timedelta(hours=1)))
    with visit(reverse("teams:login_link", args=[secret]), anonymous=True) as browser:
        press(browser, "button[type=submit]")
        visit.wait("return document.querySelector('h1')?.textContent === 'Home'")


def test_wrong_settings_are_marked_on_their_fields_and_kept(visit, rows):
    from selenium.webdriver.common.by import By

    with visit(PAGES["run-new"](rows), status=422) as browser:
        field = browser.find_element(By.NAME, "optimiser.learning_rate")
        field.clear()
        field.send_keys("quick")
        press(browser, "form[method=post] .card-foot button")
        visit.wait("return document.querySelector('.field.wrong .errors')?.textContent.includes('Give a number.')")
        assert browser.find_element(By.NAME, "optimiser.learning_rate").get_attribute("value") == "quick"
        visit.wait("return document.activeElement.matches('#checked')")
        summary = browser.execute_script("return document.querySelector('#findings table').innerText")
        assert "optimiser.learning_rate" in summary
        assert "Give a number." in summary
        for theme in THEMES:
            browser.execute_script("window.theme.choose(arguments[0])", theme)
            visit.axe()
            visit.picture(f"run-new-errors-{theme}-wide")
        browser.get_log("browser")  # Chromium reports the answer's status, which is meant


@pytest.mark.parametrize(("theme", "width"), LOOKED_AT)
def test_what_asks_takes_the_focus_and_goes_on_by_its_button(visit, rows, theme, width):
    from selenium.webdriver.common.by import By

    address = reverse("configure:run_new") + f"?preset=tiny&run=rpt&experiment={rows['finished'].pk}"
    with visit(address, theme, width, status=409) as browser:
        field = "document.getElementsByName('optimiser.warmup_steps')[0]"
        browser.execute_script(f"{field}.value = '1000000'")
        press(browser, "form[method=post] .card-foot button.btn-primary")
        visit.wait("return document.activeElement.matches('.note.amber[role=alert]')")
        assert "look at this first" in browser.execute_script("return document.activeElement.innerText")
        assert browser.find_element(By.CSS_SELECTOR, "button[name=anyway]").text == "Submit anyway"
        assert browser.execute_script(f"return {field}.value") == "1000000"
        visit.axe()
        visit.picture(f"run-asked-{theme}-{width}")
        browser.get_log("browser")  # Chromium reports the answer's status, which is meant


@pytest.mark.parametrize(("name", "settings", "status"), CHECKS)
def test_the_report_of_a_check_looks_right(visit, rows, name, settings, status):
    from selenium.webdriver.common.by import By

    address = reverse("configure:run_new") + f"?preset=tiny&run=rpt&experiment={rows['finished'].pk}"
    with visit(address, status=status) as browser:
        for field, value in settings.items():
            browser.execute_script("document.getElementsByName(arguments[0])[0].value = arguments[1]", field, value)
        press(browser, "button[name=check]")
        visit.wait("return document.activeElement.matches('#checked[role=status]')")
        assert ("No problems were found." in browser.find_element(By.ID, "checked").text) is (status == 200)
        for width in WIDTHS:
            visit.resize(width)
            for theme in THEMES:
                visit.switch(theme)
                if (theme, width) in LOOKED_AT:
                    visit.axe()
                visit.picture(f"{name}-{theme}-{width}")
                assert visit.problems(address, status) == []


def test_each_finding_of_a_check_leads_to_its_field_also_in_a_closed_fold(visit, rows):
    address = reverse("configure:run_new") + f"?preset=tiny&run=rpt&experiment={rows['finished'].pk}"
    wrong = {"sampling.max_response_tokens": "5000", "log_every_steps": "0"}  # the second is in the fold
    with visit(address, status=422) as browser:
        for name, value in wrong.items():
            browser.execute_script("document.getElementsByName(arguments[0])[0].value = arguments[1]", name, value)
        press(browser, "button[name=check]")
        visit.wait("return document.activeElement.matches('#checked')")
        browser.execute_script(
            "document.querySelectorAll('.form-section > .fold').forEach((fold) => (fold.open = false))"
        )
        for name in wrong:
            press(browser, f"#findings a[href='#id_{name}']")
            visit.wait("return document.activeElement.name === arguments[0]", name)
            assert browser.execute_script("return document.activeElement.offsetParent !== null")
            assert "aria-describedby" in browser.execute_script("return document.activeElement.outerHTML")
        browser.get_log("browser")  # Chromium reports the answer's status, which is meant


def test_a_long_list_and_the_runs_to_clone_are_searched_by_keyboard(visit, rows, monkeypatch):
    from selenium.webdriver import ActionChains, Keys
    from selenium.webdriver.common.by import By

    from rpt_web.corpora import offers

    monkeypatch.setattr(offers, "MOST", 1)
    status = "return document.querySelector('.search-found').textContent.trim()"
    chosen = "return document.getElementsByName('model.path')[0].value"
    with visit(PAGES["run-new"](rows)) as browser:
        before = browser.execute_script(chosen)
        browser.find_element(By.CSS_SELECTOR, ".search-list").send_keys("cold", Keys.ENTER)
        visit.wait(f"{status}.endsWith('More words find fewer.')")
        assert browser.execute_script(chosen) == before, "what was chosen stays"
        visit.axe("#settings")
        visit.picture("run-search-light-wide")
        ActionChains(browser).send_keys(Keys.TAB, Keys.END, Keys.ARROW_UP).perform()
        visit.wait("return document.querySelector('#difference').textContent.includes('model.path')")
        visit.wait("return document.querySelector('.htmx-request') === null")
        assert "/checkpoints/" in browser.execute_script(chosen), "the last choice counts"

        browser.find_element(By.CSS_SELECTOR, "[data-dialog=clone-dialog]").send_keys(Keys.ENTER)
        found = "return [...document.querySelectorAll('#runs-to-clone a')].map((link) => link.textContent).join()"
        visit.wait(f"{found} !== ''")
        ActionChains(browser).send_keys("cold-filter").perform()
        visit.wait(f"{found}.split(',').every((name) => name.includes('cold-filter'))")
        visit.axe("#clone-dialog")
        visit.picture("run-clone-dialog-light-wide", all_charts=False)
        ActionChains(browser).send_keys(Keys.TAB, Keys.ENTER).perform()
        visit.wait("return location.search.startsWith('?like=')")
        browser.get_log("browser")  # htmx tells that the form was replaced while it was being compared


def test_a_suite_is_submitted_by_one_button(visit, rows):
    from selenium.webdriver.common.by import By

    with visit(PAGES["suite-new"](rows) + "?preset=tiny") as browser:
        name = browser.find_element(By.NAME, "name")
        name.clear()
        name.send_keys("From the browser")
        press(browser, "form[method=post] .card-foot button")
        visit.wait("return document.querySelector('h1')?.textContent === 'From the browser'")
        assert browser.execute_script("return document.querySelectorAll('#runs tbody tr').length") == 14


@pytest.mark.parametrize("width", WIDTHS)
def test_the_search_box_and_its_button_stand_in_line_and_apart(visit, rows, width):
    with visit(PAGES["experiments"](rows), width=width) as browser:
        boxes = "return ['#q', '.filters .btn'].map((s) => document.querySelector(s).getBoundingClientRect().toJSON())"
        field, button = browser.execute_script(boxes)
        assert (field["top"], field["bottom"]) == (button["top"], button["bottom"])
        assert field["right"] < button["left"]


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


def test_the_steps_to_choose_from_follow_the_kind(visit, rows):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import Select

    steps = "return [...document.querySelectorAll('#f-step option')].map((option) => Number(option.value))"
    with visit(PAGES["rollouts"](rows) + "?kind=train&step=3") as browser:
        trained = browser.execute_script(steps)
        Select(browser.find_element(By.NAME, "kind")).select_by_value("sampled")
        visit.wait("return location.search === '?kind=sampled'")
        evaluated = browser.execute_script(steps)
        assert set(evaluated) != set(trained)
        assert 3 not in evaluated
        browser.find_element(By.NAME, "step").send_keys(str(evaluated[-1]))
        visit.wait("return location.search.includes('step=')")
        assert browser.execute_script("return document.activeElement.id") == "f-step"


def test_a_sweep_goes_from_the_form_to_queued_runs(visit, rows):
    from selenium.webdriver.common.by import By

    from rpt_web.runs.models import Experiment, Status

    address = reverse("configure:run_new") + f"?preset=tiny&run=base&experiment={rows['finished'].pk}"
    with visit(address) as browser:
        press(browser, "#sweep summary")
        browser.find_element(By.NAME, "sweep").send_keys("learning_rate: 1e-4, 3e-4\nbatch_documents: 8, 16")
        visit.wait("return document.querySelector('#sweep-seen strong')?.textContent === '4 runs'")
        name = browser.find_element(By.NAME, "sweep_name")
        name.clear()
        name.send_keys("Rates in the browser")
        press(browser, "button[name=sweep_check]")
        visit.wait("return document.querySelector('#sweep .total th')?.textContent === 'All 4 runs'")
        for width in WIDTHS:
            visit.resize(width)
            for theme in THEMES:
                visit.switch(theme)
                visit.axe("#sweep")
                visit.picture(f"run-sweep-{theme}-{width}")
        press(browser, "button[name=sweep_submit]")
        visit.wait("return document.querySelector('h1')?.textContent === 'Rates in the browser'")
        assert browser.execute_script("return document.querySelectorAll('#runs tbody tr').length") == 4
        experiment = committed(lambda: Experiment.objects.get(name="Rates in the browser"))
        assert committed(lambda: set(experiment.runs.values_list("status", flat=True))) == {Status.QUEUED}
        committed(experiment.delete)


def test_a_run_begins_with_a_file_and_says_what_differs_from_it(visit, rows, tmp_path):
    import json

    from selenium.webdriver.common.by import By

    from rpt_web.runs.models import Run

    file = tmp_path / "small.json"
    file.write_text(json.dumps(rows["base"].config))
    changed = "return [...document.querySelectorAll('#difference dt a')].map((link) => link.textContent).join()"
    with visit(reverse("configure:run_from_file")) as browser:
        browser.find_element(By.ID, "file").send_keys(str(file))
        press(browser, "form[method=post] .card-foot button")
        visit.wait("return document.querySelector('#difference h2')?.textContent.includes('small.json')")
        assert browser.execute_script(changed) == ""
        browser.find_element(By.NAME, "batch_documents").send_keys("0")
        visit.wait(f"{changed} === 'batch_documents'")
        visit.axe()
        visit.picture("run-from-file-light-wide")
        press(browser, "form[method=post] .card-foot button.btn-primary")
        visit.wait("return document.querySelector('h1')?.textContent !== 'New run'")
        key = int(browser.current_url.rstrip("/").rpartition("/")[2])
        committed(lambda: Run.objects.get(pk=key).delete())
