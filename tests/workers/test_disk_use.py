"""What teams take on the disk: measured when it has ended, limited by a quota, trimmed by a rule that tells before."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from rpt_core.config import RptConfig
from rpt_core.errors import UserError
from rpt_core.run.folder import RunDir
from rpt_web.corpora import registry, services, uploads
from rpt_web.corpora.models import CorpusVersion
from rpt_web.jobs.models import Job, JobState
from rpt_web.runs import deeds, retention, usage
from rpt_web.runs import services as runs
from rpt_web.runs.models import Checkpoint, Deed, Run, RunParent
from rpt_web.teams import trail
from rpt_web.teams.membership import first_team
from rpt_web.teams.models import Role, Team, User
from tests.factories import make_user
from tests.rpt_web.api_client import CONFIG, ROOT, client_of
from tests.rpt_web.markup import flat
from workers import tasks
from workers.usage import measure

pytestmark = pytest.mark.django_db
STEPS = (2, 4, 6)


@pytest.fixture
def head(db):
    return make_user("head", Role.ADMINISTRATOR)


@pytest.fixture
def team(head):
    return first_team()


def submitted(head, name="a", experiment=None):
    experiment = experiment or runs.create_experiment(f"Of {name}", head)
    return runs.submit(experiment, name, RptConfig.model_validate(CONFIG), head)


def ended(head, name="a", days=10, experiment=None):
    """A run that ended so many days ago, with a checkpoint of 1000 bytes at each of STEPS."""
    run = submitted(head, name, experiment)
    for step in STEPS:
        folder = RunDir(run.directory).checkpoint(step)
        folder.mkdir(parents=True)
        (folder / "model.safetensors").write_bytes(b"x" * 1000)
        path = f"checkpoints/{folder.name}"
        Checkpoint.objects.create(run=run, attempt=1, step=step, path=path, bytes=1000, created_at=timezone.now())
    at = timezone.now() - timedelta(days=days)
    Run.objects.filter(pk=run.pk).update(status="succeeded", attempt=1, finished_at=at)
    run.refresh_from_db()
    return run


def steps_left(run):
    rows = sorted(run.checkpoints.values_list("step", flat=True))
    assert RunDir(run.directory).checkpoint_steps() == rows
    return tuple(rows)


def carried_out(job):
    tasks.execute_job(job.pk)
    job.refresh_from_db()
    return job


def test_a_run_is_measured_once_it_has_ended_and_again_after_another_attempt(head, team, client):
    run, going = ended(head), submitted(head, "b")
    measure()
    run.refresh_from_db()
    going.refresh_from_db()
    assert (run.disk_bytes, going.disk_bytes) == (3000, None)
    (run.directory / "more").write_bytes(b"y" * 500)
    measure()
    assert usage.of_team(team).runs == 3000, "nothing has run since"
    Run.objects.filter(pk=run.pk).update(attempt=2)
    measure()
    assert usage.of_team(team).runs == 3500
    client.force_login(head)
    assert "The run took 3.5 kB on the disk when it was last measured." in flat(client.get(f"/runs/{run.pk}/files/"))
    assert client_of(head).get(f"{ROOT}/runs/{run.pk}").json()["disk_bytes"] == 3500


def test_corpora_count_with_uploads_and_stored_documents_each_for_its_team(head, team):
    other = Team.objects.create(name="Other")
    version = services.new_version(services.create_corpus("Sums", head), head)
    uploads.begin(version, "a.jsonl", 700, head)
    uploads.begin(version, "b.jsonl", 100, head)
    version.documents_file.parent.mkdir(parents=True)
    version.documents_file.write_bytes(b"d" * 50)
    CorpusVersion.objects.filter(pk=version.pk).update(checked_at=timezone.now())
    services.new_version(services.create_corpus("None", head, team=other), head)
    ended(head)
    measure()
    found = usage.of_teams([team, other])
    assert (found[team.pk].runs, found[team.pk].corpora, found[team.pk].total) == (3000, 850, 3850)
    assert found[other.pk].total == 0


def test_an_upload_beyond_the_quota_is_refused_in_words(head, team):
    usage.set_quota(team, 1000)
    version = services.new_version(services.create_corpus("Sums", head), head)
    uploads.begin(version, "a.jsonl", 600, head)
    uploads.begin(version, "a.jsonl", 700, head)  # the same file again is in place of the first
    with pytest.raises(uploads.TooLarge, match=r"uses 700 B of the 1\.0 kB .* and this has 301 B\. Delete corpora"):
        uploads.begin(version, "b.jsonl", 301, head)
    uploads.begin(version, "b.jsonl", 300, head)


def test_a_submit_of_a_team_that_has_used_its_quota_up_is_refused(head, team):
    ended(head)
    measure()
    usage.set_quota(team, 3001)
    submitted(head, "fits")
    usage.set_quota(team, 3000)
    with pytest.raises(UserError, match=r"The team “Team” uses 3\.0 kB of the 3\.0 kB that it may take"):
        submitted(head, "too much")
    assert not Run.objects.filter(name="too much").exists()
    body = {"experiment": Run.objects.first().experiment_id, "name": "n", "anyway": True}
    body["config"] = {"stage": "ntp", "scratch": {}, "corpus": {"source": "tiny"}, "budget": {"steps": 7}}
    answer = client_of(head).post(f"{ROOT}/runs", body, "application/json")
    assert answer.status_code == 422
    assert "ask a server administrator for a larger quota" in answer.json()["detail"]


def test_the_quota_is_a_server_administrators_by_page_and_command(head, team, client):
    root = User.objects.create_superuser("root")
    client.force_login(root)
    assert client.post(f"/teams/{team.pk}/disk/quota", {"gigabytes": "2.5"}).status_code == 302
    team.refresh_from_db()
    assert team.quota_bytes == 2_500_000_000
    assert "2.5 GB" in flat(client.get("/teams/"))
    assert client.post(f"/teams/{team.pk}/disk/quota", {"gigabytes": "-1"}).status_code == 422
    changes = [change for change in trail.of_object(team) if change.who == "root"]
    assert ("quota in bytes", "2500000000") in [(one.name, one.after) for one in changes[0].differences]
    out = StringIO()
    call_command("set_quota", "Team", "none", stdout=out)
    assert out.getvalue() == "Team has no limit, and uses 0 B.\n"
    for wrong in (("Team", "much"), ("Team", "nan"), ("Team", "0"), ("Nobody", "1")):
        with pytest.raises(CommandError):
            call_command("set_quota", *wrong)


def test_without_a_rule_nothing_is_listed_and_with_one_all_but_the_last(head, team):
    run = ended(head)
    young = ended(head, "young", days=1)
    assert not retention.removable(team).exists()
    retention.set_rule(team, 5)
    assert [(row.run_id, row.step) for row in retention.removable(team)] == [(run.pk, 2), (run.pk, 4)]
    retention.set_rule(team, 1)
    Run.objects.filter(pk=young.pk).update(finished_at=timezone.now() - timedelta(days=2))
    assert retention.removable(team).count() == 4
    assert steps_left(run) == STEPS, "a list removes nothing"


def test_what_somebody_needs_is_left_alone(head, team):
    retention.set_rule(team, 5)
    registered, started = ended(head, "registered"), ended(head, "started")
    registry.register_checkpoint(registered.checkpoints.get(step=2), "", head)
    later = ended(head, "later")
    RunParent.objects.create(run=later, role="start", parent=started, step=4)
    parent, sibling = ended(head, "parent"), ended(head, "sibling")
    RunParent.objects.create(run=submitted(head, "reader"), role="reads", parent=parent)
    submitted(head, "waits", sibling.experiment)
    found = {(row.run.name, row.step) for row in retention.removable(team)}
    assert found == {("registered", 4), ("started", 2), ("later", 2), ("later", 4)}


def test_the_page_says_what_goes_and_a_job_does_it_in_the_administrators_name(head, team, client):
    run = ended(head)
    measure()
    client.force_login(head)
    address = f"/teams/{team.pk}/disk/"
    assert "The team has no rule." in flat(client.get(address))
    client.post(f"{address}rule", {"days": "5"})
    assert "Would be removed: 2 checkpoints of 1 run, 2.0 kB" in flat(client.get(address))
    answer = client.post(f"{address}remove")
    job = Job.objects.latest("id")
    assert answer["Location"] == f"/jobs/{job.pk}/"
    assert carried_out(job).result == {"bytes": 2000, "words": "2.0 kB of the disk are free again."}
    assert steps_left(run) == (6,)
    assert [(deed.what, deed.by) for deed in deeds.deeds_of(run)] == [(Deed.TRIMMED, head)]
    (newest, *_) = trail.of_object(run)
    assert (newest.who, newest.differences[0].after) == ("head", "2")
    measure()
    run.refresh_from_db()
    assert run.disk_bytes == 1000
    assert "2 were removed." in flat(client.get(f"/runs/{run.pk}/files/"))
    text = flat(client.get(f"/runs/{run.pk}/"))
    assert "Old checkpoints removed by head" in text
    answer = client.post(f"{address}remove", follow=True)
    assert "There is nothing to remove" in answer.text


def test_members_see_the_page_and_change_nothing(head, team, client):
    ended(head)
    retention.set_rule(team, 5)
    client.force_login(make_user("ada"))
    text = flat(client.get(f"/teams/{team.pk}/disk/"))
    assert "Would be removed: 2 checkpoints" in text
    assert "Remove them" not in text
    assert "Store the" not in text


def test_a_job_removes_only_what_was_listed_and_still_may_go(head, team):
    retention.set_rule(team, 5)
    run, other = ended(head), ended(head, "b")
    job = retention.ask(team, head)
    late = ended(head, "late")
    submitted(head, "again", other.experiment)
    assert carried_out(job).state == JobState.SUCCEEDED
    assert (steps_left(run), steps_left(other), steps_left(late)) == ((6,), STEPS, STEPS)


def test_a_worker_that_dies_before_the_disk_is_free_is_followed_by_another(head, team):
    retention.set_rule(team, 5)
    run = ended(head)
    job = retention.ask(team, head)
    folder = RunDir(run.directory).checkpoint(2)
    folder.rename(folder.with_name("step-000002.removed"))  # it dies before the rows go
    run.checkpoints.filter(step=4).delete()  # and, of another checkpoint, right after
    folder = RunDir(run.directory).checkpoint(4)
    folder.rename(folder.with_name("step-000004.removed"))
    assert carried_out(job).result["bytes"] == 2000
    assert steps_left(run) == (6,)
    assert [entry.name for entry in RunDir(run.directory).checkpoints.iterdir()] == ["step-000006"]


def test_the_command_lists_and_removes_only_when_it_is_told_to(head, team):
    retention.set_rule(team, 5)
    run, out = ended(head), StringIO()
    call_command("remove_old_checkpoints", stdout=out)
    assert out.getvalue().splitlines() == [
        f"Team: run {run.pk}, a of Of a: 2 checkpoints, 2.0 kB",
        "Team: 2.0 kB would be free. Add --no-dry-run to remove this.",
    ]
    assert steps_left(run) == STEPS
    call_command("remove_old_checkpoints", "--team", "Team", "--no-dry-run", stdout=out)
    assert "2.0 kB are free again" in out.getvalue()
    assert steps_left(run) == (6,)
    with pytest.raises(CommandError, match="no team 'Nobody' with a rule"):
        call_command("remove_old_checkpoints", "--team", "Nobody")


def test_the_api_gives_what_a_team_takes_and_may(head, team):
    ended(head)
    measure()
    usage.set_quota(team, 5000)
    (found,) = client_of(head).get(f"{ROOT}/teams").json()
    assert (found["disk_bytes"], found["quota_bytes"]) == (3000, 5000)
