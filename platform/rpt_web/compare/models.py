"""Baskets: runs and checkpoints that a team compares, kept under a name."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from rpt_web.teams.audit import audited
from rpt_web.teams.models import Team

LONGEST_NAME = 100


@audited("team", "name", "entries", "created_by")
class Basket(models.Model):
    """What is compared, the baseline first. Only `compare.baskets` changes rows."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="baskets")
    name = models.CharField(max_length=LONGEST_NAME)
    entries = models.TextField()
    """As in the address: `12,15@40`. A run that is deleted later stays named here, and the page says so."""
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name", "id"]
        constraints = [models.UniqueConstraint(fields=["team", "name"], name="basket_once_per_team")]

    def __str__(self) -> str:
        return self.name
