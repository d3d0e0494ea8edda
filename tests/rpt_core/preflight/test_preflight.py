"""Pre-flight: what would go wrong is found before a model is loaded, each problem by its field.

Sizes of models are in test_preflight_sizes.py, what a run takes in test_preflight_cost.py, and the command in
test_preflight_command.py.
"""

import json
import re
from importlib.util import find_spec

import pytest

from rpt_core.config import STAGES
from rpt_core.errors import UserError
from rpt_core.preflight import check, check_values, checks, hardware
from rpt_core.preflight.checks import refuse_if_failing
from rpt_core.run.folder import RunDir
from rpt_core.stages import EXIT_FAILED, run_stage
from tests.rpt_core import stages
from tests.rpt_core.preflight.preflight_runs import CPU, fields, rpt


def test_a_stage_is_refused_with_all_that_is_missing(tmp_path):
    config = rpt({"path": str(tmp_path / "no model")}, str(tmp_path / "no positions"))
    with pytest.raises(UserError, match=r"no model holds no config\.json.*`positions`: .*no positions does not exist"):
        refuse_if_failing(config)


def test_the_first_prompt_is_the_one_that_the_policy_gets(model, filtered):
    first = check(rpt(model, filtered), CPU).first_prompt
    assert first.text.startswith("Digits")
    assert first.text.endswith("<think>")
    assert first.tokens >= 2


def test_a_prompt_and_a_response_that_do_not_fit_the_model_are_found(model, filtered):
    report = check(rpt(model, filtered, sampling={"max_response_tokens": 5000}), CPU)
    assert fields(report) == ["sampling.max_response_tokens"]
    assert "a response of 5000 tokens are 5060, but the model takes 1024" in report.problems[0].message


def test_missing_files_and_templates_are_found_by_field(model, tmp_path):
    config = rpt(model, str(tmp_path / "nowhere"), prompt={"template": "none", "max_prompt_tokens": 60})
    assert fields(check(config, CPU)) == ["positions", "prompt.template"]
    filter_ = {"stage": "filter", "corpus": {"paths": ["a.jsonl"]}, "proxy": {"path": str(tmp_path / "m")}}
    assert fields(check(STAGES["filter"].model_validate(filter_), CPU)) == ["proxy.path", "corpus.paths"]


def test_wrong_fields_and_missing_files_are_found_together(tmp_path):
    values = {
        "model": {"path": str(tmp_path / "m"), "dtype": "float8"},
        "corpus": {"paths": ["a.jsonl"], "mapping": "x"},
        "scratch": {"heads": 3},
        "budget": {},
    }
    report = check_values("ntp", values, CPU)
    wrong = ["model.dtype", "corpus.mapping", "scratch.heads", "budget", ""]  # both a model and a new one
    assert sorted(fields(report)) == sorted([*wrong, "model.path", "corpus.paths"])
    assert report.notes == [
        "Checks that depend on what is wrong follow once it is fixed, and so do memory, time and the first prompt."
    ]


def test_a_field_that_is_wrong_or_missing_is_named_once(tmp_path):
    values = {"model": {"path": 3}, "evaluation": {}, "prompt": {"template": "none"}, "stepz": 1}
    report = check_values("rpt", values, CPU)
    assert fields(report) == ["model.path", "positions", "evaluation.positions", "stepz", "prompt.template"]


def test_values_that_are_a_config_are_checked_as_one(model, filtered):
    config = rpt(model, filtered)
    assert check_values("rpt", config.model_dump(mode="json"), CPU) == check(config, CPU)


def test_what_an_earlier_run_will_make_is_left_alone():
    report = check(rpt({"path": "@cold/checkpoint"}, "@filter/positions"), CPU)
    assert report.problems == []
    assert report.pending
    assert report.most is None


@pytest.mark.skipif(find_spec("verl") is not None, reason="verl is installed here")
def test_engines_that_are_not_here_are_worth_a_warning(model, filtered):
    report = check(rpt(model, filtered, engine="verl", rollout_backend="vllm"), CPU)
    assert fields(report, "warning") == ["engine", "rollout_backend"]
    assert "verl is not installed in the environment that checks this" in report.problems[0].message


def test_wrong_fields_broken_rules_lengths_and_data_are_told_together(model, tmp_path):
    (tmp_path / "bad.jsonl").write_text("no JSON\n")
    values = {
        "model": model,
        "questions": {"paths": [str(tmp_path / "bad.jsonl")]},
        "group_size": "many",
        "grpo": {"minibatch_groups": 5},
        "sampling": {"max_response_tokens": 5000},
        "test_sampling": {"max_response_tokens": 2},
    }
    report = check_values("rlvr", values, CPU)
    assert fields(report) == [
        "group_size",
        "grpo.minibatch_groups",
        "",  # the file
        "sampling.max_response_tokens",
        "test_sampling.max_response_tokens",
        "test_sampling.max_response_tokens",
    ]
    assert "bad.jsonl" in report.errors[2].message


