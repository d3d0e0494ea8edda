"""The table filters, sorts and pages in the database, and shows the numbers that the runs have."""

from __future__ import annotations

import pytest

from rpt_core.errors import UserError
from rpt_web.run_table import rows
from rpt_web.run_table.columns import DEFAULT, PLAIN, column
from rpt_web.run_table.conditions import condition
from rpt_web.run_table.rows import AskedTable
from rpt_web.runs import tags
from rpt_web.runs.models import Run

pytestmark = pytest.mark.django_db


def names(**asked):
    return [row.run.name for row in rows.page(Run.objects.all(), AskedTable.of(**asked)).rows]


def values(run, *columns):
    (row,) = rows.rows([run.pk], [column(name) for name in columns])
    return [cell.value for cell in row.cells]


def test_each_cell_is_what_the_run_has(runs):
    asked = ("config.steps", "config.model.path", "config.no.such", "metric.reward_mean.last", "metric.reward_mean.min")
    assert values(runs["a1"], *asked) == [10, "m", None, 0.6, 0.0]
    asked = ("metric.reward_mean.best", "metric.reward_mean.worst", "metric.reward_mean.at:1", "metric.loss.last")
    assert values(runs["a1"], *asked) == [0.6, 0.0, 0.0, None]
    assert values(runs["a1"], "hours", "gpu_hours", "flops", "seed") == [2.0, 4.0, 2e15, 1]
    assert values(runs["queued"], "hours", "gpu_hours", "metric.kl.last", "accuracy.hard.greedy") == [None] * 4
    (row,) = rows.rows([runs["a1"].pk], [column("accuracy.hard.greedy"), column("accuracy.hard.greedy.at:0")])
    newest, first = row.cells
    assert (newest.value, newest.low, newest.high, newest.n, newest.step) == (0.6, 0.5, 0.7, 100, 10)
    assert (first.value, first.step) == (0.1, 0)


def test_every_column_can_be_shown_filtered_and_sorted_by(runs):
    every = [*PLAIN, *DEFAULT, "config.steps", "metric.reward_mean.at:2", "accuracy.hard.greedy.at:0"]
    assert len(names(names=every)) == 6
    for name in every:
        up, down = names(sort=name), names(sort=f"-{name}")
        assert sorted(up) == sorted(down) == sorted(runs)
        there = names(where=[f"{name}!=none"])
        assert sorted([*there, *names(where=[f"{name}=none"])]) == sorted(runs)
        assert set(up[: len(there)]) == set(there), "those without a value are last, whichever way it is sorted"
        assert set(down[: len(there)]) == set(there)


@pytest.mark.parametrize(
    ("where", "found"),
    [
        (["config.steps=20"], ["b1", "b0"]),
        (["config.steps!=20"], ["queued", "a2", "a1", "a0"]),
        (["config.steps>10", "seed<1"], ["b0"]),
        (["config.model.path=m", "config.model.path~M"], ["queued", "b1", "b0", "a2", "a1", "a0"]),
        (["config.no.such=1"], []),
        (["metric.reward_mean.last>0.55"], ["a2", "a1"]),
        (["metric.reward_mean.last!=0.6"], ["b1", "b0", "a2", "a0"]),
        (["accuracy.hard.greedy>=60%"], ["a2", "a1"]),
        (["accuracy.hard.greedy=none"], ["queued"]),
        (["status=queued"], ["queued"]),
        (["name~A", "name!=a1"], ["a2", "a0"]),
        (["created>2026-11-02", "created<2026-11-04"], ["a2"]),
        (["gpu_hours=4", "flops>2e15"], ["a2"]),
        (["tags=paper"], ["b0"]),
        (["tags~pap"], ["b0"]),
        (["tags!=paper", "tags!=none"], ["a0"]),
    ],
)
def test_conditions_leave_what_fits(runs, ada, where, found):
    tags.add([runs["b0"]], ["paper", "second try"])
    tags.add([runs["a0"]], ["other"])
    assert names(where=where) == found


