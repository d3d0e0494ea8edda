"""Raising an alarm: a row of the run, a notice for its owner, a post to the webhook of its team. Each alarm once.

In: a run, and what is the matter. Out: rows.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from django.db import transaction

from rpt_web.notices import deliveries, services
from rpt_web.notices.models import Alarm, AlarmKind, NoticeKind
from rpt_web.notices.words import path_of, shortened
from rpt_web.runs.models import Run


def raise_alarm(
    run: Run, kind: AlarmKind, key: str, text: str, *, notice: NoticeKind = NoticeKind.ALARM, **more: Any
) -> Alarm | None:
    """Keep it and tell people; None for one that is there already.

    more: step, metric, value and limit, where they are known. notice: the kind of the owner's notice.
    """
    values = {"kind": kind, "attempt": run.attempt, "text": shortened(text), **more}
    with transaction.atomic(savepoint=False):
        alarm, is_new = Alarm.objects.get_or_create(run_id=run.pk, key=key[:120], defaults=values)
        if not is_new:
            return None
        if run.created_by_id is not None:
            words = f"“{run.name}” of {run.experiment.name}: {text}"
            services.tell([run.created_by_id], notice, words, run_id=run.pk)
        deliveries.post(run.experiment.team_id, lambda: payload_of(run, "alarm", alarm.text, alarm))
    return alarm


def unique_key(kind: AlarmKind) -> str:
    """For what has happened for certain once."""
    return f"{kind}:{uuid4().hex}"


def payload_of(run: Run, event: str, text: str, alarm: Alarm | None = None) -> dict[str, Any]:
    """What a webhook is told of a run. event: "alarm" or "succeeded"."""
    return {
        "id": uuid4().hex,
        "event": event,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "text": text,
        "team": run.experiment.team.name,
        "experiment": {"id": run.experiment_id, "name": run.experiment.name},
        "run": {
            "id": run.pk,
            "name": run.name,
            "stage": run.stage,
            "attempt": run.attempt,
            "by": None if run.created_by is None else run.created_by.username,
            "path": path_of(run.pk, None),
        },
        "alarm": None
        if alarm is None
        else {name: getattr(alarm, name) for name in ("kind", "step", "metric", "value", "limit")},
    }
