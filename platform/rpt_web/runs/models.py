"""What was asked and how it goes: experiments, runs, their events, metrics and checkpoints; the nodes they run on.

Only `runs.services` changes `Run.status`; only `workers.recorder` writes the rows that follow from events.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models

from rpt_core.run.copies import copy_prefix
from rpt_web.runs.machines import DataFolder, GpuLease, Listener, Node, RunLimit
from rpt_web.runs.plan_rows import OwnPlan
from rpt_web.runs.summary_rows import MetricSummary
from rpt_web.teams.audit import audited

__all__ = ["DataFolder", "GpuLease", "Listener", "MetricSummary", "Node", "OwnPlan", "RunLimit"]


class NextPlace(models.Func):
    """The next place at the end of the queue: a number that no run has had."""

    template = "nextval('runs_run_place')"
    output_field = models.BigIntegerField()
    arity = 0


class Status(models.TextChoices):
    """The states of a run. A waiting one needs runs that have not succeeded yet."""

    WAITING = "waiting", "Waiting"
    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"
    LOST = "lost", "Lost"


class Priority(models.IntegerChoices):
    """Which of the queued runs come first; within a priority the place decides."""

    LOW = 0, "Low"
    NORMAL = 1, "Normal"
    HIGH = 2, "High"


ACTIVE = (Status.QUEUED, Status.RUNNING)
"""A worker has it, or will as soon as one is free."""
UNFINISHED = (Status.WAITING, *ACTIVE)
ENDED_BADLY = (Status.FAILED, Status.CANCELLED, Status.LOST)
FINAL = (Status.SUCCEEDED, *ENDED_BADLY)
DEFAULT_QUEUE, GPU_QUEUE = "default", "gpu"

NEEDED = ("name", "status", "needs")
"""The fields that `blocked_by` reads."""


class Removable(models.Model):
    """What can be put out of sight, and deleted by a job."""

    archived_at = models.DateTimeField(null=True, blank=True)
    """Since when lists leave it out."""
    deletion = models.ForeignKey("jobs.Job", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    """The newest job that was to delete it."""

    class Meta:
        abstract = True

    @property
    def is_being_deleted(self) -> bool:
        """Whether a job is about to delete it."""
        return self.deletion is not None and not self.deletion.has_ended


class Outlook(models.TextChoices):
    """How far an experiment has come, as its people see it."""

    OPEN = "open", "Open"
    CONCLUDED = "concluded", "Concluded"
    ABANDONED = "abandoned", "Abandoned"


@audited("team", "name", "description", "outlook", "tags", "findings", "preset", "seed", "created_by", "archived_at")
class Experiment(Removable):
    """Runs that belong together."""

    team = models.ForeignKey("teams.Team", on_delete=models.PROTECT, related_name="experiments")
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    outlook = models.CharField("state", max_length=20, choices=Outlook.choices, default=Outlook.OPEN)
    tags = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    findings = models.TextField(blank=True)
    """What it has shown, as Markdown; `rpt_web.prose` makes pages of it."""
    preset = models.CharField(max_length=50, blank=True)
    seed = models.IntegerField(default=0)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(auto_now_add=True)
    results_version = models.PositiveIntegerField(default=0)
    """Rises when evaluations of its runs arrive or go, and when a run succeeds: a headline may change then."""
    intervals_version = models.PositiveIntegerField(default=0)
    """The `results_version` that the stored intervals are of."""

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.name


@audited(
    "experiment",
    "name",
    "title",
    "status",
    "priority",
    "cancel_requested_at",
    "removed_checkpoints",
    "created_by",
    "archived_at",
    "tags",
)
class Run(Removable):
    """One stage, once. `attempt` is the fencing token: a claim raises it, and older attempts may not write."""

    experiment = models.ForeignKey(Experiment, on_delete=models.CASCADE, related_name="runs")
    name = models.CharField(max_length=100)
    title = models.CharField(max_length=200, blank=True)
    stage = models.CharField(max_length=20)
    tags = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    """What its team calls it by; `runs.tags` changes them."""
    status = models.CharField(max_length=20, choices=Status.choices, default=Status.QUEUED)
    config = models.JSONField()
    """Validated and frozen when the run is queued; empty while it waits."""
    plan = models.JSONField(default=dict, blank=True)
    """The config as planned, with references to other runs of the experiment; empty for a run without a plan."""
    needs = ArrayField(models.CharField(max_length=100), default=list, blank=True)
    """Names of the runs of the experiment that must have succeeded before."""
    seed = models.IntegerField(default=0)
    copy_seed = models.IntegerField(null=True, blank=True)
    """The seed of the copy of its plan that it belongs to, as its name says it; None for a run that is in no copy."""
    code_version = models.CharField(max_length=100)
    """Of what queued it; that of its attempts, which may be other code, stands with them."""
    queue = models.CharField(max_length=50, default=DEFAULT_QUEUE)
    """Where it waits for a worker, see `runs.queues`."""
    priority = models.PositiveSmallIntegerField(choices=Priority.choices, default=Priority.NORMAL)
    place = models.BigIntegerField(db_default=NextPlace())
    """Of the queued runs of a queue and a priority, workers take the one with the lowest. `runs.places` changes it."""
    gpus = models.PositiveIntegerField(default=0)
    """How many GPUs of its node it asks for, by its config. A node without GPUs takes it all the same."""
    origin = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="clones")
    """The run that it was cloned from, whose settings its form began with."""
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(auto_now_add=True)

    attempt = models.PositiveIntegerField(default=0)
    attempt_code_version = models.CharField(max_length=100, blank=True, default="")
    """The code of the newest attempt; empty before the first, and for one from before this was kept."""
    max_attempts = models.PositiveIntegerField(default=3)
    worker = models.CharField(max_length=200, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    dispatched_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    time_spent = models.DurationField(null=True, blank=True, default=timedelta)
    """In the attempts that have ended. None when some of them ended before this was kept."""
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    quiet_since = models.DateTimeField(null=True, blank=True)
    """Since when its stage has given no sign of life, once that is worrying."""

    step = models.PositiveIntegerField(null=True, blank=True)
    total_steps = models.PositiveIntegerField(null=True, blank=True)
    progress = models.CharField(max_length=200, blank=True)
    flops = models.FloatField(null=True, blank=True)
    result = models.JSONField(default=dict, blank=True)
    error = models.TextField(blank=True)
    log_tail = models.TextField(blank=True)
    exit_code = models.IntegerField(null=True, blank=True)
    recorded_seq = models.BigIntegerField(default=0)
    recorded_offset = models.BigIntegerField(default=0)
    disk_bytes = models.BigIntegerField(null=True, blank=True)
    """What its folder took when it was measured; None until it was."""
    measured_attempt = models.PositiveIntegerField(null=True, blank=True)
    """The attempt after which it was measured; None where it is to be measured again."""
    removed_checkpoints = models.PositiveIntegerField(default=0)
    """How many the team's rule, or somebody, has removed."""

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["experiment", "name"], name="run_name_once_per_experiment")]
        indexes = [models.Index(fields=["status", "lease_until"], name="run_status_lease")]

    def __str__(self) -> str:
        return f"{self.name} ({self.stage})"

    @property
    def directory(self) -> Path:
        """The run's folder on disk."""
        return settings.RPT_DATA_DIR / "runs" / str(self.pk)

    @property
    def plain_name(self) -> str:
        """The name that it has in its plan, which the copies of all seeds share: `rpt` of `s0-rpt`."""
        return self.name if self.copy_seed is None else self.name.removeprefix(copy_prefix(self.copy_seed))

    @property
    def is_active(self) -> bool:
        """Queued or running."""
        return self.status in ACTIVE

    def blocked_by(self) -> list[str]:
        """Names of the runs that ended badly and that this waiting run needs, itself or by way of others (1 query)."""
        if self.status != Status.WAITING:
            return []
        return blocked_by(Run.objects.filter(experiment=self.experiment_id).only(*NEEDED)).get(self.name, [])


