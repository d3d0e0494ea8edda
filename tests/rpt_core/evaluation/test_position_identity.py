"""A set of positions is known by its content: equal in any order, another one when anything of it is another."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rpt_core.evaluation.outcomes import SCHEMA
from rpt_core.evaluation.position_identity import SetIdentity, identity_of, stored_identity
from tests.rpt_core.evaluation.outcome_files import row, write_outcomes

NATS = {"easy": 0.5, "medium": 1.0, "hard": 1.5}
ROWS = [row("a", 4, standard=True), row("a", 9, standard=False), row("b", 4, standard=True)]


def identity(rows, above_nats=NATS):
    return identity_of(pa.Table.from_pylist(rows, SCHEMA), above_nats)


def test_the_identity_counts_positions_and_documents():
    found = identity(ROWS)
    assert (found.positions, found.documents, len(found.hash)) == (3, 2, 32)
    assert SetIdentity(**found.as_json()) == found


def test_neither_the_order_nor_what_was_answered_nor_a_token_longer_than_a_byte_matters():
    answered = [{**one, "standard": None, "sampled": 1.0, "next_token": b"xyz"} for one in reversed(ROWS)]
    assert identity(answered) == identity(ROWS)


@pytest.mark.parametrize("changes", [{"document": "c"}, {"byte_offset": 5}, {"next_token": b"y"}, {"hard": False}])
def test_another_place_text_or_level_is_another_set(changes):
    assert identity([{**ROWS[0], **changes}, *ROWS[1:]]).hash != identity(ROWS).hash


def test_fewer_positions_and_other_thresholds_are_another_set():
    hashes = {
        identity(ROWS).hash,
        identity(ROWS[1:]).hash,
        identity(ROWS, {**NATS, "hard": 1.6}).hash,
        identity(ROWS, None).hash,
    }
    assert len(hashes) == 4


def test_a_stored_file_has_the_identity_of_its_rows_and_no_file_has_none(tmp_path):
    path = tmp_path / "outcomes.parquet"
    write_outcomes(path, ROWS)
    assert stored_identity(path, NATS) == identity(ROWS)
    path.write_bytes(b"")
    assert stored_identity(path, NATS) is None
    assert stored_identity(tmp_path / "none.parquet", NATS) is None
    pq.write_table(pa.table({"question": ["q"]}), path)
    assert stored_identity(path, NATS) is None
