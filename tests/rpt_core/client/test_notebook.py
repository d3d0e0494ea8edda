"""The notebook of the documents, cell by cell, against the real web server; its numbers against the core's."""

from __future__ import annotations

import json
import random
from datetime import timedelta
from pathlib import Path

import pytest

from rpt_core.config import RptConfig
from rpt_core.evaluation.outcomes import read_outcomes
from rpt_core.run.folder import RunDir
from rpt_core.statistics.paired import mean_difference, two_by_two
from tests.factories import end_run, evaluation_results, make_experiment, make_user, start_run
from tests.rpt_core.evaluation.outcome_files import row, write_outcomes
from tests.rpt_web.api_client import CONFIG
from tests.web_server import web_server

NOTEBOOK = Path(__file__).parents[3] / "docs/notebooks/results.ipynb"
STEP = 5


@pytest.fixture
def served(transactional_db, redis_server, monkeypatch):
    """Two evaluated runs on a platform that `Client()` finds."""
    from rpt_web.runs import services
    from rpt_web.teams.models import ApiToken

    ada, drawn = make_user(), random.Random(1)
    experiment, runs = make_experiment(ada), []
    for name, right in (("before", 0.3), ("after", 0.6)):
        run = services.submit(experiment, name, RptConfig.model_validate(CONFIG), ada)
        claimed, events = start_run(run)
        for step in range(1, STEP + 1):
            events.emit("metrics", step=step, values={"loss": 1.0 / step}, flops=1e9)
        rows = [
            row(
                document=f"d{place // 3}",
                position=place,
                byte_offset=place,
                greedy=drawn.random() < right,
                hard=place % 4 > 0,
            )
            for place in range(60)
        ]
        events.emit(
            "evaluation",
            step=STEP,
            flops=1e9,
            results=evaluation_results({"greedy": {"hard": right}}),
            outcomes=RunDir(run.directory).relative(RunDir(run.directory).evaluation(STEP)),
        )
        write_outcomes(RunDir(run.directory).evaluation(STEP), rows)
        runs.append(end_run(claimed, events))
    monkeypatch.setenv("RPT_TOKEN", ApiToken.issue(ada, "notebook", timedelta(days=1)))
    with web_server() as port:
        monkeypatch.setenv("RPT_URL", f"http://127.0.0.1:{port}")
        yield runs


@pytest.mark.slow
def test_every_cell_works_and_the_paired_numbers_are_those_of_the_core(served):
    cells = [
        "".join(cell["source"]) for cell in json.loads(NOTEBOOK.read_text())["cells"] if cell["cell_type"] == "code"
    ]
    names = {}
    for cell in cells:
        exec(compile(cell, str(NOTEBOOK), "exec"), names)
        if "BASELINE, RUN =" in cell:
            names |= {"BASELINE": served[0].pk, "RUN": served[1].pk}
    before, after = (read_outcomes(RunDir(run.directory).evaluation(STEP)) for run in served)
    hard = before.members["hard"]
    a, b = before.greedy[hard], after.greedy[hard]
    counts = two_by_two(a, b)
    assert (names["gained"], names["forgotten"]) == (counts.only_b, counts.only_a)
    assert names["p"] == pytest.approx(counts.p)
    found = mean_difference(a, b, 0, before.document[hard].tolist())
    assert names["now"].mean() - names["was"].mean() == pytest.approx(found.value)
    assert names["interval"] == pytest.approx([found.low, found.high], abs=0.03)
    assert len(names["newest"]) == 2
    assert len(names["figure"].data) == 2
