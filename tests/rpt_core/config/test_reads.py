"""Which fields make a run read something: none can be added without saying so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel

from rpt_core.config import STAGES, BenchmarkConfig, RptConfig, SftConfig
from rpt_core.config.reads import NAME_FIELDS, Reading, Reads, kind_of, readings
from rpt_core.config.rules import sound_part


def models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        for info in annotation.model_fields.values():
            yield from models(info.annotation)
    for argument in get_args(annotation):
        yield from models(argument)


def holds_text(annotation: Any) -> bool:
    return annotation is str or any(map(holds_text, get_args(annotation)))


def text_fields() -> dict[str, Reads | None]:
    """`Class.field` of each text that a user may write freely, named by the class that has it first."""
    found = {}
    for model in {model for stage in STAGES.values() for model in models(stage)}:
        for name, info in model.model_fields.items():
            if holds_text(info.annotation):
                owner = next(base for base in reversed(model.__mro__) if name in getattr(base, "model_fields", ()))
                found[f"{owner.__name__}.{name}"] = kind_of(info)
    return found


def test_every_text_of_a_config_either_reads_something_or_is_known_to_be_a_name():
    fields = text_fields()
    assert {name for name, kind in fields.items() if kind is None} == NAME_FIELDS
    assert fields["CorpusConfig.paths"] is fields["TracesConfig.path"] is Reads.DATA
    assert fields["VerlConfig.ray_address"] is Reads.ADDRESS
    assert fields["ModelConfig.path"] is Reads.MODEL


def test_readings_walk_into_parts_lists_and_unions():
    config = SftConfig.model_validate(
        {
            "model": {"path": "m"},
            "traces": {"path": "t.jsonl"},
            "prompt": {"template": "x.txt"},
            "replay": {"paths": ["a.jsonl", "b"]},
            "budget": {"flops_of": "r"},
        }
    )
    assert list(readings(config)) == [
        Reading("model.path", "m", Reads.MODEL),
        Reading("traces.path", "t.jsonl", Reads.DATA),
        Reading("prompt.template", "x.txt", Reads.TEMPLATE),
        Reading("replay.paths.0", "a.jsonl", Reads.DATA),
        Reading("replay.paths.1", "b", Reads.DATA),
        Reading("budget.flops_of", "r", Reads.RUN),
    ]


def test_readings_take_what_is_sound_of_a_wrong_config():
    values = {"model": {"path": "m", "dtype": "x"}, "paths": ["a.jsonl"], "format": 3}
    found = {reading.field: reading.value for reading in readings(sound_part(BenchmarkConfig, values))}
    assert found == {"model.path": "m", "paths.0": "a.jsonl", "template": "multiple_choice"}


def test_the_name_of_a_position_set_cannot_leave_its_folder():
    config = {"model": {"path": "m"}, "positions": "p", "evaluation": {"positions": "p", "position_set": "../../x"}}
    errors = sound_part(RptConfig, config)
    assert "position_set" not in errors.evaluation.__dict__ or errors.evaluation.position_set is None