def blocked_by(runs: Iterable[Run]) -> dict[str, list[str]]:
    """Name of each blocked run -> names of the runs that block it, sorted.

    A run is blamed that ended badly and that the waiting one needs, itself or by way of other waiting runs.
    """
    by_name = {run.name: run for run in runs}
    known: dict[str, frozenset[str]] = {}
    waiting = [name for name, run in by_name.items() if run.status == Status.WAITING]
    return {name: sorted(found) for name in waiting if (found := _blamed(name, by_name, known))}


def is_in_progress(runs: Iterable[Run]) -> bool:
    """Whether the experiment goes on by itself: a run is queued or running, or waits and is not blocked."""
    found = list(runs)
    if any(run.status in ACTIVE for run in found):
        return True
    return sum(run.status == Status.WAITING for run in found) > len(blocked_by(found))


def _blamed(name: str, by_name: Mapping[str, Run], known: dict[str, frozenset[str]]) -> frozenset[str]:
    """Of a run and all that it needs: those that ended badly. `known` keeps what was found, for diamonds."""
    if name not in known:
        known[name] = frozenset()  # ends a circle; the services let none in
        run = by_name.get(name)
        if run is not None and run.status in ENDED_BADLY:
            known[name] = frozenset({name})
        elif run is not None and run.status == Status.WAITING:
            known[name] = frozenset().union(*(_blamed(need, by_name, known) for need in run.needs))
    return known[name]


