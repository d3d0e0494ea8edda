"""The settings of many runs side by side: which differ, who shares a value, what is the same in all.

In: nested configs, one for each run. Out: a row for each dotted name, its values grouped. A setting that a run has not
differs from every value. Only what an engine resolved is read from the database.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rpt_core.config import STAGES
from rpt_web.compare.models import EngineConfig
from rpt_web.runs.differences import ABSENT
from rpt_web.runs.models import Run
from rpt_web.runs.queries import flatten, in_model_order

FROZEN, PLANNED, RESOLVED = "frozen", "planned", "resolved"
"""As a run was run, as it was asked for, and as its engine resolved it."""


@dataclass(frozen=True)
class SharedValue:
    """A value, and the places in the basket of the runs that have it."""

    value: Any
    places: tuple[int, ...]


@dataclass(frozen=True)
class SettingRow:
    """A setting: its value in each run, and the same grouped, the baseline's group first."""

    name: str
    values: tuple[Any, ...]
    groups: tuple[SharedValue, ...]

    @property
    def differs(self) -> bool:
        """Whether there is more than one value."""
        return len(self.groups) > 1


def configs_of(runs: Sequence[Run], source: str) -> list[dict[str, Any]]:
    """The config of each run in the order of its stage's model; source: FROZEN, PLANNED or RESOLVED."""
    if source == RESOLVED:
        found = resolved_configs(runs)
        return [found.values.get(run.pk, {} if has_own_config(run) else _config(run, FROZEN)) for run in runs]
    return [_config(run, source) for run in runs]


@dataclass(frozen=True)
class ResolvedConfigs:
    """What the engines of some runs made of their configs."""

    values: Mapping[int, dict[str, Any]]
    """By the run's id, where it is stored."""
    frozen: Sequence[int]
    """Places of the runs whose engine reads the config as it is."""
    missing: Sequence[int]
    """Places of those whose engine has a config of its own that is not stored."""


def resolved_configs(runs: Sequence[Run]) -> ResolvedConfigs:
    """Of each run, as far as it is known (1 query)."""
    rows = EngineConfig.objects.filter(run__in={run.pk for run in runs})
    values: dict[int, dict[str, Any]] = dict(rows.values_list("run", "values"))
    others = [(place, run) for place, run in enumerate(runs) if run.pk not in values]
    return ResolvedConfigs(
        values,
        [place for place, run in others if not has_own_config(run)],
        [place for place, run in others if has_own_config(run)],
    )


def has_own_config(run: Run) -> bool:
    """Whether the run's engine makes a configuration of its own, so that the frozen one is not all of it."""
    return bool((run.config or run.plan).get("engine") == "verl")


def setting_rows(configs: Sequence[Mapping[str, Any]], ignored: Sequence[str] = ()) -> list[SettingRow]:
    """All settings of all runs but the ignored ones, in the order in which they appear.

    ignored: dotted names; one that names a part leaves out all that is below it.
    """
    columns = [dict(flatten(dict(config))) for config in configs]
    names = dict.fromkeys(name for column in columns for name in column)
    kept = [name for name in names if not is_ignored(name, ignored)]
    return [_row(name, tuple(column.get(name, ABSENT) for column in columns)) for name in kept]


def is_ignored(name: str, ignored: Sequence[str]) -> bool:
    """Whether a setting, or a part that it belongs to, is ignored."""
    return any(name == other or name.startswith(f"{other}.") for other in ignored)


def text_difference(before: Mapping[str, Any], after: Mapping[str, Any], ignored: Sequence[str] = ()) -> list[str]:
    """Two configs as a unified difference of lines `name: value`, without its head; empty where alike."""
    old, new = (_lines(config, ignored) for config in (before, after))
    return list(difflib.unified_diff(old, new, lineterm="", n=2))[2:]


def _lines(config: Mapping[str, Any], ignored: Sequence[str]) -> list[str]:
    values = sorted(
        (pair for pair in flatten(dict(config)) if not is_ignored(pair[0], ignored)), key=lambda pair: pair[0]
    )
    return [f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in values]


def _row(name: str, values: tuple[Any, ...]) -> SettingRow:
    groups: dict[str, list[int]] = {}
    for place, value in enumerate(values):
        groups.setdefault(_key(value), []).append(place)
    shared = (SharedValue(values[places[0]], tuple(places)) for places in groups.values())
    return SettingRow(name, values, tuple(shared))


def _key(value: Any) -> str:
    """The same for the same value alone: 1, 1.0, "1" and true are four."""
    return json.dumps(value, sort_keys=True) if isinstance(value, list | dict) else repr(value)


def _config(run: Run, source: str) -> dict[str, Any]:
    values: dict[str, Any] = run.plan if source == PLANNED else run.config or run.plan
    model = STAGES.get(run.stage)
    return in_model_order(values, model) if model else values
