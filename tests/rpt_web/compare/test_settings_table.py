"""Settings side by side."""

from __future__ import annotations

from rpt_web.compare.settings_table import setting_rows, text_difference
from rpt_web.runs.differences import ABSENT

A = {"budget": {"steps": 2, "seed": 0}, "model": {"path": "x"}}
B = {"budget": {"steps": 4, "seed": 0}, "model": {"path": "x"}}
C = {"budget": {"steps": 4}, "model": {"path": "x"}}


def rows(*configs, ignored=()):
    return {row.name: row for row in setting_rows(configs, ignored)}


def test_nested_settings_have_dotted_names_and_runs_with_one_value_stand_together():
    found = rows(A, B, C)
    assert list(found) == ["budget.steps", "budget.seed", "model.path"]
    assert [(group.value, group.places) for group in found["budget.steps"].groups] == [(2, (0,)), (4, (1, 2))]
    assert found["budget.seed"].values == (0, 0, ABSENT)
    assert [name for name, row in found.items() if row.differs] == ["budget.steps", "budget.seed"]


def test_true_is_not_one_and_a_list_is_compared_whole():
    found = rows({"a": True, "b": [1, 2]}, {"a": 1, "b": [1, 2]})
    assert found["a"].differs
    assert not found["b"].differs


def test_a_part_is_ignored_with_all_below_it():
    assert list(rows(A, B, ignored=["budget"])) == ["model.path"]
    assert list(rows(A, B, ignored=["budget.steps"])) == ["budget.seed", "model.path"]
    assert list(rows(A, B, ignored=["bud"])) == ["budget.steps", "budget.seed", "model.path"]


def test_two_configs_differ_as_text():
    lines = text_difference(A, B)
    assert "-budget.steps: 2" in lines
    assert "+budget.steps: 4" in lines
    assert text_difference(A, B, ["budget.steps"]) == []
