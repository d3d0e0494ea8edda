"""The limits of the collapse monitors that a team sets for its runs; where it sets none, the platform's hold.

In: a team, and what was typed for each metric. Out: rules with the team's numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from django.db import transaction

from rpt_core.errors import UserError
from rpt_web.notices.models import MonitorLimit
from rpt_web.notices.monitors import MOST_STEPS, RULES, MonitorRule
from rpt_web.teams.models import Team, User


def rules_for(team_id: int) -> list[MonitorRule]:
    """The rules by which runs of a team are watched (1 query)."""
    own = {row.metric: row for row in MonitorLimit.objects.filter(team=team_id)}
    return [
        rule.with_limit(own[rule.metric].limit, own[rule.metric].steps) if rule.metric in own else rule
        for rule in RULES
    ]


def store(team: Team, typed: Mapping[str, tuple[str, str]], user: User) -> None:
    """Store what was typed as limit and steps of each metric; what is empty, or is the default, is the default.

    Raises UserError with everything that is wrong, and stores nothing then.
    """
    wrong, limits = [], dict[str, tuple[float, int]]()
    for rule in RULES:
        try:
            limits[rule.metric] = read(rule, *typed.get(rule.metric, ("", "")))
        except UserError as error:
            wrong.append(str(error))
    if wrong:
        raise UserError(" ".join(wrong))
    own = {rule.metric: limits[rule.metric] for rule in RULES if limits[rule.metric] != (rule.default, rule.steps)}
    with transaction.atomic():
        MonitorLimit.objects.filter(team=team).exclude(metric__in=own).delete()
        for metric, (limit, steps) in own.items():
            values = {"limit": limit, "steps": steps, "created_by": user}
            if not MonitorLimit.objects.filter(team=team, metric=metric, limit=limit, steps=steps).exists():
                MonitorLimit.objects.update_or_create(team=team, metric=metric, defaults=values)


def read(rule: MonitorRule, limit: str, steps: str) -> tuple[float, int]:
    """The numbers that were typed for a rule. Raises UserError for what can be none."""
    most = 1.0 if rule.above is None or rule.metric.startswith("share_") else math.inf
    try:
        number = float(limit) if limit.strip() else rule.default
        count = int(steps) if steps.strip() else rule.steps
    except ValueError:
        raise UserError(f"{rule.title}: give a number as the limit, and a whole number of steps.") from None
    if not (math.isfinite(number) and 0 < number <= most):
        allowed = "above 0" if most == math.inf else "above 0 and at most 1"
        raise UserError(f"{rule.title}: a limit is {allowed}.")
    if not 1 <= count <= MOST_STEPS:
        raise UserError(f"{rule.title}: the steps in a row are 1 to {MOST_STEPS}.")
    return number, count
