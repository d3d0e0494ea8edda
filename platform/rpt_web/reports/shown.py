"""Parts as templates show them: Markdown as clean HTML, figures with ids, tables with their cells in words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.utils.safestring import SafeString

from rpt_web.exhibits.shown import ShownExhibit, shown_exhibit
from rpt_web.prose import rendered
from rpt_web.reports.content import ShownPart
from rpt_web.results.figures import Figure

MOST_COLUMNS = 8
"""Of a table that is read, and printed, as it is: a sheet of paper has room for no more."""
MOST_ROWS = 200
"""Likewise: who wants the thousand points of a curve as numbers takes the data."""


@dataclass(frozen=True)
class PartOnPage:
    """A part, ready to be shown."""

    part: ShownPart
    html: SafeString
    exhibit: ShownExhibit | None

    @property
    def figure(self) -> Figure | None:
        """Its figure, if it has one."""
        return self.exhibit.figure if self.exhibit else None


def shown_for_page(parts: Iterable[ShownPart]) -> list[PartOnPage]:
    """Parts in their order."""
    return [
        PartOnPage(
            part,
            rendered(part.text),
            shown_exhibit(part.exhibit, f"part-{part.number}", MOST_COLUMNS, MOST_ROWS) if part.exhibit else None,
        )
        for part in parts
    ]
