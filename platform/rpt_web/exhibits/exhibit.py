"""The exhibit itself, and its form in JSON, in which a report keeps it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rpt_web.exhibits.sources import RunSource, SourceSet, as_pairs
from rpt_web.exports import PlainColumn, PlainTable
from rpt_web.results.figures import Figure


@dataclass(frozen=True)
class Exhibit:
    """A figure, a table, or a figure with its table."""

    ref: str
    title: str
    caption: str
    table: PlainTable
    """Its data; without `came_from`, which `file_table` adds."""
    figure: Figure | None
    sources: Sequence[RunSource]
    is_figure: bool = False
    """Whether the figure is what it is about: then the table is shown folded."""

    @property
    def file_table(self) -> PlainTable:
        """The table that its files are made of."""
        table = self.table
        came_from = as_pairs(self.sources, self.ref)
        return PlainTable(table.name, table.title, table.columns, table.rows, table.caption, came_from)

    def as_json(self) -> dict[str, Any]:
        """Plain data, of which `from_json` makes the same exhibit again."""
        figure = self.figure
        return {
            "ref": self.ref,
            "title": self.title,
            "caption": self.caption,
            "is_figure": self.is_figure,
            "table": {
                "name": self.table.name,
                "columns": [asdict(column) for column in self.table.columns],
                "rows": [[row.get(column.key) for column in self.table.columns] for row in self.table.rows],
            },
            "figure": figure and {"data": figure.data, "layout": figure.layout, "tall": figure.tall},
            "sources": [source.as_json() for source in self.sources],
        }


def from_json(stored: Mapping[str, Any]) -> Exhibit:
    """An exhibit from what `as_json` gave."""
    table, figure, title, caption = stored["table"], stored["figure"], stored["title"], stored["caption"]
    columns = [PlainColumn(**column) for column in table["columns"]]
    rows = [dict(zip([column.key for column in columns], row, strict=True)) for row in table["rows"]]
    return Exhibit(
        ref=stored["ref"],
        title=title,
        caption=caption,
        table=PlainTable(table["name"], title, columns, rows, caption),
        figure=figure and Figure("exhibit", title, caption, figure["data"], figure["layout"], tall=figure["tall"]),
        sources=[_source(source) for source in stored["sources"]],
        is_figure=stored["is_figure"],
    )


def _source(stored: Mapping[str, Any]) -> RunSource:
    pairs = {name: [(key, value) for key, value in stored[name]] for name in ("positions", "config")}
    sets = [SourceSet(**one) for one in stored.get("position_sets", ())]  # reports frozen earlier have none
    return RunSource(**{**stored, **pairs, "position_sets": sets})
