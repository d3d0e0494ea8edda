"""Reports of a filled platform: one that shows numbers as they are, and the same one frozen.

In: who writes them, and runs. Out: rows, made part by part as people make them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

from rpt_core.errors import UserError
from rpt_web.reports import printing, services
from rpt_web.reports.models import TeamReport
from rpt_web.runs.models import Run, Status
from rpt_web.supervisor.filling.library import Makers
from rpt_web.supervisor.filling.results import FILLED_SET
from rpt_web.supervisor.filling.shape import STEPS
from rpt_web.traces.models import Rollout

RUNS = 6
"""So many are shown one by one."""
OF_A_RUN = ("metric/loss", "metric/response-length", "accuracy/greedy", "evaluations", f"table/{STEPS}/by_document")
TEXT = "## What we see\n\nAccuracy rises with the steps, and *thinking* beats predicting without it.\n" * 4
NOTE = "Made up, as all here."
PDF = b"%PDF-1.4\n" + b"0" * 300_000


def make_reports(runs: Sequence[Run], responses: Sequence[Rollout], makers: Makers) -> int:
    """Both reports, with a PDF of the first. Gives how many parts they have."""
    refs = [*_refs(runs), *(f"run/{row.run_id}/response/{row.id}" for row in responses)]
    live, frozen = (_report(f"What we found, {word}", refs, makers) for word in ("so far", "in the end"))
    services.freeze(frozen)
    printing.store(live, PDF, is_anonymous=False)
    return live.parts.count() + frozen.parts.count()


def _report(title: str, refs: Sequence[str], makers: Makers) -> TeamReport:
    report = services.create(makers.team, title, makers.people[0])
    services.add_text(report, TEXT)
    for ref in refs:
        with suppress(UserError):  # a small platform has not all of them
            services.add_ref(report, ref, NOTE)
    return report


def _refs(runs: Sequence[Run]) -> Iterator[str]:
    """What is shown of these runs, of their experiments, and of several of them together."""
    learnt = [run for run in runs if run.stage == "rpt" and run.status == Status.SUCCEEDED][:RUNS]
    scored = [run for run in runs if run.stage == "filter" and run.status == Status.SUCCEEDED][-1:]
    yield f"run/{runs[0].pk}/metric/loss"
    yield from (f"run/{run.pk}/{rest}" for run in learnt for rest in OF_A_RUN)
    yield from (f"run/{run.pk}/entropy/train/entropy-histogram/512" for run in scored)
    yield from (f"experiment/{run.experiment_id}/accuracy" for run in learnt[:2])
    together = ",".join(str(run.pk) for run in learnt)
    yield from (f"compare/{together}/{rest}" for rest in ("settings/frozen", "curves/metric=loss"))
    experiments = ",".join(str(run.experiment_id) for run in learnt[:2])
    yield f"paper/{experiments}/table-1/board/{FILLED_SET}"
    yield f"board/{FILLED_SET}/hard"
    yield "runs/table/columns=stage,seed,metric.loss.last"
