"""Cells of result tables lead to the groups that they rest on, and to nothing where that is not known."""

from __future__ import annotations

import pytest

from rpt_web.pages.table_addresses import addresses_of
from rpt_web.results.models import ResultTable
from rpt_web.results.paper_categories import BY_CATEGORY
from rpt_web.results.tables import table_view
from rpt_web.runs.models import Run

OTHER = "/data/runs/7/evaluations/step-000020.parquet"
SHARDS = [f"/data/runs/8/rollouts/sampled-0000{step}.parquet" for step in (10, 20)]
CONFIG = {
    "templates": ["v0", "v1"],
    "comparisons": [{"name": "Before and after", "a": "runs/6/evaluations/step-000000.parquet", "b": OTHER}],
    "frontiers": [{"name": "Think?", "outcomes": OTHER, "mode": "greedy"}],
    "patterns": {
        "responses": [{"model": "RPT", "shards": SHARDS}, {"model": "elsewhere", "shards": ["/tmp/x.parquet"]}]
    },
    "scaling": [{"name": "FLOPs", "run": "/data/runs/9"}],
}


def leads(name, row, heads=None, title="", stage="analyse", **config):
    """Where the cells of one row of run 5's table at step 3 lead, without what all addresses begin with."""
    columns = [{"key": key, "label": (heads or {}).get(key, key), "kind": "text"} for key in row]
    data = {"caption": "", "columns": columns, "rows": [row], "chart": None}
    run = Run(pk=5, stage=stage, config=CONFIG | config)
    view = table_view(ResultTable(pk=1, run=run, name=name, title=title, step=3, data=data))
    return {key: found.removeprefix("/traces/?run=") for key, found in addresses_of(view, view.rows[0].values).items()}


def test_groups_domains_and_levels_lead_to_their_groups():
    assert leads("ledger", {"outcome": "all 0", "groups": 3, "flops": 1}) == dict.fromkeys(
        ("outcome", "groups"), "5&kind=train&solved=none"
    )
    domain = {"domain": "Mathematics -> Algebra", "mode": "majority", "accuracy": 0.5}
    found = leads("by_domain", domain, {"domain": "Domain"}, stage="evaluate")
    assert found["accuracy"] == "5&kind=sampled&step_from=3&step_to=3&domain=Mathematics+-%3E+Algebra"
    unthought = leads("by_domain", domain | {"mode": "standard"}, {"domain": "Domain"}, stage="evaluate")
    at_positions = "/runs/5/evaluations/3/?mode=standard&difficulty=easy&domain=Mathematics+-%3E+Algebra"
    assert unthought == {"domain": found["domain"], "accuracy": at_positions}
    every = leads(
        "benchmark",
        {"category": "All questions", "standard": 1, "reasoning": 1},
        {"category": "Category"},
        stage="benchmark",
    )
    assert every["category"] == every["reasoning"] == "5&step_from=3&step_to=3"
    assert every["standard"] == "/runs/5/evaluations/3/?mode=standard&difficulty=all"
    bare = {"category": "Law", "standard": None, "reasoning": 1}
    assert "standard" not in leads("benchmark", bare, {"category": "Category"}, stage="benchmark")


def test_cells_of_a_two_by_two_lead_to_the_positions_that_they_count():
    cells = {"both": 4, "only_standard": 3, "only_reasoning": 2, "neither": 1, "difference": -0.1}
    found = leads("two_by_two", {"mode": "majority", "difficulty": "hard", **cells})
    assert found["difficulty"] == "5&kind=sampled&step_from=3&step_to=3&difficulty=hard"
    of_level = "/runs/5/evaluations/3/?mode=sampled&difficulty=hard"
    assert found["difference"] == of_level
    sides = {"both": (1, 1), "only_standard": (0, 1), "only_reasoning": (1, 0), "neither": (0, 0)}
    for name, (right, standard) in sides.items():
        assert found[name] == f"{of_level}&right={right}&standard={standard}", name
    assert leads("two_by_two", {"mode": "guessing", "difficulty": "hard", **cells}) == {}


