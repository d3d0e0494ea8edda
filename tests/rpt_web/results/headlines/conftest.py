"""A finished experiment that all tests of a module share: its rows and files are as they were for each of them.

A module says how large the experiment is: `FINISHED = {"steps": 80, "groups": 0}`.
"""

from __future__ import annotations

import shutil

import pytest

from rpt_web.runs.models import Experiment
from tests.factories import make_user
from tests.preset_runs import finished_experiment
from tests.rpt_web.module_rows import module_rows


@pytest.fixture(scope="module")
def finished(request, django_db_setup, django_db_blocker, tmp_path_factory):
    """The experiment's id, and copies of its runs' folders."""
    copies = tmp_path_factory.mktemp("finished")
    with module_rows(django_db_blocker):
        made = finished_experiment(make_user("ada"), **request.module.FINISHED)
        for run in made.runs.all():
            shutil.copytree(run.directory, copies / str(run.pk))
        yield made.pk, copies


@pytest.fixture
def experiment(db, finished):
    """The experiment, in the test's transaction; what a test does to its files is undone after it."""
    pk, copies = finished
    found = Experiment.objects.get(pk=pk)
    folders = {run.directory: copies / str(run.pk) for run in found.runs.all()}
    yield found
    for folder, copy in folders.items():
        shutil.rmtree(folder)
        shutil.copytree(copy, folder)


@pytest.fixture
def ada(experiment):
    """Who made it."""
    return experiment.created_by
