"""What came of a metric in a run, as a row. A model of the app; others take it from `runs.models`."""

from __future__ import annotations

from django.db import models


class MetricSummary(models.Model):
    """A metric of a run in six numbers. The recorder writes it with the metrics themselves (`runs.summaries`).

    Steps without a number of it do not count; of equal values the earliest step is kept.
    """

    run = models.ForeignKey("runs.Run", on_delete=models.CASCADE, related_name="summaries")
    metric = models.TextField()
    last = models.FloatField()
    last_step = models.PositiveIntegerField()
    min = models.FloatField()
    min_step = models.PositiveIntegerField()
    max = models.FloatField()
    max_step = models.PositiveIntegerField()

    class Meta:
        ordering = ["metric"]
        constraints = [models.UniqueConstraint(fields=["run", "metric"], name="summary_once_per_metric")]
        indexes = [models.Index(fields=["metric"], name="summary_metric")]

    def __str__(self) -> str:
        return f"{self.run_id} {self.metric}"

    @classmethod
    def of(cls, run_id: int, metric: str, step: int, value: float) -> MetricSummary:
        """That of one value."""
        steps = {"last_step": step, "min_step": step, "max_step": step}
        return cls(run_id=run_id, metric=metric, last=value, min=value, max=value, **steps)

    def take(self, step: int, value: float) -> None:
        """Count another value in, at whatever step."""
        if step >= self.last_step:
            self.last, self.last_step = value, step
        if (value, step) < (self.min, self.min_step):
            self.min, self.min_step = value, step
        if (value, -step) > (self.max, -self.max_step):
            self.max, self.max_step = value, step
