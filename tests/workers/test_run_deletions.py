"""Runs and experiments are deleted: refused while something needs them, whole however often the worker dies."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from rpt_core.config import RptConfig
from rpt_core.errors import UserError
from rpt_web.corpora.models import ModelSource, RegisteredModel
from rpt_web.jobs import services as jobs
from rpt_web.jobs.models import JobState
from rpt_web.runs import belonging, deletion, hanging, services
from rpt_web.runs.models import Checkpoint, Experiment, Run, RunParent, Status, StepMetrics
from rpt_web.teams import trail
from rpt_web.teams.membership import first_team
from rpt_web.teams.models import Team
from rpt_web.traces.models import Rollout
from tests.factories import end_run, hostile_rows, make_user, start_run, write_shard
from tests.rpt_web.api_client import CONFIG
from tests.rpt_web.corpora.senders import until
from workers import tasks

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ada(db):
    return make_user("ada")


@pytest.fixture
def experiment(ada):
    return services.create_experiment("Cards", ada)


def submitted(experiment, user, name="first", **config):
    return services.submit(experiment, name, RptConfig.model_validate(CONFIG | config), user)


def ended(run, status=Status.SUCCEEDED):
    """A run with files, metrics, responses and a checkpoint that is registered as a model."""
    claimed, events = start_run(run)
    write_shard(claimed, events, "train", 1, hostile_rows(1, 0))
    events.emit("metrics", step=1, values={"reward": 0.5}, flops=1.0)
    events.emit("checkpoint", step=1, path="checkpoints/step-000001", bytes=4, flops=1.0)
    (claimed.directory / "checkpoints/step-000001/weights").write_bytes(b"1234")
    return end_run(claimed, events, status)


def registered(run, user):
    path = str(run.directory / "checkpoints/step-000001")
    return RegisteredModel.objects.create(
        team=run.experiment.team, name="one", source=ModelSource.CHECKPOINT, path=path, run=run, step=1, created_by=user
    )


def carried_out(job):
    tasks.execute_job(job.pk)
    job.refresh_from_db()
    return job


def continued(run, experiment, user):
    """A run that starts from the other one's checkpoint."""
    path = str(run.directory / "checkpoints/step-000001")
    return submitted(experiment, user, "second", model={"path": path, "device": "cpu"})


def test_a_run_goes_with_its_rows_files_and_models_and_the_trail_says_who_it_was(experiment, ada):
    run = ended(submitted(experiment, ada))
    registered(run, ada)
    Run.objects.filter(pk=run.pk).update(disk_bytes=1000)
    run.refresh_from_db()
    hangs = hanging.hanging_on([run], experiment.team_id)
    assert (hangs.checkpoints, hangs.responses, hangs.models, hangs.disk_bytes) == (1, 4, ["one"], 1000)
    version = Experiment.objects.get().results_version
    job = deletion.ask([run], ada)
    run.refresh_from_db()
    assert run.is_being_deleted
    with pytest.raises(UserError, match="is being deleted already"):
        deletion.ask([run], ada)
    assert carried_out(job).state == JobState.SUCCEEDED
    assert job.result["bytes"] > 4
    assert not run.directory.exists()
    assert not any(kind.objects.exists() for kind in (Run, StepMetrics, Checkpoint, RegisteredModel, Rollout))
    assert Experiment.objects.get().results_version > version
    removed = [found for found in trail.of_team(first_team(), trail.TrailFilters()).changes if found.verb == "removed"]
    assert {(found.kind, found.who) for found in removed} == {("run", "ada"), ("registeredmodel", "ada")}


def test_nothing_that_has_not_ended_goes_or_loses_what_it_needs(experiment, ada):
    run = ended(submitted(experiment, ada))
    other = Team.objects.create(name="Others")
    zoe = make_user("zoe", team=other)
    theirs = submitted(services.create_experiment("Theirs", zoe, team=other), zoe, "hidden")
    RunParent.objects.create(run=theirs, role="reads", parent=run)
    second = continued(run, experiment, ada)
    with pytest.raises(UserError, match=r"need it: “second” of “Cards” \(queued\) and 1 run of other teams\. Wait"):
        deletion.ask([run], ada)
    services.request_cancel(theirs, None)
    with pytest.raises(UserError, match=r"“second” of “Cards” \(queued\) has not ended"):
        deletion.ask([second], ada)
    services.request_cancel(second, ada)
    planned = {"model": {"path": f"{run.directory}/checkpoints/step-000001"}}
    late = Run.objects.create(
        experiment=experiment, name="late", stage="rpt", status="waiting", config={}, plan=planned
    )
    with pytest.raises(UserError, match=r"“late” of “Cards” \(waiting\)"):
        deletion.ask([run], ada)
    Run.objects.filter(pk=late.pk).update(plan={}, needs=["first"])
    with pytest.raises(UserError, match=r"“late” of “Cards” \(waiting\)"):
        deletion.ask([run], ada)
    services.request_cancel(late, ada)
    assert carried_out(deletion.ask([run], ada)).state == JobState.SUCCEEDED
    second.refresh_from_db()
    assert second.parents.get(role="start").parent is None
    assert "checkpoints/step-000001" in second.parents.get(role="start").path


