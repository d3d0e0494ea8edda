"""Stage `analyse`: tables and figures from stored results. No model is loaded, and nothing here imports torch.

In: an AnalyseConfig: comparisons, frontiers, reasoning patterns, scaling curves. Out: one `table` event and one file in
`tables/` for each table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from rpt_core.analysis.comparison import comparison_tables
from rpt_core.analysis.frontier_tables import frontier_tables
from rpt_core.config import AnalyseConfig, ComparisonConfig
from rpt_core.errors import UserError
from rpt_core.run.context import StageContext, StopRequested
from rpt_core.run.events import EventType
from rpt_core.run.tables import ResultTable, emit_table
from rpt_core.words import counted

Work = tuple[str, Callable[[], list[ResultTable]]]
"""What is being done, and what does it."""


def run(config: AnalyseConfig, context: StageContext) -> dict[str, Any]:
    """Make and emit all tables; returns their number for the `finished` event."""
    work = list(_work(config, context))
    context.started(0, len(work))
    names: set[str] = set()
    for step, (what, make) in enumerate(work):
        context.progress(step, len(work), what)
        if context.stop_requested:
            raise StopRequested(0)
        for table in make():
            if table.name in names:
                raise UserError(f"Two results are called {table.name!r}. Give each of them a name of its own.")
            names.add(table.name)
            emit_table(context.run, context.log, table)
    return {"tables": len(names)}


def _work(config: AnalyseConfig, context: StageContext) -> Iterator[Work]:
    for comparison in config.comparisons:
        yield f"comparing: {comparison.name}", partial(_compare, comparison, config, context)
    for frontier in config.frontiers:
        yield f"hybrid thinking: {frontier.name}", partial(frontier_tables, frontier, config.seed, config.bootstrap)
    if config.patterns is not None:
        from rpt_core.analysis.pattern_tables import pattern_tables

        yield "reasoning patterns", partial(pattern_tables, config.patterns, config.seed)
    for scaling in config.scaling:
        from rpt_core.analysis.scaling_tables import scaling_tables

        yield f"scaling: {scaling.name}", partial(scaling_tables, scaling, config.seed)


def _compare(comparison: ComparisonConfig, config: AnalyseConfig, context: StageContext) -> list[ResultTable]:
    tables, left_out = comparison_tables(comparison, config.seed, config.bootstrap)
    if left_out:
        message = (
            f"{comparison.name}: {counted(left_out, 'position')} left out that only one of the two evaluations has. "
            "Evaluate both on one `position_set` to compare all."
        )
        context.log.emit(EventType.LOG, level="warning", message=message)
    return tables
