"""What the API gives."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

from pydantic import Field, field_validator

from rpt_core.plans.preset import Preset, Requirements, missing
from rpt_web import access
from rpt_web.api.plain import PlainSchema
from rpt_web.notices.models import AlarmKind
from rpt_web.runs import attempts, deeds, display
from rpt_web.runs.models import Run, RunParent

Item = TypeVar("Item")


class Page(PlainSchema, Generic[Item]):
    """One page of a list."""

    items: list[Item]
    next: int | None = Field(description="Give this as `after` for the next page; null at the end.")


class FindingOut(PlainSchema):
    """What speaks against a run, or against some runs of a plan."""

    level: Literal["error", "warning"]
    field: str = Field(description="Dotted name of the config's field; empty where no single one is to blame.")
    message: str
    runs: list[str] = Field(description="Names of the plan's runs that it is about.")


class Refused(PlainSchema):
    """What was wrong, as problem+json (RFC 9457)."""

    title: str = Field(description="The status in words.")
    status: int
    detail: str = Field(description="What was wrong, in a sentence for people.")
    errors: dict[str, str] = Field(default={}, description="Dotted name of each wrong field -> what to do about it.")
    findings: list[FindingOut] = Field(
        default=[], description="What pre-flight found when it was submitted, errors first; with 409 all are warnings."
    )


class PlannedRunOut(PlainSchema):
    """One run of a preset, its references not yet resolved."""

    name: str
    stage: str
    title: str
    config: dict[str, Any]


class PresetOut(PlainSchema):
    """A named plan of runs."""

    name: str
    description: str
    hardware: str
    time: str = Field(description="How long all of its runs take, and where that was measured.")
    requires: Requirements
    missing: list[str] = Field(
        description="Why it cannot run on this machine: a sentence for each thing that it lacks."
    )
    seeds: list[int] | None = Field(description="The seeds that it is run with when none are given.")
    runs: list[PlannedRunOut]

    @staticmethod
    def resolve_missing(preset: Preset) -> list[str]:
        """What is not here."""
        return missing(preset)


class TeamOut(PlainSchema):
    """A team of the token's user."""

    id: int
    name: str
    role: str = Field(description="viewer, member or administrator: what the token's user may do in it.")
    disk_bytes: int = Field(description="What its runs and corpora take on the disk.")
    quota_bytes: int | None = Field(description="What they may take; null for no limit.")


class OfTeam(PlainSchema):
    """Something that a team may share."""

    team_id: int = Field(description="The team that it belongs to.")
    shared_by: str | None = Field(description="Name of that team where it shares it with the token's user, read-only.")

    @staticmethod
    def resolve_shared_by(thing: Any, context: Any) -> str | None:
        """Another team, of which the user is not."""
        team = access.shared_by(context["request"].user, thing)
        return None if team is None else team.name


class ExperimentOut(OfTeam):
    """Runs that belong together."""

    id: int
    name: str
    description: str
    outlook: str = Field(description="open, concluded or abandoned: what its people say of it.")
    tags: list[str]
    findings: str = Field(description="What it has shown, as Markdown.")
    preset: str
    seed: int
    created_at: datetime
    archived_at: datetime | None = Field(description="Since when lists leave it out; null for what they show.")


class RunStateOut(PlainSchema):
    """How one run of an experiment is getting on."""

    id: int
    name: str
    stage: str
    status: str
    needs: list[str] = Field(description="Names of the runs that must have succeeded before it.")
    blocked_by: list[str] = Field(
        description="Names of the runs that failed, were cancelled or were lost, and so block it."
    )


class ExperimentDetailOut(ExperimentOut):
    """An experiment with the state of its runs, in the order in which they were submitted."""

    is_in_progress: bool = Field(description="Whether a run is queued or running, or will be without being asked.")
    runs: list[RunStateOut]


class RunOut(PlainSchema):
    """One stage, once."""

    id: int
    experiment_id: int
    name: str
    title: str
    stage: str
    status: str
    tags: list[str]
    queue: str = Field(description="Where it waits for a worker: default, or gpu.")
    priority: str = Field(description="low, normal or high: which of the queued runs come first.")
    gpus: int = Field(description="How many GPUs of its node it asks for; a node without any takes it all the same.")
    needs: list[str] = Field(description="Names of the runs of its experiment that must have succeeded before it.")
    attempt: int = Field(description="Number of the newest attempt; 0 before the first.")
    max_attempts: int = Field(
        description="An interrupted run is queued again automatically, up to this attempt. A retry raises the number."
    )
    seed: int
    code_version: str = Field(
        description="Of the newest attempt; before the first, and where that was not kept, of what submitted it."
    )
    step: int | None
    total_steps: int | None
    progress: str
    flops: float | None
    result: dict[str, Any]
    error: str
    created_at: datetime
    started_at: datetime | None = Field(description="Start of the newest attempt.")
    finished_at: datetime | None = Field(description="End of the newest attempt, if the run has ended.")
    disk_bytes: int | None = Field(description="What its folder took when it had ended; null until it was measured.")
    cancel_requested_at: datetime | None
    archived_at: datetime | None = Field(description="Since when lists leave it out; null for what they show.")
    seconds: float | None = Field(
        description="How long it has run in all its attempts, until now if it runs; null when that is not known."
    )

    @staticmethod
    def resolve_priority(run: Run) -> str:
        """In a word."""
        return run.get_priority_display().lower()

    @staticmethod
    def resolve_code_version(run: Run) -> str:
        """Of the newest attempt, as far as it is known."""
        return attempts.newest_code(run)

    @staticmethod
    def resolve_seconds(run: Run) -> float | None:
        """Time of all attempts, without what it waited in between."""
        spent = display.run_time(run)
        return None if spent is None else spent.total_seconds()


