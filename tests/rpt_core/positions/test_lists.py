"""Lists of positions: read, checked, kept by a filter run."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from rpt_core.errors import UserError
from rpt_core.positions.lists import ListedPosition, PositionList, read_position_list, write_position_list
from rpt_core.positions.scored import ScoredDocument
from rpt_core.run.folder import RunDir
from rpt_core.text.corpus import Document
from tests.rpt_core import stages

# Five tokens: the first is nothing's continuation, the fourth has no bytes of its own.
SCORED = ScoredDocument(
    Document("d1", "a bc de f"),
    [5, 6, 7, 8, 9],
    [0, 1, 4, 7, 7, 9],
    np.array([np.nan, 1.0, 2.0, np.nan, 0.5], np.float32),
    candidates_from=1,
)


def listing(*items, document="d1"):
    return PositionList("list.jsonl", {document: [ListedPosition(document, *item) for item in items]})


def test_a_list_comes_back_as_it_was_written(tmp_path):
    path = tmp_path / "lists" / "a.jsonl"
    write_position_list(
        path,
        [
            {"document": "dä", "position": 3, "byte_offset": 9, "rollouts": 8},
            {"document": "d2", "position": 1, "byte_offset": 2},
            {"document": "dä", "position": 2, "byte_offset": 4},
        ],
    )
    assert read_position_list(path).by_document == {
        "dä": [ListedPosition("dä", 3, 9), ListedPosition("dä", 2, 4)],
        "d2": [ListedPosition("d2", 1, 2)],
    }


def test_the_byte_offset_may_be_left_out(tmp_path):
    (tmp_path / "l.jsonl").write_text('{"document": "a", "position": 1}\n\n{"document": "a", "position": 2, "x": []}\n')
    assert read_position_list(tmp_path / "l.jsonl").by_document["a"] == [
        ListedPosition("a", 1),
        ListedPosition("a", 2),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[1]",
        '{"document": "a"}',
        '{"document": 1, "position": 1}',
        '{"document": "a", "position": 1.5}',
        '{"document": "a", "position": "1"}',
        '{"document": "a", "position": 1, "byte_offset": "2"}',
    ],
)
def test_a_bad_line_is_named(tmp_path, line):
    (tmp_path / "l.jsonl").write_text('{"document": "a", "position": 1}\n' + line + "\n")
    with pytest.raises(UserError, match="line 2"):
        read_position_list(tmp_path / "l.jsonl")


@pytest.mark.parametrize("text", ["", "\n\n"])
def test_an_empty_list_is_refused(tmp_path, text):
    (tmp_path / "l.jsonl").write_text(text)
    with pytest.raises(UserError, match="names no position"):
        read_position_list(tmp_path / "l.jsonl")


def test_a_missing_list_is_refused(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        read_position_list(tmp_path / "none.jsonl")


def test_named_positions_become_candidates_each_once():
    assert listing((4,), (1, 1), (4, 7)).candidates_of(SCORED).tolist() == [0, 3]
    assert listing((4,), document="d2").candidates_of(SCORED).tolist() == []


@pytest.mark.parametrize("item", [(0,), (3,), (5,), (-1,), (2, 5)])
def test_a_position_that_cannot_be_predicted_or_begins_elsewhere_is_refused(item):
    with pytest.raises(UserError, match=rf"'d1'.*: {item[0]}\."):
        listing((1,), item).candidates_of(SCORED)


def test_only_the_first_unknown_ones_are_named():
    with pytest.raises(UserError, match=r": 5, 6, 7 and 2 more\."):
        listing((5,), (6,), (7,), (8,), (9,)).candidates_of(SCORED)
    with pytest.raises(UserError, match=r"does not have: d1\."):
        listing((1,)).check_documents({"d2"}, {"d3"})
    with pytest.raises(UserError, match=r"held-out documents.*: d1\."):
        listing((1,)).check_documents({"d2"}, {"d1"})
    listing((1,)).check_documents({"d1"}, {"d3"})


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    """A taught model, its corpus, and a filter run that kept what is uncertain."""
    folder = tmp_path_factory.mktemp("lists")
    model = stages.save_taught(folder / "model")
    corpus = stages.write_corpus(folder / "digits.jsonl")
    config = {"stage": "filter", "corpus": corpus, "proxy": model, "min_entropy_nats": 0.3}
    stages.run_stage(folder / "filter", config)
    return folder, config


def kept(folder, split="train"):
    rows = pq.read_table(RunDir(folder).positions / f"{split}.parquet").to_pylist()
    return {row["document"]: row["kept"] for row in rows if row["kept"]}


def with_list(config, path, **changes):
    return {**config, "keep": "list", "position_list": str(path), **changes}


def test_a_filter_run_keeps_what_the_list_names_and_nothing_else(ground, tmp_path):
    folder, config = ground
    chosen = {document: positions[:2] for document, positions in list(kept(folder / "filter").items())[:3]}
    lines = [{"document": document, "position": p} for document, positions in chosen.items() for p in positions]
    (tmp_path / "list.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    result = stages.run_stage(tmp_path / "run", with_list(config, tmp_path / "list.jsonl"))
    assert kept(tmp_path / "run") == chosen
    assert kept(tmp_path / "run", "validation") == {}
    assert (result["train_kept"], result["validation_kept"]) == (6, 0)
    capped = with_list(config, tmp_path / "list.jsonl", max_positions_per_document=1)
    assert stages.run_stage(tmp_path / "capped", capped)["train_kept"] == 3


def test_a_filter_run_refuses_a_list_of_another_corpus_before_it_loads_the_model(ground, tmp_path):
    _, config = ground
    (tmp_path / "list.jsonl").write_text('{"document": "elsewhere", "position": 2}\n')
    unloadable = {**with_list(config, tmp_path / "list.jsonl"), "proxy": {"path": str(tmp_path / "no-model")}}
    with pytest.raises(UserError, match="elsewhere"):
        stages.run_stage(tmp_path / "run", unloadable)


def test_a_filter_run_stores_its_position_sets(ground, tmp_path):
    _, config = ground
    sets = [{"name": "few", "positions_per_difficulty": 5, "easy_nats": 0.1}, {"name": "all", "easy_nats": 0.1}]
    result = stages.run_stage(tmp_path, {**config, "position_sets": sets})
    counts = {
        name: len(pq.read_table(RunDir(tmp_path).positions / "sets" / f"{name}.parquet")) for name in ("few", "all")
    }
    assert counts == {name: result[f"position_set_{name}"] for name in counts}
    assert 5 <= counts["few"] <= 15 < counts["all"]
