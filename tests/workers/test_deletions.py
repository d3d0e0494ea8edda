"""Corpora and versions of them are deleted: refused while runs need them, whole however often the worker dies."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.conf import settings
from django.db import connection, transaction

from rpt_core.config import NtpConfig
from rpt_core.errors import UserError
from rpt_web.corpora import deletion, naming, services, uploads
from rpt_web.corpora.models import Corpus, CorpusVersion, DeletedVersion, Upload
from rpt_web.jobs import services as jobs
from rpt_web.jobs.models import Job, JobState
from rpt_web.runs import services as runs
from rpt_web.runs.models import Run
from rpt_web.teams import trail
from rpt_web.teams.membership import first_team
from tests.factories import make_user
from tests.rpt_web.api_client import ROOT, client_of
from tests.rpt_web.corpora.senders import until
from tests.rpt_web.markup import flat
from workers import tasks

pytestmark = pytest.mark.django_db(transaction=True)
TEXT = b'{"text": "One and one is two."}\n{"text": "Two and two is four."}\n'


@pytest.fixture
def ada(db):
    return make_user("ada")


def uploaded(corpus, user):
    """A version with an uploaded file, checked."""
    version = services.new_version(corpus, user)
    upload = uploads.begin(version, "a.jsonl", len(TEXT), user)
    upload.part.parent.mkdir(parents=True, exist_ok=True)
    upload.part.write_bytes(TEXT)
    uploads.note(upload, len(TEXT))
    tasks.execute_job(services.check(version, {"text": "text"}, user).pk)
    version.refresh_from_db()
    assert version.is_checked
    return version


@pytest.fixture
def version(ada):
    return uploaded(services.create_corpus("Sums", ada), ada)


def config(version, **more):
    corpus = services.corpus_setting(version) | more
    return NtpConfig.model_validate({"stage": "ntp", "scratch": {}, "corpus": corpus, "budget": {"steps": 1}})


def reading(version, user, name="reads it", **more):
    experiment = runs.create_experiment("Theirs", user)
    return runs.submit(experiment, name, config(version, **more), user)


def carried_out(job):
    tasks.execute_job(job.pk)
    job.refresh_from_db()
    return job


def end(run, status="succeeded"):
    Run.objects.filter(pk=run.pk).update(status=status)


def test_a_corpus_goes_with_its_versions_and_files_and_the_trail_says_who_it_was(version, ada):
    corpus = version.corpus
    open_one = services.new_version(corpus, ada)
    upload = uploads.begin(open_one, "b.jsonl", 900, ada)
    upload.part.write_bytes(b"half")
    on_disk = sum(path.stat().st_size for path in version.folder.rglob("*") if path.is_file())
    job = carried_out(deletion.ask(corpus, ada))
    assert (job.state, job.result["bytes"]) == (JobState.SUCCEEDED, on_disk + 4)
    assert not version.folder.parent.exists()
    assert not upload.part.exists()
    assert not any(kind.objects.exists() for kind in (Corpus, CorpusVersion, Upload))
    removed = [
        change for change in trail.of_team(first_team(), trail.TrailFilters()).changes if change.verb == "removed"
    ]
    assert {change.who for change in removed} == {"ada"}
    assert {change.kind for change in removed} == {"corpus", "corpusversion", "upload"}


def test_what_was_read_from_a_folder_stays_there(ada, tmp_path):
    (tmp_path / "a.jsonl").write_bytes(TEXT)
    version = services.new_version(services.create_corpus("Sums", ada), ada, str(tmp_path))
    carried_out(services.check(version, {"text": "text"}, ada))
    assert version.documents_file.exists()
    assert carried_out(deletion.ask(version.corpus, ada)).state == JobState.SUCCEEDED
    assert (tmp_path / "a.jsonl").read_bytes() == TEXT
    assert not version.folder.exists()


@pytest.mark.parametrize("below", ["", "/a.jsonl"])
def test_a_run_that_has_not_finished_keeps_it_and_is_named(version, ada, below):
    run = reading(version, ada, paths=[f"{version.place}{below}"])
    with pytest.raises(UserError, match=r"name it: “reads it” of “Theirs” \(queued\)\. Wait until they have ended"):
        deletion.ask(version.corpus, ada)
    assert not Job.objects.filter(kind="delete_corpus").exists()
    end(run)
    assert carried_out(deletion.ask(version.corpus, ada)).state == JobState.SUCCEEDED


def test_so_does_the_plan_of_a_run_that_waits(version, ada):
    experiment = runs.create_experiment("Theirs", ada)
    plan = config(version).model_dump(mode="json") | {"scratch": None, "model": {"path": "@first/model"}}
    Run.objects.create(experiment=experiment, name="then", stage="ntp", status="waiting", config={}, plan=plan)
    with pytest.raises(UserError, match=r"“then” of “Theirs” \(waiting\)"):
        deletion.ask(version.corpus, ada, version)


def test_a_finished_run_keeps_the_hash_of_what_it_has_read(version, ada, client):
    run = reading(version, ada)
    end(run)
    client.force_login(ada)
    assert f"/corpora/{version.corpus_id}/versions/1/" in client.get(f"/runs/{run.pk}/").text
    carried_out(deletion.ask(version.corpus, ada))
    (named,) = naming.versions_named(run)
    assert (named.corpus_name, named.number, named.content_hash) == ("Sums", 1, version.content_hash)
    text = client.get(f"/runs/{run.pk}/").text
    assert f"/corpora/{version.corpus_id}/versions/1/" not in text
    assert version.content_hash in text


def test_one_version_goes_alone_and_its_number_is_never_given_again(version, ada):
    later = uploaded(version.corpus, ada)
    assert carried_out(deletion.ask(version.corpus, ada, later)).state == JobState.SUCCEEDED
    assert list(version.corpus.versions.all()) == [version]
    assert (version.folder / "files/a.jsonl").read_bytes() == TEXT
    assert services.new_version(version.corpus, ada).number == 3


def test_nobody_adds_to_what_is_being_deleted(version, ada):
    open_one = services.new_version(version.corpus, ada)
    deletion.ask(version.corpus, ada)
    for found in (version, open_one):
        found.refresh_from_db()
    with pytest.raises(UserError, match="being deleted"):
        uploads.begin(open_one, "b.jsonl", 9, ada)
    with pytest.raises(UserError, match="being deleted"):
        services.look(open_one, ada)
    with pytest.raises(UserError, match="is being deleted already"):
        deletion.ask(version.corpus, ada)


def test_what_is_being_read_is_not_deleted(ada, version):
    open_one = services.new_version(version.corpus, ada, str(version.folder / "files"))
    services.look(open_one, ada)
    with pytest.raises(UserError, match="Version 2 is being read at the moment"):
        deletion.ask(version.corpus, ada)


def test_a_deletion_that_waits_for_the_beginning_of_a_check_sees_it_and_the_other_way_round(ada, version):
    CorpusVersion.objects.update(checked_at=None)
    check, delete = (
        (lambda: services.check(version, {"text": "text"}, ada)),
        (lambda: deletion.ask(version.corpus, ada)),
    )
    for first, second in ((check, delete), (delete, check)):
        Job.objects.all().delete()
        with ThreadPoolExecutor(1) as pool:
            with transaction.atomic():
                first()
                late = pool.submit(_alone, second)
                until(_somebody_waits)
            with pytest.raises(UserError, match="is being"):
                late.result()


def _alone(work):
    try:
        work()
    finally:
        connection.close()


def _somebody_waits():
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return cursor.fetchone()[0]


def test_a_worker_that_dies_right_before_or_after_the_rows_go_leaves_nothing_half(version, ada):
    uploaded(version.corpus, ada)
    job = deletion.ask(version.corpus, ada)
    dying = jobs.claim(job.pk, "dies")
    version.folder.rename(version.folder.with_name("1.deleted"))  # it dies before the rows of version 1 go
    second = settings.RPT_DATA_DIR / "corpora" / str(version.corpus_id) / "2"
    aside = second.with_name("2.deleted")
    second.rename(aside)
    kept = {path.name: path.read_bytes() for path in aside.rglob("*") if path.is_file()}
    deletion.delete_version(dying, 2)
    for name, data in kept.items():  # and of version 2 right after them
        aside.mkdir(exist_ok=True)
        (aside / name).write_bytes(data)
    Job.objects.filter(pk=job.pk).update(state=JobState.QUEUED)
    assert carried_out(job).state == JobState.SUCCEEDED
    assert not Corpus.objects.exists()
    assert not second.parent.exists()
    assert DeletedVersion.objects.count() == 2


def test_a_run_that_comes_before_the_job_keeps_the_version_whole(version, ada):
    job = deletion.ask(version.corpus, ada)
    reading(version, ada)
    job = carried_out(job)
    assert job.state == JobState.FAILED
    assert "“reads it”" in job.error
    version.refresh_from_db()
    assert (version.folder / "files/a.jsonl").read_bytes() == TEXT
    assert not version.is_busy


def test_a_version_that_is_made_meanwhile_stays(version, ada):
    job = deletion.ask(version.corpus, ada)
    later = services.new_version(version.corpus, ada)
    assert "The corpus stays" in carried_out(job).error
    assert list(CorpusVersion.objects.all()) == [later]


def test_a_cancelled_deletion_deletes_nothing(version, ada):
    job = deletion.ask(version.corpus, ada)
    jobs.request_cancel(job, ada)
    assert carried_out(job).state == JobState.CANCELLED
    version.refresh_from_db()
    assert not version.is_busy
    assert version.documents_file.exists()


def test_the_page_asks_first_and_the_job_says_what_was_freed(version, ada, client):
    client.force_login(ada)
    text = client.get(f"/corpora/{version.corpus_id}/").text
    assert "data-dialog-close autofocus>Keep it" in text
    answer = client.post(f"/corpora/{version.corpus_id}/delete")
    job = Job.objects.latest("id")
    assert answer["Location"] == f"/jobs/{job.pk}/"
    assert "Being deleted" in flat(client.get(f"/corpora/{version.corpus_id}/"))
    assert "Being deleted" in flat(client.get(f"/corpora/{version.corpus_id}/versions/1/"))
    carried_out(job)
    assert "of the disk are free again" in client.get(f"/jobs/{job.pk}/").text
    assert client.get(f"/corpora/{version.corpus_id}/").status_code == 404


def test_the_page_says_which_runs_keep_it(version, ada, client):
    reading(version, ada)
    client.force_login(ada)
    answer = client.post(f"/corpora/{version.corpus_id}/versions/1/delete", follow=True)
    assert "“reads it” of “Theirs” (queued)" in answer.text


def test_the_api_deletes_too(version, ada):
    caller = client_of(ada)
    run = reading(version, ada)
    refused = caller.delete(f"{ROOT}/versions/{version.pk}")
    assert refused.status_code == 409
    assert "“reads it”" in refused.json()["detail"]
    end(run)
    answer = caller.delete(f"{ROOT}/versions/{version.pk}")
    assert answer.status_code == 202
    carried_out(Job.objects.get(pk=answer.json()["id"]))
    assert caller.get(f"{ROOT}/versions/{version.pk}").status_code == 404
    answer = caller.delete(f"{ROOT}/corpora/{version.corpus_id}")
    carried_out(Job.objects.get(pk=answer.json()["id"]))
    assert caller.get(f"{ROOT}/corpora").json()["items"] == []
