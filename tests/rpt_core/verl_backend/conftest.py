"""The ground that played runs of verl train on, and how verl is played."""

import pytest

from rpt_core.verl_backend import launch, stage
from tests.rpt_core import stages
from tests.rpt_core.verl_backend.played_runs import PLAYED


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    return stages.make_ground(tmp_path_factory.mktemp("ground"))


@pytest.fixture
def played(monkeypatch):
    """played(how): verl is played so."""
    from django.conf import settings

    monkeypatch.setattr(launch, "MAIN", PLAYED)
    monkeypatch.setattr(stage, "POLL_SECONDS", 0.1)
    monkeypatch.setenv("PYTHONPATH", f"{settings.ROOT}:{settings.ROOT / 'platform'}")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    return lambda how: monkeypatch.setenv("RPT_PLAYED", how)
