"""The prompt of a response in tokens, by the API: asked for once, made by a job, kept with the run."""

from __future__ import annotations

from django.http import HttpRequest
from ninja import NinjaAPI
from ninja import Status as Answer
from ninja.errors import HttpError
from pydantic import Field

from rpt_core.run.rollout_files import RolloutRow, read_rollouts_at
from rpt_web import access
from rpt_web.api.paging import user_of
from rpt_web.api.plain import PlainSchema
from rpt_web.jobs.models import JobState
from rpt_web.runs.models import Run
from rpt_web.traces import prompts
from rpt_web.traces.models import PromptTokens, Rollout, RolloutShard


class PromptTokensOut(PlainSchema):
    """A prompt as the model got it."""

    state: str = Field(description="unasked, queued, running, failed, cancelled or ready.")
    error: str = Field(description="Why the job failed.")
    ids: list[int] = Field(description="Empty until they are ready.")
    bytes: list[str] = Field(description="Of each token, in hexadecimal; a special token is written as its name.")
    special: list[int] = Field(description="Numbers, from 0, of the tokens that steer the model and are no text.")


def add_operations(api: NinjaAPI) -> None:
    """Register what is below."""
    address, tags = "/runs/{int:run_id}/rollouts/{int:rollout_id}/prompt", ["what a run wrote"]
    api.get(address, response=PromptTokensOut, tags=tags)(prompt_tokens)
    api.post(address, response={202: PromptTokensOut}, tags=tags)(make_prompt_tokens)


def prompt_tokens(request: HttpRequest, run_id: int, rollout_id: int) -> PromptTokensOut:
    """The tokens of a response's prompt, or how far they are."""
    run, _, full = _stored(request, run_id, rollout_id)
    return _out(prompts.tokens_of(run, full))


def make_prompt_tokens(request: HttpRequest, run_id: int, rollout_id: int) -> Answer[PromptTokensOut]:
    """Have a worker of the quick lane make them, unless they are there."""
    run, rollout, full = _stored(request, run_id, rollout_id)
    return Answer(202, _out(prompts.ask(run, rollout, full, user_of(request))))


def _stored(request: HttpRequest, run_id: int, rollout_id: int) -> tuple[Run, Rollout, RolloutRow]:
    run, rollout = access.get_rollout_or_404(user_of(request), run_id, rollout_id)
    shard = RolloutShard.objects.filter(run=run, kind=rollout.kind, step=rollout.step).first()
    try:
        if shard is not None:
            return run, rollout, read_rollouts_at(run.directory / shard.path, [rollout.row])[0]
    except (OSError, IndexError, ValueError):  # pyarrow's errors are ValueErrors
        pass
    raise HttpError(404, "The shard with this response's prompt is missing or damaged.")


def _out(found: PromptTokens | None) -> PromptTokensOut:
    job = found.job if found else None
    if found is None or not found.ids:
        is_lost = job is None or job.state == JobState.SUCCEEDED
        return PromptTokensOut(
            state="unasked" if job is None or is_lost else job.state,
            error=job.error if job else "",
            ids=[],
            bytes=[],
            special=[],
        )
    data, starts = bytes(found.data), [0, *found.ends]
    pieces = [data[start:end].hex() for start, end in zip(starts, found.ends, strict=False)]
    return PromptTokensOut(state="ready", error="", ids=found.ids, bytes=pieces, special=found.control)
