"""Configs that no stage could run: refused as soon as they are given, before a run is queued or a model is loaded."""

import math
from typing import Annotated, get_args, get_origin

import pytest
from pydantic import BaseModel, ValidationError

from rpt_core.config import STAGES, RptConfig
from rpt_core.config.base import SamplingConfig
from rpt_core.config.limits import LIMITS, Limit
from rpt_core.config.messages import field_messages, with_given
from rpt_core.config.rules import decidable, sound_part
from rpt_core.plans.preset import load_preset

RPT = {"model": {"path": "m"}, "positions": "p", "batch_problems": 4, "group_size": 3}
RLVR = {"model": {"path": "m"}, "questions": {"source": "tiny"}}
EI = {"model": {"path": "m"}, "positions": "p"}
ROUNDS = {"budget": {"steps": 4}, "evaluation": {"positions": "p"}}
NTP = {"corpus": {"source": "tiny"}, "scratch": {}}
FILTER = {"corpus": {"source": "tiny"}, "proxy": {"path": "m"}}
EVALUATE = {"model": {"path": "m"}, "evaluation": {"positions": "p"}}
TEMPLATES = {"model": {"path": "m"}, "held_out": {"positions": "p"}}
VERL = {**RPT, "engine": "verl", "steps": 6, "checkpoint_every_steps": 2, "evaluation": {"positions": "p"}}


def refusals(stage, values):
    """(field, words) of each; fails for a config that is accepted."""
    with pytest.raises(ValidationError) as caught:
        STAGES[stage].model_validate(values)
    return with_given(caught.value, STAGES[stage])


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"reward": {"kind": "dense"}}, "reward.kind", "The engine verl does not support dense. Use prefix or "),
        ({"grpo": {"overlong": "mask"}}, "grpo.overlong", "The engine verl does not support mask. Use keep, or "),
        ({"optimiser": {"schedule": "linear"}}, "optimiser.schedule", "Use constant or cosine, or `engine: torch`."),
        ({"rollout_backend": "transformers"}, "rollout_backend", "Use auto or vllm"),
        (
            {"model": {"path": "m", "device": "cpu"}, "verl": {"gpus_per_node": 2}},
            "verl.gpus_per_node",
            "more than 1 with `model.device: cpu`",
        ),
        ({"evaluate_at_steps": [0, 3, 6]}, "evaluate_at_steps", "(2) and the end (6), but not 3."),
        ({"verl": {"gpus_per_node": 8}}, "verl", "12 responses of an update do not divide among 8 GPUs"),
        (
            {"verl": {"gpus_per_node": 2, "micro_batch_per_gpu": 5}},
            "verl.micro_batch_per_gpu",
            "6 responses of an update on each GPU do not divide into passes of 5. Give 3.",
        ),
        (
            {"verl": {"gpus_per_node": 3}, "vllm": {"tensor_parallel": 2}},
            "vllm.tensor_parallel",
            "do not divide into engines of 2",
        ),
        ({"verl": {"gpus_per_node": 4}, "grpo": {"minibatch_groups": 2}}, "verl", "6 responses of an update do not"),
    ],
)
def test_what_verl_lacks_is_refused_by_its_name(changes, field, words):
    [(refused, said)] = refusals("rpt", VERL | changes)
    assert refused == field
    assert words in said
    STAGES["rpt"].model_validate(VERL | changes | {"engine": "torch"})


def test_all_that_verl_lacks_is_said_at_once_each_by_itself():
    changes = {"reward": {"kind": "dense"}, "evaluate_at_steps": [3], "verl": {"nodes": 5}, "rollout_backend": "x"}
    fields = [field for field, _ in refusals("rpt", VERL | changes)]
    assert fields == ["rollout_backend", "reward.kind", "verl", "evaluate_at_steps"]


def test_the_smallest_preset_can_be_trained_with_verl_as_it_is():
    planned = load_preset("smoke").run("rpt")
    config = planned.rehearse(0).model_dump(mode="json") | {"engine": "verl"}
    assert STAGES["rpt"].model_validate(config).evaluate_at_steps == (0, 1, 2, 3, 4, 6)


def test_a_config_within_its_limits_is_verl_s():
    changes = {"evaluate_at_steps": [0, 2, 7], "verl": {"nodes": 2, "gpus_per_node": 3}, "steps": 7}
    assert STAGES["rpt"].model_validate(VERL | changes).engine == "verl"


@pytest.mark.parametrize(("stage", "values"), [("rpt", RPT), ("rlvr", RLVR)])
def test_a_buffer_beyond_the_limit_is_refused(stage, values):
    soft = values | {"grpo": {"overlong": "soft"}, "sampling": {"max_response_tokens": 1023}}
    [(field, words)] = refusals(stage, soft)
    assert field == "grpo.overlong_buffer_tokens"
    assert "1024 is more than sampling.max_response_tokens 1023" in words
    STAGES[stage].model_validate(soft | {"sampling": {"max_response_tokens": 1024}})
    STAGES[stage].model_validate(soft | {"grpo": {}})


