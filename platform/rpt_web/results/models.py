"""What was found: accuracy of a run's policy at one step, by mode and difficulty, and the tables of its stage."""

from __future__ import annotations

from django.db import models

from rpt_web.runs.models import Run


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

    class Meta:
        ordering = ["step", "mode", "difficulty"]
        constraints = [
            models.UniqueConstraint(fields=["run", "step", "mode", "difficulty"], name="evaluation_cell_once_per_step")
        ]

    def __str__(self) -> str:
        return f"{self.run_id} step {self.step} {self.mode} {self.difficulty}"


class ResultTable(models.Model):
    """A finished table as the stage wrote it (`rpt_core.result_tables`); `data` holds caption, columns, rows, chart."""

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
