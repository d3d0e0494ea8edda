"""Operations of the API on what lies in a run's folder: whole responses, and the Parquet files that hold them.

In: a run whose folder the web server shares. Out: one response with its prompt, or a file as its stage wrote it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from django.http import Http404, HttpRequest, StreamingHttpResponse
from ninja import NinjaAPI, Query
from pydantic import Field

from rpt_core.run.folder import RunDir
from rpt_core.run.rollout_files import RolloutRow, read_rollouts_at
from rpt_web import access
from rpt_web.api.paging import user_of
from rpt_web.api.plain import PlainSchema
from rpt_web.api.schemas import RolloutOut
from rpt_web.runs.models import Run
from rpt_web.traces.models import KINDS, Rollout, RolloutShard

PARQUET = "application/vnd.apache.parquet"
CHUNK_BYTES = 1 << 20
AS_PARQUET: dict[str, Any] = {
    "responses": {200: {"content": {PARQUET: {"schema": {"type": "string", "format": "binary"}}}}}
}
RolloutKind = Literal["train", "sampled", "greedy"]
WrittenStep = Annotated[int, Query(ge=0, lt=2**31)]


class RunFileOut(PlainSchema):
    """A Parquet file of a run."""

    what: Literal["rollouts", "outcomes"]
    kind: str = Field(description="Of rollouts: train, sampled or greedy. Empty for outcomes.")
    step: int
    bytes: int


class WholeRolloutOut(RolloutOut):
    """A response with its prompt and its whole text."""

    prompt: str = Field(description="As the model got it, special tokens included.")
    response: str
    boundaries: list[int] = Field(description="Cumulative byte lengths of the continuation's tokens.")
    mismatch_byte: int | None = Field(description="First byte of the prediction that differs; null where none does.")
    mean_log_prob: float | None
    advantage: float | None = Field(description="Null in evaluations, and where its group was left out.")


def add_operations(api: NinjaAPI) -> None:
    """Put them into the API."""
    tags = ["what a run wrote"]
    place = "/runs/{int:run_id}"
    api.get(f"{place}/files", response=list[RunFileOut], tags=tags)(run_files)
    api.get(f"{place}/rollouts/{{int:rollout_id}}", response=WholeRolloutOut, tags=tags)(rollout_detail)
    api.get(f"{place}/rollouts.parquet", tags=tags, openapi_extra=AS_PARQUET)(rollout_file)
    api.get(f"{place}/outcomes.parquet", tags=tags, openapi_extra=AS_PARQUET)(outcome_file)


def run_files(request: HttpRequest, run_id: int) -> list[dict[str, Any]]:
    """Its Parquet files: rollouts of each step and kind, outcomes at each position of each evaluation."""
    return list(_files(access.get_run_or_404(user_of(request), run_id)))


def rollout_detail(request: HttpRequest, run_id: int, rollout_id: int) -> dict[str, Any]:
    """One response, whole."""
    run, rollout = access.get_rollout_or_404(user_of(request), run_id, rollout_id)
    full = _read(run, rollout)
    more = {name: getattr(full, name) for name in WholeRolloutOut.model_fields if name not in RolloutOut.model_fields}
    return {name: getattr(rollout, name) for name in RolloutOut.model_fields} | more


def rollout_file(request: HttpRequest, run_id: int, kind: RolloutKind, step: WrittenStep) -> StreamingHttpResponse:
    """All responses of a step, as Parquet (`rpt_core.run.rollout_files` describes the columns)."""
    run = access.get_run_or_404(user_of(request), run_id)
    return _sent(RunDir(run.directory).rollout_shard(kind, step), f"{kind} rollouts of step {step}")


def outcome_file(request: HttpRequest, run_id: int, step: WrittenStep) -> StreamingHttpResponse:
    """What an evaluation found at each position, as Parquet (`rpt_core.evaluation.outcomes` describes the columns)."""
    run = access.get_run_or_404(user_of(request), run_id)
    return _sent(RunDir(run.directory).evaluation(step), f"outcomes of an evaluation at step {step}")


def _files(run: Run) -> Iterator[dict[str, Any]]:
    folder = RunDir(run.directory)
    found = [("rollouts", kind, step) for kind in KINDS for step in folder.rollout_steps(kind)]
    found += [("outcomes", "", step) for step in folder.evaluation_steps()]
    for what, kind, step in found:
        path = folder.rollout_shard(kind, step) if kind else folder.evaluation(step)
        yield {"what": what, "kind": kind, "step": step, "bytes": path.stat().st_size}


def _read(run: Run, rollout: Rollout) -> RolloutRow:
    shard = RolloutShard.objects.filter(run=run, kind=rollout.kind, step=rollout.step).first()
    try:
        return read_rollouts_at(run.directory / (shard.path if shard else ""), [rollout.row])[0]
    except (OSError, IndexError, ValueError):  # pyarrow's errors are ValueErrors
        raise Http404(f"The file with response {rollout.id} of run {run.pk} cannot be read.") from None


def _sent(path: Path, what: str) -> StreamingHttpResponse:
    if not path.is_file():
        raise Http404(f"There is no file with the {what}. `files` of the run lists those that there are.")
    headers = {"Content-Length": str(path.stat().st_size)}
    return StreamingHttpResponse(_chunks(path), content_type=PARQUET, headers=headers)


async def _chunks(path: Path) -> AsyncIterator[bytes]:
    """A slow reader holds no thread."""
    with path.open("rb") as file:
        while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
            yield chunk
