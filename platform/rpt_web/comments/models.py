"""Comments: what somebody wrote about an experiment, a run, a response, a position or a report, and the replies to it.

A comment belongs to the team of what it is about, and whoever may see that reads it. A position is nobody's own, so
comments on it are those of one team. A reply has the same subject as
the comment that it replies to. A passage of a response is kept by its place, in code points of the whole response, and
by its words: see `spans`.
"""

from __future__ import annotations

from django.conf import settings
from django.db import models

from rpt_web.teams.audit import audited

LONGEST_BODY = 10_000


@audited(
    "team",
    "experiment",
    "run",
    "rollout",
    "position",
    "report",
    "thread",
    "author",
    "body",
    "start",
    "end",
    "resolved_by",
    "deleted_at",
)
class Comment(models.Model):
    """The first of a thread, or a reply in one."""

    team = models.ForeignKey("teams.Team", on_delete=models.CASCADE, related_name="+")
    experiment = models.ForeignKey("runs.Experiment", null=True, on_delete=models.CASCADE, related_name="comments")
    """What it is about, unless `run` says it more closely."""
    run = models.ForeignKey("runs.Run", null=True, on_delete=models.CASCADE, related_name="comments")
    """A run, unless `rollout` names one of its responses."""
    rollout = models.BigIntegerField("response", null=True)
    position = models.ForeignKey("traces.CorpusPosition", null=True, on_delete=models.CASCADE, related_name="comments")
    report = models.ForeignKey("reports.TeamReport", null=True, on_delete=models.CASCADE, related_name="comments")
    thread = models.ForeignKey("self", null=True, on_delete=models.CASCADE, related_name="replies")
    """Of a reply, the comment that it replies to."""
    author = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    body = models.TextField("text")
    """As it was typed; it may quote what a model wrote, so it is hostile input."""
    start = models.PositiveIntegerField("start of the passage", null=True)
    end = models.PositiveIntegerField("end of the passage", null=True)
    quote = models.TextField(default="")
    """The passage itself: by it the place is found when the text is no longer the same."""
    created_at = models.DateTimeField(auto_now_add=True)
    edited_at = models.DateTimeField(null=True)
    resolved_at = models.DateTimeField(null=True)
    resolved_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    deleted_at = models.DateTimeField(null=True)
    """When its author took back a comment that has replies, which stay: its text is gone."""

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["run", "rollout"], name="comment_subject")]

    def __str__(self) -> str:
        return f"comment {self.pk}"

    @property
    def root_id(self) -> int:
        """The first comment of its thread."""
        return self.thread_id or self.pk

    @property
    def has_passage(self) -> bool:
        """Whether it is about a part of a response."""
        return self.start is not None
