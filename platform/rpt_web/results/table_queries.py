"""Which result tables a page shows. A list of them is read without their data, which may be large."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rpt_web.results.models import ResultTable
from rpt_web.results.published import REFERENCES, Reference
from rpt_web.runs.models import Experiment, Run

TABLES_OF_KIND = 12
"""So many tables of one kind stand on the results page; the others are a link away."""


@dataclass(frozen=True)
class RunTables:
    """A run's tables as of a step, and all steps that have some."""

    tables: list[ResultTable]
    steps: list[int]
    step: int | None
    """The step they are as of; None when there are none."""


@dataclass(frozen=True)
class PaperTwin:
    """The tables of an experiment that have a published counterpart, beside it."""

    reference: Reference
    tables: list[ResultTable]
    more: int
    """How many others there are."""


def run_tables(run: Run, at_step: int | None = None) -> RunTables:
    """The newest table of each name up to a step, or at all (2 queries)."""
    listed = list(ResultTable.objects.filter(run=run).defer("data").order_by("step", "id"))
    steps = sorted({table.step for table in listed})
    if not steps:
        return RunTables([], [], None)
    step = at_step if at_step in steps else steps[-1]
    chosen = newest(table for table in listed if table.step <= step)
    return RunTables(_with_data([(run, table) for table in chosen]), steps, step)


def newest(tables: Iterable[ResultTable]) -> list[ResultTable]:
    """The last table of each run and name, in order of appearance; they must come by rising step."""
    return list({(table.run_id, table.name): table for table in tables}.values())


def experiment_tables(experiment: Experiment, runs: Sequence[Run]) -> list[tuple[Run, list[ResultTable]]]:
    """Each run that has tables with the newest of each name, without their data (1 query)."""
    listed = ResultTable.objects.filter(run__experiment=experiment).defer("data").order_by("step", "id")
    by_run: dict[int, list[ResultTable]] = {}
    for table in newest(listed):
        by_run.setdefault(table.run_id, []).append(table)
    return [(run, by_run[run.pk]) for run in runs if run.pk in by_run]


def kinds(by_run: Sequence[tuple[Run, list[ResultTable]]]) -> list[PaperTwin]:
    """Tables of the stages whose tables the paper has, too (1 query)."""
    listed = {
        reference.stage: [(run, table) for run, tables in by_run if run.stage == reference.stage for table in tables]
        for reference in REFERENCES
    }
    full = _with_data([pair for pairs in listed.values() for pair in pairs[:TABLES_OF_KIND]])
    return [
        PaperTwin(reference, own, len(listed[reference.stage]) - len(own))
        for reference in REFERENCES
        if (own := [table for table in full if table.run.stage == reference.stage])
    ]


def _with_data(listed: Sequence[tuple[Run, ResultTable]]) -> list[ResultTable]:
    """The same tables with their data and their runs, in the same order (at most 1 query)."""
    full = ResultTable.objects.in_bulk([table.pk for _, table in listed])
    found = [(run, full[table.pk]) for run, table in listed if table.pk in full]
    for run, table in found:
        table.run = run
    return [table for _, table in found]
