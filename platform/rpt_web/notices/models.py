"""What people are told: the lines of their inboxes.

A notice belongs to one person and says one sentence about one thing. Another kind of thing, such as an item to review,
joins by a foreign key of its own beside `run` and `experiment`, and a line in `pages.home.inbox.PLACES`.
"""

from __future__ import annotations

from django.conf import settings
from django.db import models

LONGEST_TEXT = 400


class NoticeKind(models.TextChoices):
    """What a notice is about."""

    ALARM = "alarm", "Alarm"
    FAILED = "failed", "Run failed or lost"
    SUCCEEDED = "succeeded", "Run succeeded"
    CANCELLED = "cancelled", "Run cancelled by somebody else"


class Notice(models.Model):
    """A line of somebody's inbox."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notices")
    kind = models.CharField(max_length=20, choices=NoticeKind.choices)
    text = models.CharField(max_length=LONGEST_TEXT)
    """A sentence; it may repeat what a model or a library wrote, so it is hostile input."""
    count = models.PositiveIntegerField(default=1)
    """Of how many things of the same kind it tells; see `services.tell_gathered`."""
    run = models.ForeignKey("runs.Run", null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    experiment = models.ForeignKey("runs.Experiment", null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    made_at = models.DateTimeField(auto_now_add=True)
    read_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["user", "-id"], name="notice_of_user"),
            models.Index(fields=["user"], condition=models.Q(read_at=None), name="notice_unread"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} for {self.user_id}: {self.text}"
