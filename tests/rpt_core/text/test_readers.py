"""Records of files of all kinds, and files that cannot be read as a whole."""

import bz2
import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rpt_core.config import CorpusConfig
from rpt_core.errors import UserError
from rpt_core.text.corpus import load_corpus
from rpt_core.text.files import DataFile, kind_of
from rpt_core.text.readers import ReadingProgress, read_records
from rpt_core.text.records import Unusable

RECORDS = [{"text": f"text {n}, ünïcode\nand a second line", "n": n} for n in range(1000)]
LINES = "".join(json.dumps(record) + "\n" for record in RECORDS).encode()


def gzipped(data):
    return gzip.compress(data, mtime=0)  # the same bytes at any time, as the names of tests are


def zstd(data):
    packed = pa.BufferOutputStream()
    with pa.CompressedOutputStream(packed, "zstd") as stream:
        stream.write(data)
    return packed.getvalue().to_pybytes()


def arrow_stream(table):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=300)
    return sink.getvalue().to_pybytes()


def arrow_file(table):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=300)
    return sink.getvalue().to_pybytes()


def csv_of(separator):
    rows = [f'"{record["text"]}"{separator}{record["n"]}\r\n' for record in RECORDS]
    return f"\ufefftext{separator}n\r\n{''.join(rows)}".encode()


def parquet(table):
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, row_group_size=300)
    return sink.getvalue().to_pybytes()


TABLE = pa.Table.from_pylist(RECORDS)
WHOLE = {
    "a.jsonl": LINES,
    "a.ndjson": LINES,
    "bom.jsonl": b"\xef\xbb\xbf" + LINES,
    "a.jsonl.gz": gzipped(LINES),
    "two-members.jsonl.gz": gzipped(LINES[:5000]) + gzipped(LINES[5000:]),
    "a.jsonl.zst": zstd(LINES),
    "two-frames.jsonl.zst": zstd(LINES[:5000]) + zstd(LINES[5000:]),
    "a.jsonl.bz2": bz2.compress(LINES),
    "packed-though-not-called-so.jsonl": gzipped(LINES),
    "called-so-though-not-packed.jsonl.gz": LINES,
    "list.json": json.dumps(RECORDS).encode(),
    "indented.json": json.dumps(RECORDS, indent=2).encode(),
    "within.json": json.dumps({"version": "1.1", "data": RECORDS}).encode(),
    "lines.json": LINES,
    "objects.json.gz": gzipped("\n".join(json.dumps(record, indent=1) for record in RECORDS).encode()),
    "a.csv": csv_of(","),
    "semicolons.csv": csv_of(";"),
    "a.tsv.gz": gzipped(csv_of("\t")),
    "a.parquet": parquet(TABLE),
    "stream.arrow": arrow_stream(TABLE),
    "file.arrow": arrow_file(TABLE),
    "a.feather": arrow_file(TABLE),
}


def put(path, content):
    path.write_bytes(content)
    return DataFile(path, kind_of(path), path.name)


def read(file, wanted=("text",)):
    return list(read_records(file, wanted))


@pytest.mark.parametrize("name", WHOLE)
def test_all_records_of_a_file_are_read_whatever_its_kind(tmp_path, name):
    progress = ReadingProgress()
    found = list(read_records(put(tmp_path / name, WHOLE[name]), ("text", "n"), progress))
    assert [record["text"].replace("\r\n", "\n") for _, record in found] == [record["text"] for record in RECORDS]
    assert [str(record["n"]) for _, record in found] == [str(n) for n in range(1000)]
    assert progress.share == 1.0


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "list.json", "a.csv", "a.parquet", "stream.arrow"])
def test_progress_tells_how_much_of_a_file_was_read(tmp_path, name):
    progress, shares = ReadingProgress(), []
    for number, _ in enumerate(read_records(put(tmp_path / name, WHOLE[name]), ("text",), progress)):
        shares += [progress.share] if number in (10, 500, 900) else []
    assert 0 <= shares[0] <= shares[1] <= shares[2] <= 1


@pytest.mark.parametrize("name", [name for name in WHOLE if not name.startswith(("two-", "within", "called"))])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.99])
def test_a_file_that_was_cut_off_stops_the_run_by_name(tmp_path, name, share):
    content = WHOLE[name]
    cut = content[: int(share * len(content))].rstrip(b"\r\n}")
    with pytest.raises(UserError, match=name.replace(".", r"\.")):
        read(put(tmp_path / name, cut))


