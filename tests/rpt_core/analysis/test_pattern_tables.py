"""Reasoning patterns of models as tables."""

import math

import pytest

from rpt_core.analysis.pattern_tables import draw_responses, pattern_tables, relative_change
from rpt_core.config import PatternsConfig
from rpt_core.errors import UserError
from rpt_core.run.events import EventType
from rpt_core.run.rollout_files import RolloutRow, write_rollouts
from rpt_core.statistics.intervals import wilson_interval
from tests.rpt_core.stages import events, run_stage


def write_shard(path, responses):
    """A shard of (response, entropy, reward); returns its path as text."""
    blank = {"prediction": None, "mismatch_byte": None, "mean_log_prob": None, "advantage": None}
    same = {"step": 0, "sample": 0, "document": "d", "prompt": "p", "completion": b"x", "boundaries": [1]}
    end = {"reason": "no_box", "finish_reason": "stop", "prompt_tokens": 1, "response_tokens": 1}
    rows = [
        RolloutRow(**same, **end, **blank, group=n, position=n, response=response, entropy_nats=entropy, reward=reward)
        for n, (response, entropy, reward) in enumerate(responses)
    ]
    write_rollouts(path, rows)
    return str(path)


@pytest.fixture
def config(tmp_path):
    """Two models: `before` says 4 of 8 times `wait`, `after` 6 of 8 times `probably`, over two shards."""
    before = [("wait", 0.6, 0), ("Wait!", 2.0, 1), ("", 1.2, 0), ("finally", 2.0, 1)] * 2
    after = [("probably", 0.6, 1), ("probably, wait", 2.0, 1), ("probably", 1.2, 0), ("", None, 1)]
    return PatternsConfig(
        responses=[
            {"model": "before", "shards": [write_shard(tmp_path / "b.parquet", before)]},
            {"model": "after", "shards": [write_shard(tmp_path / f"a{n}.parquet", after) for n in (1, 2)]},
        ]
    )


def test_shares_stand_beside_each_other_with_wilson_intervals(config):
    table = pattern_tables(config, seed=0)[0]
    rows = {row["pattern"]: row for row in table.rows}
    assert list(rows) == ["transition", "reflection", "breakdown", "hypothesis", "divergent thinking", "deduction"]
    assert [(column.key, column.label) for column in table.columns[1:]] == [("model_1", "before"), ("model_2", "after")]
    reflection = rows["reflection"]["model_1"]
    assert (reflection.value, reflection.n) == (0.5, 8)
    assert (reflection.low, reflection.high) == wilson_interval(4, 8)
    assert rows["hypothesis"]["model_1"].value == 0
    assert rows["hypothesis"]["model_2"].value == 0.75
    assert "before 8, after 8" in table.caption
    assert "list 'paper', version 1" in table.caption


def test_the_change_is_relative_to_the_first_model_and_missing_where_that_has_nothing(config):
    table = pattern_tables(config, seed=0)[1]
    rows = {row["pattern"]: row["model_2"] for row in table.rows}
    assert table.name == "pattern_changes"
    assert rows["reflection"].value == 2 / 4 - 1
    assert rows["deduction"].value == -1
    assert rows["hypothesis"] is None


def test_one_model_alone_has_no_change(config):
    alone = config.model_copy(update={"responses": config.responses[:1]})
    names = [table.name for table in pattern_tables(alone, seed=0)]
    assert names == ["patterns", "patterns_by_difficulty", "patterns_by_success"]


def test_levels_are_nested_and_a_response_without_entropy_has_none(config):
    table = pattern_tables(config, seed=0)[2]
    rows = {row["responses_of"]: row for row in table.rows}
    assert {name: row["n"] for name, row in rows.items()} == {
        "before, easy": 8, "before, medium": 6, "before, hard": 4,
        "after, easy": 6, "after, medium": 4, "after, hard": 2,
    }  # fmt: skip
    assert rows["before, medium"]["share_reflection"].value == pytest.approx(2 / 6)
    assert rows["after, hard"]["share_hypothesis"].value == 1


