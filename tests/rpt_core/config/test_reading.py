"""A config in a file: read, or refused with what is wrong with each field, or with the stage that it is for."""

import json

import pytest

from rpt_core.config import VerlConfig
from rpt_core.config.reading import read_config
from rpt_core.errors import UserError

RPT = {"model": {"path": "m"}, "positions": "p"}
NTP = {"model": {"path": "m"}, "corpus": {"source": "tiny"}}


@pytest.fixture
def read(tmp_path):
    """read(stage, values) reads them from a file; returns the config, or the words with which it is refused."""

    def read(stage, values):
        path = tmp_path / "config.json"
        path.write_text(values if isinstance(values, str) else json.dumps(values))
        try:
            return read_config(stage, path)
        except UserError as error:
            return str(error).replace(str(path), "FILE")

    return read


def test_a_sound_config_is_read(read):
    assert read("rpt", RPT | {"steps": "7"}).steps == 7


@pytest.mark.parametrize(
    ("stage", "values", "meant"),
    [
        ("ntp", {"stage": "rpt"}, "rpt"),
        ("filter", {"stage": "rpt", **RPT}, "rpt"),
        ("rpt", NTP, "ntp"),
        ("sft", {**NTP, "loss_on": "all"}, "ntp"),
        ("evaluate", {"model": {"path": "m"}, "held_out": {"positions": "p"}, "templates": ["plain"]}, "templates"),
        ("filter", {"model": {"path": "m"}, "batch_documents": 3}, "ntp or sft"),
    ],
)
def test_a_config_of_another_stage_is_recognised(read, stage, values, meant):
    expected = f"FILE looks like a config of stage {meant}, not of {stage}. Name that stage, or another file."
    assert read(stage, values) == expected


def test_each_wrong_field_is_named_with_what_was_given_and_what_is_allowed(read):
    wrong = {"group_size": "many", "grpo": {"normalise": "no", "klip_low": 1}, "verl": {"engine": 1}, "wild": []}
    words = read("rpt", {"model": RPT["model"], **wrong})
    lines = words.splitlines()
    assert lines[0] == "FILE is not a config of stage rpt:"
    assert "  positions: This field is required." in lines
    assert '  group_size: Give a whole number. Given: "many".' in lines
    assert "  grpo.normalise: Allowed: 'std' or 'mean'. Given: \"no\"." in lines
    missing = "There is no such field. Remove it or correct its name."
    assert f"  grpo.klip_low: {missing} Did you mean clip_low?" in lines
    assert f"  verl.engine: {missing} There are: {', '.join(VerlConfig.model_fields)}." in lines
    assert any(line.startswith(f"  wild: {missing} There are: ") and " batch_problems," in line for line in lines)
    assert len(lines) == 7
    assert "pydantic" not in words


def test_a_name_within_a_list_or_an_optional_part_is_looked_up_there(read):
    scaling = [{"name": "n", "run": "r", "modes": "sampled"}]
    words = read("analyse", {"scaling": scaling, "patterns": {"responces": []}})
    assert "scaling.0.modes: There is no such field. Remove it or correct its name. Did you mean mode?" in words
    assert "patterns.responces: There is no such field. Remove it or correct its name. Did you mean responses?" in words


def test_a_long_value_is_cut(read):
    assert read("rpt", RPT | {"steps": "x" * 500}).endswith(f'Given: "{"x" * 59}….')


def test_a_config_that_another_stage_would_take_says_so(read):
    words = read("rpt", {"model": {"path": "m"}, "evaluation": {"positions": "p"}})
    assert "positions: This field is required." in words
    assert "Without any change it is a config of stage evaluate." in words


def test_what_is_no_config_at_all_is_explained(read, tmp_path):
    assert read("rpt", '{"steps": 3,').startswith("FILE is not valid JSON: ")
    for depth in (500, 100_000):
        deep = '{"steps": ' + "[" * depth + "]" * depth + "}"
        assert read("rpt", deep).startswith("FILE cannot be used. More than 50 objects or lists are nested in each")
    assert read("rpt", "[]").startswith("FILE does not hold a JSON object.")
    assert read("rpt", {"stage": ["rpt"], **RPT}).splitlines()[1].startswith("  stage: Allowed: 'rpt'.")
    with pytest.raises(UserError, match="does not exist"):
        read_config("rpt", tmp_path / "nothing.json")
