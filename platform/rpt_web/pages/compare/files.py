"""The tables of a comparison as files: each run against the baseline, every two, parts of the positions."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from rpt_core.config import DIFFICULTIES
from rpt_core.words import listed
from rpt_web import access
from rpt_web.exhibits.comparison_tables import TABLES, with_baseline
from rpt_web.exports import file_answer


@require_safe
def table_file(request: HttpRequest, comparison_id: int) -> HttpResponse:
    """One table in the format that the address asks for, at the difficulty that it names, or at all."""
    row = access.get_comparison_or_404(request.user, comparison_id)
    runs = access.runs_by_id(request.user, row.runs)
    make = TABLES.get(request.GET.get("table", ""), with_baseline)
    level = request.GET.get("difficulty", "")
    if level and level not in DIFFICULTIES:
        raise Http404(f"Difficulties are {listed(DIFFICULTIES)}, not {level!r}.")
    return file_answer(make(row, runs, level), request.GET.get("file", "csv"))
