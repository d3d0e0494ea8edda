"""A config that somebody has in a file: read, or refused in words that name its fields.

In: the name and the bytes of a YAML or JSON file. Out: a planned run, and its values as the form carries them along
while somebody works on it: nothing of the file is stored.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import yaml
from pydantic import ValidationError

from rpt_core.config import STAGES
from rpt_core.config.messages import in_lines, with_given
from rpt_core.config.reading import TOO_DEEP, refuse_too_deep
from rpt_core.errors import UserError
from rpt_core.plans.preset import PlannedRun
from rpt_core.typed_yaml import read_typed
from rpt_web.pages.configure.fields import yaml_problem
from rpt_web.text import clean_text

MOST_BYTES = 200_000
LONGEST_NAME = 60
ENDINGS = ".yaml, .yml, .json"


@dataclass(frozen=True)
class ConfigFile:
    """A file whose settings a form begins with."""

    name: str
    planned: PlannedRun

    @property
    def carried(self) -> str:
        """What the form sends back: the settings with their stage."""
        return json.dumps({"stage": self.planned.stage, **self.planned.config}, ensure_ascii=False)


def read_file(name: str, content: bytes) -> ConfigFile:
    """The settings of a file. Raises UserError that says what is wrong with it, field by field."""
    name = clean_text(PurePath(name.replace("\\", "/")).name)[:200] or "config"
    if len(content) > MOST_BYTES:
        raise UserError(f"{name} has {len(content):,} bytes. A config has at most {MOST_BYTES:,}: choose another file.")
    values = _values(name, content)
    stage = values.pop("stage", None)
    if stage is None:
        stage = _stage_of(name, values)
    if stage not in STAGES:
        raise UserError(f"{name}: `stage` is {str(stage)[:60]!r}, which is none. The stages are: {', '.join(STAGES)}.")
    planned = PlannedRun(name=_run_name(name) or stage, stage=stage, title="", config=values)
    try:
        planned.rehearse(0)
    except ValidationError as error:
        raise UserError(
            f"{name} is not a config of stage {stage}:{in_lines(with_given(error, STAGES[stage]))}"
        ) from None
    return ConfigFile(name, planned)


def _values(name: str, content: bytes) -> dict[str, Any]:
    try:
        text = content.decode("utf-8-sig")
        values = json.loads(text) if text.lstrip().startswith("{") else read_typed(text)
        refuse_too_deep(values)
    except UnicodeDecodeError:
        raise UserError(f"{name} is no text in UTF-8. Choose a YAML or JSON file ({ENDINGS}).") from None
    except json.JSONDecodeError as error:
        raise UserError(f"{name} is not valid JSON. Look at line {error.lineno}, column {error.colno}.") from None
    except yaml.YAMLError as error:
        raise UserError(f"{name}: {yaml_problem(error)}") from None
    except (RecursionError, UserError, ValueError):  # ValueError: a number with more digits than Python reads
        raise UserError(f"{name} cannot be used. {TOO_DEEP}") from None
    if not isinstance(values, dict):
        raise UserError(f"{name} does not hold a config. It needs named settings, such as `stage: rpt`.")
    plain: dict[str, Any] = json.loads(json.dumps(values, default=str))  # YAML knows dates, a config none
    return plain


def _stage_of(name: str, values: dict[str, Any]) -> str:
    """The one stage that takes these values. Raises UserError when none or several do."""
    fitting = [stage for stage in STAGES if _fits(stage, values)]
    if len(fitting) == 1:
        return fitting[0]
    told = f"It fits {', '.join(fitting)}. Add" if fitting else "Add"
    raise UserError(f"{name} does not say which stage it is for. {told} `stage:` with one of: {', '.join(STAGES)}.")


def _fits(stage: str, values: dict[str, Any]) -> bool:
    try:
        PlannedRun(name=stage, stage=stage, title="", config=values).rehearse(0)
    except ValidationError:
        return False
    return True


def _run_name(name: str) -> str:
    """A name for the run out of the file's."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", PurePath(name).stem).strip("-.")[:LONGEST_NAME]
