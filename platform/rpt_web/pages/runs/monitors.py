"""The collapse monitors of a run as a table: each metric that is watched, what it is now, what it must not pass.

In: a run. Out: rows as of its newest metrics; what is past a limit has been so for the last step, an alarm for several.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rpt_web.notices.limits import rules_for
from rpt_web.notices.monitors import START_STEPS, MonitorRule
from rpt_web.pages.group_addresses import address_of_list
from rpt_web.runs.models import Run


@dataclass(frozen=True)
class MonitorRow:
    """One rule, and how a run stands to it."""

    rule: MonitorRule
    value: float
    limit: float | None
    """None while the start, which it is compared with, is not known."""
    is_beyond: bool
    examples: str
    """The address of the groups of the step; empty where the run kept none of it."""


def monitor_rows(run: Run) -> dict[str, Any]:
    """The rules whose metrics the run reports, and the step that the values are of (4 queries)."""
    newest = run.metrics.order_by("-step").first()
    if newest is None:
        return {"monitors": [], "monitors_at": None}
    first = list(run.metrics.order_by("step").values_list("values", flat=True)[:START_STEPS])
    has_responses = run.shards.filter(step=newest.step, kind="train").exists()
    place = address_of_list(run.pk, "train", newest.step) if has_responses else ""
    rules = rules_for(run.experiment.team_id)
    rows = [_row(rule, newest.values, first, place) for rule in rules if newest.values.get(rule.metric) is not None]
    return {"monitors": rows, "monitors_at": newest.step}


def _row(
    rule: MonitorRule, now: Mapping[str, float], first: list[Mapping[str, float | None]], place: str
) -> MonitorRow:
    values = [value for row in first if (value := row.get(rule.metric)) is not None]
    start = sum(values) / len(values) if len(values) == START_STEPS else None
    more = f"&{rule.responses}" if place and rule.responses else ""
    value = now[rule.metric]
    return MonitorRow(rule, value, rule.limit(start), rule.is_beyond(value, start), place + more)
