"""A run with responses: played once for each module, and as it was for each test."""

from __future__ import annotations

import shutil

import pytest

from rpt_web.runs.models import Run
from tests.factories import make_experiment, make_user
from tests.preset_runs import finish_runs, running_rpt
from tests.rpt_web.module_rows import module_rows


@pytest.fixture(scope="module")
def played(django_db_setup, django_db_blocker, tmp_path_factory):
    """The id of the run and a copy of its files; its rows are in a transaction of the module."""
    with module_rows(django_db_blocker):
        user = make_user("ada")
        experiment = make_experiment(user)
        finish_runs(experiment, user)
        run = running_rpt(experiment, user, done=6, groups=3)[0]
        files = tmp_path_factory.mktemp("played") / "run"
        shutil.copytree(run.directory, files)
        yield run.pk, files


@pytest.fixture
def run(db, played):
    """An RPT run with 6 steps of 3 groups, hostile responses in the first, evaluations at 0 and 5."""
    pk, files = played
    run = Run.objects.get(pk=pk)
    yield run
    shutil.rmtree(run.directory)
    shutil.copytree(files, run.directory)


@pytest.fixture
def ada(run):
    """Who submitted it."""
    return run.created_by
