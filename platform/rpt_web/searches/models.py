"""Searches in what the policy wrote: what was looked for and where, and the hits that were kept.

A search is a job of the quick lane with an address; its team sees it until it is forgotten (`services.KEPT_DAYS`).
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models

from rpt_core.run.rollout_search import LONGEST, SoughtText
from rpt_web.jobs.models import Job
from rpt_web.runs.models import Run
from rpt_web.teams.models import Team


class SearchMode(models.TextChoices):
    """How what is looked for is read."""

    WORDS = "words", "all words"
    PHRASE = "phrase", "phrase"
    EXPRESSION = "expression", "expression (RE2)"


class SearchPlace(models.TextChoices):
    """Which text is looked at."""

    RESPONSE = "response", "responses"
    PROMPT = "prompt", "prompts, once for each group"


class Search(models.Model):
    """What was looked for, where, and by whom."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="searches")
    text = models.CharField(max_length=LONGEST)
    mode = models.CharField(max_length=10, choices=SearchMode.choices, default=SearchMode.WORDS)
    place = models.CharField(max_length=8, choices=SearchPlace.choices, default=SearchPlace.RESPONSE)
    ignore_case = models.BooleanField(default=True)
    runs = models.JSONField(default=list)
    """Ids of the runs, in the order in which they are read."""
    filters = models.JSONField(default=dict, blank=True)
    """As `services.SearchFilters`."""
    is_personal = models.BooleanField(default=False)
    """Whether it depends on what its author may see of reviews or comparisons, so that nobody else sees it."""
    job = models.ForeignKey(Job, null=True, on_delete=models.SET_NULL, related_name="+")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.text

    @property
    def wanted(self) -> SoughtText:
        """What is looked for, as the research core knows it."""
        values: dict[str, Any] = {"mode": self.mode, "place": self.place}
        return SoughtText(self.text, ignore_case=self.ignore_case, **values)


class SearchHit(models.Model):
    """A response, or a group's prompt, that matches; named by its run and rollout."""

    search = models.ForeignKey(Search, on_delete=models.CASCADE, related_name="hits")
    number = models.PositiveIntegerField()
    """In the order in which they were found, from 1."""
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="+")
    rollout = models.BigIntegerField()
    """Its id within the run."""
    step = models.PositiveIntegerField()
    kind = models.CharField(max_length=10)
    group = models.IntegerField()
    sample = models.IntegerField()
    reward = models.FloatField(null=True)
    reason = models.CharField(max_length=20)
    before = models.TextField()
    match = models.TextField()
    after = models.TextField()
    times = models.PositiveIntegerField()
    """How often it matches there."""

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["search", "number"], name="search_hit_once")]

    def __str__(self) -> str:
        return self.match
