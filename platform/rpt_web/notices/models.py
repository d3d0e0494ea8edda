"""Alarms of runs, notices in people's inboxes, and deliveries by e-mail and webhook.

A notice belongs to one person and says one sentence about one thing. Another kind of thing, such as an item to review,
joins by a foreign key of its own beside `run` and `experiment`, and a line in `pages.home.inbox.PLACES`.
"""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone

from rpt_web.teams.audit import audited

LONGEST_TEXT = 400
LONGEST_ADDRESS = 500


class NoticeKind(models.TextChoices):
    """What a notice is about."""

    ALARM = "alarm", "Alarm"
    FAILED = "failed", "Run failed or lost"
    SUCCEEDED = "succeeded", "Run succeeded"
    CANCELLED = "cancelled", "Run cancelled by somebody else"
    MENTION = "mention", "Named in a comment"
    REPLY = "reply", "Reply in a thread of yours"
    REVIEW = "review", "Items to review"


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
    comment = models.ForeignKey("comments.Comment", null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    queue = models.ForeignKey("review.ReviewQueue", null=True, blank=True, on_delete=models.CASCADE, related_name="+")
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


class AlarmKind(models.TextChoices):
    """Why somebody should look at a run."""

    MONITOR = "monitor", "Collapse monitor"
    NOT_FINITE = "not_finite", "Number that is not finite"
    SAMPLER_GAP = "sampler_gap", "Sampler and trainer apart"
    STALLED = "stalled", "Not responding"
    ENDED = "ended", "Failed or lost"


class Alarm(models.Model):
    """Something about a run that somebody should look at, at a time and where known at a step."""

    run = models.ForeignKey("runs.Run", on_delete=models.CASCADE, related_name="alarms")
    kind = models.CharField(max_length=20, choices=AlarmKind.choices)
    key = models.CharField(max_length=120)
    """Of a run, the same alarm has the same: read again from the events, it does not arise again."""
    attempt = models.PositiveIntegerField(default=0)
    step = models.PositiveIntegerField(null=True, blank=True)
    metric = models.CharField(max_length=100, blank=True)
    value = models.FloatField(null=True, blank=True)
    limit = models.FloatField(null=True, blank=True)
    text = models.CharField(max_length=LONGEST_TEXT)
    """What it is, in a sentence; it may repeat what a stage wrote, so it is hostile input."""
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["run", "key"], name="alarm_once_per_run")]

    def __str__(self) -> str:
        return f"{self.kind} of {self.run_id}: {self.text}"


BY_MAIL = (NoticeKind.ALARM, NoticeKind.FAILED, NoticeKind.MENTION)
"""What goes out to whoever has not chosen."""


class MailChoice(models.Model):
    """What somebody gets by e-mail, once they have chosen."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="mail_choice")
    kinds = ArrayField(models.CharField(max_length=20, choices=NoticeKind.choices), default=list, blank=True)

    def __str__(self) -> str:
        return f"{self.user_id}: {', '.join(self.kinds) or 'nothing'}"


@audited("team", "metric", "limit", "steps", "created_by")
class MonitorLimit(models.Model):
    """From which value on a metric is an alarm for a team, where that is not the platform's default."""

    team = models.ForeignKey("teams.Team", on_delete=models.CASCADE, related_name="monitor_limits")
    metric = models.CharField(max_length=100)
    limit = models.FloatField()
    """The value that must not be passed, or the fraction of the start; as the default of the metric is."""
    steps = models.PositiveSmallIntegerField()
    """So many in a row."""
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["team", "metric"], name="one_limit_per_metric")]

    def __str__(self) -> str:
        return f"{self.metric} of {self.team_id}"


@audited("team", "url", "with_successes", "secret_at", "created_by")
class Webhook(models.Model):
    """Where a team's alarms are posted to. Its secret signs them, and is stored sealed."""

    team = models.OneToOneField("teams.Team", on_delete=models.CASCADE, related_name="webhook")
    url = models.CharField("address", max_length=LONGEST_ADDRESS)
    """It may be a secret itself, so only administrators see it."""
    sealed_secret = models.TextField()
    secret_at = models.DateTimeField("secret made at", default=timezone.now)
    with_successes = models.BooleanField("also of runs that succeed", default=False)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"webhook of {self.team_id}"


class Delivery(models.Model):
    """A message that is to go out, or has: an e-mail to a user, or a post to a webhook."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )
    webhook = models.ForeignKey(Webhook, null=True, blank=True, on_delete=models.CASCADE, related_name="deliveries")
    payload = models.JSONField()
    """Of an e-mail: subject and body. Of a post: its body."""
    made_at = models.DateTimeField(auto_now_add=True)
    due_at = models.DateTimeField(auto_now_add=True)
    """When it is tried next."""
    tries = models.PositiveIntegerField(default=0)
    ended_at = models.DateTimeField(null=True, blank=True)
    """When it went out or was given up."""
    went_out = models.BooleanField(default=False)
    answer = models.CharField(max_length=300, blank=True)
    """What came of the last try, in words."""

    class Meta:
        verbose_name_plural = "deliveries"
        ordering = ["-id"]
        indexes = [models.Index(fields=["due_at"], condition=models.Q(ended_at=None), name="delivery_due")]

    def __str__(self) -> str:
        return f"delivery {self.pk}: {self.answer or 'not tried yet'}"
