"""The table of runs: chosen columns, conditions, order, groups and saved views, all of which stand in its address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe

from rpt_core.errors import UserError
from rpt_web import access
from rpt_web.exhibits import runs_tables
from rpt_web.exports import FILE_TYPES, file_answer
from rpt_web.pages.addresses import number_asked, text_asked
from rpt_web.pages.runs.table_cells import kind_of, row_cells, run_cell, value_text
from rpt_web.run_table import choices, files, saved
from rpt_web.run_table.columns import RunColumn, column
from rpt_web.run_table.conditions import WORDS
from rpt_web.run_table.groups import GroupRow, groups
from rpt_web.run_table.models import SavedView
from rpt_web.run_table.rows import MOST_KEYS, AskedTable, TableRow, page
from rpt_web.runs.models import Run
from rpt_web.teams.models import User

ASKING = ("columns", "where", "sort", "group", "archived")
"""What an address may ask for itself; without any of it a saved view is shown."""
OFFERED = 2000
"""Names that the inputs with choices offer."""


@dataclass(frozen=True)
class TableHead:
    """The head of a column."""

    column: RunColumn
    query: str
    """Of the table sorted by it."""
    order: str
    """As `aria-sort` has it; "" where it is sorted by another."""
    kind: str


@dataclass(frozen=True)
class ShownRow:
    """A row as the template writes it: a run, or a group with what leads to its members."""

    cells: SafeString
    run: Run | None = None
    group: GroupRow | None = None
    keys: Sequence[tuple[str, str]] = ()
    """Of a group: title and value of each column that it is made by."""
    query: str = ""


@require_safe
def run_table(request: HttpRequest) -> HttpResponse:
    """One page of the table."""
    user = cast(User, request.user)
    views = list(access.views_for(user))
    view = _view(request, views)
    wrong, asked = "", AskedTable.of()
    try:
        asked = saved.asked_of(view) if view is not None and not _asks(request) else saved.asked_by(request.GET)
        shown = _shown(user, asked, number_asked(request, "after"))
    except UserError as error:
        wrong, shown = str(error), {"rows": (), "total": 0}
    keep = {"view": str(view.pk)} if view is not None else {}
    context = {
        "nav": "runs",
        "asked": asked,
        "wrong": wrong,
        "query": asked.query(**keep),
        "heads": [] if wrong else [_head(asked, one, keep) for one in asked.columns],
        "chips": [(one.words, asked.without(one).query(**keep)) for one in asked.where],
        "operators": list(WORDS.items()),
        "sight_query": AskedTable(asked.columns, asked.where, archived=not asked.archived).query(**keep),
        "group_names": ",".join(key.name for key in asked.group),
        "ungrouped": AskedTable(asked.columns, asked.where, archived=asked.archived).query(**keep),
        "file_types": list(FILE_TYPES),
        "exhibit_ref": "" if wrong else runs_tables.ref(asked, cast(int, shown["total"])),
        "is_later": "after" in request.GET,
        **_views_context(user, views, view, asked),
        **shown,
    }
    if shown.get("next"):
        context["older"] = asked.query(**keep, after=str(shown["next"]))
    return render(request, "runs/run_table.html", context)


@require_safe
def run_table_file(request: HttpRequest) -> HttpResponse:
    """Exactly what the table shows, of all its pages, as a file."""
    try:
        asked = saved.asked_by(request.GET)
        table = files.whole_table(access.runs_for(request.user), asked)
    except UserError as error:
        return HttpResponse(str(error), status=422, content_type="text/plain; charset=utf-8")
    return file_answer(table, request.GET.get("type", "csv"))


@require_safe
def table_columns(request: HttpRequest) -> HttpResponse:
    """Columns to choose from: as boxes, or as the options of an input."""
    as_options = request.GET.get("as") == "options"
    search = text_asked(request, "q", 100)
    shown = OFFERED if as_options else choices.SHOWN
    found = choices.sections(access.runs_for(request.user), "" if as_options else search, shown)
    template = "runs/_table_options.html" if as_options else "runs/_table_columns.html"
    return render(request, template, {"sections": found, "search": search})


def _asks(request: HttpRequest) -> bool:
    return any(name in request.GET for name in ASKING)


def _view(request: HttpRequest, views: Sequence[SavedView]) -> SavedView | None:
    """The view that is asked for; where nothing is asked for, the one that the table begins with."""
    if (key := number_asked(request, "view")) is not None:
        return access.get_view_or_404(request.user, key)
    if _asks(request) or "view" in request.GET:
        return None
    return saved.default_among(views, list(access.roles_of(request.user)))


def _shown(user: User, asked: AskedTable, after: int | None) -> dict[str, Any]:
    if asked.group:
        found = groups(access.runs_for(user), asked, after)
        rows = [_group(asked, row) for row in found.rows]
        return {"rows": rows, "total": found.total, "runs": found.runs, "next": found.next}
    one_page = page(access.runs_for(user), asked, after)
    rows = [_run(asked, row) for row in one_page.rows]
    return {"rows": rows, "total": one_page.total, "next": one_page.next}


def _run(asked: AskedTable, row: TableRow) -> ShownRow:
    return ShownRow(run_cell(row.run) + row_cells(asked.columns, row.cells, row.run), row.run)


def _group(asked: AskedTable, row: GroupRow) -> ShownRow:
    keys = [(key.title, value_text(key, cell)) for key, cell in zip(asked.group, row.keys, strict=True)]
    try:
        members = asked.members(row.members).query()
    except UserError:  # a text that is too long for a condition
        members = ""
    return ShownRow(row_cells(asked.columns, row.cells, None), None, row, keys, members)


def _head(asked: AskedTable, one: RunColumn, keep: Mapping[str, str]) -> TableHead:
    is_it = asked.sort is not None and asked.sort.name == one.name
    order = ("descending" if asked.is_falling else "ascending") if is_it else ""
    return TableHead(one, asked.sorted_by(one).query(**keep), order, kind_of(one))


def _views_context(user: User, views: Sequence[SavedView], view: SavedView | None, asked: AskedTable) -> dict[str, Any]:
    stored = "" if view is None else _query_of(view)
    return {
        "view": view,
        "views": views,
        "view_is_changed": view is not None and stored != asked.query(),
        "may_change_view": view is not None and access.can_change_view(user, view),
        "may_make_default": view is not None and access.can_make_default(user, view),
        "plain_query": urlencode({"view": ""}),
        "name_column": column("name"),
        "name_query": asked.sorted_by(column("name")).query(),
        "most_keys": MOST_KEYS,
    }


def _query_of(view: SavedView) -> str:
    try:
        return saved.asked_of(view).query()
    except UserError:
        return ""
