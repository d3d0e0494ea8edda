"""The files of a corpus come from an address: all of them or none, within limits, into the version's folder alone."""

from __future__ import annotations

import json
import os
import signal
import time
from datetime import timedelta

import pytest
from django.db import connections
from django.db.models.functions import Now
from fsspec.implementations.memory import MemoryFile, MemoryFileSystem

from rpt_web.corpora import addresses, fetched, services, uploads
from rpt_web.corpora.models import Upload
from rpt_web.jobs import services as jobs
from rpt_web.jobs.models import Job, JobState
from tests.factories import make_user
from workers import fetching, tasks

pytestmark = pytest.mark.django_db(transaction=True)
LINES = "".join(json.dumps({"body": f"The sum of {n} and {n} is {2 * n}."}) + "\n" for n in range(40)).encode()
STORE = MemoryFileSystem()


class Slow(MemoryFile):
    """A file that does something as soon as somebody has read the first of it."""

    size = 50_000_000

    def __init__(self, path, act):
        super().__init__(STORE, path)
        self.act, self.reads = act, 0

    def read(self, *_):
        self.reads += 1
        if self.reads == 2:
            self.act()
        time.sleep(0.01)
        return b"x" * 1000


@pytest.fixture(autouse=True)
def store(settings, monkeypatch):
    """A store in memory, of which `memory://texts` may be fetched."""
    monkeypatch.setitem(addresses.STORES, "memory", "fsspec")
    settings.RPT_CORPUS_ADDRESSES = ["memory://texts/"]
    settings.RPT_LEASE_SECONDS = 2
    yield
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]


@pytest.fixture
def ada():
    return make_user("ada")


@pytest.fixture
def version(ada):
    return services.new_version(services.create_corpus("Sums", ada), ada, "memory://texts/sums")


def put(name, data=LINES):
    """Under the very name: a store's keys are what somebody has written there."""
    file = data if isinstance(data, MemoryFile) else MemoryFile(STORE, name, data)
    MemoryFileSystem.store[name] = file


def carried_out(job):
    tasks.execute_job(job.pk)
    job.refresh_from_db()
    return job


def files_of(version):
    root = version.folder / "files"
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def parts():
    return [upload.part for upload in Upload.objects.all() if upload.part.exists()]


def is_untouched(version):
    version.refresh_from_db()
    return not (Upload.objects.exists() or (version.folder / "files").exists() or version.fetched_at)


def test_a_folder_is_fetched_once_and_is_then_as_if_it_had_been_uploaded(version, ada):
    put("/texts/sums/a.jsonl")
    put("/texts/sums/more/b.jsonl", LINES.replace(b"sum", b"total"))
    put("/texts/sums/card.md", b"About it")
    put("/texts/sums-2/c.jsonl")
    job = carried_out(services.look(version, ada))
    assert job.state == JobState.SUCCEEDED, job.error
    version.refresh_from_db()
    assert [file["name"] for file in version.preview["files"]] == ["a.jsonl", "more/b.jsonl"] == files_of(version)
    assert (version.folder / "files/a.jsonl").read_bytes() == LINES
    assert version.preview["notes"][0].startswith("Not fetched from memory://texts/sums: card.md. Files that end in")
    assert not parts()
    MemoryFileSystem.store.clear()
    job = carried_out(services.check(version, {"text": "body"}, ada))
    assert job.state == JobState.SUCCEEDED, job.error
    version.refresh_from_db()
    assert version.records == 80
    assert "card.md" in version.notes[0]
    assert services.corpus_setting(version)["paths"] == [str(version.folder / "files")]
    with pytest.raises(uploads.Taken, match="come from memory://texts/sums"):
        uploads.begin(version, "c.jsonl", 10, ada)


def test_a_check_fetches_where_nobody_has_looked_and_one_file_is_enough(ada, version):
    put("/texts/one.jsonl")
    single = services.new_version(version.corpus, ada, "memory://texts/one.jsonl")
    assert carried_out(services.check(single, {"text": "body"}, ada)).state == JobState.SUCCEEDED
    assert files_of(single) == ["one.jsonl"]


@pytest.mark.parametrize(
    ("limit", "words"),
    [({"RPT_UPLOAD_BYTES": len(LINES) * 2 - 1}, "is too large"), ({}, "that it may take on the disk")],
)
def test_what_has_no_room_is_not_begun(version, ada, settings, limit, words):
    put("/texts/sums/a.jsonl")
    put("/texts/sums/b.jsonl")
    for name, value in limit.items():
        setattr(settings, name, value)
    if not limit:
        version.corpus.team.quota_bytes = len(LINES)
        version.corpus.team.save()
    job = carried_out(services.look(version, ada))
    assert job.state == JobState.FAILED
    assert words in job.error
    assert is_untouched(version)


