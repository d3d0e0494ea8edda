"""A stage's config as somebody has written it into a file: read, or refused in plain words.

In: a stage's name and a JSON file. Out: the validated config, or a UserError that names each wrong field. A config of
another stage is recognised as such, instead of a complaint about each of its fields. Loads without torch and numpy.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from rpt_core.config import STAGES, StageConfig
from rpt_core.config.messages import in_lines, with_given
from rpt_core.errors import UserError, said

DEEPEST = 50
"""Objects and lists within each other; no config has more than ten."""
TOO_DEEP = f"More than {DEEPEST} objects or lists are nested in each other, which no config needs. Make it flatter."


def read_config(stage: str, path: Path) -> StageConfig:
    """The validated config. Raises UserError that says which fields are wrong, or which stage the config is for."""
    values = read_values(stage, path)
    try:
        return STAGES[stage].model_validate(values)
    except ValidationError as error:
        raise UserError(f"{path} is not a config of stage {stage}:{in_lines(explain(stage, values, error))}") from None


def read_values(stage: str, path: Path) -> dict[str, Any]:
    """What the file holds, not validated. Raises UserError when that is no JSON object, or for another stage."""
    if not path.is_file():
        raise UserError(f"{path} does not exist. Write the stage's config there as JSON and start again.")
    try:
        values = json.loads(path.read_bytes())
        refuse_too_deep(values)
    except (RecursionError, UserError):
        raise UserError(f"{path} cannot be used. {TOO_DEEP}") from None
    except ValueError as error:
        raise UserError(f"{path} is not valid JSON: {said(error)}.") from None
    if not isinstance(values, dict):
        raise UserError(f"{path} does not hold a JSON object. A config has named fields: {{...}}.")
    if others := _stages_meant(stage, values):
        raise UserError(
            f"{path} looks like a config of stage {' or '.join(others)}, not of {stage}. Name that stage, or another "
            "file."
        )
    return values


def refuse_too_deep(value: Any) -> None:
    """Raise UserError for what is nested so deep that a walk over it would not come back."""
    level = [value]
    for _ in range(DEEPEST + 1):
        level = [inner for item in level for inner in _within(item)]
        if not level:
            return
    raise UserError(TOO_DEEP)


def _within(value: Any) -> Iterable[Any]:
    if isinstance(value, Mapping):
        return value.values()
    return value if isinstance(value, list | tuple) else ()


def explain(stage: str, values: Mapping[str, Any], error: ValidationError) -> list[tuple[str, str]]:
    """(field, what is wrong with it), and with "" as field whether another stage would take the config as it is."""
    messages = with_given(error, STAGES[stage])
    fitting = [other for other in STAGES if other != stage and _fits(other, values)]
    if fitting:
        messages.append(("", f"Without any change it is a config of stage {' or '.join(fitting)}."))
    return messages


def _stages_meant(stage: str, values: Mapping[str, Any]) -> list[str]:
    """Other stages that the config names, or that know more of its fields than this one; those it fits, if any."""
    declared = values.get("stage")
    if isinstance(declared, str) and declared in STAGES and declared != stage:
        return [declared]
    known = {name: len(values.keys() & model.model_fields.keys()) for name, model in STAGES.items()}
    most = max(known.values())
    likely = [name for name in STAGES if known[name] == most > known[stage]]
    return [name for name in likely if _fits(name, values)] or likely


def _fits(stage: str, values: Mapping[str, Any]) -> bool:
    try:
        STAGES[stage].model_validate(dict(values))
    except ValidationError:
        return False
    return True
