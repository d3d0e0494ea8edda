"""Operating runs in Chromium: the queue is put into another order by its owner, runs are ticked, one is deleted."""

from __future__ import annotations

import pytest
from django.urls import reverse

from tests.end_to_end.chromium import committed, press
from tests.end_to_end.in_chromium.steps import done_by_the_quick_worker, pictures

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db]
NAMES = "return [...document.querySelectorAll('#runs .main-link')].map((link) => link.textContent)"


@pytest.fixture
def own(rows):
    """An experiment with three queued runs, which goes again."""
    from rpt_core.config import NtpConfig
    from rpt_web.runs import services
    from rpt_web.runs.models import Experiment, Run
    from tests.rpt_web.api_client import RUNNABLE

    def make():
        experiment = services.create_experiment("Three sums", rows["user"])
        for name in ("first", "second", "third"):
            services.submit(experiment, name, NtpConfig.model_validate(RUNNABLE), rows["user"])
        return experiment

    experiment = committed(make)
    yield experiment
    committed(lambda: (Run.objects.filter(experiment=experiment.pk).delete(), None))
    committed(lambda: (Experiment.objects.filter(pk=experiment.pk).delete(), None))


def test_the_owner_of_queued_runs_puts_them_into_another_order_and_deletes_one(visit, own):
    from rpt_web.runs.models import Run

    queue = f"{reverse('runs:run_list')}?status=queued&q=three+sums"
    ids = dict(own.runs.values_list("name", "pk"))
    with visit(queue) as browser:
        assert browser.execute_script(NAMES) == ["first", "second", "third"]
        pictures(visit, browser, "queue")
        press(browser, f"form[action='{reverse('runs:run_move', args=[ids['third']])}'] button[value=first]")
        visit.wait("return location.search === '?status=queued'")
        order = [name for name in browser.execute_script(NAMES) if name in ids]
        assert order == ["third", "first", "second"]

    with visit(f"{reverse('runs:run_list')}?q=three+sums") as browser:
        boxes = [f"input[data-pick][value='{ids[name]}']" for name in ("third", "second", "first")]
        press(browser, boxes[0])
        browser.execute_script(
            "document.querySelector(arguments[0]).dispatchEvent("
            "new MouseEvent('click', {bubbles: true, cancelable: true, shiftKey: true}))",
            boxes[2],
        )
        visit.wait("return document.querySelectorAll('input[data-pick]:checked').length === 3")
        assert "3 ticked runs" in browser.execute_script("return document.querySelector('#bulk').textContent")
        visit.axe()
        visit.picture("runs-ticked-light-wide")
        press(browser, "#bulk button[value=cancel]")
        visit.wait("return document.body.textContent.includes('Asked to stop 3 runs')")

    with visit(reverse("runs:run_delete", args=[ids["second"]])) as browser:
        visit.axe()
        browser.execute_script("document.getElementById('name').value = 'second'")
        press(browser, "button.btn-danger")
        visit.wait("return location.pathname.startsWith('/jobs/')")
        done_by_the_quick_worker()
    with visit(f"{reverse('runs:run_list')}?q=three+sums") as browser:
        assert sorted(browser.execute_script(NAMES)) == ["first", "third"]
    assert not Run.objects.filter(pk=ids["second"]).exists()


def test_several_are_deleted_after_a_page_that_lists_them(visit, own):
    from rpt_web.runs.models import Run

    committed(lambda: own.runs.update(status="failed"))
    with visit(f"{reverse('runs:run_list')}?q=three+sums") as browser:
        press(browser, "input[data-pick-all]")
        press(browser, "#bulk button[value=delete]")
        visit.wait("return document.querySelector('h1').textContent === 'Delete 3 runs'")
        pictures(visit, browser, "delete-several")
        press(browser, "button.btn-danger")
        visit.wait("return location.pathname.startsWith('/jobs/')")
        done_by_the_quick_worker()
    assert not Run.objects.filter(experiment=own.pk).exists()
