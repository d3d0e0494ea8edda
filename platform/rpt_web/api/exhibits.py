"""Figures and tables of results by the API: their data with what they came from, as JSON or as a file."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI, Query
from pydantic import Field

from rpt_web import access
from rpt_web.api.errors import refusals_at
from rpt_web.api.paging import user_of
from rpt_web.api.plain import PlainSchema
from rpt_web.exhibits.exhibit import Exhibit
from rpt_web.exports import FILE_TYPES, file_answer

Ref = Annotated[
    str, Query(description="As the menu of a figure or a table has it, such as run/12/metric/reward.", max_length=400)
]
FileEnding = Literal["csv", "parquet", "tex"]
AS_FILE: dict[str, Any] = {
    "responses": {
        200: {
            "content": {
                media_type.partition(";")[0]: {"schema": {"type": "string", "format": "binary"}}
                for media_type in FILE_TYPES.values()
            }
        }
    }
}


class ExhibitColumnOut(PlainSchema):
    """A column of an exhibit's data."""

    key: str
    title: str
    kind: str = Field(description="A share is a fraction of 1.")
    of: str = Field(description="The key of the estimate that it is a part of; empty for none.")
    part: str = Field(description="low, high or n of that estimate; empty for none.")


class SourceSetOut(PlainSchema):
    """A position set that a run was evaluated at."""

    hash: str
    words: str = Field(description="Its corpora, size and thresholds; empty where only the hash is known.")
    group: str = Field(description="The leaderboard's group that has it; empty where none has.")


class RunSourceOut(PlainSchema):
    """A run that an exhibit came from."""

    run: int
    name: str
    stage: str
    code: str = Field(description="Version of the code that made its numbers.")
    positions: dict[str, str] = Field(description="The settings that decide which positions were used.")
    position_sets: list[SourceSetOut] = Field(description="Of its evaluations, as the leaderboard knows them.")
    config: dict[str, str] = Field(description="All settings, by dotted name.")


class ExhibitOut(PlainSchema):
    """A figure or a table with its data."""

    ref: str
    title: str
    caption: str
    is_figure: bool
    columns: list[ExhibitColumnOut]
    rows: list[list[Any]] = Field(description="In the order of the columns; null where something is missing.")
    came_from: list[RunSourceOut]


def add_operations(api: NinjaAPI) -> None:
    """Register what is below."""
    api.get("/exhibits", response=ExhibitOut, tags=["figures and tables"])(exhibit)
    api.get("/exhibits/file", tags=["figures and tables"], openapi_extra=AS_FILE)(exhibit_file)


def exhibit(request: HttpRequest, ref: Ref) -> dict[str, Any]:
    """A figure or a table with its data and what it came from."""
    return exhibit_out(_found(request, ref))


def exhibit_file(request: HttpRequest, ref: Ref, ending: FileEnding) -> HttpResponse:
    """Its data as CSV, Parquet or LaTeX."""
    return file_answer(_found(request, ref).file_table, ending)


def exhibit_out(found: Exhibit) -> dict[str, Any]:
    """An exhibit as `ExhibitOut` describes it."""
    stored = found.as_json()
    sources = [
        {**source, "positions": dict(source["positions"]), "config": dict(source["config"])}
        for source in stored["sources"]
    ]
    names = ("ref", "title", "caption", "is_figure")
    table = {"columns": stored["table"]["columns"], "rows": stored["table"]["rows"]}
    return {name: stored[name] for name in names} | table | {"came_from": sources}


def _found(request: HttpRequest, ref: str) -> Exhibit:
    with refusals_at("ref"):
        return access.get_exhibit_or_404(user_of(request), ref)
