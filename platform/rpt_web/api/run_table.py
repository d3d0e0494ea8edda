"""The table of runs by the API: its rows with chosen columns, which columns there are, saved views, tags of runs.

Operations here are registered by `add_operations`, so that they stand in the one document of the API.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest, QueryDict
from ninja import NinjaAPI, Query
from ninja import Status as Answer
from pydantic import Field

from rpt_core.errors import UserError
from rpt_web import access
from rpt_web.api.bodies import Body
from rpt_web.api.errors import WrongField, refusals_at
from rpt_web.api.paging import After, Limit, page_of, user_of
from rpt_web.api.plain import PlainSchema
from rpt_web.api.schemas import OfTeam, Page, RunOut
from rpt_web.exports import PlainTable
from rpt_web.run_table import choices, flat, saved
from rpt_web.run_table.columns import RunColumn
from rpt_web.run_table.groups import groups
from rpt_web.run_table.models import SavedView
from rpt_web.run_table.rows import AskedTable, page
from rpt_web.runs import tags
from rpt_web.runs.models import Run
from rpt_web.teams.membership import home_of

NAMES_LISTED = 2000


class TableQuery(PlainSchema):
    """What the table shows."""

    columns: list[str] = Field(
        [],
        description="Names, such as config.budget.steps, metric.reward_mean.last, accuracy.hard.greedy, gpu_hours "
        "(docs/table.md); repeated, or with commas between. Empty: the usual ones.",
    )
    where: list[str] = Field([], description="Conditions that all must hold, such as config.seed=1 or flops>1e15.")
    sort: str = Field("", description="A column; with a minus in front the largest first. Empty: the newest first.")
    group: list[str] = Field([], description="Columns by which runs are put together: means over seeds.")
    archived: bool = Field(False, description="Those that are archived, rather than the others.")

    def asked(self) -> AskedTable:
        """As the services take it. Raises UserError."""
        return AskedTable.of(self.columns, self.where, self.sort, self.group, self.archived)


class TableColumnOut(PlainSchema):
    """A column of the answer."""

    key: str = Field(description="Its name in each item.")
    title: str
    kind: str = Field(description="text, number, count, share, flops, time or yes_or_no; a share is a fraction of 1.")
    of: str = Field(description="The key of the estimate that it is a part of; empty for what stands by itself.")
    part: str = Field(description="low, high (of a 95 % interval) or n; else empty.")


class RunTableOut(PlainSchema):
    """A page of the table."""

    columns: list[TableColumnOut]
    items: list[dict[str, Any]] = Field(description="Of each run, or group of runs, the values by the columns' keys.")
    total: int = Field(description="So many runs fit, or groups.")
    next: int | None = Field(description="`after` of the next page; null on the last.")


class ColumnNameOut(PlainSchema):
    """A column that can be asked for."""

    name: str
    title: str
    kind: str


class ViewOut(OfTeam):
    """A saved view."""

    id: int
    name: str
    owner: str | None
    query: str = Field(description="What it shows, as the address of the table has it.")
    is_shared: bool = Field(description="Whether the whole team sees it.")
    is_default: bool = Field(description="Whether tables begin with it: the team's where it is shared, else yours.")
    created_at: datetime
    changed_at: datetime

    @staticmethod
    def resolve_owner(view: SavedView) -> str | None:
        """By name."""
        return None if view.owner is None else view.owner.username


class ViewIn(Body):
    """A new view."""

    name: str
    query: str = Field(description="Such as columns=seed,config.steps&where=stage=rpt&sort=-flops.")
    is_shared: bool = False
    team: int | None = Field(
        default=None,
        ge=1,
        lt=2**63,
        description="Id of the team it belongs to; empty takes the first where the token's user may change things.",
    )


class ViewChangeIn(Body):
    """What is to change; what is left out stays."""

    name: str | None = None
    query: str | None = None
    is_shared: bool | None = None
    is_default: bool | None = Field(
        default=None, description="Of a shared view an administrator of the team decides, of another one its owner."
    )


class TagsIn(Body):
    """The tags of a run, all of them."""

    tags: list[str]


def add_operations(api: NinjaAPI) -> None:
    """Give the API the operations of this module."""
    api.get("/runs/table", response=RunTableOut, tags=["runs"])(run_table)
    api.get("/runs/table/columns", response=list[ColumnNameOut], tags=["runs"])(table_columns)
    api.post("/runs/{int:run_id}/tags", response=RunOut, tags=["runs"])(set_tags)
    of_views, one = ["views"], "/views/{int:view_id}"
    api.get("/views", response=Page[ViewOut], tags=of_views)(list_views)
    api.post("/views", response={201: ViewOut}, tags=of_views)(create_view)
    api.get(one, response=ViewOut, tags=of_views)(view_detail)
    api.post(one, response=ViewOut, tags=of_views)(change_view)
    api.delete(one, response={204: None}, tags=of_views)(delete_view)


def run_table(request: HttpRequest, wanted: Query[TableQuery], after: After = None, limit: Limit = 100) -> Any:
    """Runs that the token's user may see, with the columns that are asked for; or groups of them."""
    asked, runs = wanted.asked(), access.runs_for(user_of(request))
    if asked.group:
        found = groups(runs, asked, after, limit)
        return _answer(flat.table_of_groups(asked, found.rows), found.total, found.next)
    one_page = page(runs, asked, after, limit)
    return _answer(flat.table_of_runs(asked, one_page.rows), one_page.total, one_page.next)


