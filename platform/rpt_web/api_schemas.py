"""What the API takes and gives. Configs are the stages' own pydantic models, so the document describes each field.

What the services would refuse of a body by itself is refused here already, by the same functions: one answer then tells
all wrong fields.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar, cast

from ninja import Schema
from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    field_validator,
)

from rpt_core import presets
from rpt_core.config import STAGES, StageConfig
from rpt_core.errors import UserError
from rpt_core.hardware import hardware
from rpt_core.presets import PlannedRun, Preset, Requirements, Seed, expand, load_preset
from rpt_web.runs import checks, display
from rpt_web.runs.models import Experiment, Run

Item = TypeVar("Item")


@contextmanager
def _refusals_of_field() -> Iterator[None]:
    """What a check refuses becomes one of pydantic's errors."""
    try:
        yield
    except UserError as error:
        raise ValueError(str(error)) from None


def _passing(check: Callable[[Any], object]) -> AfterValidator:
    """For a field that is taken as it is, once it has passed a check that raises UserError."""

    def passed(value: Any) -> Any:
        with _refusals_of_field():
            check(value)
        return value

    return AfterValidator(passed)


def plan_of(runs: Sequence[PlannedRun]) -> Preset:
    """Runs of one's own as a plan. Raises UserError when they are none."""
    try:
        return Preset(name="plan", description="", runs=tuple(runs))
    except ValidationError as error:
        raise UserError(f"These runs are no plan. {checks.in_words(error)}") from None


def _check_experiment_name(name: str) -> None:
    checks.checked_name(name, "experiment", cast(int, Experiment._meta.get_field("name").max_length))


def _check_preset(name: str) -> None:
    """An empty name stands for none."""
    if name:
        load_preset(name)


def _check_config(config: StageConfig) -> None:
    checks.refuse_unstorable(config.model_dump(mode="json"))


def _check_planned(run: PlannedRun) -> None:
    """Its seed is not known yet; for a rehearsal any does."""
    checks.rehearsed(run, 0)
    checks.refuse_unstorable(run.config)


HardwareName = Annotated[str, _passing(hardware)]
PresetName = Annotated[str, _passing(_check_preset)]
AnyStageConfig = Annotated[StageConfig, Field(discriminator="stage")]


class Page(Schema, Generic[Item]):
    """One page of a list."""

    items: list[Item]
    next: int | None = Field(description="Give this as `after` for the next page; null at the end.")


class Problem(Schema):
    """What was wrong."""

    detail: str
    errors: dict[str, str] = Field(default={}, description="Dotted name of each wrong field -> what to do about it.")


class Body(Schema):
    """What is posted: fields that do not exist are refused, since a slip would silently leave a default in place."""

    model_config = ConfigDict(extra="forbid")


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
    hardware: str
    time: str = Field(description="How long all of its runs take, and where that was measured.")
    requires: Requirements
    missing: list[str] = Field(
        description="Why it cannot run on this machine: a sentence for each thing that it lacks."
    )
    seeds: list[int] | None = Field(description="The seeds that it is played with when none are asked for.")
    runs: list[PlannedRunOut]

    @staticmethod
    def resolve_missing(preset: Preset) -> list[str]:
        """What is not here."""
        return presets.missing(preset)


class ExperimentIn(Body):
    """A new experiment."""

    name: Annotated[str, _passing(_check_experiment_name)]
    description: str = ""
    preset: PresetName = ""
    seed: Seed = 0


class SuiteIn(Body):
    """A plan to play in an experiment: a preset, or runs of one's own."""

    preset: PresetName = Field(default="", description="Name of a preset; empty takes the experiment's.")
    runs: list[Annotated[PlannedRun, _passing(_check_planned)]] | None = Field(
        default=None,
        description="Or a plan of your own: runs, each behind those that it refers to with @NAME/WHAT in its config.",
    )
    seeds: list[Seed] | None = Field(
        default=None,
        min_length=1,
        max_length=100,
        description="Play it once with each; run rpt becomes s0-rpt, s1-rpt, ... Empty: with the preset's own seeds, "
        "or once with the experiment's seed.",
    )
    anyway: bool = Field(
        default=False, description="Start although something that the preset needs is missing on this machine."
    )

    @field_validator("runs")
    @classmethod
    def _are_a_plan(cls, runs: list[PlannedRun] | None, info: ValidationInfo) -> list[PlannedRun] | None:
        if runs is not None:
            if info.data.get("preset"):
                raise ValueError("Give either `preset` or `runs`, not both.")
            with _refusals_of_field():
                plan_of(runs)
        return runs

    @field_validator("seeds")
    @classmethod
    def _can_be_played(cls, seeds: list[int] | None) -> list[int] | None:
        if seeds is not None:
            with _refusals_of_field():
                expand(Preset.model_construct(name="", description="", runs=()), seeds)
        return seeds


