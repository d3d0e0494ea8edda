"""Documents: formats, mapping, limits, and records that cannot be used. Their sides: test_sides."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rpt_core.config import CorpusConfig, FieldMapping
from rpt_core.errors import UserError
from rpt_core.run.events import EventLog, read_events
from rpt_core.text.corpus import emit_corpus, load_corpus
from rpt_core.text.records import MAX_NAMED, BadRecord
from tests.rpt_core.text.corpora import WITH_ID, everything, load, write_lines

OMNI = {
    "domain": ["Mathematics -> Algebra", "Mathematics -> Number Theory"],
    "difficulty": 4.5,
    "problem": "Find 2+2 für x.",
    "solution": "It is 4.",
    "answer": "4",
    "source": "somewhere",
}


def test_jsonl_documents_are_read_with_their_text(tmp_path):
    path = write_lines(tmp_path / "a.jsonl", [{"text": "one"}, {"text": "zwei\n漢字"}])
    corpus = load(path, validation_share=0)
    assert [document.text for document in corpus.train] == ["one", "zwei\n漢字"]
    assert corpus.validation == []
    assert (corpus.bad, corpus.duplicates, corpus.name) == (0, 0, "a.jsonl")


def test_omni_math_records_become_problem_and_solution(tmp_path):
    path = write_lines(tmp_path / "omni.jsonl", [OMNI])
    document = load(path, mapping="omni_math", validation_share=0).train[0]
    assert document.text == "Problem: Find 2+2 für x.\nSolution: It is 4."
    # "ü" takes two bytes: 9 + 16 + 10 bytes stand before the solution.
    assert document.solution_start == 35
    assert document.text.encode()[document.solution_start :] == b" It is 4."
    assert document.domain == "Mathematics -> Algebra; Mathematics -> Number Theory"
    assert (document.difficulty, document.answer) == ("4.5", "4")


def test_parquet_gives_the_same_documents_as_jsonl(tmp_path):
    records = [OMNI, {**OMNI, "problem": "Another one", "answer": None}]
    lines = load(write_lines(tmp_path / "a.jsonl", records), mapping="omni_math")
    pq.write_table(pa.Table.from_pylist(records), tmp_path / "a.parquet", row_group_size=1)
    table = load(tmp_path / "a.parquet", mapping="omni_math")
    assert (table.train, table.validation) == (lines.train, lines.validation)


def test_a_text_file_is_one_document(tmp_path):
    (tmp_path / "b.txt").write_text("\ufefffirst line\r\nsecond", encoding="utf-8", newline="")
    (tmp_path / "a.txt").write_text("other")
    corpus = load(tmp_path, validation_share=0)
    assert [document.text for document in corpus.train] == ["other", "first line\r\nsecond"]


def test_a_dotted_name_reaches_into_nested_objects(tmp_path):
    path = write_lines(tmp_path / "a.jsonl", [{"body": {"text": "deep"}, "meta": {"id": 7}, "a.b": "flat"}])
    mapping = FieldMapping(text="body.text", id="meta.id", domain="a.b")
    document = load(path, mapping=mapping, validation_share=0).train[0]
    assert (document.text, document.id, document.domain) == ("deep", "7", "flat")


def test_dotted_names_reach_into_parquet_columns(tmp_path):
    pq.write_table(pa.Table.from_pylist([{"body": {"text": "deep"}, "unused": 1}]), tmp_path / "a.parquet")
    corpus = load(tmp_path / "a.parquet", mapping=FieldMapping(text="body.text"), validation_share=0)
    assert corpus.train[0].text == "deep"


def test_bad_records_are_counted_and_named_with_file_and_line(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(
        b"".join(
            [
                b'{"text": "good"}\n',
                b"{broken\n",
                b"\n",
                b'{"text": "caf\xe9"}\n',
                b'{"other": 1}\n',
                b'{"text": ""}\n',
                b'{"text": 5}\n',
                b"[1, 2]\n",
                b'{"text": "\\ud800"}\n',
                b'{"text": "last, without a newline"}',
            ]
        )
    )
    corpus = load(path, max_bad_share=1.0, validation_share=0)
    assert [document.text for document in corpus.train] == ["good", "last, without a newline"]
    assert corpus.bad == 7
    assert [record.line for record in corpus.bad_records] == [2, 4, 5, 6, 7, 8, 9]
    assert {record.file for record in corpus.bad_records} == {str(path)}
    problems = [record.problem for record in corpus.bad_records]
    assert problems[0].startswith("not JSON")
    assert problems[1:] == [
        "not UTF-8 (byte 14 of the line)",
        "no field `text`",
        "field `text` is empty",
        "field `text` is not text",
        "not a JSON object",
        "field `text` holds half a surrogate pair, or bytes that are not UTF-8",
    ]


def test_a_text_file_that_is_no_utf_8_is_a_bad_record(tmp_path):
    (tmp_path / "latin.txt").write_bytes(b"one\ntwo\ncaf\xe9")
    (tmp_path / "good.txt").write_text("good")
    corpus = load(tmp_path, max_bad_share=1.0, validation_share=0)
    assert len(everything(corpus)) == 1
    assert corpus.bad_records == [BadRecord(str(tmp_path / "latin.txt"), 3, "not UTF-8 (byte 12 of the file)")]


def test_a_column_of_bytes_is_read_as_text(tmp_path):
    pq.write_table(pa.table({"text": [b"caf\xc3\xa9", b"caf\xe9"]}), tmp_path / "a.parquet")
    corpus = load(tmp_path / "a.parquet", validation_share=0, max_bad_share=0.5)
    assert [document.text for document in corpus.train] == ["café"]
    assert corpus.bad == 1


def test_a_missing_id_in_a_table_of_numbers_is_no_id(tmp_path):
    path = write_lines(tmp_path / "a.jsonl", [{"id": float("nan"), "text": f"text {n}"} for n in range(3)])
    corpus = load(path, mapping=WITH_ID, validation_share=0)
    assert len({document.id for document in corpus.train}) == 3
    assert corpus.notes == []


def test_chat_messages_become_problem_and_solution(tmp_path):
    messages = [{"role": "user", "content": "What is 1+1?"}, {"role": "assistant", "content": "It is 2."}]
    path = write_lines(tmp_path / "a.jsonl", [{"messages": messages}])
    mapping = {"text": None, "problem": "messages", "solution": "messages"}
    corpus = load(path, mapping=mapping, validation_share=0)
    assert corpus.train[0].text == "Problem: What is 1+1?\nSolution: It is 2."
    with pytest.raises(UserError, match="field `messages` holds chat messages: name it as `problem` and as `solution`"):
        load(path, mapping={"text": "messages"})


def test_what_is_not_read_is_a_warning_of_the_run(tmp_path):
    write_lines(tmp_path / "data" / "train.jsonl", [OMNI])
    for name in ("LICENSE.txt", "requirements.txt", "more.zip"):
        (tmp_path / "data" / name).write_text("These are the terms.")
    write_lines(tmp_path / "data" / ".cache" / "old.jsonl", [{**OMNI, "problem": "Old"}])
    with EventLog(tmp_path / "events.jsonl") as log:
        emit_corpus(load(tmp_path / "data", mapping="omni_math", validation_share=0), log)
    corpus, *notes = read_events(tmp_path / "events.jsonl")
    assert corpus.data["documents"] == {"train": 1, "validation": 0}
    assert {note.data["level"] for note in notes} == {"warning"}
    said = " ".join(note.data["message"] for note in notes)
    for name in (".cache/", "LICENSE.txt", "requirements.txt", "more.zip"):
        assert name in said


def test_a_file_without_records_is_named_and_is_no_bad_record(tmp_path):
    for name in ("empty.jsonl", "empty.txt", "blank.csv"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "list.json").write_text("[]")
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), tmp_path / "rows.parquet")
    (tmp_path / "good.txt").write_text("good")
    corpus = load(tmp_path, validation_share=0)
    assert (len(corpus.train), corpus.bad) == (1, 0)
    (note,) = corpus.notes
    assert note.startswith("5 files without a record: ")
    for name in ("empty.jsonl", "empty.txt", "blank.csv", "list.json", "rows.parquet"):
        assert name in note


def test_too_large_a_share_of_bad_records_stops_the_run(tmp_path):
    path = write_lines(tmp_path / "a.jsonl", [{"text": "good"}] + [{"text": f"{n}"} for n in range(97)] + [{}, {}])
    assert load(path, max_bad_share=0.02).bad == 2
    with pytest.raises(UserError, match=r"Unusable: 2 of 100 records, .*0\.01.*a\.jsonl:99: no field `text`"):
        load(path, max_bad_share=0.01)


def test_only_the_first_bad_records_are_named(tmp_path):
    path = write_lines(tmp_path / "a.jsonl", [{"text": "good"}] + [{}] * (MAX_NAMED + 5))
    corpus = load(path, max_bad_share=1.0)
    assert (corpus.bad, len(corpus.bad_records)) == (MAX_NAMED + 5, MAX_NAMED)


def test_a_text_that_was_read_before_is_left_out_and_counted(tmp_path):
    first = write_lines(tmp_path / "a.jsonl", [{"text": "one"}, {"text": "two"}, {"text": "one"}])
    second = write_lines(tmp_path / "b.jsonl", [{"text": "two"}])
    corpus = load(first, second)
    assert sorted(document.text for document in everything(corpus)) == ["one", "two"]
    assert corpus.duplicates == 2


def test_ids_that_start_again_in_each_file_lose_no_document(tmp_path):
    for shard in range(2):
        records = [{"id": n, "text": f"shard {shard}, text {n}"} for n in range(100)]
        write_lines(tmp_path / f"train-{shard}.jsonl", records)
    corpus = load(tmp_path, mapping=WITH_ID)
    by_id = {document.id: document.text for document in everything(corpus)}
    assert len(by_id) == 200
    # What had the id in runs of the first file alone keeps it, so that their lists and sets stay valid.
    assert by_id["7"] == "shard 0, text 7"
    assert by_id["train-1.jsonl:7"] == "shard 1, text 7"
    assert corpus.duplicates == 0
    (note,) = corpus.notes
    assert note.startswith("100 records had an id that another text already had.")


def test_one_id_for_several_texts_of_a_file_names_each_of_them(tmp_path):
    solutions = [{"id": "p1", "text": f"solution {n}"} for n in range(4)]
    path = write_lines(tmp_path / "a.jsonl", [*solutions, solutions[0]])
    corpus = load(path, mapping=WITH_ID, validation_share=0)
    assert len({document.id for document in corpus.train}) == 4
    assert corpus.duplicates == 1
    again = load(write_lines(tmp_path / "b" / "a.jsonl", solutions), mapping=WITH_ID, validation_share=0)
    assert [document.id for document in again.train] == [document.id for document in corpus.train]


def test_at_most_so_many_documents_of_each_split(tmp_path):
    path = write_lines(tmp_path / "a.jsonl", [{"text": f"document {n}"} for n in range(300)])
    corpus = load(path, validation_share=0.3, max_documents=7)
    assert (len(corpus.train), len(corpus.validation)) == (7, 7)
    whole = load(path, validation_share=0.3)
    assert corpus.train == whole.train[:7]


def test_reading_stops_once_both_splits_are_full(tmp_path):
    path = write_lines(tmp_path / "a.jsonl", [{"text": f"document {n}"} for n in range(20)] + [{}] * 50)
    assert load(path, validation_share=0, max_documents=3).bad == 0


def test_the_built_in_corpus_is_read_like_any_other():
    config = CorpusConfig(source="tiny", tiny_part="problems", tiny_documents=40, tiny_seed=3, validation_share=0.25)
    corpus = load_corpus(config)
    assert corpus == load_corpus(config)
    assert corpus.name == "tiny:problems"
    assert len(corpus.train) + len(corpus.validation) + corpus.duplicates == 40
    assert (len(corpus.train) > 0, len(corpus.validation) > 0) == (True, True)
    for document in everything(corpus):
        assert document.text.startswith("Problem: ")
        assert document.text.encode()[: document.solution_start].endswith(b"\nSolution:")


def test_missing_files_and_unknown_formats_are_explained(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        load(tmp_path / "none.jsonl")
    (tmp_path / "a.yaml").write_text("text: hello\n")
    with pytest.raises(UserError, match=r"format of .*a\.yaml is unknown.*\.jsonl, .*\.parquet, .*\.txt"):
        load(tmp_path / "a.yaml")
    with pytest.raises(UserError, match="holds no file"):
        load(tmp_path)
    assert load(tmp_path / "a.yaml", format="text", validation_share=0).train[0].text == "text: hello\n"


def test_a_missing_parquet_column_is_named_with_those_that_are_there(tmp_path):
    pq.write_table(pa.Table.from_pylist([{"body": "x", "title": "y"}]), tmp_path / "a.parquet")
    with pytest.raises(UserError, match=r"no column 'text'.*body, title"):
        load(tmp_path / "a.parquet")


def test_no_documents_at_all_is_an_error(tmp_path):
    (tmp_path / "a.jsonl").write_text("\n\n")
    with pytest.raises(UserError, match="no document"):
        load(tmp_path / "a.jsonl")


def test_the_corpus_event_says_what_was_read(tmp_path):
    path = write_lines(tmp_path / "a.jsonl", [{"text": "one"}, {"text": "one"}, {}])
    with EventLog(tmp_path / "events.jsonl") as log:
        emit_corpus(load(path, max_bad_share=1.0, validation_share=0), log)
    corpus, note = read_events(tmp_path / "events.jsonl")
    assert corpus.data == {
        "name": "a.jsonl",
        "documents": {"train": 1, "validation": 0},
        "bad": 1,
        "bad_records": [{"file": str(path), "line": 3, "problem": "no field `text`"}],
    }
    assert note.data["message"] == "1 document left out: the same text was read before."