class ParentRole(models.TextChoices):
    """What a run takes of another one."""

    START = "start", "Starts from its model"
    COMPUTE = "compute", "Trains for as much compute"
    RESPONSES = "responses", "Samples as many responses, from the same start at the same positions"
    READS = "reads", "Reads what it made"


BASELINE_ROLES = (ParentRole.COMPUTE, ParentRole.RESPONSES)
"""A run with one of these is a baseline of its parent."""


class RunParent(models.Model):
    """What a run came from: decided by `runs.parents` when its config is frozen."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="parents")
    role = models.CharField(max_length=20, choices=ParentRole.choices)
    parent = models.ForeignKey(Run, null=True, blank=True, on_delete=models.SET_NULL, related_name="children")
    """None for a start that no run here has made, or whose run is gone."""
    step = models.PositiveIntegerField(null=True, blank=True)
    """Of a start: the step of the parent's checkpoint."""
    path = models.TextField(blank=True)
    """Of a start: where the model lies, or its name on a hub."""

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["run", "role", "parent"], name="parent_once_per_role")]

    def __str__(self) -> str:
        return f"{self.run_id} {self.role} {self.parent_id}"

    @property
    def start(self) -> tuple[int, int] | str:
        """Of a start: the run and the step of its checkpoint, or where any other model lies."""
        return self.path if self.parent_id is None or self.step is None else (self.parent_id, self.step)


class RunAttempt(models.Model):
    """An attempt of a run: which code worked on it, where, since when."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="attempts")
    number = models.PositiveIntegerField()
    code_version = models.CharField(max_length=100)
    worker = models.CharField(max_length=200)
    gpus = ArrayField(models.PositiveIntegerField(), null=True, blank=True)
    """The GPUs of its node that it had; None where the node has not said that it has any."""
    started_at = models.DateTimeField()

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["run", "number"], name="attempt_once_per_run")]

    def __str__(self) -> str:
        return f"{self.run_id} attempt {self.number}"


class Deed(models.TextChoices):
    """What somebody has asked of a run after it was submitted."""

    CANCELLED = "cancelled", "Cancelled"
    RETRIED = "retried", "Retried"
    TRIMMED = "trimmed", "Old checkpoints removed"
    MOVED = "moved", "Moved in the queue"
    RANKED = "ranked", "Priority changed"
    ARCHIVED = "archived", "Archived"
    BROUGHT_BACK = "brought_back", "Brought back"


class RunDeed(models.Model):
    """Who has asked what of a run, and when; who has submitted it stands in its row."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="deeds")
    what = models.CharField(max_length=20, choices=Deed.choices)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    """None for a program such as the demo, and for somebody who is no user any more."""
    at = models.DateTimeField()

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.run_id} {self.what}"


class RunEvent(models.Model):
    """One event of a run as the stage wrote it (metrics, progress and rollouts have rows of their own)."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="events")
    attempt = models.PositiveIntegerField()
    seq = models.BigIntegerField()
    time = models.DateTimeField()
    type = models.CharField(max_length=20)
    data = models.JSONField()

    class Meta:
        ordering = ["seq"]
        constraints = [models.UniqueConstraint(fields=["run", "seq"], name="event_seq_once_per_run")]

    def __str__(self) -> str:
        return f"{self.run_id}/{self.seq} {self.type}"


class StepMetrics(models.Model):
    """All metrics of one step: the stored roll-up that charts read."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="metrics")
    attempt = models.PositiveIntegerField()
    step = models.PositiveIntegerField()
    time = models.DateTimeField()
    flops = models.FloatField(null=True, blank=True)
    values = models.JSONField()

    class Meta:
        ordering = ["step"]
        constraints = [models.UniqueConstraint(fields=["run", "step"], name="metrics_step_once_per_run")]

    def __str__(self) -> str:
        return f"{self.run_id} step {self.step}"


class Checkpoint(models.Model):
    """A complete checkpoint on disk."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="checkpoints")
    attempt = models.PositiveIntegerField()
    step = models.PositiveIntegerField()
    path = models.CharField(max_length=300)
    bytes = models.BigIntegerField()
    flops = models.FloatField(null=True, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["step"]
        constraints = [models.UniqueConstraint(fields=["run", "step"], name="checkpoint_step_once_per_run")]

    def __str__(self) -> str:
        return f"{self.run_id} step {self.step}"
