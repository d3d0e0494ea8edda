"""Plans of runs and their references."""

import pytest
from pydantic import ValidationError

from rpt_core.errors import UserError
from rpt_core.plans.preset import PlannedRun, Preset, expand, load_preset, preset_names, read_plan

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


def planned(name, stage="ntp", **config):
    return PlannedRun(name=name, stage=stage, title=f"Do {name}", config=config)


def plan(*runs, **more):
    return Preset(name="p", description="d", runs=runs, **more)


BASE = planned("base", corpus={"source": "tiny", "tiny_seed": "@seed"}, scratch={}, seed="@seed")
MORE = planned(
    "more", corpus={"source": "tiny"}, model={"path": "@base/checkpoint@20"}, budget={"flops": "@base/flops"}
)


def test_a_run_of_a_preset_is_found_by_name():
    assert plan(BASE, MORE).run("more") == MORE


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        ([MORE, BASE], "'more' refers to 'base', which is not a run before it; those before it: none"),
        ([BASE, BASE], "two runs are named 'base'"),
        ([planned("../up")], "'../up' cannot be the name of a run"),
        ([BASE, planned("x", model="@base/dreams")], "A plan refers to 'dreams' of a run. It can refer to: checkpoint"),
        ([BASE, planned("x", model="@base")], "A plan refers to '' of a run"),
        (
            [BASE, planned("x", model="@sed")],
            "'x' refers to 'sed', which is not a run before it; those before it: base",
        ),
        ([], "at least 1 item"),
    ],
)
def test_a_list_of_runs_that_is_no_graph_is_refused(runs, message):
    with pytest.raises(ValidationError) as error:
        plan(*runs)
    assert message in str(error.value)


def test_each_seed_has_runs_of_its_own_that_refer_to_each_other():
    suite = expand(plan(BASE, MORE, seeds=(8, 9)), [3, -1])
    assert [(run.name, run.seed, run.needs()) for run in suite.runs] == [
        ("s3-base", 3, set()),
        ("s3-more", 3, {"s3-base"}),
        ("s-1-base", -1, set()),
        ("s-1-more", -1, {"s-1-base"}),
    ]
    assert suite.seeds is None
    assert suite.runs[1].config["model"] == {"path": "@s3-base/checkpoint@20"}
    assert suite.runs[2].title == "Do base (seed -1)"
    config = suite.runs[2].resolve(100, lookup)
    assert (config.seed, config.corpus.tiny_seed) == (-1, -1), "the run's own seed counts"


def test_an_expanded_plan_is_a_plan_again():
    assert Preset.model_validate(expand(load_preset("smoke"), [0, 1]).model_dump()).runs[14].name == "s1-base"


@pytest.mark.parametrize("seeds", [[], [1, 2, 1], [2**31]])
def test_no_seed_a_seed_given_twice_and_too_large_a_seed_are_refused(seeds):
    with pytest.raises(UserError, match="Give at least one, each once, all within 32 bits"):
        expand(plan(BASE), seeds)


def test_a_rehearsal_finds_what_is_wrong_before_anything_was_made():
    assert MORE.rehearse(0).model.path == "@base/checkpoint@20"
    with pytest.raises(ValidationError, match="batch_documents"):
        planned("x", corpus={"source": "tiny"}, model={"path": "@base/checkpoint"}, batch_documents=0).rehearse(0)


def test_a_plan_of_ones_own_is_read_from_a_file(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(
        "description: Mine\nseeds: [1, 2]\nruns:\n"
        "  - {name: a, stage: ntp, title: A, config: {corpus: {source: tiny}, scratch: {}}}\n"
    )
    preset = read_plan(file)
    assert (preset.name, preset.seeds, preset.runs[0].name) == ("mine", (1, 2), "a")


@pytest.mark.parametrize(
    "text", ["just words", "runs: []", "runs: [", "description: d\nruns: 3", "", "runs: " + "[" * 500 + "]" * 500]
)
def test_a_file_that_is_no_plan_is_explained(tmp_path, text):
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(UserError, match=r"mine\.yaml cannot be used as a plan"):
        read_plan(file)
    with pytest.raises(UserError, match="No such file"):
        read_plan(tmp_path / "none.yaml")


@pytest.mark.parametrize("name", preset_names())
def test_every_shipped_plan_can_be_rehearsed(name):
    preset = load_preset(name)
    for run in preset.runs:
        assert run.rehearse(3).stage == run.stage


@pytest.mark.parametrize("name", preset_names())
def test_beside_rpt_stands_expert_iteration_for_the_same_compute_or_the_preset_says_why_not(name):
    preset = load_preset(name)
    controls = [run for run in preset.runs if run.stage == "expert_iteration"]
    if not controls:
        words = " ".join(preset.description.split())
        assert "Expert iteration, the simple control that the other presets have beside RPT, is left out" in words
        return
    evaluated = {run.config["model"]["path"] for run in preset.runs if run.stage == "evaluate"}
    assert any(run.config["budget"].get("flops") == "@rpt/flops" for run in controls)
    assert all(f"@{run.name}/checkpoint" in evaluated for run in controls)
    rpt = preset.run("rpt").config
    for run in controls:
        assert {key: run.config[key] for key in ("model", "positions")} == {
            key: rpt[key] for key in ("model", "positions")
        }