def test_an_experiment_goes_with_all_its_runs_if_they_are_all_ones_own(experiment, ada):
    first = ended(submitted(experiment, ada))
    second = continued(first, experiment, ada)
    services.request_cancel(second, ada)
    grace = make_user("grace")
    hers = submitted(experiment, grace, "hers")
    services.request_cancel(hers, grace)
    with pytest.raises(UserError, match="somebody else has submitted 1 run of it"):
        deletion.ask_experiment(experiment, ada, of=ada)
    job = deletion.ask_experiment(experiment, ada, of=None)
    with pytest.raises(UserError, match="is being deleted"):
        submitted(experiment, ada, "new")
    with pytest.raises(UserError, match="is being deleted"):
        services.retry(second, ada)
    assert carried_out(job).state == JobState.SUCCEEDED
    assert not Experiment.objects.exists()
    assert not Run.objects.exists()
    assert not first.directory.exists()


def test_a_run_that_came_after_the_question_keeps_what_it_needs_and_the_rest_too(experiment, ada):
    run = ended(submitted(experiment, ada))
    job = deletion.ask([run], ada)
    continued(run, services.create_experiment("Elsewhere", ada), ada)
    assert carried_out(job).state == JobState.FAILED
    assert "“second” of “Elsewhere” (queued)" in job.error
    run.refresh_from_db()
    assert not run.is_being_deleted
    assert (run.directory / "checkpoints/step-000001/weights").exists()


def test_a_submit_that_has_begun_is_waited_for(experiment, ada):
    run = ended(submitted(experiment, ada))
    job = jobs.claim(deletion.ask([run], ada).pk, "w")
    elsewhere = services.create_experiment("Elsewhere", ada)
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            continued(run, elsewhere, ada)
            late = pool.submit(_alone, lambda: deletion.delete_run(job, run.pk))
            until(_somebody_waits)
        with pytest.raises(UserError, match="“second” of “Elsewhere”"):
            late.result()


def test_a_worker_that_dies_in_between_leaves_nothing_half(experiment, ada):
    runs = [ended(submitted(experiment, ada, name)) for name in ("first", "second", "third")]
    job = deletion.ask_experiment(experiment, ada, of=None)
    dying = jobs.claim(job.pk, "dies")
    first, second, third = (run.pk for run in runs)
    with transaction.atomic():  # it dies when the rows of the first are gone, and its files are not
        Run.objects.get(pk=first).delete()
    with transaction.atomic():  # those of the second were set aside
        Run.objects.get(pk=second).delete()
    runs[1].directory.rename(runs[1].directory.with_name(f"{second}.deleted"))
    aside = runs[1].directory.with_name(f"{second}.deleted")
    assert not belonging.is_theirs(aside, [first_team().pk]), "nobody reads what is about to go"
    for key in (first, second, third):
        deletion.delete_run(dying, key)
    deletion.delete_rest(dying)
    assert not Experiment.objects.exists()
    assert not any((settings.RPT_DATA_DIR / "runs").glob("*.deleted"))
    assert not any(run.directory.exists() for run in runs)


def test_what_an_archive_hides_and_what_brings_it_back(experiment, ada):
    from rpt_web.runs import archive

    run = submitted(experiment, ada)
    with pytest.raises(UserError, match=r"is queued\. Only runs that have ended can be archived"):
        archive.archive(run, ada)
    with pytest.raises(UserError, match="Its run 'first' is queued"):
        archive.archive_experiment(experiment)
    services.request_cancel(run, ada)
    archive.archive(run, ada)
    with pytest.raises(UserError, match="is archived already"):
        archive.archive(run, ada)
    services.retry(run, ada)
    run.refresh_from_db()
    assert run.archived_at is None, "a retry brings it back"
    services.request_cancel(run, ada)
    archive.archive_experiment(experiment)
    with pytest.raises(UserError, match=r"is archived\. Bring it back first"):
        submitted(experiment, ada, "new")
    archive.bring_back_experiment(experiment)
    submitted(experiment, ada, "new")
    assert [deed.what for deed in run.deeds.all()] == ["cancelled", "archived", "retried", "cancelled"]
    assert Experiment.objects.get().changes.filter(archived_at__lte=timezone.now()).count() == 1


def _alone(work):
    try:
        work()
    finally:
        connection.close()


def _somebody_waits():
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return cursor.fetchone()[0]
