"""Runs as groups: means over seeds with Student's interval, and none where seeds repeat."""

from __future__ import annotations

import math

import pytest

from rpt_core.errors import UserError
from rpt_web.run_table import flat
from rpt_web.run_table import rows as table_rows
from rpt_web.run_table.groups import groups
from rpt_web.run_table.rows import AskedTable
from rpt_web.runs.models import Run

pytestmark = pytest.mark.django_db
COLUMNS = ["metric.reward_mean.last,accuracy.hard.greedy,seed,config.model.path,tags,name"]


def found(**asked):
    return groups(Run.objects.all(), AskedTable.of(COLUMNS, **asked))


def test_three_seeds_are_one_row_with_mean_and_interval(runs):
    page = found(group=["config.steps"], where=["config.steps!=7"])
    assert (page.total, page.runs) == (2, 5)
    b, a = page.rows
    assert (a.members, sorted(a.run_ids), a.seeds) == (
        {"config.steps": "10"},
        [runs["a0"].pk, runs["a1"].pk, runs["a2"].pk],
        3,
    )
    reward, accuracy, seeds, path, tags, name = a.cells
    half = 4.302652729911275 * 0.1 / math.sqrt(3)  # t of 2 degrees of freedom, standard deviation 0.1
    assert (reward.value, reward.low, reward.high, reward.n) == pytest.approx((0.6, 0.6 - half, 0.6 + half, 3))
    assert (accuracy.value, accuracy.n) == (pytest.approx(0.6), 3)
    assert (seeds.words, path.value, tags.is_missing, name.words) == ("0, 1, 2", "m", True, "3 values")
    assert (b.cells[0].value, b.cells[0].n) == (pytest.approx(0.1), 2), "0.2 and 0"
    assert (b.cells[1].value, b.cells[1].low, b.cells[1].n) == (pytest.approx(0.15), 0.0, 2), "0.2, and 0.1 at step 0"


def test_where_a_seed_occurs_twice_there_is_no_interval(runs):
    (row,) = found(group=["stage"]).rows
    assert row.seeds == 4
    assert row.cells[0].value == pytest.approx(0.4)
    assert row.cells[0].low is None


def test_groups_are_sorted_and_paged_and_their_members_a_condition_away(runs):
    up = found(group=["config.steps"], sort="metric.reward_mean.last").rows
    assert [row.members["config.steps"] for row in up] == ["20", "10", "7"], "the one without a value is last"
    asked = AskedTable.of(COLUMNS, group=["config.steps"], sort="-metric.reward_mean.last")
    first = groups(Run.objects.all(), asked, limit=1)
    second = groups(Run.objects.all(), asked, first.next, limit=1)
    assert [row.members["config.steps"] for row in (*first.rows, *second.rows)] == ["10", "20"]
    members = table_rows.page(Run.objects.all(), asked.members(first.rows[0].members))
    assert sorted(row.run.name for row in members.rows) == ["a0", "a1", "a2"]


def test_what_cannot_be_grouped_by_is_told(runs):
    with pytest.raises(UserError, match="not grouped by tags or by what was measured"):
        found(group=["metric.loss.last"])
    with pytest.raises(UserError, match="not grouped by tags"):
        found(group=["tags"])
    with pytest.raises(UserError, match="at most"):
        found(group=["seed,stage,status,name"])


def test_texts_that_mean_something_else_as_conditions_lead_to_their_group_all_the_same(runs, experiment):
    for title in ("none", " blanks ", '"quoted"', "a=b", "<i>"):
        Run.objects.filter(name="a0").update(title=title)
        asked = AskedTable.of(COLUMNS, ["name=a0"], group=["title"])
        (row,) = groups(Run.objects.all(), asked).rows
        assert [found.run.name for found in table_rows.page(Run.objects.all(), asked.members(row.members)).rows] == [
            "a0"
        ], title


def test_a_file_has_what_is_shown(runs):
    asked = AskedTable.of(["accuracy.hard.greedy,config.steps,tags,gpu_hours"], ["seed=1", "name~a"])
    table = flat.table_of_runs(asked, table_rows.page(Run.objects.all(), asked).rows)
    head = [column.key for column in table.columns]
    of_accuracy = [f"accuracy.hard.greedy{part}" for part in ("", "_low", "_high", "_n", "_step")]
    assert head == ["id", "name", *of_accuracy, "config.steps", "tags", "gpu_hours"]
    assert table.values() == [[runs["a1"].pk, "a1", 0.6, 0.5, 0.7, 100, 10, 10, None, 4.0]]
    grouped = AskedTable.of(["metric.reward_mean.last,seed"], ["config.steps=10"], group=["config.steps"])
    table = flat.table_of_groups(grouped, groups(Run.objects.all(), grouped).rows)
    reward = [f"metric.reward_mean.last{part}" for part in ("", "_low", "_high", "_n")]
    assert [column.key for column in table.columns] == ["config.steps", "runs", "seeds", "run_ids", *reward, "seed"]
    keys = " ".join(str(runs[name].pk) for name in ("a0", "a1", "a2"))
    assert table.values()[0][:4] == [10, 3, 3, keys]
    assert table.values()[0][-1] == "0, 1, 2"
