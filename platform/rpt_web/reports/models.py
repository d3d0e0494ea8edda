"""Reports, their parts in order, and the links by which somebody reads one without a login."""

from __future__ import annotations

import secrets
from datetime import timedelta

from django.conf import settings
from django.db import models
from django.utils import timezone

from rpt_web.teams.audit import audited
from rpt_web.teams.models import digest

LONGEST_TITLE, LONGEST_TEXT, LONGEST_WORDS = 200, 50_000, 2000


@audited("team", "title", "frozen_at", "created_by")
class TeamReport(models.Model):
    """A page of chosen parts. Live, it shows the numbers as they are; frozen, as they were then."""

    team = models.ForeignKey("teams.Team", on_delete=models.CASCADE, related_name="reports")
    title = models.CharField(max_length=LONGEST_TITLE)
    hidden_words = models.TextField(blank=True, max_length=LONGEST_WORDS)
    """What an anonymous copy leaves out beside what the platform knows, one a line: an organisation, a project."""
    frozen_at = models.DateTimeField(null=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.title


class PartKind(models.TextChoices):
    """What a part of a report is."""

    TEXT = "text", "Text"
    EXHIBIT = "exhibit", "Figure or table"
    RESPONSE = "response", "Response"


class ReportPart(models.Model):
    """One part. Those of a report have places 1, 2, 3, ..."""

    report = models.ForeignKey(TeamReport, on_delete=models.CASCADE, related_name="parts")
    place = models.PositiveIntegerField()
    kind = models.CharField(max_length=10, choices=PartKind.choices)
    text = models.TextField(blank=True, max_length=LONGEST_TEXT)
    """Markdown: the part itself, or what is said of the figure."""
    ref = models.CharField(max_length=400, blank=True)
    """Of an exhibit, see `exhibits.refs`; of a response `run/ID/response/ROLLOUT`."""
    stored = models.JSONField(null=True)
    """Its data as it was when the report was frozen, or when a part was added that is never live."""

    class Meta:
        ordering = ["place", "id"]

    def __str__(self) -> str:
        return f"{self.report_id}/{self.place} {self.kind}"


@audited("report", "is_anonymous", "expires_at", "created_by")
class ReportLink(models.Model):
    """A link that lets whoever has it read a report until it expires or is withdrawn, which deletes it."""

    report = models.ForeignKey(TeamReport, on_delete=models.CASCADE, related_name="links")
    digest = models.CharField(max_length=64, unique=True)
    is_anonymous = models.BooleanField(default=False)
    expires_at = models.DateTimeField()
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        verbose_name = "link to a report"

    def __str__(self) -> str:
        return f"link to report {self.report_id}"

    @property
    def is_open(self) -> bool:
        """Whether it has not expired."""
        return self.expires_at > timezone.now()

    @classmethod
    def issue(
        cls, report: TeamReport, by: object, lifetime: timedelta, *, is_anonymous: bool
    ) -> tuple[ReportLink, str]:
        """Make one; its secret is returned once and stored only as a digest."""
        secret = secrets.token_urlsafe(32)
        values = {"digest": digest(secret), "is_anonymous": is_anonymous, "created_by": by}
        return cls.objects.create(report=report, expires_at=timezone.now() + lifetime, **values), secret

    @classmethod
    def of(cls, secret: str) -> ReportLink | None:
        """The link with this secret that has not expired."""
        found = cls.objects.filter(digest=digest(secret), expires_at__gt=timezone.now())
        return found.select_related("report__team").first()


class ReportPdf(models.Model):
    """A report, or its anonymous copy, as a worker has printed it last."""

    report = models.ForeignKey(TeamReport, on_delete=models.CASCADE, related_name="pdfs")
    is_anonymous = models.BooleanField(default=False)
    content = models.BinaryField()
    made_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["is_anonymous"]
        constraints = [models.UniqueConstraint(fields=["report", "is_anonymous"], name="pdf_once_for_each_copy")]

    def __str__(self) -> str:
        return f"PDF of report {self.report_id}"