def table_columns(request: HttpRequest, q: str = "") -> list[RunColumn]:
    """Columns that exist in the runs: of the run itself, settings, metrics, accuracies; `q`: words of their names."""
    search = q[:100].replace("\x00", "")
    found = choices.sections(access.runs_for(user_of(request)), search, NAMES_LISTED)
    return [column for section in found for column in section.columns]


def set_tags(request: HttpRequest, run_id: int, given: TagsIn) -> Run:
    """Give a run these tags and no others; whoever may change things in its team may."""
    run = access.get_run_or_404(user_of(request), run_id)
    access.require_change(user_of(request), run.experiment.team_id)
    with refusals_at("tags"):
        tags.put(run, ",".join(given.tags))
    return run


def list_views(request: HttpRequest, after: After = None, limit: Limit = 50) -> dict[str, Any]:
    """Views that the user's teams share, and the user's own, newest first."""
    return page_of(access.views_for(user_of(request)), "-id", after, limit)


def create_view(request: HttpRequest, view: ViewIn) -> Answer[SavedView]:
    """Save a view under a name."""
    user = user_of(request)
    access.require_change_somewhere(user)
    with refusals_at("team"):
        team = home_of(user) if view.team is None else access.get_team_or_404(user, view.team, to_change=True)
    asked = _asked(view.query)
    with refusals_at("name"):
        return Answer(201, saved.create(team, user, view.name, asked, is_shared=view.is_shared))


def view_detail(request: HttpRequest, view_id: int) -> SavedView:
    """One view."""
    return access.get_view_or_404(user_of(request), view_id)


def change_view(request: HttpRequest, view_id: int, change: ViewChangeIn) -> SavedView:
    """Rename, replace or share a view, or let tables begin with it."""
    user = user_of(request)
    decides = change.is_default is not None
    changes = any(value is not None for value in (change.name, change.query, change.is_shared)) or not decides
    view = access.get_view_or_404(user, view_id, to_change=changes, to_make_default=decides)
    asked = None if change.query is None else _asked(change.query)
    with refusals_at("name"):
        saved.change(view, name=change.name, asked=asked, is_shared=change.is_shared)
    if change.is_default is not None:
        view = access.get_view_or_404(user, view_id, to_make_default=True)  # it may be shared by now
        saved.make_default(view, change.is_default)
    return view


def delete_view(request: HttpRequest, view_id: int) -> Answer[None]:
    """Remove a view."""
    access.get_view_or_404(user_of(request), view_id, to_change=True).delete()
    return Answer(204, None)


def _asked(query: str) -> AskedTable:
    try:
        return saved.asked_by(QueryDict(query))
    except UserError as error:
        raise WrongField("query", str(error)) from None


def _answer(table: PlainTable, total: int, following: int | None) -> dict[str, Any]:
    keys = [column.key for column in table.columns]
    items = [{key: row.get(key) for key in keys} for row in table.rows]
    return {"columns": table.columns, "items": items, "total": total, "next": following}
