"""The whole table, as a file has it: all pages of what is asked for."""

from __future__ import annotations

from django.db.models import QuerySet

from rpt_core.errors import UserError
from rpt_web.exports import PlainTable
from rpt_web.run_table import flat
from rpt_web.run_table.groups import MOST_RUNS, groups
from rpt_web.run_table.rows import AskedTable, all_ids, named_rows
from rpt_web.runs.models import Run


def whole_table(runs: QuerySet[Run], asked: AskedTable) -> PlainTable:
    """What is asked for of runs that somebody may see. Raises UserError where that is more than a file holds."""
    if asked.group:
        return flat.table_of_groups(asked, groups(runs, asked, limit=MOST_RUNS).rows)
    ids = all_ids(runs, asked, MOST_RUNS + 1)
    if len(ids) > MOST_RUNS:
        raise UserError(f"More than {MOST_RUNS:,} runs fit, and a file holds that many. Add a condition.")
    return flat.table_of_runs(asked, named_rows(ids, asked.columns))