def test_pages_follow_each_other_without_a_gap_whatever_they_are_sorted_by(runs):
    for sort in ("", "metric.reward_mean.last", "-metric.reward_mean.last", "config.steps", "-config.steps", "-seed"):
        asked = AskedTable.of(sort=sort)
        whole = [row.run.name for row in rows.page(Run.objects.all(), asked).rows]
        found, after = [], None
        while True:
            page = rows.page(Run.objects.all(), asked, after, limit=1)
            found += [row.run.name for row in page.rows]
            assert page.total == 6
            if (after := page.next) is None:
                break
        assert found == whole, sort
    assert names(sort="-metric.reward_mean.last") == ["a2", "a1", "a0", "b0", "b1", "queued"]
    assert names(sort="metric.reward_mean.last") == ["b1", "b0", "a0", "a1", "a2", "queued"]


def test_the_number_of_queries_does_not_grow(runs, django_assert_max_num_queries):
    asked = ["config.steps", "metric.kl.last", "metric.kl.at:1", "accuracy.hard.greedy", "tags", "gpu_hours"]
    with django_assert_max_num_queries(9):
        assert len(names(names=asked, where=["seed>=0"], sort="metric.kl.last")) == 6


def test_archived_runs_are_left_out_unless_they_are_asked_for(runs):
    Run.objects.filter(name="a0").update(archived_at="2026-11-30T00:00Z")
    assert "a0" not in names()
    assert names(archived=True) == ["a0"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("sede", "Did you mean 'seed'?"),
        ("metric.loss", "such as metric.loss.last"),
        ("metric.gradient_norm.best", "Neither end of gradient_norm is better"),
        ("metric.loss.at:99999999999", "is no"),
        ("accuracy.hard", "accuracy.DIFFICULTY.MODE"),
        ("config.", "There is no column"),
        ("config..a", "is no setting"),
        ("a=b", "is no column"),
        ("x" * 400, "is no column"),
    ],
)
def test_what_is_no_column_is_told_in_words(text, told):
    with pytest.raises(UserError) as refused:
        column(text)
    assert told in str(refused.value) or told == "is no"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("seed", "is no condition"),
        ("seed=", "is no condition"),
        ("seed=x", "is no number"),
        ("seed~1", "cannot be compared by ~"),
        ("seed<nan", "is no number"),
        ("status=done", "There are: waiting"),
        ("created>soon", "is no day"),
        ("created>0001-01-01T00:00+23:59", "is no day"),
        ("name<b", "cannot be compared by <"),
        ("config.steps<many", "Only numbers are below"),
        ("nobody=1", "There is no column"),
        ("name=" + "x" * 1001, "at most 1000"),
        ('name="\\u0000"', "all of which can be read"),
        ('config.steps="\\ud800"', "all of which can be read"),
        ('config.steps={"a": ["\\u0000"]}', "all of which can be read"),
        ("config.steps<1" + "0" * 400, "Only numbers are below"),
        ("config.steps<[1e999]", "Only numbers are below"),
        ("config.steps=" + "[" * 300 + "]" * 300, "nested"),
    ],
)
def test_what_is_no_condition_is_told_in_words(text, told):
    with pytest.raises(UserError, match=r".") as refused:
        condition(text)
    assert told in str(refused.value)


@pytest.mark.parametrize("value", ["[1e999]", "1e999", "1" + "0" * 400, "NaN", '[{"a": -Infinity}]', "[[["])
def test_json_that_the_database_cannot_hold_is_taken_as_a_text(runs, value):
    assert names(where=[f"config.steps={value}"]) == []
    assert len(names(where=[f"config.steps!={value}"])) == 6


def test_what_is_asked_stands_in_the_address():
    asked = AskedTable.of(["seed,config.a.b", "flops"], ["seed>1", "name~x y"], "-seed", ["stage"], archived=True)
    expected = "columns=seed%2Cconfig.a.b%2Cflops&where=seed%3E1&where=name~x+y&sort=-seed&group=stage&archived=1"
    assert asked.query() == expected
