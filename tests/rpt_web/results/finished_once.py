"""A finished experiment that all tests of a module share: its rows and files are as they were for each of them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rpt_web.runs.models import Experiment
from tests.factories import make_user
from tests.preset_runs import finished_experiment
from tests.rpt_web.module_rows import module_rows


@contextmanager
def finished_once(django_db_blocker: Any, copies: Path, **size: int) -> Iterator[tuple[int, Path]]:
    """For a fixture of a module's scope: the experiment's id, and copies of its runs' folders."""
    with module_rows(django_db_blocker):
        experiment = finished_experiment(make_user("ada"), **size)
        for run in experiment.runs.all():
            shutil.copytree(run.directory, copies / str(run.pk))
        yield experiment.pk, copies


@contextmanager
def as_finished(kept: tuple[int, Path]) -> Iterator[Experiment]:
    """For a fixture of a test's scope, within the test's transaction; its changes of files are undone after it."""
    pk, copies = kept
    experiment = Experiment.objects.get(pk=pk)
    folders = {run.directory: copies / str(run.pk) for run in experiment.runs.all()}
    yield experiment
    for folder, copy in folders.items():
        shutil.rmtree(folder)
        shutil.copytree(copy, folder)
