"""Baskets: runs and checkpoints that a team compares, kept under a name; and what was compared position by position.

Only `compare.baskets` and `compare.comparisons` change rows, and `workers.comparisons` through the latter; of the
engines' configs the recorder alone (`workers.event_rows`).
"""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, QuerySet

from rpt_web.jobs.models import Job
from rpt_web.runs.models import Run
from rpt_web.teams.audit import audited
from rpt_web.teams.models import Team

LONGEST_NAME = 100


@audited("team", "name", "entries", "created_by")
class Basket(models.Model):
    """What is compared, the baseline first."""

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


class PositionComparison(models.Model):
    """Evaluations compared at the same positions, made once by a job of the quick lane (`workers.comparisons`)."""

    key = models.CharField(max_length=64, unique=True)
    """Of what it compares: runs, steps, mode, and the evaluations as they are. A new evaluation makes another key, so
    that no page shows numbers of an older one."""
    entries = models.JSONField()
    """[run, step, mode] of each evaluation, the baseline first."""
    runs = ArrayField(models.BigIntegerField())
    data = models.JSONField(default=dict)
    """As `workers.comparisons` writes it; empty until it is made."""
    positions = models.BinaryField(null=True)
    """Parquet: document, byte offset, hash of the text, domain, entropy, next token and kind of each position that any
    of them has."""
    job = models.ForeignKey(Job, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)
    made_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        verbose_name = "comparison"

    def __str__(self) -> str:
        return f"comparison {self.pk}, {', '.join(self.modes)}"

    @classmethod
    def light(cls) -> QuerySet[PositionComparison]:
        """All of them without their tables, which are read when they are asked for."""
        return cls.objects.defer("data", "positions").annotate(stored_levels=F("data__levels"))

    @property
    def levels(self) -> list[str]:
        """The difficulties that it has positions of, once it is made."""
        known: list[str] | None = vars(self).get("stored_levels")
        return self.data["levels"] if known is None else known

    @property
    def modes(self) -> list[str]:
        """Of its evaluations, each once."""
        return list(dict.fromkeys(mode for *_, mode in self.entries))


class ComparedOutcomes(models.Model):
    """What one evaluation of a comparison got right, position by position. It goes with its run."""

    comparison = models.ForeignKey(PositionComparison, on_delete=models.CASCADE, related_name="outcomes")
    place = models.PositiveIntegerField()
    """Among the comparison's entries."""
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="+")
    rows = models.BinaryField()
    """Parquet: the position's place, how right it is, whether it counts as right, its difficulties, the prediction."""

    class Meta:
        ordering = ["place"]
        constraints = [models.UniqueConstraint(fields=["comparison", "place"], name="compared_outcomes_once")]

    def __str__(self) -> str:
        return f"{self.comparison_id}/{self.place}"


class EngineConfig(models.Model):
    """What an engine with a configuration of its own made of a run's config, its own defaults included."""

    run = models.OneToOneField(Run, on_delete=models.CASCADE, related_name="engine_config")
    attempt = models.PositiveIntegerField()
    """The newest one of which it is known."""
    engine = models.CharField(max_length=20)
    values = models.JSONField()
    """Nested, as the engine has it; RUN stands for the run's own folder."""

    def __str__(self) -> str:
        return f"{self.engine} of run {self.run_id}"
