"""Tags of runs: what a team calls some of its runs by, such as `paper` or `broken`.

In: runs, words. Out: changed rows, which the audit trail keeps. Raises UserError for what is no tag.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from django.db import transaction

from rpt_core.errors import UserError
from rpt_web.runs.conclusions import MOST_TAGS, tags_in
from rpt_web.runs.models import Run


def put(run: Run, text: str) -> None:
    """Give a run these tags, between commas, and no others."""
    tags = tags_in(text)
    Run.objects.filter(pk=run.pk).update(tags=tags)
    run.tags = tags


def add(runs: Sequence[Run], tags: Iterable[str]) -> list[Run]:
    """Add tags to runs; returns those that had not all of them. Raises UserError, with nothing changed, when one would
    have too many."""
    given = list(tags)
    return _changed(runs, lambda own: [*own, *(tag for tag in given if tag not in own)])


def take(runs: Sequence[Run], tags: Iterable[str]) -> list[Run]:
    """Take tags away; returns the runs that had one of them."""
    taken = set(tags)
    return _changed(runs, lambda own: [tag for tag in own if tag not in taken])


def _changed(runs: Sequence[Run], change: Callable[[list[str]], list[str]]) -> list[Run]:
    with transaction.atomic():
        rows = Run.objects.select_for_update(no_key=True, of=("self",)).filter(pk__in=[run.pk for run in runs])
        found = [(run, change(run.tags)) for run in rows.order_by("id").only("name", "tags", "experiment")]
        if full := next((run for run, tags in found if len(tags) > MOST_TAGS), None):
            raise UserError(f"The run {full.name!r} would have more than {MOST_TAGS} tags. Take some of it away first.")
        changed = [(run, tags) for run, tags in found if tags != run.tags]
        for run, tags in changed:
            run.tags = tags
            run.save(update_fields=["tags"])
    return [run for run, _ in changed]
