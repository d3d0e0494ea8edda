"""Machines: what the workers on them tell. These are models of the app, and others take them from `runs.models`."""

from __future__ import annotations

from django.db import models


class DataFolder(models.Model):
    """The platform's data folder, in one row: a machine that has another one takes no runs."""

    mark = models.CharField(max_length=64)
    """As `nodes.folder_mark` gives it where runs are submitted."""

    def __str__(self) -> str:
        return self.mark


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
