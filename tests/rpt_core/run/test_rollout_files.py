"""Rollouts on disk."""

import math
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rpt_core.run.rollout_files import (
    ROW_GROUP_ROWS,
    SCHEMA,
    TOKENS,
    RecordedTokens,
    RolloutRow,
    read_rollouts,
    read_rollouts_at,
    read_tokens_at,
    write_rollouts,
)

ROW = RolloutRow(
    step=3,
    group=0,
    sample=0,
    document="d1",
    position=17,
    entropy_nats=1.25,
    prompt="<s>Once\x00 upon",
    response="so it is 漢</think>\\boxed{ a}",
    prediction=b" a\xf0\x9f",
    completion=b" a\xf0\x9f\x98\x80 b",
    boundaries=[2, 4, 6, 8],
    reward=1.0,
    reason="match",
    mismatch_byte=None,
    finish_reason="stop",
    prompt_tokens=4,
    response_tokens=9,
    mean_log_prob=-0.5,
    advantage=0.75,
    context_start=3,
    context_end=12,
)
EMPTY = replace(ROW, response="", prediction=None, mismatch_byte=0, mean_log_prob=None, advantage=None, boundaries=[])


@pytest.fixture
def shard(tmp_path):
    rows = [replace(ROW if n % 2 else EMPTY, group=n // 8, sample=n % 8) for n in range(600)]
    path = tmp_path / "rollouts" / "train-000003.parquet"
    write_rollouts(path, rows)
    return path, rows


def test_rows_come_back_as_they_were_written(shard):
    path, rows = shard
    assert list(read_rollouts(path)) == rows


def test_a_shard_has_row_groups_of_256_in_zstd(shard):
    path, _ = shard
    with pq.ParquetFile(path) as file:
        assert [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)] == [256, 256, 88]
        assert file.metadata.row_group(0).column(0).compression == "ZSTD"
    assert ROW_GROUP_ROWS == 256


@pytest.mark.parametrize("index", [0, 255, 256, 511, 512, 599])
def test_one_row_is_read_by_its_index(shard, index):
    path, rows = shard
    assert read_rollouts_at(path, [index])[0] == rows[index]


def test_several_rows_come_in_the_order_asked_for(shard):
    path, rows = shard
    assert read_rollouts_at(path, [599, 0, 256, 0]) == [rows[599], rows[0], rows[256], rows[0]]
    assert read_rollouts_at(path, []) == []


@pytest.mark.parametrize("index", [-1, 600])
def test_a_row_that_is_not_there_is_an_index_error(shard, index):
    with pytest.raises(IndexError, match="600 rows"):
        read_rollouts_at(shard[0], [index])


def test_a_shard_is_replaced_whole(shard):
    path, _ = shard
    write_rollouts(path, [ROW])
    assert list(read_rollouts(path)) == [ROW]
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_shard_may_be_empty(tmp_path):
    write_rollouts(tmp_path / "none.parquet", [])
    assert list(read_rollouts(tmp_path / "none.parquet")) == []


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e39])
def test_a_number_that_is_not_finite_is_stored_as_missing(tmp_path, value):
    spoilt = replace(ROW, entropy_nats=value, mean_log_prob=value, advantage=value, earned=value)
    write_rollouts(tmp_path / "a.parquet", [spoilt, ROW])
    missing = replace(ROW, entropy_nats=None, mean_log_prob=None, advantage=None, earned=None)
    assert list(read_rollouts(tmp_path / "a.parquet")) == [missing, ROW]
    assert pq.read_table(tmp_path / "a.parquet")["earned"].null_count == 2


def test_in_a_shard_of_an_older_version_such_a_number_is_read_as_missing(tmp_path):
    table = pa.Table.from_pylist([vars(replace(ROW, advantage=math.nan))], schema=SCHEMA)
    pq.write_table(table, tmp_path / "a.parquet")
    assert read_rollouts_at(tmp_path / "a.parquet", [0])[0].advantage is None


def test_a_shard_of_an_older_version_lacks_the_columns_that_came_later(tmp_path):
    later = ["earned", "context_start", "context_end"]
    pq.write_table(pa.Table.from_pylist([vars(ROW)], schema=SCHEMA).drop_columns(later), tmp_path / "a.parquet")
    assert read_rollouts_at(tmp_path / "a.parquet", [0])[0] == replace(ROW, **dict.fromkeys(later))


def test_recorded_tokens_are_columns_of_their_own_that_a_shard_has_only_where_there_are_any(tmp_path):
    path = tmp_path / "train-000001.parquet"
    write_rollouts(path, [ROW])
    assert pq.read_schema(path).names == SCHEMA.names
    assert read_tokens_at(path, 0) is None
    tokens = RecordedTokens(2, [7, 8], [3, 5], [-0.5, -1.25], [0.25, None])
    without = RecordedTokens(0, [1], [1], [-0.5], None)
    write_rollouts(path, [ROW, replace(ROW, tokens=tokens), replace(ROW, tokens=without)])
    assert pq.read_schema(path).names == [*SCHEMA.names, *TOKENS.names]
    assert [read_tokens_at(path, row) for row in range(3)] == [None, tokens, without]
    assert list(read_rollouts(path)) == [ROW] * 3
    with pytest.raises(IndexError):
        read_tokens_at(path, 3)
