"""Plans that teams have saved, as rows. A model of the app; others take it from `runs.models`."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from rpt_web.teams.audit import audited


@audited("team", "name", "text", "created_by")
class OwnPlan(models.Model):
    """A plan that a team has saved under a name, to be submitted like a preset; `runs.own_plans` changes it."""

    team = models.ForeignKey("teams.Team", on_delete=models.CASCADE, related_name="plans")
    name = models.CharField(max_length=80)
    text = models.TextField()
    """YAML, of the form of a preset."""
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = "plan"
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["team", "name"], name="plan_once_per_team")]

    def __str__(self) -> str:
        return self.name
