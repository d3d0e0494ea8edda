"""A version of a corpus is looked at and checked: what a run would find is counted, named and kept."""

from __future__ import annotations

import gzip
import json

import pytest

from rpt_core.config import CorpusConfig
from rpt_core.text import document_files
from rpt_core.text.corpus import load_corpus
from rpt_web.corpora import services
from rpt_web.corpora.models import CorpusVersion
from rpt_web.jobs.models import JobState
from tests.factories import make_user
from workers import corpora, tasks

pytestmark = pytest.mark.django_db(transaction=True)
GOOD = [
    {"id": f"d{n}", "body": f"The sum of {n} and {n * 7 % 31} is {n + n * 7 % 31}, as a child of {n} knows."}
    for n in range(60)
]


@pytest.fixture
def ada(db):
    return make_user("ada")


@pytest.fixture
def version(ada, tmp_path):
    """A version whose files lie in a folder that may be read."""
    folder = tmp_path / "texts"
    folder.mkdir()
    return services.new_version(services.create_corpus("Sums", ada), ada, str(folder))


def lines(records):
    return "".join(f"{record if isinstance(record, str) else json.dumps(record)}\n" for record in records)


def put(version, name, text):
    from pathlib import Path

    path = Path(version.path) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)


def carried_out(job):
    tasks.execute_job(job.pk)
    job.refresh_from_db()
    return job


def looked_at(version, user):
    assert carried_out(services.look(version, user)).state == JobState.SUCCEEDED
    version.refresh_from_db()
    return version.preview


def test_a_look_shows_the_first_records_their_fields_and_a_likely_mapping(version, ada):
    put(version, "a.jsonl", lines(GOOD))
    put(version, "b.jsonl.gz", lines([{"body": "x" * 5000, "meta": {"level": 3}}]))
    preview = looked_at(version, ada)
    assert [(file["name"], file["kind"], len(file["records"])) for file in preview["files"]] == [
        ("a.jsonl", "jsonl", 5),
        ("b.jsonl.gz", "jsonl", 1),
    ]
    assert preview["files"][0]["records"][0] == {"line": 1, "record": GOOD[0]}
    assert len(preview["files"][1]["records"][0]["record"]["body"]) == corpora.LONGEST_TEXT + 1
    assert [field["name"] for field in preview["fields"]] == ["id", "body", "meta.level"]
    assert preview["mapping"] == {"text": "body", "id": "id"}


def test_a_look_tells_what_cannot_be_read_and_what_is_not(version, ada):
    put(version, "a.jsonl", lines(["{broken", GOOD[0], "[1]"]))
    put(version, "b.parquet", "version https://git-lfs.github.com/spec/v1\n")
    put(version, "c.zip", "x")
    job = carried_out(services.look(version, ada))
    assert job.state == JobState.FAILED
    assert "a Git LFS pointer instead of the data" in job.error
    (version.folder.parent).mkdir(parents=True, exist_ok=True)
    put(version, "b.parquet", "no parquet at all")
    assert "not a complete Parquet file" in carried_out(services.look(version, ada)).error
    from pathlib import Path

    (Path(version.path) / "b.parquet").unlink()
    preview = looked_at(version, ada)
    assert preview["files"][0]["problem"].startswith("Line 1: not JSON")
    assert "Line 3: not a JSON object" in preview["files"][0]["problem"]
    assert "c.zip" in preview["notes"][0]


def test_a_look_takes_numbers_that_are_none_and_objects_without_end(version, ada):
    deep = f"{'[' * 400}1{']' * 400}".replace("[", '{"a":').replace("]", "}")
    wide = {str(n): {str(m): {str(k): "x" * 400 for k in range(20)} for m in range(20)} for n in range(20)}
    numbers = '{"body": "x", "more": [1e999, -Infinity, NaN]}'
    put(version, "a.jsonl", lines([numbers, f'{{"body": "x", "deep": {deep}}}', {"body": "x", "wide": wide}]))
    infinite, nested, huge = (line["record"] for line in looked_at(version, ada)["files"][0]["records"])
    assert infinite["more"] == ["inf", "-inf", "nan"]
    assert nested["deep"] == {"a": {"a": "…"}}
    assert len(json.dumps(huge)) <= corpora.LONGEST_RECORD


@pytest.mark.parametrize(
    ("names", "mapping"),
    [
        (["text", "id"], {"text": "text", "id": "id"}),
        (["problem", "solution", "domain"], {"problem": "problem", "solution": "solution", "domain": "domain"}),
        (["question", "response"], {"problem": "question", "solution": "response"}),
        (["messages"], {"problem": "messages", "solution": "messages"}),
        (["prompt"], {}),
        (["a", "b"], {}),
    ],
)
def test_the_mapping_that_is_offered_follows_from_the_names(names, mapping):
    assert corpora.likely_mapping(names) == mapping


