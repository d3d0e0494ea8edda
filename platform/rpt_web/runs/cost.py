"""What a run has cost, as expressions over its row, so that lists can filter and sort by it.

Time is that of all its attempts, up to now where it runs. GPU hours are that time times the GPUs that its newest
attempt had: none for a run that asks for none, unknown where the node has not said which GPUs it has.
"""

from __future__ import annotations

from django.db.models import (
    Case,
    DurationField,
    ExpressionWrapper,
    F,
    FloatField,
    Func,
    IntegerField,
    OuterRef,
    Subquery,
    Value,
    When,
)
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce, Greatest, Least, Now

from rpt_web.runs.models import RunAttempt, Status

HOUR = 3600.0


def hours() -> Combinable:
    """Hours in all attempts; null before the first, and where that of some is not known."""
    until = Least(Now(), Coalesce(F("lease_until"), Now()))
    lasted = ExpressionWrapper(until - F("started_at"), output_field=DurationField())
    seconds = Case(
        When(attempt=0, then=Value(None)),
        When(
            status=Status.RUNNING,
            started_at__isnull=False,
            then=_seconds(F("time_spent")) + Greatest(_seconds(lasted), Value(0.0)),
        ),
        default=_seconds(F("time_spent")),
        output_field=FloatField(),
    )
    return ExpressionWrapper(seconds / Value(HOUR), output_field=FloatField())


def gpu_hours() -> Combinable:
    """Hours times GPUs; null where either is not known."""
    newest = RunAttempt.objects.filter(run=OuterRef("pk"), gpus__isnull=False, number=OuterRef("attempt"))
    had = newest.annotate(count=Func(F("gpus"), function="cardinality", output_field=IntegerField())).values("count")
    number = Case(When(gpus=0, then=Value(0)), default=Subquery(had[:1]), output_field=IntegerField())
    return ExpressionWrapper(hours() * number, output_field=FloatField())


def _seconds(duration: Combinable) -> Func:
    return Func(duration, template="EXTRACT(EPOCH FROM %(expressions)s)::float8", output_field=FloatField())
