"""What is seen of a config at once, while somebody types: without its model, its data, or a process of its own.

In: values for a stage's config, wrong ones too, and the teams in whose name it reads. Out: findings with their limits
and where these come from. Pre-flight (`runs.preflight`) sees more and takes seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from rpt_core.config import STAGES
from rpt_core.config.messages import each_message, origins
from rpt_core.config.rules import sound_part
from rpt_web.runs import reach
from rpt_web.runs.findings import Finding
from rpt_web.runs.preflight import MAY_READ
from rpt_web.runs.reach import Teams


def look(stage: str, values: Mapping[str, Any], teams: Teams) -> list[Finding]:
    """Wrong fields, settings that do not go together, and what may not be read; in this order."""
    found = [Finding("error", field, words, source=MAY_READ) for field, words in _not_readable(stage, values, teams)]
    try:
        STAGES[stage].model_validate(dict(values))
    except ValidationError as error:
        told = zip(each_message(error), origins(error), strict=True)
        wrong = [Finding("error", field, words, limit=limit, source=of) for (field, words), (limit, of) in told]
        return wrong + found
    return found


def _not_readable(stage: str, values: Mapping[str, Any], teams: Teams) -> list[reach.Refusal]:
    return reach.refusals(sound_part(STAGES[stage], values), is_plan=True, teams=teams)