def test_a_damaged_page_names_the_row_group(tmp_path):
    pq.write_table(TABLE, tmp_path / "d.parquet", row_group_size=250, compression="zstd")
    content = bytearray((tmp_path / "d.parquet").read_bytes())
    start = pq.ParquetFile(tmp_path / "d.parquet").metadata.row_group(2).column(0).file_offset
    start = start or pq.ParquetFile(tmp_path / "d.parquet").metadata.row_group(2).column(0).dictionary_page_offset
    content[start + 40 : start + 240] = b"\xff" * 200
    with pytest.raises(UserError, match=r"d\.parquet cannot be read at row group 3 of 4: "):
        read(put(tmp_path / "d.parquet", bytes(content)))


def test_a_changed_byte_is_noticed_where_the_page_has_a_checksum(tmp_path):
    options = {"compression": "none", "write_page_checksum": True, "use_dictionary": False}
    pq.write_table(TABLE, tmp_path / "d.parquet", **options)
    content = (tmp_path / "d.parquet").read_bytes()
    at = content.index(b"text 500")
    with pytest.raises(UserError, match=r"d\.parquet cannot be read at row group 1 of 1: .*checksum"):
        read(put(tmp_path / "d.parquet", content[:at] + b"tExt" + content[at + 4 :]))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("junk.parquet", b"PAR1 junk PAR1"),
        ("junk.arrow", b"nothing of the kind"),
        ("junk.json", b"nothing of the kind"),
        ("junk.jsonl", b"nothing\nof\nthe kind\n"),
        ("latin.json", b'[{"text": "caf\xe9"}]'),
        ("utf-16.jsonl", LINES.decode().encode("utf-16")),
        ("junk.jsonl.gz", b"\x1f\x8b nothing of the kind"),
        ("changed.jsonl.gz", gzipped(LINES)[:-8] + bytes(8)),
        ("quote.csv", b'text,n\nhello,1\n"and,2\n'),
        ("folder.jsonl", None),
    ],
)
def test_a_file_that_is_not_what_its_ending_says_stops_the_run_by_name(tmp_path, name, content):
    path = tmp_path / name
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with pytest.raises(UserError, match=rf"{name.replace('.', r'[.]')} cannot be read"):
        read(DataFile(path, kind_of(path), name))


def test_bad_rows_of_a_table_of_texts_are_records_that_cannot_be_used(tmp_path):
    content = b"text,n\ngood,1\ntoo,many,2\n\ncaf\xe9,3\nlast,4\n"
    found = read(put(tmp_path / "a.csv", content))
    assert [line for line, _ in found] == [2, 3, 5, 6]
    assert [str(record) for _, record in found if isinstance(record, Unusable)] == [
        "3 fields under 2 names",
        "not UTF-8",
    ]


def test_the_last_row_of_a_table_of_texts_that_was_cut_off_is_noticed(tmp_path):
    with pytest.raises(UserError, match=r"a\.csv cannot be read at line 3: its last line has no end"):
        read(put(tmp_path / "a.csv", b"text,n\ngood,1\nthe la"))


@pytest.mark.parametrize("name", ["a.csv", "stream.arrow", "a.parquet"])
def test_a_missing_column_is_named_with_those_that_are_there(tmp_path, name):
    with pytest.raises(UserError, match=r"no column 'body'\. Its columns are: text, n\."):
        read(put(tmp_path / name, WHOLE[name]), ("body",))


def test_an_error_of_who_takes_the_records_is_not_the_files(tmp_path):
    records = read_records(put(tmp_path / "a.jsonl", LINES), ("text",))
    with pytest.raises(ZeroDivisionError):
        [1 / (line - 1) for line, _ in records]


def test_a_bad_line_in_the_middle_is_one_bad_record(tmp_path):
    found = read(put(tmp_path / "a.jsonl", b'{"text": "a"}\n{"text": "b\n{"text": "c"}\n'))
    assert [line for line, record in found if isinstance(record, Unusable)] == [2]


@pytest.mark.parametrize("name", ["b.jsonl", "b.json"])
def test_a_file_without_a_wanted_field_in_any_record_is_named_though_the_others_are_fine(tmp_path, name):
    """Such as what a server says instead of the data."""
    (tmp_path / "a.jsonl").write_text('{"text": "good", "id": 1}\n' * 500)
    (tmp_path / name).write_text('{"error": "Repository not found", "code": 404}\n')
    with pytest.raises(UserError, match=rf"{name} has no record with the field 'text'.* has: error, code\."):
        load_corpus(CorpusConfig(paths=[str(tmp_path / "a.jsonl"), str(tmp_path / name)]))


def test_a_file_in_which_some_record_has_the_field_has_bad_records(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"error": 1}\n' + '{"text": "good"}\n' * 500)
    assert load_corpus(CorpusConfig(paths=[str(tmp_path / "a.jsonl")])).bad == 1
