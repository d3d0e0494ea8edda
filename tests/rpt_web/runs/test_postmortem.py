"""What a run that ended badly died of: only what its row has signs of is said."""

from __future__ import annotations

import signal

import pytest
from django.urls import reverse

from rpt_core import stages
from rpt_web.runs import postmortem
from rpt_web.runs.models import Run, Status
from tests.factories import end_run
from tests.preset_runs import finish_runs, running_rpt

CASES = {
    "killed": ({"exit_code": -signal.SIGKILL}, postmortem._KILLED),
    "crashed": ({"exit_code": -signal.SIGSEGV}, postmortem._CRASHED),
    "bug": ({"exit_code": 1}, postmortem._BUG),
    "declared": ({"exit_code": 2, "error": "The corpus is empty."}, postmortem._DECLARED),
    "disk": ({"exit_code": 2, "error": "The disk of /data/runs/3 is full. Free some space."}, postmortem._DISK),
    "gpu": ({"exit_code": 1, "log_tail": "torch.OutOfMemoryError: CUDA out of memory."}, postmortem._GPU),
    "hung": (
        {"error": "The stage wrote nothing and computed nothing for 30 minutes, and was ended."},
        postmortem._QUIET,
    ),
    "diverged": ({"exit_code": 2, "error": "The loss of step 4 is not finite."}, postmortem._DIVERGED),
    "unfitting": ({"error": "Its config does not fit what the runs before it made. No."}, postmortem._UNFITTING),
    "lost": ({"status": Status.LOST}, postmortem._LOST),
    "nothing known": ({}, None),
}


@pytest.mark.parametrize("case", CASES)
def test_the_cause_is_what_there_are_signs_of(case):
    values, cause = CASES[case]
    assert postmortem.cause_of(Run(**{"status": Status.FAILED, **values})) == cause


def test_the_codes_are_those_of_the_stages():
    assert (postmortem.EXIT_BUG, postmortem.EXIT_DECLARED) == (stages.EXIT_BUG, stages.EXIT_FAILED)


def test_the_page_has_the_last_metrics_and_says_where_a_retry_continues(page, experiment, ada):
    finish_runs(experiment, ada)
    run, events = running_rpt(experiment, ada, done=45, groups=1)
    assert "postmortem" not in page(reverse("runs:run_detail", args=[run.pk]))
    end_run(run, events, Status.FAILED, error="killed", exit_code=-9, log_tail="the last line")
    text = page(reverse("runs:run_detail", args=[run.pk]))
    assert "The run failed at step 45 of 80." in text
    assert "memory was used up" in text
    assert "continues from the newest checkpoint, step 40; what came after it is done again." in text
    assert '<th scope="row" class="number">45</th>' in text
    assert '<th scope="row" class="number">40</th>' not in text
    assert "the last line</pre>" in text
    assert "postmortem" not in page(reverse("runs:run_curves", args=[run.pk]))
