"""Pydantic's errors become sentences that say what to do, for every kind of error our configs can raise."""

import pytest
from pydantic import ValidationError

from rpt_core.config import STAGES
from rpt_core.config.messages import field_messages

RPT = {"model": {"path": "m"}, "positions": "p"}
NTP = {"corpus": {"source": "tiny"}}


def messages(stage, values):
    with pytest.raises(ValidationError) as caught:
        STAGES[stage].model_validate(values)
    return field_messages(caught.value)


@pytest.mark.parametrize(
    ("stage", "values", "expected"),
    [
        ("rpt", {}, {"model": "This field is required.", "positions": "This field is required."}),
        ("rpt", {**RPT, "steps": 0}, {"steps": "Give a number above 0."}),
        ("rpt", {**RPT, "steps": 1.5}, {"steps": "Give a whole number."}),
        ("rpt", {**RPT, "steps": None}, {"steps": "Give a whole number."}),
        ("rpt", {**RPT, "group_size": 1}, {"group_size": "Give a number of at least 2."}),
        ("rpt", {**RPT, "grpo": {"clip_low": 1}}, {"grpo.clip_low": "Give a number below 1."}),
        ("rpt", {**RPT, "optimiser": {"final_share": 2}}, {"optimiser.final_share": "Give a number of at most 1."}),
        ("rpt", {**RPT, "grpo": {"normalise": "x"}}, {"grpo.normalise": "Allowed: 'std' or 'mean'."}),
        ("rpt", {**RPT, "grpo": 3}, {"grpo": "Give an object with named fields."}),
        ("rpt", {**RPT, "evaluate_at_steps": 3}, {"evaluate_at_steps": "Give a list."}),
        ("rpt", {**RPT, "evaluate_at_steps": [1, -1]}, {"evaluate_at_steps.1": "Give a number of at least 0."}),
        ("rpt", {**RPT, "positions": 3}, {"positions": "Give a text."}),
        ("rpt", {**RPT, "stepz": 3}, {"stepz": "There is no such field. Remove it or correct its name."}),
        ("ntp", NTP, {"": "Give exactly one of `model` (continue) and `scratch` (a new model)."}),
        (
            "ntp",
            {**NTP, "scratch": {"hidden_size": 10, "heads": 3}},
            {"scratch.heads": "hidden_size 10 is not divisible by heads 3."},
        ),
        (
            "ntp",
            {"corpus": {"source": "tiny", "mapping": "x"}, "scratch": {}},
            {"corpus.mapping": "Allowed: 'text' or 'omni_math'."},
        ),
        (
            "rlvr",
            {"model": {"path": "m"}, "questions": {"source": "tiny", "mapping": {"question": 3}}},
            {
                "questions.mapping": "Allowed: 'plain' or 'skywork_or1'.",
                "questions.mapping.question": "Give a text.",
            },
        ),
    ],
)
def test_an_error_says_what_to_do(stage, values, expected):
    assert messages(stage, values) == expected
