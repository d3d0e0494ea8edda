"""Corpora for tests of pages: files on the disk that went through the services and what the quick worker calls."""

from __future__ import annotations

import json
from pathlib import Path

from rpt_web.corpora import services
from rpt_web.corpora.models import CorpusVersion
from rpt_web.jobs.models import Job
from rpt_web.teams.models import User
from tests.factories import HOSTILE
from workers import tasks

SUBJECTS = ("Algebra", "Geometry", "Number theory")


def write_files(folder: Path) -> Path:
    """A folder with records of several kinds, some of which cannot be used."""
    folder.mkdir(parents=True, exist_ok=True)
    good = [
        {
            "id": f"sum-{n}",
            "question": f"What is {n} times {n + 3}, and what does it leave modulo {n % 7 + 2}?",
            "worked": f"It is {n * (n + 3)}. Divided by {n % 7 + 2} it leaves {n * (n + 3) % (n % 7 + 2)}.",
            "meta": {"subject": SUBJECTS[n % 3]},
        }
        for n in range(120)
    ]
    good[7]["question"] = f"What does {HOSTILE} do?"
    lines = [json.dumps(record) for record in good]
    lines[20:20] = ["{broken", json.dumps({"id": "empty", "question": " ", "worked": "x"})]
    lines.append(lines[3])
    (folder / "train-00001.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "more.csv").write_text('id,question,worked\nx1,"What is 1+1?","It is 2."\nx2,"What is 2+2?"\n')
    return folder


def carried_out(job: Job) -> Job:
    """The job after the quick worker's function has done it."""
    tasks.execute_job(job.pk)
    job.refresh_from_db()
    return job


def open_version(user: User, folder: Path) -> CorpusVersion:
    """A version that was looked at."""
    corpus = services.create_corpus(
        "Products modulo", user, licence="CC BY 4.0", source="made for tests", notes="Short questions with answers."
    )
    version = services.new_version(corpus, user, str(write_files(folder)))
    assert carried_out(services.look(version, user)).error == ""
    version.refresh_from_db()
    return version


def checked_version(user: User, folder: Path) -> CorpusVersion:
    """A version that was checked; a later one of its corpus is open, and was looked at."""
    version = open_version(user, folder)
    mapping = {"problem": "question", "solution": "worked", "id": "id", "text": None}
    assert carried_out(services.check(version, mapping, user)).error == ""
    version.refresh_from_db()
    later = services.new_version(version.corpus, user, str(folder))
    carried_out(services.look(later, user))
    return version
