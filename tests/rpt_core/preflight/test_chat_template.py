"""A chat template that fails is found before a run is queued, at the field that would do without it."""

import json

import pytest

from rpt_core.machine.hardware import hardware
from rpt_core.preflight import check_values
from tests.rpt_core import stages

SHORT = {"max_prompt_tokens": 64}
PLAIN = SHORT | {"template": "plain"}
ROOM = {"sampling": {"max_response_tokens": 32}}
FITTING = {"rpt": ROOM, "evaluate": ROOM, "templates": ROOM | SHORT}
"""What the small model has room for."""
BROKEN = "{{ raise_exception('A system message must come first') }}"


@pytest.fixture
def broken(tmp_path):
    """The config of a model whose chat template fails."""
    config = stages.save_taught(tmp_path / "model")
    file = tmp_path / "model" / "tokenizer_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"chat_template": BROKEN}))
    return config


def found(values):
    report = check_values(values["stage"], values, hardware("cpu-2"))
    return [(problem.field, problem.message) for problem in report.errors]


@pytest.mark.parametrize("pending", [True, False])
@pytest.mark.parametrize("stage", ["rpt", "evaluate", "templates"])
def test_a_broken_chat_template_is_told_once_at_the_field_of_the_template(broken, filtered, pending, stage):
    positions = "@filter/positions" if pending else filtered
    own = {
        "rpt": {"positions": positions, "prompt": SHORT | {"template": "v0"}},
        "evaluate": {"evaluation": {"positions": positions}, "prompt": SHORT | {"template": "v0"}},
        "templates": {"held_out": {"positions": positions}, "templates": ["plain", "v0", "v1"]},
    }
    ((field, message),) = found({"stage": stage, "model": broken, **FITTING[stage], **own[stage]})
    assert field == ("templates.1" if stage == "templates" else "prompt.template")
    assert "A system message must come first" in message
    assert "`plain`" in message


def test_a_template_without_a_chat_is_fine_with_it(broken, filtered):
    values = {"stage": "rpt", "model": broken, "positions": filtered, "prompt": PLAIN, **FITTING["rpt"]}
    assert found(values) == []


def test_a_date_that_is_none_is_told_at_its_field(broken, filtered):
    values = {"stage": "rpt", "model": broken, "positions": filtered, **FITTING["rpt"]}
    assert [field for field, _ in found(values | {"prompt": PLAIN | {"date": "2025-02-30"}})] == ["prompt.date"]
    flat = {"stage": "templates", "model": broken, "held_out": {"positions": filtered}, "templates": ["plain"]}
    flat |= FITTING["templates"]
    assert [field for field, _ in found(flat | {"prompt_date": "yesterday"})] == ["prompt_date"]
    assert [field for field, _ in found(flat | {"prompt_date": "2025-13-01"})] == ["prompt_date"]


@pytest.mark.parametrize("stage", ["rpt", "evaluate", "templates"])
def test_a_model_without_a_chat_template_is_warned_of_once_at_the_first_message(filtered, tmp_path, stage):
    own = {
        "rpt": {"positions": filtered, "prompt": SHORT | {"template": "v0"}},
        "evaluate": {"evaluation": {"positions": filtered}, "prompt": SHORT | {"template": "v0"}},
        "templates": {"held_out": {"positions": filtered}, "templates": ["plain", "v0", "v1"]},
    }
    values = {"stage": stage, "model": stages.save_taught(tmp_path / "model"), **FITTING[stage], **own[stage]}
    problems = check_values(stage, values, hardware("cpu-2")).problems
    ((field, message),) = [(p.field, p.message) for p in problems if "no chat template" in p.message]
    assert field == ("templates.1" if stage == "templates" else "prompt.template")
    assert ("v0, v1 is given" if stage == "templates" else "v0 is given") in message
    assert "`plain`" in message
