"""Configs that no stage could run: refused as soon as they are given, before a run is queued or a model is loaded."""

import pytest
from pydantic import ValidationError

from rpt_core.config import STAGES

RPT = {"model": {"path": "m"}, "positions": "p", "batch_problems": 4, "group_size": 3}
RLVR = {"model": {"path": "m"}, "questions": {"source": "tiny"}}
VERL = {**RPT, "engine": "verl", "steps": 6, "checkpoint_every_steps": 2}


def refusal(stage, values):
    with pytest.raises(ValidationError) as caught:
        STAGES[stage].model_validate(values)
    return str(caught.value)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"reward": {"kind": "dense"}}, "reward.kind: dense"),
        ({"grpo": {"overlong": "mask"}}, "grpo.overlong: mask"),
        ({"optimiser": {"schedule": "linear"}}, "optimiser.schedule: linear"),
        ({"rollout_backend": "transformers"}, "rollout_backend: transformers"),
        ({"model": {"path": "m", "device": "cpu"}, "verl": {"gpus_per_node": 2}}, "model.device: cpu with verl"),
        ({"evaluate_at_steps": [0, 3, 6]}, "and the end (6), but holds 3."),
        ({"evaluate_at_steps": [8]}, "and the end (6), but holds 8."),
        ({"verl": {"gpus_per_node": 8}}, "12 responses of an update do not divide among 8 GPUs"),
        ({"verl": {"gpus_per_node": 4}, "grpo": {"minibatch_groups": 2}}, "6 responses of an update do not divide"),
    ],
)
def test_what_verl_lacks_is_refused_by_its_name(changes, named):
    assert named in refusal("rpt", VERL | changes)
    STAGES["rpt"].model_validate(VERL | changes | {"engine": "torch"})


def test_all_that_verl_lacks_is_said_at_once():
    words = refusal("rpt", VERL | {"reward": {"kind": "dense"}, "evaluate_at_steps": [3], "verl": {"nodes": 5}})
    for part in ("reward.kind: dense", "but holds 3", "among 5 GPUs"):
        assert part in words


def test_a_config_within_its_limits_is_verl_s():
    changes = {"evaluate_at_steps": [0, 2, 7], "verl": {"nodes": 2, "gpus_per_node": 3}, "steps": 7}
    assert STAGES["rpt"].model_validate(VERL | changes).engine == "verl"


@pytest.mark.parametrize(("stage", "values"), [("rpt", RPT), ("rlvr", RLVR)])
def test_a_buffer_beyond_the_limit_is_refused(stage, values):
    soft = values | {"grpo": {"overlong": "soft"}, "sampling": {"max_response_tokens": 1023}}
    assert "grpo.overlong_buffer_tokens 1024 is more than sampling.max_response_tokens 1023" in refusal(stage, soft)
    STAGES[stage].model_validate(soft | {"sampling": {"max_response_tokens": 1024}})
    STAGES[stage].model_validate(soft | {"grpo": {}})
