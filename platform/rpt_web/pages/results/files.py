"""A leaderboard as a file: the rows that the page shows, all of them, in their order."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from rpt_web import access
from rpt_web.exhibits.boards import MOST_ROWS, UNKNOWN, leads_of_board, table_of
from rpt_web.exports import file_answer
from rpt_web.pages.results.leaderboard import baseline_asked, filters_asked
from rpt_web.results import boards


@require_safe
def board_file(request: HttpRequest, ending: str) -> HttpResponse:
    """The rows of the position set that the address names, as CSV, Parquet or LaTeX."""
    asked = request.GET.get("set", "")
    group = "" if asked == UNKNOWN else asked[:32].replace("\x00", "")
    seen = access.standings_for(request.user)
    if not asked or not seen.filter(group=group).exists():
        raise Http404("Name a set of positions at which something was measured: the page of results lists them.")
    baseline = baseline_asked(request, group)
    board, _ = boards.board_page(seen, group, filters_asked(request), baseline, None, MOST_ROWS)
    leads = leads_of_board(board, access.experiments_for(request.user).values("team"))
    return file_answer(table_of(board, *leads), ending)
