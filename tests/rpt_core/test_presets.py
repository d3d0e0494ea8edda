"""Plans of runs and their references."""

import pytest
from pydantic import ValidationError

from rpt_core.errors import UserError
from rpt_core.presets import PlannedRun, Preset, load_preset, preset_names

EVALUATE = PlannedRun(
    name="after",
    stage="evaluate",
    title="Evaluate",
    config={
        "model": {"path": "@rpt/checkpoint"},
        "evaluation": {"positions": "@filter/positions", "seed": "@seed"},
    },
)
VALUES = {("rpt", "checkpoint"): "/runs/rpt/step-10", ("filter", "positions"): "/runs/filter/positions"}


def lookup(name, what):
    return VALUES[name, what]


def test_a_run_needs_the_runs_that_it_refers_to():
    assert EVALUATE.needs() == {"rpt", "filter"}


def test_references_are_replaced_wherever_they_stand():
    config = EVALUATE.resolve(11, lookup)
    assert config.model.path == "/runs/rpt/step-10"
    assert (config.evaluation.positions, config.evaluation.seed) == ("/runs/filter/positions", 11)
    assert config.stage == "evaluate"


def test_references_in_lists_are_found_and_replaced():
    planned = PlannedRun(
        name="f",
        stage="filter",
        title="t",
        config={"corpus": {"paths": ["@base/positions", "plain.txt"]}, "proxy": {"path": "@base/checkpoint"}},
    )
    assert planned.needs() == {"base"}
    config = planned.resolve(0, lambda name, what: f"{name}:{what}")
    assert config.corpus.paths == ("base:positions", "plain.txt")


def test_numbers_may_be_referred_to():
    planned = PlannedRun(
        name="n",
        stage="ntp",
        title="t",
        config={"corpus": {"source": "tiny"}, "model": {"path": "m"}, "budget": {"flops": "@rpt/flops"}},
    )
    assert planned.resolve(0, lambda name, what: 2.5e12).budget.flops == 2.5e12


def test_a_config_that_is_wrong_is_found_when_it_is_resolved():
    planned = PlannedRun(name="n", stage="ntp", title="t", config={"corpus": {"source": "tiny"}, "modell": 1})
    with pytest.raises(ValidationError, match="modell"):
        planned.resolve(0, lookup)


def test_an_unknown_preset_is_explained():
    with pytest.raises(UserError, match=r"There is no preset 'none'\. The presets are: .*paper"):
        load_preset("none")


def test_a_run_of_a_preset_is_found_by_name():
    preset = Preset(name="p", description="d", runs=[EVALUATE])
    assert preset.run("after") == EVALUATE


@pytest.mark.parametrize("name", preset_names())
def test_every_shipped_plan_can_be_resolved_in_its_order(name):
    known = {}
    for planned in load_preset(name).runs:
        assert planned.needs() <= set(known), "a run refers to a run before it"
        planned.resolve(3, lambda run, what: 1e12 if what == "flops" else f"{run}/{what}")
        known[planned.name] = planned
    assert len(known) == len(load_preset(name).runs), "names are unique"
