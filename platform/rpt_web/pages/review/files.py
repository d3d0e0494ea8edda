"""Labels as files, out and in."""

from __future__ import annotations

from typing import cast

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from rpt_core.errors import UserError
from rpt_core.words import counted
from rpt_web import access
from rpt_web.review import exports, imports, reviews
from rpt_web.teams.models import User


@require_safe
def queue_export(request: HttpRequest, queue_id: int, ending: str) -> HttpResponse:
    """What was submitted, as far as the reader may see it."""
    queue = access.get_queue_or_404(request.user, queue_id)
    if ending not in exports.FORMATS:
        raise Http404(f"Labels are written as {', '.join(exports.FORMATS)}, not as {ending!r}.")
    seen = access.seen_reviews(request.user, queue)
    if request.method == "GET":
        reviews.note_seen(seen, cast(User, request.user))
    content = exports.as_file(ending, queue, list(exports.label_rows(queue, seen)))
    response = HttpResponse(content, content_type=exports.FORMATS[ending])
    response["Content-Disposition"] = f'attachment; filename="labels-{queue.pk}.{ending}"'
    return response


@require_http_methods(["GET", "HEAD", "POST"])
def queue_import(request: HttpRequest, queue_id: int) -> HttpResponse:
    """Submit reviews from a file of JSON lines: all, or none and what is wrong."""
    queue = access.get_queue_or_404(request.user, queue_id, to_manage=True)
    wrong = ""
    if request.method == "POST":
        file = request.FILES.get("file")
        try:
            content = file.read(imports.LARGEST_FILE_BYTES + 1) if file else request.POST.get("text", "").encode()
            number = imports.import_labels(queue, content, cast(User, request.user))
        except UserError as error:
            wrong = str(error)
        else:
            messages.success(request, f"{counted(number, 'label')} came in.")
            return redirect("review:queue_detail", queue.pk)
    context = {"nav": "review", "queue": queue, "wrong": wrong, "questions": reviews.questions_of(queue)}
    return render(request, "review/queue_import.html", context, status=422 if wrong else 200)