def test_hostile_names_stay_in_the_folder(version, ada):
    names = [
        "../x.jsonl",
        "../../../x.jsonl",
        "/x.jsonl",
        "a/../../x.jsonl",
        ".git/x.jsonl",
        "..\\x.jsonl",
        "a\nb.jsonl",
    ]
    for name in [*names, "good.jsonl", "good.jsonl\\x.jsonl", "/".join("d" * 11) + ".jsonl", "d/" * 400 + "x.jsonl"]:
        put(f"/texts/sums/{name}")
    put("/texts/sums/empty.jsonl", b"")
    job = carried_out(services.look(version, ada))
    assert job.state == JobState.SUCCEEDED, job.error
    version.refresh_from_db()
    assert files_of(version) == ["good.jsonl"]
    assert [path.name for path in version.folder.iterdir()] == ["files"]
    told = " ".join(version.notes)
    assert all(word in told for word in (": ../, ", ".git/", "..\\x.jsonl", "a b.jsonl", "empty.jsonl"))
    assert "good.jsonl\\x.jsonl. Another has the same name, or one would be a file and a folder." in told


def test_a_cancel_on_the_way_leaves_nothing(version, ada):
    put("/texts/sums/a.jsonl")
    job = services.look(version, ada)
    seen = []

    def cancel():
        seen.extend([files_of(version), len(parts())])
        jobs.request_cancel(job, ada)

    put("/texts/sums/b.jsonl", Slow("/texts/sums/b.jsonl", cancel))
    assert carried_out(job).state == JobState.CANCELLED
    assert seen == [["a.jsonl"], 1]
    assert is_untouched(version)
    put("/texts/sums/b.jsonl")
    assert carried_out(services.look(version, ada)).state == JobState.SUCCEEDED


def killed(version, job):
    """Carry a job out in a process that dies while it copies the second file."""
    slow = Slow("/texts/sums/b.jsonl", lambda: os.kill(os.getpid(), signal.SIGKILL))
    put("/texts/sums/a.jsonl")
    put("/texts/sums/b.jsonl", slow)
    connections.close_all()
    if not (child := os.fork()):
        try:
            tasks.execute_job(job.pk)
        finally:
            os._exit(0)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    assert files_of(version) == ["a.jsonl"]
    assert len(parts()) == 1


def test_a_job_whose_worker_was_killed_fetches_all_of_it_again(version, ada):
    job = services.look(version, ada)
    killed(version, job)
    (left,) = parts()
    put("/texts/sums/b.jsonl")
    Job.objects.update(lease_until=Now() - timedelta(seconds=1))
    jobs.release_lapsed()
    assert fetched.clean_up() == 0
    assert carried_out(job).state == JobState.SUCCEEDED
    assert files_of(version) == ["a.jsonl", "b.jsonl"]
    assert not left.exists()
    assert not Upload.objects.filter(completed_at=None).exists()


def test_what_a_job_leaves_that_dies_for_good_is_removed(version, ada):
    job = services.look(version, ada)
    killed(version, job)
    Job.objects.update(lease_until=Now() - timedelta(seconds=1), max_attempts=1)
    jobs.release_lapsed()
    assert fetched.clean_up() == 1
    assert is_untouched(version)
    assert fetched.clean_up() == 0


def test_an_older_attempt_harms_nothing(version, ada):
    put("/texts/sums/a.jsonl")
    job = services.look(version, ada)

    def hand_over():
        Job.objects.filter(pk=job.pk).update(attempt=7)
        fetched.begin(version, Job.objects.get(pk=job.pk), {"new.jsonl": 5})

    put("/texts/sums/b.jsonl", Slow("/texts/sums/b.jsonl", hand_over))
    tasks.execute_job(job.pk)
    assert [upload.name for upload in Upload.objects.all()] == ["new.jsonl"]
    assert files_of(version) == []


@pytest.mark.parametrize("size", [len(LINES) - 1, len(LINES) + 1])
def test_a_file_that_is_not_as_listed_is_refused(version, ada, size):
    class Lying(MemoryFile):
        """Says that it has another size."""

    Lying.size = size
    put("/texts/sums/a.jsonl", Lying(STORE, "/texts/sums/a.jsonl", LINES))
    assert "has changed while it was fetched" in carried_out(services.look(version, ada)).error
    assert is_untouched(version)


def test_nothing_there_is_said_and_so_is_what_is_not_allowed_any_more(version, ada, settings):
    assert "There is nothing at memory://texts/sums" in carried_out(services.look(version, ada)).error
    put("/texts/sums/a.bin")
    job = carried_out(services.look(version, ada))
    assert job.error.startswith("There is no file to read at memory://texts/sums. Not fetched from")
    settings.RPT_CORPUS_ADDRESSES = []
    assert "Allowed: none" in carried_out(services.look(version, ada)).error


def test_what_a_library_says_is_told_without_secrets(version, ada, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "abcdefgh12345")

    class Broken(MemoryFile):
        """Fails as a library does."""

        def read(self, *_):
            raise PermissionError("abcdefgh12345 is no good for https://cdn.example/x?X-Amz-Signature=9876")

    put("/texts/sums/a.jsonl", Broken(STORE, "/texts/sums/a.jsonl", LINES))
    error = carried_out(services.look(version, ada)).error
    assert "… is no good for https://cdn.example/x?…. Look whether" in error
    assert is_untouched(version)
    assert fetching.words_of(ValueError("plain")) == "plain"