def test_templates_and_tests_lead_to_the_step_of_the_row():
    row = {"template": "v1", "difficulty": "easy", "random_at_1": 0.1, "no_box": 0.2, "cut": 0.1}
    found = leads("templates_by_difficulty", row)
    assert found["random_at_1"] == "5&kind=sampled&step_from=1&step_to=1&difficulty=easy"
    assert found["no_box"] == f"{found['random_at_1']}&reason=no_box"
    assert leads("templates", row | {"template": "another"}) == {}
    assert (
        leads("rlvr_test", {"step": 40, "accuracy": 0.5})["cut"]
        == "5&kind=sampled&step_from=40&step_to=40&finish=length"
    )


def test_what_reads_other_runs_leads_to_theirs():
    sides = leads("comparison_x", {"difficulty": "hard", "a": 1, "b": 2, "gained": 3}, title="Before and after")
    assert sides == {
        "a": "6&kind=sampled&step_from=0&step_to=0&difficulty=hard",
        "b": "7&kind=sampled&step_from=20&step_to=20&difficulty=hard",
        **dict.fromkeys(("gained", "forgotten"), "/exhibits/run/5/table/3/changed_x/"),
    }
    row = {"change": "gained", "document": "d 1", "position": 45, "a": "x", "b": "y"}
    changed = leads("changed_x", row, title="Gained and forgotten: Before and after")
    assert changed["position"] == "6,7&document=d+1&token=45"
    assert changed["b"] == "7&step_from=20&step_to=20&document=d+1&token=45"
    thought = leads(
        "hybrid_x", {"difficulty": "easy", "always": 1, "never": 2}, title="Gains of hybrid thinking: Think?"
    )
    assert thought["always"] == "7&kind=greedy&step_from=20&step_to=20&difficulty=easy"
    points = leads(
        "scaling_points_x", {"difficulty": "easy", "step": 5, "accuracy": 1, "fit": 1}, title="Points: FLOPs"
    )
    assert points["accuracy"] == "9&kind=sampled&step_from=5&step_to=5&difficulty=easy"


@pytest.mark.parametrize("name", ["patterns", "pattern_changes"])
def test_patterns_lead_to_groups_with_a_keyword_of_the_papers_list(name):
    row = {"pattern": "divergent thinking", "model_1": 0.5, "model_2": 0.4}
    heads = {"model_1": "RPT", "model_2": "elsewhere"}
    of_one = "8&kind=sampled&pattern=divergent_thinking&step_from=10&step_to=20"
    assert leads(name, row, heads) == {"model_1": of_one}
    own_list = CONFIG["patterns"] | {"keywords": "/lists/ours.yaml"}
    assert leads(name, row, heads, patterns=own_list) == {}
    part = leads("patterns_by_difficulty", {"responses_of": "RPT, hard", "n": 9, "share_deduction": 0.2})
    assert part == {"share_deduction": "8&kind=sampled&difficulty=hard&pattern=deduction&step_from=10&step_to=20"}
    solved = leads("patterns_by_success", {"responses_of": "RPT, solved", "n": 9, "share_deduction": 0.2})
    assert solved == {"share_deduction": "8&kind=sampled&solved=any&pattern=deduction&step_from=10&step_to=20"}
    of_one_step = {"patterns": {"responses": [{"model": "RPT", "shards": SHARDS[1:]}]}}
    unsolved = leads(
        "patterns_by_success", {"responses_of": "RPT, unsolved", "n": 9, "share_deduction": 0.2}, **of_one_step
    )
    assert unsolved == {
        "n": "/runs/8/rollouts/?kind=sampled&step=20&reward=0",
        "share_deduction": "8&kind=sampled&solved=not_all&pattern=deduction&step_from=20&step_to=20",
    }
    assert leads("patterns_by_success", {"responses_of": "RPT, other", "n": 9, "share_deduction": 0.2}) == {}


def test_a_category_without_thinking_leads_to_its_questions():
    row = {"of_run_id": 9, "of_step": 4, "mode": "standard", "category_law": {"value": 0.5}}
    found = leads(BY_CATEGORY, row, {"category_law": "Law"})
    assert found == {"category_law": "/runs/9/evaluations/4/?mode=standard&difficulty=all&domain=Law"}
    written = leads(BY_CATEGORY, row | {"mode": "reasoning"}, {"category_law": "Law"})
    assert written == {"category_law": "9&step_from=4&step_to=4&domain=Law"}
