"""Machines and how they are shared: what their workers tell, which GPU a run has, how many runs may run at once.

These are models of the app; others take them from `runs.models`.
"""

from __future__ import annotations

from django.conf import settings
from django.db import models

from rpt_web.teams.audit import audited


class DataFolder(models.Model):
    """The platform's data folder, in one row: a machine that has another one takes no runs."""

    mark = models.CharField(max_length=64)
    """As `nodes.folder_mark` gives it where runs are submitted."""

    def __str__(self) -> str:
        return self.mark


@audited("name", "drained_at", "drained_by")
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
    gpus = models.JSONField(null=True, blank=True)
    """index, name, memory_bytes, used_bytes and load (0 to 1) of each NVIDIA GPU; None when it was not reported."""
    drained_at = models.DateTimeField(null=True, blank=True)
    """Since when it takes no new runs."""
    drained_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
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


class GpuLease(models.Model):
    """A GPU that an attempt of a run has. It counts while that attempt runs, so a run that ends gives it back."""

    host = models.CharField(max_length=200)
    """The machine, whichever of its environments the run uses."""
    gpu = models.PositiveIntegerField()
    """Its index there."""
    run = models.ForeignKey("runs.Run", on_delete=models.CASCADE, related_name="leases")
    attempt = models.PositiveIntegerField()

    class Meta:
        ordering = ["host", "gpu"]
        constraints = [models.UniqueConstraint(fields=["host", "gpu"], name="gpu_leased_once")]

    def __str__(self) -> str:
        return f"{self.host} GPU {self.gpu}"


@audited("team", "queue", "each_person", "most")
class RunLimit(models.Model):
    """How many runs may run at once: of a team or of all, in a queue or in all, of each person or together."""

    team = models.ForeignKey("teams.Team", null=True, blank=True, on_delete=models.CASCADE, related_name="run_limits")
    """None for a limit of the server, which is about all teams."""
    queue = models.CharField(max_length=50, blank=True)
    each_person = models.BooleanField(default=False)
    most = models.PositiveIntegerField()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["team", "queue", "each_person"], name="run_limit_once", nulls_distinct=False
            )
        ]

    def __str__(self) -> str:
        who = "each person" if self.each_person else "all together"
        return f"{self.most} of {who}, queue {self.queue or 'any'}"
