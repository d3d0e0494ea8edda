"""The job that shows a response's prompt in tokens: `python -m rpt_core prompt` in a process of its own.

In: a claimed job with the id of a `PromptTokens`, and the place of a response. Out: the tokens on that row.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from rpt_core.config import STAGES
from rpt_core.errors import UserError
from rpt_web.jobs.models import Job
from rpt_web.runs import checks, reach
from rpt_web.runs.models import Run
from rpt_web.traces import prompts
from rpt_web.traces.models import PromptTokens
from workers.programs import answer_of
from workers.reports import JobReport

TIMEOUT_SECONDS = 600


def show(job: Job, report: JobReport) -> Mapping[str, Any]:
    """Make the tokens once more, and store them."""
    asked = PromptTokens.objects.filter(pk=job.arguments["prompt"]).select_related("run__experiment").first()
    if asked is None:
        raise UserError("The run was deleted.")
    run = asked.run
    _require_reach(run)
    report(None, "Reading the tokenizer and the positions")
    place = [run.stage, *(str(job.arguments[name]) for name in ("kind", "step", "row"))]
    command = ["prompt", str(run.directory), *place]
    found = answer_of(command, " ".join(command), report, TIMEOUT_SECONDS)
    if not prompts.store(asked.pk, job, found):
        raise UserError("Somebody has asked for this prompt again since.")
    return {"tokens": len(found["ids"])}


def _require_reach(run: Run) -> None:
    """Raises UserError for what the run's team may not read any more."""
    try:
        reach.require(STAGES[run.stage].model_validate(run.config), teams=[run.experiment.team_id])
    except ValidationError as error:
        raise UserError(f"This version does not accept the run's config. {checks.in_words(error)}") from None
