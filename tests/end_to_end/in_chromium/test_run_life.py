"""A run's life at a browser: cloned with one change, watched to its end over a closed tab; cancelled, retried, deleted.

Its stage is played, as on the other live pages; the first day of a team plays nothing.
"""

from __future__ import annotations

import re

import pytest
from django.urls import reverse

from tests.end_to_end.chromium import committed, press
from tests.end_to_end.in_chromium.steps import done_by_the_quick_worker

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db]
CHANGED = "return [...document.querySelectorAll('#difference dt a')].map((link) => link.textContent).join()"
STATE = "return document.querySelector('#state h1 + .chip')?.textContent.trim()"
STEP = "return document.querySelector('[data-live=step]')?.textContent"
HEADING = "return document.querySelector('h1')?.textContent"


def trained(run, events, first, last):
    """Let the stage of a run go from one step to another, and record what it says."""
    from tests import factories

    def train():
        for step in range(first, last + 1):
            events.emit("metrics", 2, step=step, values={"loss": 2.0 / step}, flops=step * 1e9)
        factories.record(run)

    committed(train)


def test_a_run_from_its_clone_to_its_end_and_another_to_its_removal(visit, rows):
    from rpt_web.runs.models import Run
    from tests import factories

    with visit(reverse("runs:run_detail", args=[rows["base"].pk])) as browser:
        key = cloned_with_one_change(visit, browser, rows["base"])
    run, events = committed(lambda: factories.start_run(Run.objects.get(pk=key)))
    committed(lambda: events.emit("started", start_step=0, total_steps=4))
    with visit(reverse("runs:run_detail", args=[key])) as browser:
        assert browser.execute_script(STATE) == "Running"
        trained(run, events, 1, 2)
        visit.wait(f"{STEP} === '2'")
    in_another_tab(browser)
    trained(run, events, 3, 3)  # nobody looks
    with visit(reverse("runs:run_detail", args=[key])) as browser:
        assert browser.execute_script(STEP) == "3"
        trained(run, events, 4, 4)
        committed(lambda: (events.emit("finished", result={"steps": 4}), factories.end_run(run, events)))
        visit.wait(f"{STATE} === 'Succeeded'")
        press(browser, f"a[href$='?like={key}']")
        visit.wait(f"{HEADING} === 'New run'")
        submit(visit, browser)
        cancelled_retried_and_deleted(visit, browser)
    committed(lambda: Run.objects.get(pk=key).delete())


def in_another_tab(browser):
    """Close the tab that was looked at, for a new one."""
    browser.switch_to.new_window("tab")
    new = browser.current_window_handle
    for other in browser.window_handles:
        if other != new:
            browser.switch_to.window(other)
            browser.close()
    browser.switch_to.window(new)


def cloned_with_one_change(visit, browser, run):
    """From a run's page to the page of its clone, whose number this gives."""
    from selenium.webdriver.common.by import By

    press(browser, f"a[href$='?like={run.pk}']")
    visit.wait(f"{HEADING} === 'New run'")
    assert browser.execute_script(CHANGED) == ""
    field = browser.find_element(By.NAME, "batch_documents")
    field.send_keys("0")
    visit.wait(f"{CHANGED} === 'batch_documents'")
    assert field == browser.switch_to.active_element, "typing goes on"
    press(browser, "#difference dt a")
    assert browser.switch_to.active_element.get_attribute("name") == "batch_documents"
    visit.axe("#difference")
    visit.picture("run-clone-light-wide")
    key = submit(visit, browser)
    press(browser, "#records a[href$='/config/']")
    visit.wait("return document.querySelector('.changed-settings')")
    assert f"1 setting differs from {run.name}" in browser.find_element(By.CSS_SELECTOR, ".changed-settings").text
    visit.axe(".changed-settings")
    return key


def submit(visit, browser):
    """Submit the form; the run's page comes. Gives its number."""
    press(browser, "form[method=post] .card-foot button.btn-primary")
    visit.wait(f"{STATE} === 'Queued'")
    return int(re.search(r"/runs/(\d+)/", browser.current_url)[1])


def cancelled_retried_and_deleted(visit, browser):
    """What can be done with a queued run whose page is open."""
    from rpt_web.runs.models import Run

    key = int(re.search(r"/runs/(\d+)/", browser.current_url)[1])
    cancel(visit, browser)
    press(browser, "form[action$='/retry'] button")
    visit.wait(f"{STATE} === 'Queued'")
    cancel(visit, browser)
    press(browser, f"a[href='{reverse('runs:run_delete', args=[key])}']")
    visit.wait(f"{HEADING}.startsWith('Delete')")
    browser.execute_script("document.getElementById('name')?.setAttribute('value', arguments[0])", name_of(key))
    press(browser, "button.btn-danger")
    visit.wait("return location.pathname.startsWith('/jobs/')")
    done_by_the_quick_worker()
    assert committed(lambda: not Run.objects.filter(pk=key).exists())


def cancel(visit, browser):
    """By the dialog; the live part that holds it may be put in place again at any moment."""
    for selector in ("[data-dialog=cancel-dialog]", "#cancel-dialog .btn-danger"):
        browser.execute_script("document.querySelector(arguments[0]).click()", selector)
    visit.wait(f"{STATE} === 'Cancelled'")


def name_of(key):
    from rpt_web.runs.models import Run

    return committed(lambda: Run.objects.get(pk=key).name)
