"""A board of the leaderboard: `board/SET/DIFFICULTY`, perhaps with filters: `board/SET/hard/mode=sampled&baseline=12`.

In: a position set, the rest of the ref, what somebody may see. Out: an `Exhibit` with all rows that fit, in the order
of the page. Ranks are those of the page that has the same filters and the same baseline.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

from rpt_core.config import DIFFICULTIES
from rpt_web.exhibits.exhibit import Exhibit
from rpt_web.exhibits.refs import BOARD, ref_of
from rpt_web.exhibits.seen import ExhibitScope
from rpt_web.exhibits.sources import with_sources
from rpt_web.exports import PlainColumn, PlainTable, estimate_cells, estimate_columns
from rpt_web.exports.tables import PlainValue
from rpt_web.results import boards
from rpt_web.results.board import Board, BoardFilters, BoardRow
from rpt_web.results.leads import Lead, StoredLeads, leads_of_row
from rpt_web.results.models import PinnedBaseline, Standing
from rpt_web.results.queries import mode_label

UNKNOWN = "unknown"
"""What addresses and refs call the group of unknown positions."""
MOST_ROWS = 5000
MOST_SOURCES = 60
"""Runs whose settings are named below a board: those of its first rows."""
INTERVALS_COVER = (
    "The interval of a row of several seeds is Student's t over the seeds, which covers the noise of training; that of "
    "one trained model covers its positions only."
)
_TEXTS = ("mode", "stage", "corpus")
_NUMBERS = ("experiment", "baseline")
_LEADS = tuple(
    column
    for level in DIFFICULTIES
    for column in estimate_columns(f"lead_{level}", f"Above baseline, {level}", "difference")
)
_LEADS_COVER = PlainColumn("lead_how", "Interval above baseline")
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


def exhibit(subject: str, rest: str, seen: ExhibitScope) -> Exhibit | None:
    """The board; None where nothing that may be seen was measured at the set, or the rest says nothing."""
    group = "" if subject == UNKNOWN else subject
    filters, others = _read(rest)
    if filters is None or not seen.standings.filter(group=group).exists():
        return None
    key = others.get("baseline")
    baseline = seen.standings.filter(group=group, pk=int(key)).first() if key and group else None
    board, _ = boards.board_page(seen.standings, group, filters, baseline, None, MOST_ROWS)
    table = table_of(board, *leads_of_board(board, seen.experiments.values("team")))
    keys = list(dict.fromkeys(run for row in board.rows for run in row.standing.runs))[:MOST_SOURCES]
    runs = with_sources(seen.runs.filter(pk__in=keys))
    text = ref(group, filters, baseline)
    return Exhibit(text, table.title, table.caption, table, None, seen.reading.sources(runs))


def ref(group: str, filters: BoardFilters, baseline: Standing | None) -> str:
    """The ref of a board as the page writes it; "" where it would be too long."""
    said = {name: getattr(filters, name) for name in (*_TEXTS, "experiment")} | {
        "baseline": baseline.pk if baseline else None
    }
    query = urlencode({name: value for name, value in said.items() if value not in ("", None)}, safe="/@")
    return ref_of(BOARD, group or UNKNOWN, f"{filters.difficulty}/{query}" if query else filters.difficulty)


def _read(rest: str) -> tuple[BoardFilters | None, Mapping[str, str]]:
    difficulty, _, query = rest.partition("/")
    said = dict(parse_qsl(query))
    numbers = [said[name] for name in _NUMBERS if name in said]
    are_numbers = all(text.isascii() and text.isdecimal() and len(text) < 19 for text in numbers)
    if difficulty not in DIFFICULTIES or not are_numbers or set(said) - {*_TEXTS, *_NUMBERS}:
        return None, said
    experiment = int(said["experiment"]) if "experiment" in said else None
    texts = {name: said.get(name, "").replace("\x00", "") for name in _TEXTS}
    return BoardFilters(difficulty=difficulty, experiment=experiment, **texts), said


def leads_of_board(board: Board, teams: Any) -> tuple[StoredLeads, bool]:
    """The stored differences of a board's rows to its baseline, and whether one of these teams has pinned that
    (at most 2 queries)."""
    pins = PinnedBaseline.objects.filter(standing=board.baseline, team__in=teams) if board.baseline else []
    return boards.leads_of(pins, board.rows), bool(pins)


def table_of(board: Board, leads: StoredLeads | None = None, is_pinned: bool = False) -> PlainTable:
    """A board as a plain table: shares are fractions of 1. With a baseline it has the differences to that."""
    words, baseline = board.words, board.baseline
    own = [leads_of_row(row, board, leads or {}, is_pinned=is_pinned) for row in board.rows]
    return PlainTable(
        f"results-{words.group or UNKNOWN}",
        f"Results: {words.name}",
        (*_COLUMNS, *_LEADS, _LEADS_COVER) if baseline else _COLUMNS,
        [_cells(row) | _lead_cells(found) for row, found in zip(board.rows, own, strict=True)],
        caption=_caption(board),
        came_from=[("position set", f"{found.hash}, {', '.join(found.corpora)}") for found in words.sets],
    )


def _caption(board: Board) -> str:
    words, baseline = board.words, board.baseline
    levels = words.levels.removesuffix(".")
    within = ", within each mode" if len({row.standing.mode for row in board.rows}) > 1 else ""
    base = f" Above baseline: the difference to {baseline.name}, {mode_label(baseline.mode)}." if baseline else ""
    return (
        f"{words.size}; {levels}. Ranked by {board.difficulty} positions{within}. {INTERVALS_COVER}{base}".removeprefix(
            "; "
        )
    )


def _lead_cells(leads: Mapping[str, Lead]) -> dict[str, PlainValue]:
    found: dict[str, PlainValue] = {"lead_how": "; ".join(dict.fromkeys(lead.how for lead in leads.values())) or None}
    for level, lead in leads.items():
        found |= estimate_cells(f"lead_{level}", lead.value, lead.low, lead.high, lead.n)
    return found


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
