"""Outcome files: what is read back, and what is refused."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rpt_core.errors import UserError
from rpt_core.evaluation.outcomes import SCHEMA, read_outcomes
from tests.rpt_core.evaluation.outcome_files import row, write_old_outcomes, write_outcomes


def test_columns_come_back_as_arrays_and_missing_modes_as_none(tmp_path):
    rows = [row("a", 3, standard=True, standard_entropy_nats=0.5), row("b", 9, standard=False, standard_entropy_nats=2)]
    found = read_outcomes(write_outcomes(tmp_path / "x.parquet", rows))
    assert len(found) == 2
    assert found.places() == [("a", 3), ("b", 9)]
    assert found.correctness("standard").tolist() == [1.0, 0.0]
    assert found.standard_entropy_nats.tolist() == [0.5, 2.0]
    assert (found.sampled, found.majority, found.tokens, found.greedy, found.samples) == (None,) * 5


def test_several_responses_are_right_by_majority(tmp_path):
    rows = [row("a", 1, sampled=0.75, samples=4, majority=False), row("a", 2, sampled=0.25, samples=4, majority=True)]
    found = read_outcomes(write_outcomes(tmp_path / "x.parquet", rows))
    assert found.correctness("sampled").tolist() == [0.75, 0.25]
    assert found.right("sampled").tolist() == [False, True]


def test_rows_can_be_chosen(tmp_path):
    rows = [row("a", n, standard=n == 2, hard=n > 1, next_token=b"%d" % n) for n in range(4)]
    found = read_outcomes(write_outcomes(tmp_path / "x.parquet", rows)).at([2, 0])
    assert found.places() == [("a", 2), ("a", 0)]
    assert found.standard.tolist() == [True, False]
    assert found.members["hard"].tolist() == [True, False]
    assert found.next_token.tolist() == [b"2", b"0"]
    assert found.predictions["standard"].tolist() == [None, None]


def test_a_mode_that_was_not_evaluated_is_named_with_those_that_were(tmp_path):
    found = read_outcomes(write_outcomes(tmp_path / "x.parquet", [row("a", 1, standard=True)]))
    with pytest.raises(UserError, match=r"mode 'greedy'\. It has: standard"):
        found.correctness("greedy")
    with pytest.raises(UserError, match="mode 'sampled'"):
        found.response_tokens("sampled")


def test_standard_answers_have_no_response_tokens(tmp_path):
    found = read_outcomes(write_outcomes(tmp_path / "x.parquet", [row("a", 1, standard=True)]))
    with pytest.raises(ValueError, match="no responses"):
        found.response_tokens("standard")


def test_what_is_no_outcome_file_is_refused(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        read_outcomes(tmp_path / "none.parquet")
    with pytest.raises(UserError, match="is a folder"):
        read_outcomes(tmp_path)
    (tmp_path / "text.parquet").write_text("hello")
    with pytest.raises(UserError, match="not a Parquet file"):
        read_outcomes(tmp_path / "text.parquet")
    pq.write_table(pa.table({"document": ["a"], "position": [1]}), tmp_path / "other.parquet")
    with pytest.raises(UserError, match="no column byte_offset, domain"):
        read_outcomes(tmp_path / "other.parquet")
    pq.write_table(SCHEMA.empty_table(), tmp_path / "empty.parquet")
    with pytest.raises(UserError, match="no positions"):
        read_outcomes(tmp_path / "empty.parquet")


def test_a_column_of_another_type_is_refused(tmp_path):
    table = pa.Table.from_pylist([row("a", 1, standard=True)], SCHEMA)
    changed = table.set_column(table.schema.get_field_index("byte_offset"), "byte_offset", pa.array(["here"]))
    pq.write_table(changed, tmp_path / "x.parquet")
    with pytest.raises(UserError, match="columns of other types"):
        read_outcomes(tmp_path / "x.parquet")


def test_a_position_that_stands_twice_is_refused(tmp_path):
    with pytest.raises(UserError, match="twice"):
        read_outcomes(write_outcomes(tmp_path / "x.parquet", [row("a", 1), row("a", 1)]))


def test_a_mode_with_holes_is_refused(tmp_path):
    rows = [row("a", 1, greedy=True), row("a", 2)]
    with pytest.raises(UserError, match="column greedy"):
        read_outcomes(write_outcomes(tmp_path / "x.parquet", rows))


def test_the_hash_of_each_text_is_read_and_missing_in_files_of_earlier_versions(tmp_path):
    rows = [row("a", 1, greedy=True, text_hash=bytes(range(16))), row("b", 1, greedy=True, text_hash=bytes(16))]
    assert read_outcomes(write_outcomes(tmp_path / "new.parquet", rows)).text_hash.tolist() == [
        bytes(range(16)),
        bytes(16),
    ]
    old = read_outcomes(write_old_outcomes(tmp_path / "old.parquet", rows))
    assert old.text_hash.tolist() == [None, None]
    assert old.correctness("greedy").tolist() == [1.0, 1.0]
