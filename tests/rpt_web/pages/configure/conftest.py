"""What some tests of the form for a new run share."""

from __future__ import annotations

import pytest

from tests.factories import make_experiment
from tests.preset_runs import finish_runs


@pytest.fixture
def prepared(ada):
    """An experiment in which all has been made that an RPT run of the tiny preset needs."""
    experiment = make_experiment(ada, seed=7)
    finish_runs(experiment, ada)
    return experiment
