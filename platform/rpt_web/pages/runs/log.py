"""The tab of a run's log: its last lines, fetched again while somebody looks at them, or those that hold a text.

In: a request, whose address keeps the text that is searched for. Out: the tab, the part of it with the lines, or the
whole log as a file.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.views.decorators.http import require_GET, require_safe

from rpt_web import access
from rpt_web.pages.runs.frame import Part, render_tab
from rpt_web.pages.runs.tabs import events
from rpt_web.runs import logs
from rpt_web.runs.models import Run


@require_safe
def run_log(request: HttpRequest, run_id: int) -> HttpResponse:
    """The log and the events; 204 when nothing was written since the lines that the page has (`seen`)."""
    run = access.get_run_or_404(request.user, run_id)
    if request.headers.get("HX-Target") == "log" and request.GET.get("seen", "") == (logs.key_of(run) or "-"):
        return HttpResponse(status=204)
    parts: dict[str, Part] = {"log": ("runs/_log.html", _lines), "events": ("runs/_events.html", events)}
    return render_tab(request, run, "log", "runs/run_log.html", parts, also_told=["records"])


def _lines(request: HttpRequest, run: Run) -> dict[str, Any]:
    wanted = request.GET.get("q", "").strip()
    tail = logs.tail_of(run)
    again = {"seen": tail.key if tail else "-"} | ({"q": wanted} if wanted else {})
    found = logs.search(run, wanted) if wanted else None
    return {"wanted": wanted, "tail": tail, "found": found, "again": urlencode(again)}


@require_GET
def run_log_file(request: HttpRequest, run_id: int) -> StreamingHttpResponse:
    """All of it, as it was written. A slow reader holds no thread and no connection."""
    run = access.get_run_or_404(request.user, run_id)
    return StreamingHttpResponse(
        _chunks(run),
        content_type="text/plain; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="run-{run.pk}-log.txt"'},
    )


async def _chunks(run: Run) -> AsyncIterator[bytes]:
    chunks = logs.whole_log(run)
    while chunk := await asyncio.to_thread(next, chunks, b""):
        yield chunk
