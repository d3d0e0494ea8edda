"""Jobs of the quick lane: work of seconds or minutes that somebody waits for, such as the check of a corpus.

Only `jobs.services` changes `Job.state`. A job waits in a queue of its own (`QUICK_QUEUE`), whose worker takes no runs,
so that nothing that a person waits for stands behind training.
"""

from __future__ import annotations

from django.conf import settings
from django.db import models

QUICK_QUEUE = "quick"


class JobState(models.TextChoices):
    """The states of a job."""

    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"


UNENDED = (JobState.QUEUED, JobState.RUNNING)


class Job(models.Model):
    """One piece of work. `attempt` is the fencing token, as for a run: older attempts may write nothing."""

    kind = models.CharField(max_length=50)
    """What is to be done: a name that `workers.jobs` knows."""
    arguments = models.JSONField(default=dict)
    state = models.CharField(max_length=20, choices=JobState.choices, default=JobState.QUEUED)
    progress = models.FloatField(null=True, blank=True)
    """From 0 to 1; None while it is not known."""
    message = models.CharField(max_length=300, blank=True)
    """What it does at the moment."""
    result = models.JSONField(default=dict, blank=True)
    """What it has found; some kinds write a part of it before they end."""
    error = models.TextField(blank=True)
    """Why it failed, or why no worker has taken it yet, in words."""
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(auto_now_add=True)

    attempt = models.PositiveIntegerField(default=0)
    max_attempts = models.PositiveIntegerField(default=3)
    worker = models.CharField(max_length=200, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    dispatched_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    cancel_requested_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["state", "lease_until"], name="job_state_lease")]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will come of it."""
        return self.state not in UNENDED

    @property
    def percent(self) -> int | None:
        """Progress for people; None while it is not known."""
        return None if self.progress is None else round(100 * self.progress)
