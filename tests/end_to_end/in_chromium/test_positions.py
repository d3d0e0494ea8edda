"""Positions by keyboard alone: a queue of them from the list of traces, one run again, a prompt in tokens."""

from __future__ import annotations

import base64
import json
import sys

import pytest
from django.urls import reverse
from selenium.webdriver.common.keys import Keys

from tests.end_to_end.chromium import committed
from tests.end_to_end.in_chromium.test_review import ctrl_enter, keys, tab_to
from tests.end_to_end.pages import position_address, rollout_address

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db]
HEADING = "return document.querySelector('h1')?.textContent === arguments[0]"


@pytest.fixture
def nothing_stays():
    yield
    from rpt_web.jobs.models import Job
    from rpt_web.review.models import ReviewQueue
    from rpt_web.runs.models import Experiment
    from rpt_web.traces import prompts, reruns
    from rpt_web.traces.models import PromptTokens

    committed(Experiment.objects.filter(name=reruns.EXPERIMENT).delete)
    committed(ReviewQueue.objects.filter(name="Hard places").delete)
    committed(PromptTokens.objects.all().delete)
    committed(Job.objects.filter(kind=prompts.KIND).delete)


@pytest.fixture
def nothing_found(settings, tmp_path):
    """Pre-flight's process is one of ours that finds nothing: the played run's positions are none of the real files."""
    file = tmp_path / "nothing_found.py"
    names = ("typical", "most", "memory", "first_prompt")
    one = {"problems": [], "notes": [], "hardware": {"title": "none"}} | dict.fromkeys(names)
    file.write_text(f"print({json.dumps(one)!r})")
    settings.RPT_STAGE_COMMAND = [sys.executable, str(file)]


def test_a_queue_of_positions_is_made_and_reviewed_by_keyboard(visit, rows, nothing_stays):
    with visit(reverse("traces:group_list") + f"?run={rows['rpt'].pk}&kind=sampled") as browser:
        tab_to(browser, "a[href*='/review/queues/new/groups/']")
        keys(browser, Keys.ENTER)
        visit.wait(HEADING, "New queue")
        tab_to(browser, "#id_name")
        keys(browser, "Hard places")
        tab_to(browser, "#id_unit")
        keys(browser, "its position")
        tab_to(browser, "#id_sample")
        keys(browser, Keys.CONTROL + "a" + Keys.NULL, "1")
        tab_to(browser, f"input[name=reviewers][value='{rows['user'].pk}']")
        keys(browser, Keys.SPACE)
        tab_to(browser, "#id_reviewers_per_item")
        keys(browser, Keys.CONTROL + "a" + Keys.NULL, "1", Keys.ENTER)
        visit.wait(HEADING, "Hard places")
        keys(browser, Keys.ENTER)  # Begin has the focus
        visit.wait(HEADING, "Item 1")
        assert "What was predicted here" in browser.page_source
        assert f">{rows['rpt'].name}</a>" not in browser.page_source
        visit.picture("review-position-blind-light-wide")
        keys(browser, "1")
        ctrl_enter(browser)
        visit.wait(HEADING, "Hard places")


def test_a_position_is_run_again_by_keyboard(visit, rows, nothing_stays, nothing_found):
    with visit(position_address(rows)) as browser:
        tab_to(browser, "#id_samples")
        keys(browser, Keys.ENTER)
        visit.wait("return document.querySelector('#film .reruns li a')?.textContent.startsWith('position-')")
        assert browser.execute_script("return document.getElementById('film').hasAttribute('hx-get')")
        visit.picture("position-run-again-light-wide")


def made():
    """What the job would store, of another prompt."""
    from rpt_web.jobs.models import Job
    from rpt_web.traces import prompts
    from rpt_web.traces.models import PromptTokens

    pieces = [b"<s>", b"Problem", b":", b" Cards", b" C", b"3", b"\n", b"Solution", b":", b" ", b"<think>"]
    ends = [len(b"".join(pieces[: n + 1])) for n in range(len(pieces))]
    data = base64.b64encode(b"".join(pieces)).decode()
    asked = PromptTokens.objects.get()
    prompts.store(asked.pk, asked.job, {"ids": [*range(11)], "ends": ends, "data": data, "control": [0, 10]})
    Job.objects.filter(pk=asked.job_id).update(state="succeeded")


def test_a_prompt_is_asked_for_in_tokens_by_keyboard(visit, rows, nothing_stays):
    with visit(rollout_address(rows, "mismatch")) as browser:
        tab_to(browser, "#prompt-tokens button")
        keys(browser, Keys.ENTER)
        visit.wait("return document.querySelector('#prompt-tokens [role=status]')?.textContent.includes('Queued')")
        assert "No worker listens to the queue" in browser.page_source
        committed(made)
        visit.wait("return document.querySelectorAll('#prompt-tokens .tok').length > 8")
        assert (
            browser.execute_script("return document.querySelector('#prompt-tokens pre .control').textContent") == "<s>"
        )
        visit.axe("#prompt-tokens")
        visit.picture("prompt-tokens-light-wide")
