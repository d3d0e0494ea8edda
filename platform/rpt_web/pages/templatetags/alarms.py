"""A run's alarms as a part of its page: `{% run_alarms run %}`."""

from __future__ import annotations

from typing import Any

from django.template import Library

from rpt_web.notices.models import Alarm, AlarmKind
from rpt_web.notices.monitors import rule_of
from rpt_web.pages.group_addresses import address_of_list
from rpt_web.runs.models import ENDED_BADLY, Run

SHOWN = 20
register = Library()


@register.inclusion_tag("runs/_alarms.html")
def run_alarms(run: Run) -> dict[str, Any]:
    """The newest alarms of a run (1 query). How it ended stands above them already."""
    found = Alarm.objects.filter(run=run.pk)
    found = found.exclude(kind=AlarmKind.ENDED) if run.status in ENDED_BADLY else found
    return {"run": run, "alarms": list(found[:SHOWN])}


@register.filter
def examples(alarm: Alarm) -> str:
    """The list of groups that shows what an alarm of a step is about."""
    rule = rule_of(alarm.metric)
    return address_of_list(alarm.run_id, "train", alarm.step, rule.responses if rule else "")
