"""The ground that played runs of verl train on, and how verl is played."""

import sys

import pytest

from rpt_core.verl_backend import launch, stage
from tests.rpt_core import stages
from tests.rpt_core.verl_backend.played_runs import PLAYED, config, execute


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    return stages.make_ground(tmp_path_factory.mktemp("ground"))


@pytest.fixture
def played(monkeypatch, warm_executable):
    """played(how): verl is played so."""
    play_verl(monkeypatch, warm_executable)
    return lambda how: monkeypatch.setenv("RPT_PLAYED", how)


@pytest.fixture(scope="module")
def finished(ground, tmp_path_factory, warm_executable):
    """The folder of a run that was played well to its end, and its result. Tests must not change it."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as monkeypatch:
        play_verl(monkeypatch, warm_executable)
        return folder, execute(folder, config(ground))


def play_verl(monkeypatch, executable):
    from django.conf import settings

    monkeypatch.setattr(sys, "executable", executable)
    monkeypatch.setattr(launch, "MAIN", PLAYED)
    monkeypatch.setattr(stage, "POLL_SECONDS", 0.1)
    monkeypatch.setenv("PYTHONPATH", f"{settings.ROOT}:{settings.ROOT / 'platform'}")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
