"""What was asked and how it goes: experiments, runs, their events, metrics and checkpoints; the nodes they run on.

Only `runs.services` changes `Run.status`; only `workers.recorder` writes the rows that follow from events.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models


class Status(models.TextChoices):
    """The states of a run. A waiting one needs runs that have not succeeded yet."""

    WAITING = "waiting", "Waiting"
    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"
    LOST = "lost", "Lost"


ACTIVE = (Status.QUEUED, Status.RUNNING)
"""A worker has it, or will as soon as one is free."""
UNFINISHED = (Status.WAITING, *ACTIVE)
ENDED_BADLY = (Status.FAILED, Status.CANCELLED, Status.LOST)
FINAL = (Status.SUCCEEDED, *ENDED_BADLY)
DEFAULT_QUEUE, GPU_QUEUE = "default", "gpu"

NEEDED = ("name", "status", "needs")
"""The fields that `runs.dependencies` reads."""


class Experiment(models.Model):
    """Runs that belong together."""

    name = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    preset = models.CharField(max_length=50, blank=True)
    seed = models.IntegerField(default=0)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.name


class Run(models.Model):
    """One stage, once. `attempt` is the fencing token: a claim raises it, and older attempts may not write."""

    experiment = models.ForeignKey(Experiment, on_delete=models.CASCADE, related_name="runs")
    name = models.CharField(max_length=100)
    title = models.CharField(max_length=200, blank=True)
    stage = models.CharField(max_length=20)
    status = models.CharField(max_length=20, choices=Status.choices, default=Status.QUEUED)
    config = models.JSONField()
    """Validated and frozen when the run is queued; empty while it waits."""
    plan = models.JSONField(default=dict, blank=True)
    """The config as planned, with references to other runs of the experiment; empty for a run without a plan."""
    needs = ArrayField(models.CharField(max_length=100), default=list, blank=True)
    """Names of the runs of the experiment that must have succeeded before."""
    seed = models.IntegerField(default=0)
    code_version = models.CharField(max_length=100)
    queue = models.CharField(max_length=50, default=DEFAULT_QUEUE)
    """Where it waits for a worker, see `runs.queues`."""
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(auto_now_add=True)

    attempt = models.PositiveIntegerField(default=0)
    max_attempts = models.PositiveIntegerField(default=3)
    worker = models.CharField(max_length=200, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    dispatched_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    time_spent = models.DurationField(null=True, blank=True, default=timedelta)
    """In the attempts that have ended. None when some of them ended before this was kept."""
    cancel_requested_at = models.DateTimeField(null=True, blank=True)

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
    def is_active(self) -> bool:
        """Queued or running."""
        return self.status in ACTIVE

    def blocked_by(self) -> list[str]:
        """Names of the runs that ended badly and that this waiting run needs, itself or by way of others (1 query)."""
        if self.status != Status.WAITING:
            return []
        from rpt_web.runs.dependencies import blocked_by

        return blocked_by(Run.objects.filter(experiment=self.experiment_id).only(*NEEDED)).get(self.name, [])


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


class Node(models.Model):
    """A machine with a worker, or one environment of it, as that worker has described it."""

    name = models.CharField(max_length=200, unique=True)
    """As `nodes.own_name` gives it; the worker of a run begins with it."""
    version = models.CharField(max_length=100)
    """Of the worker's code."""
    folder_mark = models.CharField(max_length=64)
    """The same on all machines that share one data folder."""
    findings = models.JSONField(default=list, blank=True)
    """What `python -m rpt_core doctor --json` has found; empty until it has."""
    examined_at = models.DateTimeField(null=True, blank=True)
    last_seen = models.DateTimeField()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Listener(models.Model):
    """A queue that a worker of a node takes runs from."""

    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="listeners")
    queue = models.CharField(max_length=50)
    last_heard = models.DateTimeField()

    class Meta:
        ordering = ["queue"]
        constraints = [models.UniqueConstraint(fields=["node", "queue"], name="listener_once_per_node_and_queue")]

    def __str__(self) -> str:
        return f"{self.node_id} {self.queue}"