@pytest.mark.parametrize(
    ("stage", "values", "field", "words"),
    [
        ("rpt", RPT | {"steps": 4, "evaluate_at_steps": [4, 5], "evaluation": {"positions": "p"}}, "", "after 5."),
        ("rpt", RPT | {"evaluate_at_steps": [5]}, "evaluate_at_steps", "There is no `evaluation`"),
        ("rpt", RPT | {"group_size": 1}, "group_size", "Give a number of at least 2."),
        ("rpt", RPT | {"batch_problems": 0}, "batch_problems", "Give a number above 0."),
        ("rpt", RPT | {"sampling": {"temperature": 0}}, "sampling.temperature", "of a group would be equal"),
        ("rpt", RPT | {"optimiser": {"betas": [0.9, 1]}}, "optimiser.betas.1", "Give a number below 1."),
        ("rpt", RPT | {"optimiser": {"learning_rate": math.inf}}, "optimiser.learning_rate", "Give a finite number."),
        ("rpt", RPT | {"seed": 2**31}, "seed", "Give a number below 2.14748e+09."),
        ("rpt", RPT | {"grpo": {"minibatch_groups": 3}}, "grpo.minibatch_groups", "3 does not divide"),
        ("rlvr", RLVR | {"sampling": {"temperature": 0}}, "sampling.temperature", "of a group would be equal"),
        ("expert_iteration", EI | {"sampling": {"temperature": 0}}, "sampling.temperature", "would be equal"),
        ("expert_iteration", EI | {"evaluate_at_steps": [5]}, "evaluate_at_steps", "There is no `evaluation`"),
        ("expert_iteration", EI | ROUNDS | {"evaluate_at_steps": [4, 5]}, "", "at step 4 (`budget.steps`)"),
        ("expert_iteration", EI | {"budget": {"steps": 4, "epochs": 1}}, "budget", "exactly one of epochs, steps"),
        ("expert_iteration", EI | {"passes": 0}, "passes", "Give a number above 0."),
        ("rlvr", RLVR | {"test_sampling": {"temperature": 0}, "test_samples": 2}, "test_samples", "would be equal"),
        ("ntp", NTP | {"corpus": {"source": "tiny", "validation_share": 1}}, "corpus.validation_share", "none is left"),
        ("ntp", NTP | {"corpus": {"paths": ["a.txt"]}, "loss_on": "solution"}, "loss_on", "is its solution"),
        ("ntp", NTP | {"scratch": {"hidden_size": 66}}, "scratch.heads", "33 wide"),
        ("filter", FILTER | {"keep": "random", "keep_share": 0}, "keep_share", "no position is kept"),
        ("filter", FILTER | {"min_entropy_nats": 3}, "min_entropy_nats", "at most 2.77 nats: with more, no position"),
        ("filter", FILTER | {"top_k": 2, "position_sets": [{"name": "x"}]}, "min_entropy_nats", "at most 0.69 nats"),
        ("filter", FILTER | {"corpus": {"paths": ["a"]}, "positions_from": "solution"}, "positions_from", "solution"),
        (
            "filter",
            FILTER | {"corpus": {"source": "tiny", "validation_share": 0}, "position_sets": [{"name": "x"}]},
            "corpus.validation_share",
            "drawn from held-out documents",
        ),
        (
            "filter",
            FILTER | {"position_sets": [{"name": "x", "easy_nats": 3, "medium_nats": 3, "hard_nats": 3}]},
            "position_sets.0.easy_nats",
            "the set would be empty",
        ),
        ("evaluate", {**EVALUATE, "evaluation": {"positions": "p", "modes": []}}, "evaluation.modes", "at least 1."),
        ("templates", TEMPLATES | {"templates": []}, "templates", "Give at least 1."),
        ("evaluate", {**EVALUATE, "evaluation": {"positions": "p", "easy_nats": 2}}, "evaluation.medium_nats", "2."),
    ],
)
def test_values_that_nothing_good_can_come_of_are_refused(stage, values, field, words):
    [(refused, said)] = refusals(stage, values)
    assert refused == (field or "evaluate_at_steps")
    assert words in said


@pytest.mark.parametrize(
    ("stage", "values"),
    [
        ("rpt", RPT | {"steps": 4, "evaluate_at_steps": [0, 4], "evaluation": {"positions": "p"}}),
        ("filter", FILTER | {"min_entropy_nats": 2.7}),
        ("filter", FILTER | {"min_entropy_nats": 9, "entropy": "full"}),
        ("filter", FILTER | {"corpus": {"source": "tiny", "validation_share": 1}, "position_sets": [{"name": "x"}]}),
        ("filter", FILTER | {"corpus": {"paths": ["a"], "mapping": "omni_math"}, "positions_from": "solution"}),
        ("rlvr", RLVR | {"test_sampling": {"temperature": 0}}),
        ("expert_iteration", EI | {"group_size": 1, "sampling": {"temperature": 0}}),
        ("expert_iteration", EI | ROUNDS | {"evaluate_at_steps": [0, 4]}),
        ("expert_iteration", EI | ROUNDS | {"evaluate_at_steps": [9], "budget": {"flops": 1e9}}),
    ],
)
def test_values_at_the_edge_are_accepted(stage, values):
    STAGES[stage].model_validate(values)