def test_solved_responses_are_those_with_a_reward(config):
    table = pattern_tables(config, seed=0)[3]
    rows = {row["responses_of"]: row for row in table.rows}
    assert {name: row["n"] for name, row in rows.items()} == {
        "before, solved": 4, "before, unsolved": 4, "after, solved": 6, "after, unsolved": 2,
    }  # fmt: skip
    assert rows["before, solved"]["share_deduction"].value == 0.5
    assert rows["after, unsolved"]["share_hypothesis"].value == 1


def test_a_part_without_responses_has_no_share(tmp_path):
    shard = write_shard(tmp_path / "x.parquet", [("wait", 0.6, 1)])
    tables = pattern_tables(PatternsConfig(responses=[{"model": "x", "shards": [shard]}]), seed=0)
    rows = {row["responses_of"]: row for row in [*tables[1].rows, *tables[2].rows]}
    assert rows["x, hard"] == {"responses_of": "x, hard", "n": 0, **dict.fromkeys(keys(tables[1]))}
    assert rows["x, unsolved"]["share_reflection"] is None


def keys(table):
    return [column.key for column in table.columns if column.key.startswith("share_")]


def test_responses_are_drawn_by_the_seed_without_replacement_over_all_shards(tmp_path):
    shards = [
        write_shard(tmp_path / f"{name}.parquet", [(f"{name}{number}", 1.0, 0) for number in range(300)])
        for name in "ab"
    ]
    drawn = [[row.response for row in draw_responses("m", shards, 200, seed)] for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert len(set(drawn[0])) == 200
    assert 60 < sum(response.startswith("a") for response in drawn[0]) < 140
    everything = draw_responses("m", shards, 1000, 0)
    assert len({row.response for row in everything}) == 600


@pytest.mark.parametrize(
    ("counts", "value"),
    [((20, 200, 30, 200), 0.5), ((50, 100, 10, 200), -0.9), ((100, 100, 50, 100), -0.5)],
)
def test_a_relative_change_lies_within_its_interval(counts, value):
    found = relative_change(*counts, seed=0)
    assert found.value == pytest.approx(value)
    assert found.low < value < found.high
    assert found.n == min(counts[1], counts[3])


def test_the_interval_of_a_change_is_that_of_the_ratio_of_two_shares():
    # Katz' interval of the ratio, 2 exp(+-1.96 sqrt(1/200 - 1/1000 + 1/400 - 1/1000)), minus 1.
    spread = math.exp(1.96 * math.sqrt(0.0055))
    found = relative_change(200, 1000, 400, 1000, seed=0)
    assert (found.low, found.high) == pytest.approx((2 / spread - 1, 2 * spread - 1), abs=0.01)


def test_a_pattern_that_vanished_is_not_certain_to_have():
    found = relative_change(20, 200, 0, 200, seed=0)
    assert (found.value, found.low) == (-1, -1)
    assert -0.95 < found.high < -0.8


def test_no_change_can_be_told_from_nothing():
    assert relative_change(0, 200, 5, 200, seed=0) is None
    assert relative_change(5, 200, 0, 0, seed=0) is None


def test_the_stage_emits_the_tables_which_name_the_keyword_list(config, tmp_path):
    patterns = config.model_copy(update={"keywords": "tiny"}).model_dump()
    run_stage(tmp_path / "analyse", {"stage": "analyse", "patterns": patterns})
    found = events(tmp_path / "analyse", EventType.TABLE)
    assert [table["name"] for table in found] == [
        "patterns", "pattern_changes", "patterns_by_difficulty", "patterns_by_success",
    ]  # fmt: skip
    assert all("list 'tiny', version 1 (this project's own" in table["caption"] for table in found)


def of(*paths):
    """The patterns of one model for each path."""
    return PatternsConfig(responses=[{"model": "x", "shards": [str(path)]} for path in paths])


def test_what_cannot_be_read_is_explained(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        pattern_tables(of(tmp_path / "no.parquet"), seed=0)
    (tmp_path / "text.parquet").write_text("text")
    with pytest.raises(UserError, match="cannot be read"):
        pattern_tables(of(tmp_path / "text.parquet"), seed=0)
    empty = write_shard(tmp_path / "e.parquet", [])
    with pytest.raises(UserError, match="'x' have no responses"):
        pattern_tables(of(empty), seed=0)
    full = write_shard(tmp_path / "f.parquet", [("wait", 1.0, 1)])
    with pytest.raises(UserError, match="the same name"):
        pattern_tables(of(full, full), seed=0)
