"""`manage.py fill`: as much as was asked for, on pages that work; not among other people's things; removed wholly."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from rpt_web.runs.models import Experiment, Run, StepMetrics
from rpt_web.supervisor.filling.shape import MARK
from rpt_web.traces.models import Rollout, RolloutShard
from tests.factories import make_experiment

pytestmark = pytest.mark.django_db


def fill(**options):
    told = StringIO()
    call_command("fill", stdout=told, stderr=StringIO(), **options)
    return told.getvalue()


def test_as_many_are_made_as_were_asked_for(page):
    told = fill(responses=1000, runs=31, steps=300)
    assert "3 experiments, 31 runs, " in told
    assert "1,000 responses." in told
    assert (Run.objects.count(), Rollout.objects.count()) == (31, 1000)
    assert StepMetrics.objects.filter(run=Run.objects.earliest("id")).count() == 300
    assert not Run.objects.filter(status__in=["queued", "running"]).exists()  # a worker would take them
    for shard in RolloutShard.objects.all():
        own = Rollout.objects.filter(run_id=shard.run_id, step=shard.step, kind=shard.kind)
        assert (own.count(), own.filter(reward__gt=0).count()) == (shard.rows, shard.rewarded)


def test_the_pages_of_what_was_made_work(page):
    fill(responses=1000, runs=14, steps=300)
    run = Run.objects.get(name="rpt")
    text = page(f"/runs/{run.pk}/rollouts/")
    newest = Rollout.objects.filter(run_id=run.pk, kind="train").order_by("-step", "id").first()
    assert f"/runs/{run.pk}/rollouts/{newest.id}/" in page(f"/runs/{run.pk}/rollouts/?step={newest.step}")
    assert "match" in text
    assert "The cards are A, B and C." in page(f"/runs/{run.pk}/rollouts/{newest.id}/")
    assert "“rpt”" in page(f"/experiments/{run.experiment_id}/results/")
    assert "Nothing here ever ran" in page(f"/experiments/{run.experiment_id}/")


def test_a_database_with_others_experiments_is_refused_and_theirs_stay(ada):
    own = make_experiment(ada)
    with pytest.raises(CommandError, match="holds 1 experiment that `fill` has not made"):
        fill(responses=100, runs=3)
    assert Experiment.objects.get() == own
    fill(responses=100, runs=6, among_others=True)
    folders = [run.directory for run in Run.objects.all()]
    assert any(folder.exists() for folder in folders)
    assert fill(remove=True) == "Removed: 1 experiments, 6 runs.\n"
    assert Experiment.objects.get() == own
    assert not Rollout.objects.exists()
    assert not any(folder.exists() for folder in folders)


def test_an_experiment_of_somebody_with_that_description_is_not_removed(ada):
    own = make_experiment(ada, description=MARK)
    fill(remove=True)
    assert Experiment.objects.get() == own


def test_an_amount_that_cannot_be_is_refused():
    with pytest.raises(CommandError, match=r"--runs 0 is not allowed\. Give a whole number from 1 to 100000"):
        fill(runs=0)