class AttemptOut(PlainSchema):
    """An attempt of a run."""

    number: int
    code_version: str
    worker: str
    gpus: list[int] | None = Field(description="Of its node; null where the node has not reported that it has any.")
    started_at: datetime


class DeedOut(PlainSchema):
    """What somebody has asked of a run."""

    what: str = Field(
        description="cancelled, retried, moved, ranked, archived, brought_back, trimmed: old checkpoints were removed"
    )
    by: str | None = Field(description="Null for a program, and for a user who no longer exists.")
    at: datetime

    @field_validator("by", mode="before")
    @classmethod
    def _named(cls, by: Any) -> str | None:
        return None if by is None else str(by)


class ParentOut(PlainSchema):
    """What a run came from."""

    role: Literal["start", "compute", "responses", "reads"] = Field(
        description="It starts from this run's model, trains for as much compute or samples as many responses (as a "
        "baseline does), or reads what it made."
    )
    run_id: int | None = Field(description="Null for a model that no run here has made.")
    step: int | None = Field(description="Of a start: the step of the parent's checkpoint.")
    path: str = Field(description="Of a start: the folder of the model, or its name on a hub.")

    @staticmethod
    def resolve_run_id(parent: RunParent) -> int | None:
        """The run it came from."""
        return parent.parent_id


class RunDetailOut(RunOut):
    """A run with its frozen config and the end of its log."""

    config: dict[str, Any] = Field(description="Empty while it waits for other runs.")
    plan: dict[str, Any] = Field(description="The config as planned, with references; empty for a run without a plan.")
    blocked_by: list[str] = Field(
        description="Names of the runs that failed, were cancelled or were lost, and so block it."
    )
    parents: list[ParentOut] = Field(description="What it came from; empty while it waits for other runs.")
    submitted_by: str | None = Field(description="Null for a program, and for a user who no longer exists.")
    deeds: list[DeedOut] = Field(description="Who has cancelled and retried it, oldest first.")
    submitted_code_version: str = Field(description="The code of what submitted or queued it.")
    attempts: list[AttemptOut] = Field(
        description="Its attempts, oldest first, each with its code; those from before this was kept are missing."
    )
    other_code: str = Field(description="A sentence if its attempts ran different code; empty if not.")
    worker: str
    exit_code: int | None
    log_tail: str

    @staticmethod
    def resolve_submitted_by(run: Run) -> str | None:
        """Its user's name."""
        return None if run.created_by is None else run.created_by.username

    @staticmethod
    def resolve_parents(run: Run) -> list[Any]:
        """As they were decided when its config was frozen."""
        return list(run.parents.all())

    @staticmethod
    def resolve_submitted_code_version(run: Run) -> str:
        """As its row keeps it."""
        return run.code_version

    @staticmethod
    def resolve_attempts(run: Run) -> list[Any]:
        """In their order."""
        return attempts.attempts_of(run)

    @staticmethod
    def resolve_other_code(run: Run) -> str:
        """In words."""
        return attempts.other_code(attempts.attempts_of(run))

    @staticmethod
    def resolve_deeds(run: Run) -> list[Any]:
        """In their order, with their users."""
        return deeds.deeds_of(run)

    @staticmethod
    def resolve_blocked_by(run: Run) -> list[str]:
        """Only a waiting run can be blocked."""
        return run.blocked_by()


class MetricsOut(PlainSchema):
    """All metrics of one step."""

    step: int
    attempt: int
    time: datetime
    flops: float | None
    values: dict[str, float | None]


class EventOut(PlainSchema):
    """One event of a run, as its stage wrote it."""

    seq: int
    attempt: int
    time: datetime
    type: str
    data: dict[str, Any]


class AlarmOut(PlainSchema):
    """Something about a run that somebody should look at."""

    id: int
    kind: AlarmKind
    attempt: int
    step: int | None
    metric: str = Field(description="Of a monitor; empty for other kinds.")
    value: float | None
    limit: float | None
    text: str
    at: datetime


class EvaluationOut(PlainSchema):
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
    no_box: float | None = Field(
        description="Share of the responses that have no box; null where none are counted, or the run did not say."
    )
    above_nats: float | None = Field(
        description="Threshold of the difficulty: its positions have more entropy; null where the run did not say."
    )
    position_set: str = Field(
        description="Hash of the evaluated positions, by their content; empty where it is not known. Accuracies with "
        "different ones are not comparable position by position."
    )
    tokenizer: str = Field(description="Hash of the policy's tokenizer; empty where it is not known.")


class TableOut(PlainSchema):
    """A finished table. `data` holds caption, columns, rows and how to draw it (`rpt_core.run.tables`)."""

    id: int
    attempt: int
    step: int
    name: str
    title: str
    data: dict[str, Any]


class RolloutOut(PlainSchema):
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
    prediction: str | None = Field(description="Content of the box; bytes that are not UTF-8 are written as \\xNN.")
    completion: str = Field(description="The true continuation; bytes that are not UTF-8 are written as \\xNN.")
    preview: str

    @field_validator("prediction", "completion", mode="before")
    @classmethod
    def _as_text(cls, value: bytes | memoryview | None) -> str | None:
        return None if value is None else bytes(value).decode("utf-8", errors="backslashreplace")
