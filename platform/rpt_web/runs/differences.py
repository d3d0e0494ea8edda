"""What differs between two configs, setting by setting.

In: configs as stored. Out: the dotted names of the settings that differ, with both values. A part that only one of them
has differs in each of its settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rpt_core.config import STAGES
from rpt_web.runs.models import Run
from rpt_web.runs.queries import flatten, in_model_order

ABSENT = "not set"


@dataclass(frozen=True)
class Difference:
    """A setting that is not the same."""

    name: str
    before: Any
    after: Any


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """The settings whose values differ, in the order of the second config; those that only the first has come last."""
    old, new = dict(flatten(dict(before))), dict(flatten(dict(after)))
    names = [*new, *(name for name in old if name not in new)]
    found = [Difference(name, old.get(name, ABSENT), new.get(name, ABSENT)) for name in names]
    return [difference for difference in found if difference.before != difference.after]


def from_origin(run: Run) -> list[Difference] | None:
    """How a run's config differs from that of the run it was cloned from; None for one that is no clone."""
    return differences(run.origin.config, _ordered(run)) if run.origin is not None and run.config else None


def _ordered(run: Run) -> dict[str, Any]:
    model = STAGES.get(run.stage)
    return run.config if model is None else in_model_order(run.config, model)
