"""How much the folders of runs and the stored documents of corpora take: measured by the reaper once they have ended.

In: rows that say that they are to be measured. Out: their numbers, which pages and quotas read (`runs.usage`).
"""

from __future__ import annotations

import time

from rpt_core.files import bytes_of
from rpt_web.corpora.models import CorpusVersion
from rpt_web.runs import usage
from workers import disk

AT_ONCE = 50
SECONDS = 2.0
"""Of a round: leases are looked after by the same process."""


def measure() -> None:
    """Measure what is due, for some seconds."""
    runs = list(usage.unmeasured().order_by("-pk")[:AT_ONCE])
    checked = CorpusVersion.objects.filter(stored_bytes=None).exclude(checked_at=None)
    versions = list(checked.order_by("-pk")[:AT_ONCE])
    if not (runs or versions) or disk.problem():
        return
    until = time.monotonic() + SECONDS
    for run in runs:
        usage.note(run, bytes_of(run.directory))
        if time.monotonic() > until:
            return
    for version in versions:
        found = bytes_of(version.documents_file)
        CorpusVersion.objects.filter(pk=version.pk).update(stored_bytes=found)
