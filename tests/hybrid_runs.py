"""An analysis of hybrid thinking, made by the stage's own function from outcomes that are written by hand."""

from __future__ import annotations

import json

from rpt_core.analysis.frontier_tables import frontier_tables
from rpt_core.config import FrontierConfig
from rpt_core.run.events import EventLog
from rpt_core.run.folder import RunDir
from rpt_core.run.tables import emit_table
from rpt_web.results.models import ResultTable
from tests.evaluated_runs import made_run
from tests.rpt_core.evaluation.outcome_files import row, write_outcomes

HYBRID = [  # entropy without thinking, right without, with, tokens
    *((0.2, True, False, 10), (2.0, False, True, 30), (1.0, True, True, 20), (1.0, False, False, 40)),
    *((0.5, True, True, 5), (1.5, False, True, 8)),
]


def analysed(experiment):
    """The tables of the curve and of the gains, stored; the run that thinks is called `thinker`."""
    run = made_run(experiment, "thinker", stage="evaluate")
    path = write_outcomes(
        RunDir(run.directory).evaluation(0),
        [
            row(
                f"doc{place}",
                place,
                standard_entropy_nats=nats,
                standard=without,
                greedy=thinking,
                greedy_tokens=tokens,
            )
            for place, (nats, without, thinking, tokens) in enumerate(HYBRID)
        ],
    )
    config = FrontierConfig(name="Think?", outcomes=path, mode="greedy")
    analysis = made_run(experiment, "analysis", stage="analyse")
    analysis.config = {"frontiers": [json.loads(config.model_dump_json())]}
    analysis.save()
    folder = RunDir(analysis.directory)
    folder.events.parent.mkdir(parents=True, exist_ok=True)
    with EventLog(folder.events) as log:
        for table in frontier_tables(config, 0, 100):
            emit_table(folder, log, table)
    written = [json.loads(folder.table(name).read_text()) for name in ("frontier_think", "hybrid_think")]
    return [
        ResultTable.objects.create(attempt=1, run=analysis, name=data["name"], title=data["title"], step=0, data=data)
        for data in written
    ]