def test_a_check_counts_what_a_run_would_find(version, ada, settings):
    put(version, "a.jsonl", lines([*GOOD[:30], "{broken", {"id": "empty", "body": " "}, GOOD[3]]))
    put(version, "more/b.jsonl.gz", lines([*GOOD[30:], {"id": "d1", "body": "Another text of the same name."}]))
    mapping = {"text": "body", "id": "id"}
    job = carried_out(services.check(version, mapping, ada))
    assert job.state == JobState.SUCCEEDED, job.error
    version.refresh_from_db()
    run = load_corpus(CorpusConfig(paths=(version.place,), mapping={**mapping}, max_bad_share=1.0))
    assert (version.train_documents, version.validation_documents) == (
        len(run.train) + run.near_duplicates,
        len(run.validation),
    )
    assert version.documents == 61
    assert (version.records, version.bad_count, version.duplicates) == (64, 2, 1)
    assert version.near_duplicates == run.near_duplicates
    assert version.bad_records == [
        {"file": "a.jsonl", "line": 31, "problem": run.bad_records[0].problem},
        {"file": "a.jsonl", "line": 32, "problem": "field `body` is empty"},
    ]
    assert [file["name"] for file in version.files] == ["a.jsonl", "more/b.jsonl.gz"]
    assert any("d1" in note for note in version.notes)
    assert version.is_checked
    assert services.corpus_setting(version) == {
        "source": "files",
        "paths": [version.path],
        "mapping": {"text": "body", "id": "id"},
    }


def test_near_duplicates_of_held_out_documents_are_counted(version, ada):
    long = [f"{record['body']} {' '.join(f'word{n}{m}' for m in range(40))}" for n, record in enumerate(GOOD)]
    close = [f"{text} And so on." for text in long]
    put(version, "a.jsonl", lines([{"text": text} for text in [*long, *close]]))
    assert carried_out(services.check(version, {"text": "text"}, ada)).state == JobState.SUCCEEDED
    version.refresh_from_db()
    run = load_corpus(CorpusConfig(paths=(version.place,)))
    assert version.near_duplicates == run.near_duplicates > 0


def test_the_documents_are_kept_for_reading(version, ada):
    put(version, "a.jsonl", lines([{"q": "What is 2 + 2?", "a": "It is four.", "n": 1}]))
    carried_out(services.check(version, {"text": None, "problem": "q", "solution": "a"}, ada))
    version.refresh_from_db()
    (listed,) = document_files.part_of(version.documents_file).documents
    document = document_files.document_at(version.documents_file, listed.row)
    assert document["text"] == "Problem: What is 2 + 2?\nSolution: It is four."
    assert document["text"].encode()[document["solution_start"] :].decode() == " It is four."


def test_the_content_hash_is_of_names_and_bytes(version, ada):
    put(version, "a.jsonl", lines(GOOD))
    carried_out(services.check(version, {"text": "body"}, ada))
    other = services.new_version(version.corpus, ada, version.path)
    carried_out(services.check(other, {"text": "body", "id": "id"}, ada))
    put(version, "a.jsonl", lines(GOOD[1:]))
    third = services.new_version(version.corpus, ada, version.path)
    carried_out(services.check(third, {"text": "body"}, ada))
    hashes = [CorpusVersion.objects.get(pk=each.pk).content_hash for each in (version, other, third)]
    assert hashes[0] == hashes[1] != hashes[2]
    other.refresh_from_db()
    assert services.same_content(other) == version


@pytest.mark.parametrize(
    ("text", "mapping", "words"),
    [
        (lines(["{broken"]), {"text": "body"}, "none of its lines is a JSON object"),
        (lines([{"body": " "}]), {"text": "body"}, "None of its records can be used. a.jsonl, line 1: field `body`"),
        (lines(GOOD), {"text": "content"}, "has no record with the field 'content'"),
    ],
)
def test_a_corpus_that_no_run_could_read_fails_in_words_and_stays_open(version, ada, text, mapping, words):
    put(version, "a.jsonl", text)
    job = carried_out(services.check(version, mapping, ada))
    assert job.state == JobState.FAILED
    assert words in job.error
    version.refresh_from_db()
    assert not version.is_checked
    assert not version.documents_file.exists()
    assert carried_out(services.look(version, ada)).has_ended


def test_a_path_that_may_not_be_read_any_more_is_not_read(version, ada, settings, tmp_path):
    put(version, "a.jsonl", lines(GOOD))
    job = services.look(version, ada)
    settings.RPT_READ_ROOTS = []
    assert "is not below a folder that runs may read" in carried_out(job).error


def test_what_an_older_job_finds_is_not_stored(version, ada):
    put(version, "a.jsonl", lines(GOOD))
    old = services.look(version, ada)
    CorpusVersion.objects.update(job=None)
    assert carried_out(old).state == JobState.SUCCEEDED
    version.refresh_from_db()
    assert version.preview == {}


def test_a_record_that_needs_too_much_memory_is_no_damaged_file(version, ada, settings):
    settings.RPT_JOB_MEMORY_BYTES = 100_000_000
    put(version, "a.jsonl", '{"body": "' + "x" * 150_000_000 + '"}\n')
    job = carried_out(services.check(version, {"text": "body"}, ada))
    assert job.state == JobState.FAILED
    assert job.error.startswith("It needs more than 100 MB of memory")
    put(version, "a.jsonl", lines(GOOD))
    assert carried_out(services.check(version, {"text": "body"}, ada)).state == JobState.SUCCEEDED
