"""Where the groups behind a number are listed: `cell|groups_of_cell` of an accuracy, `row|groups_of_row:table`."""

from __future__ import annotations

from django.template import Library

from rpt_web.pages.group_addresses import GROUPS_OF_ROWS, KINDS_OF_MODES, address_of_list
from rpt_web.results.models import Evaluation
from rpt_web.results.tables import Row, TableView

register = Library()
SUBJECTS = ("Domain", "Category")


@register.filter
def groups_of_cell(cell: Evaluation) -> str:
    """The list of the groups that an accuracy was measured by; empty where nothing was written, as without thinking."""
    kind = KINDS_OF_MODES.get(cell.mode, "")
    return address_of_list(cell.run_id, kind, cell.step, f"difficulty={cell.difficulty}") if kind else ""


@register.filter
def groups_of_row(row: Row, table: TableView) -> str:
    """The list of the groups that a row of a run's table is about; empty where it is about others."""
    name = row.cells[0].text if row.cells else None
    if name is None:
        return ""
    if table.name in GROUPS_OF_ROWS:
        more = GROUPS_OF_ROWS[table.name].get(name)
        return "" if more is None else address_of_list(table.run.pk, "train", None, more)
    if table.heads[0].label in SUBJECTS and table.run.stage in ("evaluate", "rpt", "benchmark", "expert_iteration"):
        return address_of_list(table.run.pk, "", table.step, domain=name.replace(" › ", " -> "))
    return ""