class ExperimentOut(Schema):
    """Runs that belong together."""

    id: int
    name: str
    description: str
    preset: str
    seed: int
    created_at: datetime


class RunStateOut(Schema):
    """How one run of an experiment is getting on."""

    id: int
    name: str
    stage: str
    status: str
    needs: list[str] = Field(description="Names of the runs that must have succeeded before it.")
    blocked_by: list[str] = Field(description="Names of the runs that ended badly and for which it waits in vain.")


class ExperimentDetailOut(ExperimentOut):
    """An experiment with the state of its runs, in the order in which they were submitted."""

    is_in_progress: bool = Field(description="Whether a run is queued or running, or will be without being asked.")
    runs: list[RunStateOut]


class RunIn(Body):
    """A new run."""

    experiment: int = Field(description="Id of the experiment it belongs to.")
    name: Annotated[str, _passing(checks.checked_run_name)] = Field(description="Its name within the experiment.")
    title: str = ""
    config: Annotated[AnyStageConfig, _passing(_check_config)] = Field(
        description="The config of its stage; `stage` says which one."
    )


def _left_to_preflight(values: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    """The values as they are, if they name a stage: its pre-flight says all that is wrong, wrong fields too."""
    return values if isinstance(values, dict) and values.get("stage") in [*STAGES] else validate(values)


class PreflightIn(Body):
    """A config to look at before it is submitted."""

    config: Annotated[AnyStageConfig, WrapValidator(_left_to_preflight)] = Field(
        description="The config of its stage; `stage` says which one. Wrong fields are reported among the problems."
    )
    hardware: HardwareName = Field("cpu-2", description="The machine to estimate for.")


class RunOut(Schema):
    """One stage, once."""

    id: int
    experiment_id: int
    name: str
    title: str
    stage: str
    status: str
    needs: list[str] = Field(description="Names of the runs of its experiment that must have succeeded before it.")
    attempt: int = Field(description="Number of the newest attempt; 0 before the first.")
    max_attempts: int = Field(
        description="Until this attempt, the queue starts it again by itself when it is interrupted. A retry raises it."
    )
    seed: int
    code_version: str
    step: int | None
    total_steps: int | None
    progress: str
    flops: float | None
    result: dict[str, Any]
    error: str
    created_at: datetime
    started_at: datetime | None = Field(description="Start of the newest attempt.")
    finished_at: datetime | None = Field(description="End of the newest attempt, if the run has ended.")
    cancel_requested_at: datetime | None
    seconds: float | None = Field(
        description="How long it has run in all its attempts, until now if it runs; null when that is not known."
    )

    @staticmethod
    def resolve_seconds(run: Run) -> float | None:
        """Time of all attempts, without what it waited in between."""
        spent = display.run_time(run)
        return None if spent is None else spent.total_seconds()


class RunDetailOut(RunOut):
    """A run with its frozen config and the end of its log."""

    config: dict[str, Any] = Field(description="Empty while it waits for other runs.")
    plan: dict[str, Any] = Field(description="The config as planned, with references; empty for a run without a plan.")
    blocked_by: list[str] = Field(description="Names of the runs that ended badly and for which it waits in vain.")
    worker: str
    exit_code: int | None
    log_tail: str

    @staticmethod
    def resolve_blocked_by(run: Run) -> list[str]:
        """Only a waiting run can be blocked."""
        return run.blocked_by()


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
    correct: int | None = Field(description="null for a mean over several samples.")
    n: int
    value: float
    low: float
    high: float


class TableOut(Schema):
    """A finished table. `data` holds caption, columns, rows and how to draw it (`rpt_core.result_tables`)."""

    id: int
    attempt: int
    step: int
    name: str
    title: str
    data: dict[str, Any]


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
