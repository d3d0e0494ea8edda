"""What the API takes and gives. Configs are the stages' own pydantic models, so the document describes each field."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar

from ninja import Schema
from pydantic import Field, field_validator

from rpt_core.config import StageConfig

Item = TypeVar("Item")
AnyStageConfig = Annotated[StageConfig, Field(discriminator="stage")]


class Page(Schema, Generic[Item]):
    """One page of a list."""

    items: list[Item]
    next: int | None = Field(description="Give this as `after` for the next page; null at the end.")


class Problem(Schema):
    """What was wrong."""

    detail: str
    errors: dict[str, str] = Field(default={}, description="Dotted name of each wrong field -> what to do about it.")


class PlannedRunOut(Schema):
    """One run of a preset, its references not yet resolved."""

    name: str
    stage: str
    title: str
    config: dict[str, Any]


class PresetOut(Schema):
    """A named plan of runs."""

    name: str
    description: str
    runs: list[PlannedRunOut]


class ExperimentIn(Schema):
    """A new experiment."""

    name: str
    description: str = ""
    preset: str = ""
    seed: Annotated[int, Field(ge=-(2**31), lt=2**31)] = 0


class ExperimentOut(Schema):
    """Runs that belong together."""

    id: int
    name: str
    description: str
    preset: str
    seed: int
    created_at: datetime


class RunIn(Schema):
    """A new run."""

    experiment: int = Field(description="Id of the experiment it belongs to.")
    name: str = Field(description="Its name within the experiment.")
    title: str = ""
    config: AnyStageConfig = Field(description="The config of its stage; `stage` says which one.")


class RunOut(Schema):
    """One stage, once."""

    id: int
    experiment_id: int
    name: str
    title: str
    stage: str
    status: str
    attempt: int
    max_attempts: int
    seed: int
    code_version: str
    step: int | None
    total_steps: int | None
    progress: str
    flops: float | None
    result: dict[str, Any]
    error: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    cancel_requested_at: datetime | None


class RunDetailOut(RunOut):
    """A run with its frozen config and the end of its log."""

    config: dict[str, Any]
    worker: str
    exit_code: int | None
    log_tail: str


class MetricsOut(Schema):
    """All metrics of one step."""

    step: int
    attempt: int
    time: datetime
    flops: float | None
    values: dict[str, float | None]


class EventOut(Schema):
    """One event of a run, as its stage wrote it."""

    seq: int
    attempt: int
    time: datetime
    type: str
    data: dict[str, Any]


class EvaluationOut(Schema):
    """One cell of the table: accuracy as a fraction of 1, with a 95 % interval."""

    step: int
    flops: float | None
    mode: str
    difficulty: str
    correct: int
    n: int
    value: float
    low: float
    high: float


class RolloutOut(Schema):
    """One sampled response without its full text."""

    id: int
    step: int
    kind: str
    row: int
    group: int
    sample: int
    document: str
    position: int
    entropy_nats: float | None
    reward: float
    reason: str
    finish_reason: str
    prompt_tokens: int
    response_tokens: int
    prediction: str | None = Field(description="Content of the box; bytes that are no UTF-8 stand as \\xNN.")
    completion: str = Field(description="The true continuation; bytes that are no UTF-8 stand as \\xNN.")
    preview: str

    @field_validator("prediction", "completion", mode="before")
    @classmethod
    def _as_text(cls, value: bytes | memoryview | None) -> str | None:
        return None if value is None else bytes(value).decode("utf-8", errors="backslashreplace")
