"""What is posted to the API. Configs are the stages' own pydantic models, so the document describes each field.

What the services would refuse of a body by itself is refused here already, by the same functions: one answer then tells
all wrong fields.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, Literal, cast

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

from rpt_core.config import STAGES, StageConfig
from rpt_core.errors import UserError
from rpt_core.machine.hardware import hardware
from rpt_core.plans.preset import PlannedRun, Preset, Seed, expand, load_preset
from rpt_web.api.plain import PlainSchema
from rpt_web.runs import checks
from rpt_web.runs.models import Experiment


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
        raise UserError(f"These runs do not make a plan. {checks.in_words(error)}") from None


def _check_experiment_name(name: str) -> None:
    checks.checked_name(name, "experiment", cast(int, Experiment._meta.get_field("name").max_length))


def _check_preset(name: str) -> None:
    """An empty name stands for none."""
    if name:
        load_preset(name)


def _check_config(config: StageConfig) -> None:
    checks.refuse_unstorable(config.model_dump(mode="json"))
    checks.refuse_unfit_headings(config)


def _check_planned(run: PlannedRun) -> None:
    """Its seed is not known yet; for a rehearsal any does."""
    checks.checked_title(run.title)
    checks.refuse_unfit_headings(checks.rehearsed(run, 0))
    checks.refuse_unstorable(run.config)


HardwareName = Annotated[str, _passing(hardware)]
CheckedFor = Annotated[
    HardwareName | None,
    Field(
        description="The machine that pre-flight estimates for; if empty, a typical one, with a GPU if the config asks."
    ),
]
PriorityName = Annotated[
    Literal["low", "normal", "high"],
    Field(description="Which of the queued runs come first. Only administrators of the team give a high one."),
]
Anyway = Annotated[bool, Field(description="Submit in spite of pre-flight's warnings; errors are refused anyway.")]
PresetName = Annotated[str, _passing(_check_preset)]
AnyStageConfig = Annotated[StageConfig, Field(discriminator="stage")]


class Body(PlainSchema):
    """What is posted: fields that do not exist are refused, since a slip would silently leave a default in place."""

    model_config = ConfigDict(extra="forbid")


class ExperimentIn(Body):
    """A new experiment."""

    name: Annotated[str, _passing(_check_experiment_name)]
    description: Annotated[str, _passing(checks.checked_description)] = ""
    preset: PresetName = ""
    seed: Seed = 0
    team: int | None = Field(
        default=None,
        ge=1,
        lt=2**63,
        description="Id of the team it belongs to; empty takes the first where the token's user may change things.",
    )


class SuiteIn(Body):
    """A plan to play in an experiment: a preset, or runs of one's own."""

    preset: PresetName = Field(default="", description="Name of a preset; empty takes the experiment's.")
    runs: list[Annotated[PlannedRun, _passing(_check_planned)]] | None = Field(
        default=None,
        description="Or a plan of your own: runs, each after those that its config refers to with @NAME/WHAT.",
    )
    plan: int | None = Field(default=None, ge=1, lt=2**63, description="Or the id of a plan that a team has saved.")
    seeds: list[Seed] | None = Field(
        default=None,
        min_length=1,
        max_length=100,
        description="Run it once with each; run rpt becomes s0-rpt, s1-rpt, ... Empty: with the preset's own seeds, "
        "or once with the experiment's seed.",
    )
    hardware: CheckedFor = None
    anyway: Anyway = False
    priority: PriorityName = "normal"

    @field_validator("runs")
    @classmethod
    def _are_a_plan(cls, runs: list[PlannedRun] | None, info: ValidationInfo) -> list[PlannedRun] | None:
        if runs is not None:
            if info.data.get("preset"):
                raise ValueError("Give either `preset` or `runs`, not both.")
            with _refusals_of_field():
                plan_of(runs)
        return runs

    @field_validator("plan")
    @classmethod
    def _is_alone(cls, plan: int | None, info: ValidationInfo) -> int | None:
        if plan is not None and (info.data.get("preset") or info.data.get("runs")):
            raise ValueError("Give one of `preset`, `runs` and `plan`.")
        return plan

    @field_validator("seeds")
    @classmethod
    def _can_be_played(cls, seeds: list[int] | None) -> list[int] | None:
        if seeds is not None:
            with _refusals_of_field():
                expand(Preset.model_construct(name="", description="", runs=()), seeds)
        return seeds


class RunIn(Body):
    """A new run."""

    experiment: int = Field(description="Id of the experiment it belongs to.")
    name: Annotated[str, _passing(checks.checked_run_name)] = Field(description="Its name within the experiment.")
    title: Annotated[str, _passing(checks.checked_title)] = ""
    config: Annotated[AnyStageConfig, _passing(_check_config)] = Field(
        description="The config of its stage; `stage` says which one."
    )
    hardware: CheckedFor = None
    anyway: Anyway = False
    priority: PriorityName = "normal"


def _left_to_preflight(values: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    """The values as they are, if they name a stage: its pre-flight says all that is wrong, wrong fields too."""
    return values if isinstance(values, dict) and values.get("stage") in [*STAGES] else validate(values)


class PreflightIn(Body):
    """A config to look at before it is submitted."""

    config: Annotated[AnyStageConfig, WrapValidator(_left_to_preflight)] = Field(
        description="The config of its stage; `stage` says which one. Wrong fields are reported among the problems."
    )
    hardware: HardwareName = Field("cpu-2", description="The machine to estimate for.")
