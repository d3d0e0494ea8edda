"""Views of the table that somebody has saved."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from rpt_web.teams.audit import audited


@audited("team", "owner", "name", "query", "is_shared", "is_default")
class SavedView(models.Model):
    """Columns, conditions, order and groups under a name. `run_table.saved` changes it."""

    team = models.ForeignKey("teams.Team", on_delete=models.CASCADE, related_name="views")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    name = models.CharField(max_length=80)
    query = models.TextField(blank=True)
    """As the address of the table has it."""
    is_shared = models.BooleanField(default=False)
    """Whether the whole team sees it; else its owner alone."""
    is_default = models.BooleanField(default=False)
    """What the table begins with: for the team where it is shared, for its owner where it is not."""
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = "view"
        ordering = ["name", "id"]
        constraints = [
            models.UniqueConstraint(fields=["team", "owner", "name"], name="view_once_for_owner"),
            models.UniqueConstraint(
                fields=["team"], condition=Q(is_shared=True, is_default=True), name="view_one_default_of_team"
            ),
            models.UniqueConstraint(
                fields=["team", "owner"],
                condition=Q(is_shared=False, is_default=True),
                name="view_one_default_of_owner",
            ),
        ]

    def __str__(self) -> str:
        return self.name
