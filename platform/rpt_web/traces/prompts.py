"""The tokens of prompts: asked for once, made by a job of the quick lane, kept with the run.

In: a response with its stored prompt. Out: a row, which the job (`workers.prompts`) fills; the web loads no tokenizer.
Responses of a run to one prompt share a row.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from django.db import transaction

from rpt_core.run.rollout_files import RolloutRow
from rpt_core.text.names import text_digest
from rpt_web.jobs import services as jobs
from rpt_web.jobs.models import Job
from rpt_web.runs.models import Run
from rpt_web.teams.models import User
from rpt_web.traces.models import PromptTokens, Rollout

KIND = "prompt_tokens"


def tokens_of(run: Run, full: RolloutRow) -> PromptTokens | None:
    """What is known of a prompt; None when nobody has asked for it (1 query)."""
    rows = PromptTokens.objects.filter(run=run, digest=_digest(full)).select_related("job")
    return rows.first()


def ask(run: Run, rollout: Rollout, full: RolloutRow, user: User) -> PromptTokens:
    """Have them made, unless they are there or being made."""
    with transaction.atomic():
        made, _ = PromptTokens.objects.get_or_create(run=run, digest=_digest(full))
        found = PromptTokens.objects.select_for_update(of=("self",)).select_related("job").get(pk=made.pk)
        if not found.ids and (found.job is None or found.job.has_ended):
            place = {"kind": rollout.kind, "step": rollout.step, "row": rollout.row}
            found.job = jobs.submit(KIND, {"prompt": found.pk, **place}, user)
            found.save(update_fields=["job"])
    return found


def store(key: int, job: Job, found: Mapping[str, Any]) -> bool:
    """What the job has found, as `rpt_core.evaluation.shown_prompt` prints it; False when it is not the row's job."""
    values = {name: found[name] for name in ("ids", "ends", "control")}
    return bool(PromptTokens.objects.filter(pk=key, job=job).update(data=base64.b64decode(found["data"]), **values))


def _digest(full: RolloutRow) -> bytes:
    return text_digest(full.prompt.encode())