def test_rules_that_wrong_fields_do_not_touch_are_told_beside_these():
    wrong = {
        "group_size": "many",
        "stepz": 1,
        "steps": 4,
        "evaluate_at_steps": [9],
        "grpo": {"minibatch_groups": 3, "clip_low": 7},
        "reward": {"kind": "custom"},
        "evaluation": {"positions": "p", "easy_nats": 2, "hard_nats": "x"},
    }
    fields = {field for field, _ in refusals("rpt", RPT | wrong)}
    assert fields == {
        "group_size",
        "stepz",
        "evaluate_at_steps",
        "grpo.clip_low",
        "grpo.minibatch_groups",
        "reward.custom",
        "evaluation.hard_nats",
        "evaluation.medium_nats",
    }


def test_rules_that_ask_for_a_wrong_field_are_left_out():
    assert [field for field, _ in refusals("rpt", VERL | {"group_size": "x", "verl": {"nodes": 5}})] == ["group_size"]
    assert [field for field, _ in refusals("rpt", RPT | {"steps": 0, "evaluate_at_steps": [9]})] == [
        "steps",
        "evaluate_at_steps",
    ], "there is no evaluation; whether step 9 comes is not known"


def test_only_a_field_that_is_missing_lets_a_rule_be_left_out():
    def about(name):
        def rule(config):
            yield "", f"{getattr(config, name)} is too small"

        return rule

    part = sound_part(SamplingConfig, {"temperature": "hot", "batch_rows": 4})
    assert decidable([about("temperature"), about("batch_rows")], part) == [("", "4 is too small")]
    with pytest.raises(AttributeError, match="no_field"):
        decidable([about("no_field")], part)


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"optimiser": {"learning_rate": 1e9}}, "optimiser.learning_rate", "at most 1. AdamW moves each weight"),
        ({"steps": 10**20}, "steps", "at most 2,147,483,647. The tables of a run count steps"),
        ({"batch_problems": 100_000}, "batch_problems", "at most 65,536. All of them are in memory at once"),
        ({"group_size": 100_000}, "group_size", "at most 65,536."),
        ({"evaluate_at_steps": [10**20]}, "evaluate_at_steps.0", "at most 2,147,483,647."),
        ({"sampling": {"max_response_tokens": 10**9}}, "sampling.max_response_tokens", "The longest contexts"),
    ],
)
def test_numbers_that_no_run_can_mean_are_refused_with_the_reason(changes, field, words):
    values = {"model": {"path": "m"}, "positions": "p", "evaluation": {"positions": "p"}} | changes
    with pytest.raises(ValidationError) as caught:
        RptConfig.model_validate(values)
    assert words in field_messages(caught.value)[field]
    with pytest.raises(ValidationError) as caught:
        RptConfig.model_validate(values | {"reward": {"kind": "custom"}})
    told = field_messages(caught.value)
    assert words in told[field], "beside a broken rule, too"
    assert {"reward.custom", field} <= set(told)


def numbers(annotation, marks=()):
    """(type, its limits) of every number in a field's type."""
    if get_origin(annotation) is Annotated:
        inner, *more = get_args(annotation)
        yield from numbers(inner, (*more, *marks))
    elif annotation in (int, float):
        yield annotation, marks
    else:
        for part in get_args(annotation):
            yield from numbers(part)


def is_bounded(mark):
    inner = [mark, *getattr(mark, "metadata", ())]
    return isinstance(mark, Limit) or any(hasattr(found, "le") or hasattr(found, "lt") for found in inner)


def models(annotation):
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        for info in annotation.model_fields.values():
            yield from models(info.annotation)
    for part in get_args(annotation):
        yield from models(part)


def test_every_number_of_every_config_has_a_largest_value():
    every = {model for stage in STAGES.values() for model in models(stage)}
    assert len(every) > 20
    unbounded = [
        f"{model.__name__}.{name}"
        for model in every
        for name, info in model.model_fields.items()
        for _, marks in numbers(info.annotation, tuple(info.metadata))
        if not any(map(is_bounded, marks))
    ]
    assert unbounded == []


def test_each_limit_gives_its_reason_and_stands_in_the_document():
    assert all(limit.source.endswith(".") and limit.most > 0 for limit in LIMITS.values())
    schema = RptConfig.model_json_schema()["properties"]["steps"]
    assert schema["maximum"] == 2**31 - 1
    assert schema["exclusiveMinimum"] == 0
