"""A run that is being followed."""

from __future__ import annotations

import pytest

from rpt_web.pages.runs import stream
from rpt_web.runs.models import Run
from tests.factories import make_experiment, make_user
from tests.preset_runs import finish_runs, running_rpt


@pytest.fixture
def running(monkeypatch):
    """An RPT run after 5 steps, and how to continue with it."""
    monkeypatch.setattr(stream, "POLL_SECONDS", 0.05)
    user = make_user()
    experiment = make_experiment(user)
    finish_runs(experiment, user)
    yield running_rpt(experiment, user, done=5, groups=1)
    for run in Run.objects.all():
        run.delete()
