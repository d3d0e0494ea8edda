"""Settings that only some of the compared stages have: a run of another stage has none to differ by.

In: rows of settings, the stage of each run. Out: the rows that differ, and by stage those that others merely lack.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from pydantic import BaseModel

from rpt_core.config import STAGES
from rpt_web.compare.settings_table import SettingRow
from rpt_web.runs.differences import ABSENT
from rpt_web.runs.queries import model_of


@dataclass(frozen=True)
class SettingsOfStages:
    """Settings that only these stages have, each with one value wherever it stands."""

    stages: tuple[str, ...]
    rows: tuple[tuple[SettingRow, object], ...]
    """Each with that value."""

    @property
    def words(self) -> str:
        """What they are, in a few words."""
        return f"{len(self.rows)} setting{'s' * (len(self.rows) != 1)} only in {' and '.join(self.stages)}"


def parted(rows: Sequence[SettingRow], stages: Sequence[str]) -> tuple[list[SettingRow], list[SettingsOfStages]]:
    """The rows that differ, without those that only some stages have; and these. stages: of the runs, in order."""
    differing, only = list[SettingRow](), dict[tuple[str, ...], list[tuple[SettingRow, object]]]()
    for row in rows:
        having = _only_in(row, stages)
        if having:
            value = next(value for value in row.values if value != ABSENT)
            only.setdefault(having, []).append((row, value))
        elif row.differs:
            differing.append(row)
    return differing, [SettingsOfStages(names, tuple(found)) for names, found in only.items()]


def _only_in(row: SettingRow, stages: Sequence[str]) -> tuple[str, ...]:
    """The stages whose runs all have the row's one value, where the others cannot have any; else none."""
    lacking = {stages[place] for group in row.groups if group.value == ABSENT for place in group.places}
    values = [group for group in row.groups if group.value != ABSENT]
    having = dict.fromkeys(stages[place] for group in values for place in group.places)
    if not lacking or len(values) > 1 or lacking & having.keys() or any(can_have(stage, row.name) for stage in lacking):
        return ()
    return tuple(having)


@cache
def can_have(stage: str, name: str) -> bool:
    """Whether a stage's config may have a setting of this dotted name."""
    model: type[BaseModel] | None = STAGES.get(stage)
    for part in name.split("."):
        if model is None:
            return True  # it lies in a value that no model describes
        if part not in model.model_fields:
            return False
        model = model_of(model.model_fields[part].annotation)
    return True
