"""Which side of the split a document stands on, and that nothing stands on both."""

import random

from hypothesis import given
from hypothesis import strategies as st

from rpt_core.config import CorpusConfig
from rpt_core.run.events import EventLog, read_events
from rpt_core.text.corpus import emit_corpus, load_corpus, split_of
from tests.rpt_core.text.corpora import WITH_ID, everything, load, write_lines


def test_a_document_never_changes_sides(tmp_path):
    records = [{"text": f"document {n}"} for n in range(300)]
    whole = load(write_lines(tmp_path / "a.jsonl", records), validation_share=0.2)
    part = load(write_lines(tmp_path / "b.jsonl", records[250:20:-3]), validation_share=0.2)
    assert {document.id for document in part.validation} <= {document.id for document in whole.validation}
    assert {document.id for document in part.train} <= {document.id for document in whole.train}
    # 300 draws at 0.2: five standard deviations are 35.
    assert 25 < len(whole.validation) < 95


def both_sides(corpus, part):
    return {part(document) for document in corpus.train} & {part(document) for document in corpus.validation}


def test_all_solutions_of_a_problem_stand_on_one_side(tmp_path):
    records = [
        {"problem": problem, "solution": solution, "id": f"{n} {solution}"}
        for n in range(100)
        for problem, solution in (
            (f"Problem {n}", "First way."),
            (f"problem  {n}\r\n", "Second way."),
            (f"\tPROBLEM\n{n}", "Third way."),
        )
    ]
    path = write_lines(tmp_path / "a.jsonl", records)
    mapping = {"text": None, "problem": "problem", "solution": "solution", "id": "id"}
    corpus = load(path, mapping=mapping, validation_share=0.3, near_duplicate_share=None)
    assert len(everything(corpus)) == 300
    assert not both_sides(corpus, lambda document: document.id.split()[0])


def test_a_field_with_the_problem_decides_the_side_of_a_whole_text_too(tmp_path):
    records = [{"text": f"{n} {way}", "about": f"Problem {n}"} for n in range(100) for way in ("first", "second")]
    mapping = {"text": "text", "problem": "about"}
    corpus = load(write_lines(tmp_path / "a.jsonl", records), mapping=mapping, validation_share=0.3)
    assert not both_sides(corpus, lambda document: document.text.split()[0])


def test_one_text_under_two_ids_stands_on_one_side(tmp_path):
    records = [{"id": f"{copy}-{n}", "text": f"text {n}{' ' * copy}"} for copy in range(3) for n in range(100)]
    path = write_lines(tmp_path / "a.jsonl", records)
    corpus = load(path, mapping=WITH_ID, validation_share=0.3, near_duplicate_share=None)
    assert len(everything(corpus)) == 300
    assert not both_sides(corpus, lambda document: document.text.strip())


def test_the_sides_of_an_earlier_run_are_kept_on_request(tmp_path):
    path = write_lines(tmp_path / "a.jsonl", [{"id": str(n), "text": f"text {n}"} for n in range(100)])
    corpus = load(path, mapping=WITH_ID, split_by="id", validation_share=0.3)
    assert [document.id for document in corpus.validation] == [
        str(n) for n in range(100) if split_of(str(n), 0.3) == "validation"
    ]


def prose(seed, words=120):
    return " ".join(random.Random(seed).choices([f"word{n}" for n in range(500)], k=words))


def test_a_training_document_that_nearly_equals_a_held_out_one_is_left_out(tmp_path):
    records = [{"text": prose(n)} for n in range(60)]
    path = write_lines(
        tmp_path / "a.jsonl", records + [{"text": f"{prose(n)} And one sentence more."} for n in range(60)]
    )
    whole = load(path, validation_share=0.3, near_duplicate_share=None)
    corpus = load(path, validation_share=0.3)
    assert both_sides(whole, lambda document: document.text.split()[0:50][-1])
    held_out = [set(document.text.split()[:120]) for document in corpus.validation]
    assert corpus.validation == whole.validation
    assert corpus.near_duplicates == len(whole.train) - len(corpus.train) > 10
    assert not [document for document in corpus.train if set(document.text.split()[:120]) in held_out]
    with EventLog(tmp_path / "events.jsonl") as log:
        emit_corpus(corpus, log)
    _, note = read_events(tmp_path / "events.jsonl")
    said = note.data["message"]
    assert said.startswith(f"{corpus.near_duplicates} training documents left out as nearly equal")


def test_problems_are_compared_without_their_solutions(tmp_path):
    records = [{"problem": prose(n), "solution": prose(-n)} for n in range(60)]
    records += [{"problem": f"{prose(n)} Show your work.", "solution": prose(-1000 - n)} for n in range(60)]
    mapping = {"text": None, "problem": "problem", "solution": "solution"}
    corpus = load(write_lines(tmp_path / "a.jsonl", records), mapping=mapping, validation_share=0.3)
    assert corpus.near_duplicates > 10
    assert not both_sides(corpus, lambda document: " ".join(document.text.split()[1:121]))


def test_the_built_in_corpus_keeps_its_documents_though_they_look_alike():
    config = CorpusConfig(source="tiny", tiny_documents=400, validation_share=0.38)
    corpus = load_corpus(config)
    assert len(everything(corpus)) == 400
    assert corpus.near_duplicates == 0
    assert all(split_of(document.id, 0.38) == "train" for document in corpus.train)
    assert all(split_of(document.id, 0.38) == "validation" for document in corpus.validation)


def test_adding_documents_moves_no_other_one_to_the_other_side(tmp_path):
    old = [{"id": n, "text": f"old text {n}"} for n in range(100)]
    new = [{"id": n, "text": f"new text {n}"} for n in range(100)]
    before = load(write_lines(tmp_path / "b.jsonl", old), mapping=WITH_ID, validation_share=0.3)
    write_lines(tmp_path / "a.jsonl", new)
    after = load(tmp_path, mapping=WITH_ID, validation_share=0.3)
    assert {document.text for document in before.train} <= {document.text for document in after.train}
    assert {document.text for document in before.validation} <= {document.text for document in after.validation}


@given(st.text(st.characters(codec="utf-8")), st.floats(0, 1), st.floats(0, 1))
def test_a_larger_share_only_adds_to_validation(id_, one, other):
    low, high = sorted((one, other))
    if split_of(id_, low) == "validation":
        assert split_of(id_, high) == "validation"
    assert split_of(id_, 0.0) == "train"
    assert split_of(id_, 1.0) == "validation"


def test_the_split_is_a_known_hash():
    # The first eight bytes of blake2b("a") are 333fcb4ee1aa7c11, 0.20019... of 2**64.
    assert split_of("a", 0.2001) == "train"
    assert split_of("a", 0.2003) == "validation"
