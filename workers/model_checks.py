"""The job that looks at a registered model: `python -m rpt_core model PATH` in a process of its own.

In: a claimed job with the model's id. Out: the card on the model's row. A model on a hub is fetched by it, where there
is a network.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rpt_core.errors import UserError
from rpt_web.corpora import registry
from rpt_web.corpora.models import RegisteredModel
from rpt_web.jobs.models import Job
from workers.programs import answer_of
from workers.reports import JobReport

TIMEOUT_SECONDS = 3600
"""A model on a hub may have to be fetched."""


def check(job: Job, report: JobReport) -> Mapping[str, Any]:
    """Look at the model and store what was found."""
    model = RegisteredModel.objects.filter(pk=job.arguments["model"]).first()
    if model is None:
        raise UserError("The model is no longer registered.")
    report(None, f"Reading {model.path}")
    card = answer_of(["model", "--json", "--", model.path], f"model {model.path}", report, TIMEOUT_SECONDS)
    if not registry.store_card(model.pk, job, card):
        raise UserError("Another check of this model has begun since.")
    return {"model": model.pk, "loads": card["loads"], "faults": len(card["faults"])}
