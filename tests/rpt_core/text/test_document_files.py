"""Documents of a checked corpus are paged by row, searched part by part, and read whole."""

from __future__ import annotations

import pytest

from rpt_core.text import document_files
from rpt_core.text.corpus import Document
from rpt_core.text.document_files import document_at, part_of, written_documents


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "documents.parquet"
    with written_documents(path) as documents:
        for number in range(700):
            side = "validation" if number % 10 == 0 else "train"
            text = f"Document {number}. " + ("It speaks of a ZEBRA. " if number in (3, 650) else "") + "x" * 300
            documents.add(Document(f"d{number}", text), side, "a.jsonl")
    assert (documents.rows, documents.characters > 200_000) == (700, True)
    return path


def rows(part):
    return [document.row for document in part.documents]


def test_pages_go_on_by_key_over_the_borders_of_row_groups(path):
    first = part_of(path, limit=300)
    second = part_of(path, after=first.next, limit=300)
    third = part_of(path, after=second.next, limit=300)
    assert rows(first) + rows(second) + rows(third) == list(range(700))
    assert (first.next, second.next, third.next) == (299, 599, None)
    assert first.documents[0].opening.startswith("Document 0. ")
    assert len(first.documents[0].opening) == document_files.OPENING_CHARACTERS


def test_one_side_alone(path):
    assert rows(part_of(path, after=5, limit=3, side="validation")) == [10, 20, 30]
    assert rows(part_of(path, limit=700, side="validation")) == list(range(0, 700, 10))


def test_words_are_found_in_any_case_and_shown_with_what_is_around(path):
    part = part_of(path, words="a zebra")
    assert rows(part) == [3, 650]
    assert part.next is None
    assert part.documents[1].opening.startswith("Document 650. It speaks of a ZEBRA. xxx")
    assert part_of(path, words="a.*zebra").documents == [], "they are words, not a pattern"


def test_a_search_stops_after_a_while_and_says_where_it_goes_on(path, monkeypatch):
    monkeypatch.setattr(document_files, "SEARCHED_CHARACTERS", 1)
    found, after, steps = [], -1, 0
    while after is not None:
        part = part_of(path, after=after, words="zebra")
        found += rows(part)
        assert part.searched == (700 if part.next is None else part.next + 1)
        after, steps = part.next, steps + 1
    assert (found, steps) == ([3, 650], 3)


def test_a_full_page_of_hits_goes_on_after_its_last(path):
    part = part_of(path, words="zebra", limit=1)
    assert (rows(part), part.next) == ([3], 3)
    assert rows(part_of(path, after=3, words="zebra", limit=1)) == [650]


def test_a_document_is_read_whole(path):
    assert document_at(path, 650)["text"].startswith("Document 650. It speaks of a ZEBRA.")
    assert document_at(path, 650)["row"] == 650
    assert document_at(path, 700) is None
    assert document_at(path, -1) is None


def test_what_is_not_finished_is_not_there(tmp_path):
    path = tmp_path / "documents.parquet"
    with pytest.raises(TypeError), written_documents(path) as documents:
        documents.add(Document("a", None), "train", "a")
    assert list(tmp_path.iterdir()) == []
