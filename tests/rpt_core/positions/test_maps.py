"""Documents of a filter run one by one: only what is asked for is read, and files of earlier versions too."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
import pytest

from rpt_core.positions import maps, scored
from rpt_core.positions.documents import read_documents
from rpt_core.positions.maps import PositionsFile
from rpt_core.positions.scored import SCHEMA, positions_writer, read_positions, to_table
from rpt_core.text.corpus import Document


def document(number, tokens):
    """One of so many tokens of two bytes, with the number as its seed."""
    rng = np.random.default_rng(number)
    entropies = rng.random(tokens).astype(np.float32)
    entropies[:1] = np.nan
    text = "".join(rng.choice(list("abé"), tokens))
    offsets = [0, *np.cumsum([len(character.encode()) for character in text]).tolist()]
    kept = [token for token in range(1, tokens) if entropies[token] > 0.8]
    found = Document(f"d{number}", text, domain="sums" if number % 2 else "")
    return scored.ScoredDocument(found, list(range(tokens)), offsets, entropies, 1, kept, np.exp(-entropies))


def write(folder, documents, *, without=(), group_tokens=50):
    """A file whose row groups end with the document that reaches so many tokens."""
    folder.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scored, "ROW_GROUP_TOKENS", group_tokens)
        with positions_writer(folder / "train.parquet", "made") as writer:
            for part in scored.in_groups(to_table(documents)):
                writer.write_table(part)
    if without:
        table = pq.read_table(folder / "train.parquet")
        pq.write_table(table.drop_columns(list(without)), folder / "train.parquet", row_group_size=3)
    return PositionsFile(folder, "train")


SIZES = [20, 20, 20, 0, 130, 1, 49, 1, 2]


def test_a_row_group_holds_no_more_tokens_than_it_may_but_at_least_a_document(tmp_path):
    write(tmp_path, [document(number, size) for number, size in enumerate(SIZES)])
    metadata = pq.read_metadata(tmp_path / "train.parquet")
    rows = [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]
    assert rows == [2, 2, 1, 2, 2]  # 40, 20, 130, 50, 3 tokens


def test_every_document_is_read_as_it_was_written(tmp_path):
    documents = [document(number, size) for number, size in enumerate(SIZES)]
    file = write(tmp_path, documents)
    assert file.documents == len(SIZES)
    for row, written in enumerate(documents):
        found = file.document(row)
        assert (found.id, found.domain, found.text) == (
            written.document.id,
            written.document.domain,
            written.document.text.encode(),
        )
        assert found.token_ids.tolist() == written.token_ids
        assert found.byte_offsets.tolist() == written.byte_offsets
        np.testing.assert_array_equal(found.entropies, written.entropies)
        np.testing.assert_array_equal(found.highest_probabilities, written.highest_probabilities)
        assert found.kept.tolist() == list(written.kept)
        assert b"".join(found.piece(token) for token in range(found.tokens)) == found.text
    for row in (-1, len(SIZES)):
        with pytest.raises(IndexError):
            file.document(row)


def test_ranks_count_from_the_least_certain_position(tmp_path):
    found = write(tmp_path, [document(3, 30)]).document(0)
    order = sorted(range(1, 30), key=lambda token: -found.entropies[token])
    assert [found.ranks[token] for token in order] == list(range(1, 30))
    assert found.ranks[0] == 0
    assert found.positions.tolist() == list(range(1, 30))


@pytest.mark.parametrize("start", range(len(SIZES) + 1))
def test_a_page_of_lines_goes_over_the_ends_of_row_groups(tmp_path, start):
    documents = [document(number, size) for number, size in enumerate(SIZES)]
    lines = write(tmp_path, documents).lines(start, 4)
    assert [line.row for line in lines] == list(range(start, min(start + 4, len(SIZES))))
    for line in lines:
        written = documents[line.row]
        assert (line.id, line.tokens, line.positions, line.kept) == (
            f"d{line.row}",
            SIZES[line.row],
            max(SIZES[line.row] - 1, 0),
            len(written.kept),
        )
        mean = None if line.tokens < 2 else pytest.approx(float(written.entropies[1:].mean()))
        assert line.mean_nats == mean


def test_lines_are_those_of_the_file_as_it_is_now(tmp_path):
    before = write(tmp_path, [document(number, 20) for number in range(4)]).lines(0, 50)
    now = write(tmp_path, [document(number, 21) for number in range(4)])
    assert [line.tokens for line in before] == [20] * 4
    assert [line.tokens for line in now.lines(0, 50)] == [21] * 4
    assert now.lines(1, 2) == now.lines(0, 50)[1:3]


def test_a_document_is_found_by_its_id(tmp_path):
    file = write(tmp_path, [document(number, size) for number, size in enumerate(SIZES)])
    assert [file.row_of(f"d{row}") for row in range(len(SIZES))] == list(range(len(SIZES)))
    assert file.row_of("d") is None
    assert file.row_of("é\ud7ff") is None


def test_a_name_is_found_in_a_file_of_many_groups_whatever_their_order(tmp_path, monkeypatch):
    monkeypatch.setattr(maps, "MOST_GROUPS_ALONE", 1)
    numbers = [3, 900, 41, 7, 3, 77, 500]  # the first and the last groups hold names from far apart
    file = write(tmp_path, [document(number, 30) for number in numbers])
    for number in numbers:
        assert file.row_of(f"d{number}") == numbers.index(number), "the first of equal ones"
    assert file.row_of("d42") is None
    file = write(tmp_path, [document(number, 30) for number in (*numbers, 42)])
    assert file.row_of("d42") == len(numbers), "a file that is replaced is read again"


def test_a_file_of_an_earlier_version_has_no_probabilities_and_trains_as_before(tmp_path):
    documents = [document(number, size) for number, size in enumerate(SIZES)]
    new, old = tmp_path / "new", tmp_path / "old"
    write(new, documents)
    found = write(old, documents, without=["highest_probabilities"]).document(4)
    assert found.highest_probabilities is None
    assert len(found.entropies) == 130
    tables = [read_positions(folder, "train") for folder in (new, old)]
    assert str(tables[0][0].to_pylist()) == str(tables[1][0].to_pylist())  # NaN equals nothing, not even itself
    assert tables[0][1] == tables[1][1] == "made"
    assert "highest_probabilities" in SCHEMA.names
    assert "highest_probabilities" not in tables[0][0].schema.names  # training does not hold them in memory
    assert [document.id for document in read_documents(new, "train")[0]] == [f"d{n}" for n in range(len(SIZES))]
