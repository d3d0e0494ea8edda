"""A run's log: its last lines, fetched again while somebody looks at them, and the whole of it as a file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_safe

from rpt_web import access
from rpt_web.runs import logs
from rpt_web.runs.models import Run


@require_safe
def run_log(request: HttpRequest, run_id: int) -> HttpResponse:
    """The last lines; 204 when nothing was written since those that the page has (`seen`)."""
    run = access.get_run_or_404(request.user, run_id)
    tail = logs.tail_of(run)
    if tail and tail.key == request.GET.get("seen"):
        return HttpResponse(status=204)
    return render(request, "runs/_log.html", {"run": run, "tail": tail})


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
