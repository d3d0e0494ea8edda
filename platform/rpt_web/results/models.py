"""What was found: accuracy of a run's policy at one step, by mode and difficulty, and the tables of its stage."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models

from rpt_web.runs.models import Experiment, Run


class Evaluation(models.Model):
    """One cell of Table 1: fractions of 1 with a 95 % interval. `correct` is None for a mean over several samples."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="evaluations")
    attempt = models.PositiveIntegerField()
    step = models.PositiveIntegerField()
    flops = models.FloatField(null=True, blank=True)
    mode = models.CharField(max_length=20)
    difficulty = models.CharField(max_length=10)
    correct = models.PositiveIntegerField(null=True, blank=True)
    n = models.PositiveIntegerField()
    value = models.FloatField()
    low = models.FloatField()
    high = models.FloatField()
    no_box = models.FloatField(null=True, blank=True)
    """Share of the responses without a box; None where no response is counted, or where the run did not say."""
    above_nats = models.FloatField(null=True, blank=True)
    """The difficulty's threshold: its positions have more entropy; None where the run did not say."""

    class Meta:
        ordering = ["step", "mode", "difficulty"]
        constraints = [
            models.UniqueConstraint(fields=["run", "step", "mode", "difficulty"], name="evaluation_cell_once_per_step")
        ]

    def __str__(self) -> str:
        return f"{self.run_id} step {self.step} {self.mode} {self.difficulty}"


class Interval(models.Model):
    """A value over several evaluations with its 95 % interval. `workers.intervals` computes it, pages read it."""

    MEAN, CHANGE = "mean", "change"
    experiment = models.ForeignKey(Experiment, on_delete=models.CASCADE, related_name="intervals")
    kind = models.CharField(max_length=10)
    """`mean` of one evaluation for each seed; `change`: the second of a pair less the first, or the mean of that."""
    evaluations = ArrayField(models.BigIntegerField())
    """Ids: one for each seed, or pair after pair."""
    value = models.FloatField()
    low = models.FloatField(null=True, blank=True)
    """None, as `high`, where all are alike and an interval would claim a certainty that is not there."""
    high = models.FloatField(null=True, blank=True)
    n = models.PositiveIntegerField(null=True, blank=True)
    how = models.CharField(max_length=100, blank=True)
    """How the interval of a change was found."""

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["experiment", "kind", "evaluations"], name="interval_once_for_evaluations")
        ]

    def __str__(self) -> str:
        return f"{self.experiment_id} {self.kind} {self.evaluations}"


class ResultTable(models.Model):
    """A finished table as the stage wrote it (`rpt_core.run.tables`); `data` holds caption, columns, rows, chart."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="tables")
    attempt = models.PositiveIntegerField()
    step = models.PositiveIntegerField()
    name = models.CharField(max_length=200)
    title = models.CharField(max_length=300)
    data = models.JSONField()

    class Meta:
        ordering = ["step", "id"]
        constraints = [models.UniqueConstraint(fields=["run", "step", "name"], name="table_once_per_step")]

    def __str__(self) -> str:
        return f"{self.run_id} step {self.step} {self.name}"
