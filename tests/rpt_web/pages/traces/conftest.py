"""A run with responses."""

from __future__ import annotations

import pytest

from tests.factories import make_experiment
from tests.preset_runs import finish_run, running_rpt


@pytest.fixture
def run(ada):
    """An RPT run with 6 steps of 3 groups, hostile responses in the first, evaluations at 0 and 5."""
    experiment = make_experiment(ada)
    for name in ("base", "filter", "cold-filter", "cold"):
        finish_run(experiment, name, ada)
    return running_rpt(experiment, ada, done=6, groups=3)[0]
