"""Settings side by side."""

from __future__ import annotations

from rpt_web.compare.settings_table import setting_rows, text_difference
from rpt_web.compare.stage_settings import can_have, parted
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


def split(*pairs):
    """The names of what differs, and of what only some stages have, of runs given as (stage, config)."""
    found, only = parted(setting_rows([config for _, config in pairs]), [stage for stage, _ in pairs])
    return [row.name for row in found], {some.words: [row.name for row, _ in some.rows] for some in only}


def test_what_a_stage_cannot_have_is_no_difference():
    trained = ("rpt", {"steps": 5, "batch_problems": 4, "prompt": {"template": "v0"}})
    evaluated = ("evaluate", {"prompt": {"template": "v1"}, "evaluation": {"samples": 8}})
    differing, only = split(trained, evaluated)
    assert differing == ["prompt.template", "evaluation.samples"]  # training may evaluate, too
    assert only == {"2 settings only in rpt": ["steps", "batch_problems"]}


def test_what_differs_among_those_that_have_it_stays_a_difference():
    one, other = ("rpt", {"steps": 5, "seed": 0}), ("rpt", {"steps": 6, "seed": 0})
    differing, only = split(one, other, ("benchmark", {"seed": 0}))
    assert (differing, only) == (["steps"], {})
    assert split(("rpt", {"steps": 5}), ("rpt", {})) == (["steps"], {})


def test_settings_of_several_stages_stand_together():
    runs = ("rpt", {"group_size": 8}), ("rlvr", {"group_size": 8}), ("evaluate", {})
    assert split(*runs) == ([], {"1 setting only in rpt and rlvr": ["group_size"]})


def test_a_stage_has_what_its_model_has_and_what_no_model_describes():
    assert can_have("rpt", "sampling.temperature")
    assert can_have("rpt", "evaluation.samples")
    assert not can_have("evaluate", "grpo.kl_coefficient")
    assert not can_have("rpt", "sampling.heat")
    assert can_have("ntp", "corpus.mapping.text.anything")
    assert can_have("of a newer platform", "x")
