"""How large a corpus is, from its first documents; and what pre-flight says of its files."""

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rpt_core.config import STAGES, CorpusConfig
from rpt_core.errors import UserError
from rpt_core.preflight import check
from rpt_core.preflight.corpus_sample import sample_corpus
from tests.rpt_core.preflight.preflight_runs import CPU, fields

RECORDS = [{"text": f"document {n:05d} " + "word " * 20} for n in range(20000)]
LINES = "".join(json.dumps(record) + "\n" for record in RECORDS).encode()


def corpus(*paths, **options):
    return CorpusConfig(paths=[str(path) for path in paths], **options)


def put(path, content):
    path.write_bytes(content)
    return path


def parquet(path):
    pq.write_table(pa.Table.from_pylist(RECORDS), path, row_group_size=2000, compression="none", use_dictionary=False)
    return path


def test_a_large_file_is_counted_from_its_beginning(tmp_path, small_sample):
    found = sample_corpus(corpus(put(tmp_path / "a.jsonl", LINES)))
    assert len(found.texts) == 300
    assert found.documents == pytest.approx(20000, rel=0.001)


@pytest.mark.parametrize("kind", ["json", "csv", "parquet"])
def test_files_of_other_kinds_are_counted_from_their_beginning(tmp_path, small_sample, kind):
    path = tmp_path / f"a.{kind}"
    if kind == "json":
        put(path, json.dumps(RECORDS).encode())
    elif kind == "csv":
        put(path, b"text\n" + "".join(f"{record['text']}\n" for record in RECORDS).encode())
    else:
        parquet(path)
    # Readers read some 64 kB ahead, of two million bytes.
    assert sample_corpus(corpus(path)).documents == pytest.approx(20000, rel=0.4)


def test_only_the_first_files_are_read_and_the_others_are_counted_by_their_size(tmp_path, small_sample):
    for number in range(5):
        put(tmp_path / f"{number}.jsonl", LINES[: LINES.index(b"document 04000") - 10])
    put(tmp_path / "5.jsonl", b"{broken\n" * (4000 * 126 // 8))
    assert sample_corpus(corpus(tmp_path)).documents == pytest.approx(24000, rel=0.01)


def test_a_small_corpus_is_counted_exactly_and_its_bad_records_count(tmp_path):
    path = put(tmp_path / "a.jsonl.gz", gzip.compress(LINES[: LINES.index(b"document 01000") - 10] + b"{broken\n" * 5))
    assert sample_corpus(corpus(path)).documents == 1000
    with pytest.raises(UserError, match="Unusable: 5 of 1,005 records"):
        sample_corpus(corpus(path, max_bad_share=0.001))


def test_a_limit_on_documents_counts_for_each_side(tmp_path):
    path = put(tmp_path / "a.jsonl", LINES[: LINES.index(b"document 01000") - 10])
    assert sample_corpus(corpus(path, validation_share=0.1, max_documents=50)).documents == 100
    assert sample_corpus(corpus(path, validation_share=0.1, max_documents=400)).documents == 500
    assert sample_corpus(CorpusConfig(source="tiny", tiny_documents=5000, max_documents=100)).documents == 200


def test_preflight_finds_broken_files_wherever_they_lie(model, tmp_path):
    put(tmp_path / "a.jsonl", LINES)
    put(tmp_path / "z.jsonl", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    report = check(STAGES["filter"].model_validate({"corpus": corpus(tmp_path), "proxy": model}), CPU)
    assert fields(report) == [""]
    assert "git lfs pull" in report.errors[0].message


def test_preflight_warns_of_data_that_is_not_read(model, tmp_path):
    put(tmp_path / "a.jsonl", LINES)
    put(tmp_path / "more.zip", b"PK")
    report = check(STAGES["filter"].model_validate({"corpus": corpus(tmp_path), "proxy": model}), CPU)
    assert (fields(report), fields(report, "warning")) == ([], [""])
    assert "Not read in" in report.problems[0].message
    assert "more.zip" in report.problems[0].message
