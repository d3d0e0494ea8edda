"""Position sets: drawn once, stored, and asked at again."""

import copy

import numpy as np
import pyarrow.parquet as pq
import pytest

from rpt_core.config import HeldOutConfig, PositionSetConfig, PromptConfig
from rpt_core.errors import UserError
from rpt_core.evaluation.held_out import choose_sample
from rpt_core.positions.sets import draw, load_set, store_sets
from rpt_core.problems.problem import ProblemSet
from rpt_core.run.folder import position_set_names
from rpt_core.text.tokens import tokenise
from tests.rpt_core.positions.test_documents import with_a_token_that_no_box_can_hold
from tests.rpt_core.problems.test_problem import write_positions

LEVELS = {"easy_nats": 0.25, "medium_nats": 0.55, "hard_nats": 0.85, "positions_per_difficulty": 6, "seed": 3}
TEXTS = [f"The cat sat on the mat number {n} and the dog ran." for n in range(8)]


@pytest.fixture
def positions(tmp_path, byte_level):
    """A filter run's validation split."""
    write_positions(tmp_path, byte_level, TEXTS)
    (tmp_path / "train.parquet").rename(tmp_path / "validation.parquet")
    return tmp_path


def held_out(positions, **changes):
    return HeldOutConfig(**{"positions": str(positions), **LEVELS, **changes})


def load(positions, tokenizer):
    return ProblemSet.load(positions, "validation", tokenizer, PromptConfig(template="plain"))


def test_a_stored_set_is_what_an_evaluation_would_draw(positions, byte_level):
    assert store_sets(positions, [PositionSetConfig(name="test", **LEVELS)]) == {
        "test": len(load_set(positions, "test").places)
    }
    problems = load(positions, byte_level)
    drawn = choose_sample(problems, held_out(positions))
    stored = choose_sample(problems, held_out(positions, position_set="test"))
    assert stored.indices == drawn.indices
    assert stored.missing == drawn.missing == 0
    for name, flags in drawn.members.items():
        assert stored.members[name].tolist() == flags.tolist()


def test_a_set_keeps_its_positions_whatever_thresholds_and_seed_an_evaluation_has(positions, byte_level):
    store_sets(positions, [PositionSetConfig(name="test", **LEVELS)])
    problems = load(positions, byte_level)
    found = [
        choose_sample(problems, held_out(positions, position_set="test", seed=seed, positions_per_difficulty=1)).indices
        for seed in (1, 2)
    ]
    assert found[0] == found[1]
    assert len(found[0]) > 6


def test_the_file_names_document_position_entropy_and_levels(positions, byte_level):
    store_sets(positions, [PositionSetConfig(name="test", **LEVELS)])
    rows = pq.read_table(positions / "sets" / "test.parquet").to_pylist()
    assert list(rows[0]) == ["document", "position", "entropy_nats", "easy", "medium", "hard"]
    for name, nats in (("easy", 0.25), ("medium", 0.55), ("hard", 0.85)):
        level = [row for row in rows if row[name]]
        assert len(level) == 6
        assert all(row["entropy_nats"] > nats for row in level)
    assert all(row["entropy_nats"] == pytest.approx(row["position"] / 10) for row in rows)
    assert load_set(positions, "test").above_nats == {"easy": 0.25, "medium": 0.55, "hard": 0.85}


def test_a_set_from_before_its_thresholds_were_stored_is_read_without(positions, byte_level):
    store_sets(positions, [PositionSetConfig(name="test", **LEVELS)])
    path = positions / "sets" / "test.parquet"
    pq.write_table(pq.read_table(path).replace_schema_metadata(None), path)
    assert load_set(positions, "test").above_nats is None


def test_a_name_that_is_not_stored_is_answered_with_those_that_are(positions, byte_level):
    with pytest.raises(UserError, match="It has none; name some"):
        load_set(positions, "test")
    store_sets(positions, [PositionSetConfig(name=name, **LEVELS) for name in ("b", "a")])
    assert position_set_names(positions) == ["a", "b"]
    with pytest.raises(UserError, match=r"no position set 'test'\. It has: a, b"):
        choose_sample(load(positions, byte_level), held_out(positions, position_set="test"))


def test_two_sets_of_one_name_are_refused_and_none_is_written(positions):
    with pytest.raises(UserError, match="called test"):
        store_sets(positions, [PositionSetConfig(name="test", **LEVELS)] * 2)
    assert position_set_names(positions) == []


def test_no_sets_need_no_validation_split(tmp_path):
    assert store_sets(tmp_path, []) == {}


def test_another_tokenizer_is_asked_where_it_has_a_boundary_and_told_of_the_rest(positions, byte_level, llama_2):
    store_sets(positions, [PositionSetConfig(name="test", **LEVELS)])
    stored = load_set(positions, "test")
    problems = load(positions, llama_2)
    sample = choose_sample(problems, held_out(positions, position_set="test"))
    text = dict(zip([f"d{n}" for n in range(8)], TEXTS, strict=True))
    offset = {place: tokenise(byte_level, text[place[0]]).byte_offsets[place[1]] for place in stored.places}
    common = [
        (document, offset[document, position])
        for document, position in stored.places
        if offset[document, position] in tokenise(llama_2, text[document]).byte_offsets
    ]
    chosen = [problems.problem(index) for index in sample.indices]
    assert [(problem.document, problem.byte_offset) for problem in chosen] == common
    assert 0 < sample.missing == len(stored.places) - len(common)
    assert [len(flags) for flags in sample.members.values()] == [len(common)] * 3


def test_a_set_without_a_single_common_boundary_is_refused(positions, byte_level):
    store_sets(positions, [PositionSetConfig(name="test", **LEVELS)])
    problems = copy.copy(load(positions, byte_level))
    problems.filter_index = problems.filter_index + 1000
    with pytest.raises(UserError, match="none of the"):
        choose_sample(problems, held_out(positions, position_set="test"))


def test_positions_that_no_box_can_hold_are_not_drawn(tmp_path, byte_level):
    tokenizer = with_a_token_that_no_box_can_hold(byte_level)
    write_positions(tmp_path, tokenizer, ["cat}{cat}{cat"])
    (tmp_path / "train.parquet").rename(tmp_path / "validation.parquet")
    count = len(tokenise(tokenizer, "cat}{cat}{cat").token_ids)
    config = PositionSetConfig(name="all", easy_nats=0, medium_nats=0, hard_nats=0)
    assert store_sets(tmp_path, [config]) == {"all": count - 1 - 2}


def test_a_draw_takes_the_smallest_hashes_of_each_level():
    entropies = np.array([0.1, 0.6, 2.0, 0.6, 2.0, 1.2], np.float32)
    config = PositionSetConfig(name="x", positions_per_difficulty=2, easy_nats=0.5, medium_nats=1.0, hard_nats=1.5)
    sample = draw(config, entropies, lambda index: ("d", index))
    everything = draw(config.model_copy(update={"positions_per_difficulty": 99}), entropies, lambda index: ("d", index))
    assert sorted(everything.indices) == [1, 2, 3, 4, 5]
    order = everything.indices
    for name, nats in (("easy", 0.5), ("medium", 1.0), ("hard", 1.5)):
        level = [index for index in order if entropies[index] > nats]
        assert [sample.indices[n] for n in np.flatnonzero(sample.members[name])] == level[:2]