def test_each_thing_that_verl_lacks_is_a_problem_by_itself(model, filtered):
    values = rpt(model, filtered).model_dump(mode="json")
    more = {"engine": "verl", "grpo": {"overlong": "mask"}, "verl": {"nodes": 4}, "steps": "x"}
    assert fields(check_values("rpt", values | more, CPU)) == ["steps", "grpo.overlong", "verl"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"evaluation": True}, "evaluate_at_steps"),
        ({"dynamic_sampling": {"from_step": 5}}, "dynamic_sampling.from_step"),
        ({"optimiser": {"warmup_steps": 5}}, "optimiser.warmup_steps"),
        ({"sampling": {"max_response_tokens": 20, "temperature": 3}}, "sampling.temperature"),
        ({"prompt": {"template": "plain", "max_prompt_tokens": 10}}, "prompt.max_prompt_tokens"),
    ],
)
def test_values_of_little_use_are_worth_a_warning(model, filtered, changes, field):
    if changes.get("evaluation"):
        changes = {"evaluation": {"positions": filtered}}
    report = check(rpt(model, filtered, **changes), CPU)
    assert (fields(report), fields(report, "warning")) == ([], [field])


def test_a_prompt_that_holds_nothing_but_its_template_is_an_error(model, filtered):
    report = check(rpt(model, filtered, prompt={"template": "plain", "max_prompt_tokens": 1}), CPU)
    assert "Raise `max_prompt_tokens` or use a shorter template." in report.errors[0].message
    assert report.notes == [
        "Checks that depend on what is wrong follow once it is fixed, and so do memory, time and the first prompt."
    ]


def test_a_response_too_short_for_any_answer_is_an_error(model, filtered):
    report = check(rpt(model, filtered, sampling={"max_response_tokens": 2}), CPU)
    assert fields(report) == ["sampling.max_response_tokens"]
    assert r"Even the shortest answer, \boxed{1}, takes " in report.errors[0].message


def test_an_analysis_says_of_its_files_what_the_stage_would(tmp_path):
    (tmp_path / "text").write_text("no Parquet")
    values = {
        "stage": "analyse",
        "comparisons": [
            {"name": "x", "a": "@rpt/outcomes", "b": str(tmp_path / "b.parquet")},
            {"name": "y", "a": str(tmp_path), "b": str(tmp_path / "text")},
        ],
        "frontiers": [{"name": "z", "outcomes": str(tmp_path)}],
        "patterns": {"responses": [{"model": "m", "shards": [str(tmp_path)]}]},
        "scaling": [{"name": "s", "run": str(tmp_path / "nowhere")}],
    }
    config = STAGES["analyse"].model_validate(values)
    found = {problem.field: problem.message for problem in check(config, CPU).problems}
    assert sorted(found) == [
        "comparisons.0.b",
        "comparisons.1.a",
        "comparisons.1.b",
        "frontiers.0.outcomes",
        "patterns.responses.0",
        "scaling.0.run",
    ]
    assert found["comparisons.0.b"].endswith(
        "b.parquet does not exist. Name a Parquet file in the `evaluations` folder of a run."
    )
    assert "is a folder" in found["comparisons.1.a"]
    assert "is not a Parquet file" in found["comparisons.1.b"]
    run = RunDir(tmp_path / "run")
    run.create(config)
    assert run_stage("analyse", run) == EXIT_FAILED
    [failed] = stages.events(run.path, "failed")
    assert failed["message"] == " ".join(f"`{field}`: {message}" for field, message in found.items())


def test_every_planned_run_of_a_preset_passes_before_anything_has_run():
    from rpt_core.plans.preset import load_preset
    from rpt_core.preflight.checks import problems_of

    for planned in load_preset("tiny").runs:
        config = planned.resolve(0, lambda name, what: 1e12 if what == "flops" else f"@{name}/{what}")
        assert problems_of(config, None) == []


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("", "The path is empty."),
        ("  ", "The path is empty."),
        ("x" * 300, "is too long. Give at most 4095 bytes, and at most 255 between two slashes."),
        ("a/" * 3000, "is too long."),
        ("a\0b", "holds a NUL"),
    ],
)
@pytest.mark.parametrize(
    ("stage", "values", "field"),
    [
        ("ntp", {"corpus": {"paths": ["VALUE"]}, "scratch": {}}, "corpus.paths.0"),
        ("ntp", {"corpus": {"source": "tiny"}, "model": {"path": "VALUE"}}, "model.path"),
        ("rpt", {"model": {"path": "@a/checkpoint"}, "positions": "VALUE"}, "positions"),
        (
            "rpt",
            {"model": {"path": "@a/checkpoint"}, "positions": "@b/positions", "prompt": {"template": "VALUE"}},
            "prompt.template",
        ),
        (
            "analyse",
            {"patterns": {"responses": [{"model": "m", "shards": ["@a/b"]}], "keywords": "VALUE"}},
            "patterns.keywords",
        ),
    ],
)
def test_a_name_that_nothing_can_have_is_refused_in_words(stage, values, field, value, words):
    values = json.loads(json.dumps(values).replace('"VALUE"', json.dumps(value)))
    for asked in (values, values | {"seed": "x"}):
        found = {problem.field: problem for problem in check_values(stage, asked, CPU).problems}
        assert words in found[field].message
        assert found[field].level == "error"
    with pytest.raises(UserError, match=re.escape(words)):
        refuse_if_failing(STAGES[stage].model_validate(values))


def test_a_gpu_that_only_the_machine_asked_for_has_is_a_warning(monkeypatch):
    monkeypatch.setattr(checks, "has_gpu", lambda: False)
    values = {"scratch": {}, "corpus": {"source": "tiny", "tiny_documents": 50}} | {"scratch": None}
    values |= {"model": {"path": "@a/checkpoint", "device": "cuda"}}
    [found] = check_values("ntp", values, hardware("h100")).problems
    assert (found.field, found.level) == ("model.device", "warning")
    [found] = check_values("ntp", values, CPU).problems
    assert (found.field, found.level) == ("model.device", "error")
