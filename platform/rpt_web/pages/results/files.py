"""A leaderboard as a file: the rows that the page shows, all of them, in their order."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from rpt_core.config import DIFFICULTIES
from rpt_web import access
from rpt_web.exports import PlainColumn, PlainTable, estimate_cells, estimate_columns, file_answer
from rpt_web.exports.tables import PlainValue
from rpt_web.pages.results.leaderboard import UNKNOWN, filters_asked
from rpt_web.results import boards
from rpt_web.results.board import Board, BoardRow

MOST_ROWS = 5000
_COLUMNS = (
    PlainColumn("rank", "Rank", "count"),
    PlainColumn("model", "Model"),
    PlainColumn("mode", "Mode"),
    PlainColumn("experiment", "Experiment"),
    PlainColumn("seeds", "Seeds"),
    *(column for level in DIFFICULTIES for column in estimate_columns(level, level.capitalize())),
    *(column for level in DIFFICULTIES for column in estimate_columns(f"gain_{level}", f"Gain, {level}", "difference")),
    PlainColumn("flops", "FLOPs", "flops"),
    PlainColumn("gpu_hours", "GPU hours", "number"),
    PlainColumn("not_ranked_for", "Not ranked for"),
    PlainColumn("runs", "Runs"),
    PlainColumn("template", "Template"),
    PlainColumn("position_sets", "Position sets"),
)


@require_safe
def board_file(request: HttpRequest, ending: str) -> HttpResponse:
    """The rows of the position set that the address names, as CSV, Parquet or LaTeX."""
    asked = request.GET.get("set", "")
    group = "" if asked == UNKNOWN else asked[:32].replace("\x00", "")
    seen = access.standings_for(request.user)
    if not asked or not seen.filter(group=group).exists():
        raise Http404("Name a set of positions at which something was measured: the page of results lists them.")
    board, _ = boards.board_page(seen, group, filters_asked(request), None, None, MOST_ROWS)
    return file_answer(table_of(board), ending)


def table_of(board: Board) -> PlainTable:
    """A board as a plain table: shares are fractions of 1."""
    words = board.words
    return PlainTable(
        f"results-{words.group or UNKNOWN}",
        f"Results: {words.name}",
        _COLUMNS,
        [_cells(row) for row in board.rows],
        caption=f"{words.size}; {words.levels}. Ranked by {board.difficulty} positions.",
        came_from=[("position set", f"{found.hash}, {', '.join(found.corpora)}") for found in words.sets],
    )


def _cells(row: BoardRow) -> dict[str, PlainValue]:
    standing = row.standing
    found: dict[str, PlainValue] = {
        "rank": row.rank,
        "model": standing.name,
        "mode": standing.mode,
        "experiment": standing.experiment.name,
        "seeds": ", ".join(map(str, standing.seeds)),
        "flops": standing.flops,
        "gpu_hours": standing.gpu_hours,
        "not_ranked_for": ", ".join(flag.words for flag in row.reasons),
        "runs": ", ".join(f"{member['run']}@{member['step']}" for member in standing.members if member["run"]),
        "template": standing.template,
        "position_sets": ", ".join(standing.sets),
    }
    for level in DIFFICULTIES:
        for key, stored in ((level, standing.cells.get(level)), (f"gain_{level}", standing.gains.get(level))):
            parts = {name: stored[name] for name in ("value", "low", "high", "n")} if stored else {"value": None}
            found |= estimate_cells(key, **parts)
    return found
