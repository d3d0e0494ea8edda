"""What the policy wrote: metadata and a preview of each rollout; the full text stays in the run's Parquet shards.

`Rollout` is partitioned by run (one LIST partition each, made by the recorder), so that a run's rows are dropped at
once. Its id is made of step, kind and row, so it names the same rollout however often a shard is recorded.
"""

from __future__ import annotations

from django.db import models

from rpt_web.runs.models import Run

PREVIEW_CHARACTERS = 96
KINDS = ("train", "sampled", "greedy")
LARGEST_SHARD_ROWS = 1 << 22
IDS_OF_A_STEP = 4 * LARGEST_SHARD_ROWS


def rollout_id(step: int, kind: str, row: int) -> int:
    """A rollout's id within its run: sorted by step, kind, row (up to LARGEST_SHARD_ROWS for each step and kind)."""
    return step * IDS_OF_A_STEP + KINDS.index(kind) * LARGEST_SHARD_ROWS + row


class RolloutShard(models.Model):
    """One Parquet file of rollouts, with the roll-up of its rewards."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="shards")
    attempt = models.PositiveIntegerField()
    step = models.PositiveIntegerField()
    kind = models.CharField(max_length=10)
    path = models.CharField(max_length=300)
    rows = models.PositiveIntegerField()
    rewarded = models.PositiveIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "kind", "step"], name="shard_once_per_step")]

    def __str__(self) -> str:
        return self.path


class Rollout(models.Model):
    """One sampled response: what lists and filters need. The table is made by hand in a migration (partitioned)."""

    pk = models.CompositePrimaryKey("run", "id")
    run = models.ForeignKey(Run, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+")
    id = models.BigIntegerField()
    attempt = models.IntegerField()
    step = models.IntegerField()
    kind = models.CharField(max_length=10)
    row = models.IntegerField()
    group = models.IntegerField()
    sample = models.IntegerField()
    document = models.TextField()
    position = models.IntegerField()
    entropy_nats = models.FloatField(null=True)
    reward = models.FloatField()
    reason = models.CharField(max_length=20)
    finish_reason = models.CharField(max_length=10)
    prompt_tokens = models.IntegerField()
    response_tokens = models.IntegerField()
    prediction = models.BinaryField(null=True)
    completion = models.BinaryField()
    preview = models.CharField(max_length=PREVIEW_CHARACTERS)

    class Meta:
        managed = False
        db_table = "traces_rollout"

    def __str__(self) -> str:
        return f"{self.run_id}/{self.id}"
