"""What is read: the corpus of a run, as the run counted it, and what a filter run found in each of its splits."""

from __future__ import annotations

from django.db import models

from rpt_web.runs.models import Run


class Corpus(models.Model):
    """Documents a run has read, after the split, with the records that could not be used."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="corpora")
    name = models.CharField(max_length=300)
    train_documents = models.PositiveIntegerField()
    validation_documents = models.PositiveIntegerField()
    bad_count = models.PositiveIntegerField(default=0)
    bad_records = models.JSONField(default=list)

    class Meta:
        verbose_name_plural = "corpora"
        constraints = [models.UniqueConstraint(fields=["run", "name"], name="corpus_once_per_run")]

    def __str__(self) -> str:
        return self.name


class ScoredSplit(models.Model):
    """A split of a filter run's scored documents, in numbers; the documents themselves stay in its Parquet file."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="splits")
    split = models.CharField(max_length=20)
    documents = models.PositiveIntegerField()
    positions = models.PositiveBigIntegerField()
    kept = models.PositiveBigIntegerField()
    by_difficulty = models.JSONField(default=dict)
    """Positions of each difficulty."""
    above_nats = models.JSONField(default=dict)
    """Each difficulty's threshold."""
    summary = models.JSONField(default=dict)
    """As `rpt_core.positions.summary` describes it; empty where the run was made before there was one."""

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "split"], name="split_once_per_run")]

    def __str__(self) -> str:
        return f"{self.run_id} {self.split}"
