"""What is read: the corpus of a run, as the run counted it."""

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
