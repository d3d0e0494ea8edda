"""What remains of a config when its wrong fields are left out, so that the files it names are looked for all the same.

In: a stage, values that are no config, pydantic's error. Out: an object of the stage's model without the fields that
are wrong or missing; those with a default have it. It was never validated as a whole: only look at single fields, and
expect any to be absent. Loads without torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from pydantic import TypeAdapter, ValidationError

from rpt_core.config import STAGES, StageConfig


def sound_part(stage: str, values: Mapping[str, Any], error: ValidationError) -> StageConfig:
    """The config without its wrong fields."""
    left: dict[Any, Any] = deepcopy(dict(values))
    for place in {_place(values, detail["loc"]) for detail in error.errors(include_url=False)}:
        _drop(left, place)
    model = STAGES[stage]
    sound: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        if name not in left:
            continue
        try:
            sound[name] = TypeAdapter(field.rebuild_annotation()).validate_python(left[name])
        except ValidationError:
            continue  # what was dropped from it made it unsound
    return model.model_construct(**sound)


def _place(values: Any, location: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """The field that an error is about, or the one around it where there is none, such as a missing one."""
    if not location or not isinstance(values, Mapping) or location[0] not in values:
        return ()
    return (location[0], *_place(values[location[0]], location[1:]))


def _drop(values: dict[Any, Any], place: tuple[int | str, ...]) -> None:
    """Remove the field, if it is still there."""
    for name in place[:-1]:
        values = values.get(name, {})
    if place:
        values.pop(place[-1], None)
