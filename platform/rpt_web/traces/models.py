"""What the policy wrote: metadata and a preview of each rollout; the full text stays in the run's Parquet shards.

`Rollout` is partitioned by run (one LIST partition each, made by the recorder), so that a run's rows are dropped at
once. Its id is made of step, kind and row, so it names the same rollout however often a shard is recorded.

Lists across runs read `ResponseGroup`, one row for each group and not partitioned. `CorpusPosition` names a place in a
text whatever run, model or tokenizer came upon it.
"""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models

from rpt_web.jobs.models import Job
from rpt_web.runs.models import Experiment, Run

PREVIEW_CHARACTERS = 96
KINDS = ("train", "sampled", "greedy")
LARGEST_SHARD_ROWS = 1 << 22
IDS_OF_A_STEP = 4 * LARGEST_SHARD_ROWS
MAJORITY_BYTES = 64
PATTERNS = ("transition", "reflection", "breakdown", "hypothesis", "divergent_thinking", "deduction")
"""The paper's groups of keywords, each a bit of `ResponseGroup.patterns` from the lowest on: new ones go to the end."""
COUNTED = (
    *("domain", "disagreement", "tokens_mean", "match", "mismatch", "not_on_boundary", "empty", "no_box", "cut"),
    *("white_space", "boxes", "patterns", "first_solved", "forgotten", "greedy_alone"),
)
"""What else a filter may ask of a group."""


def rollout_id(step: int, kind: str, row: int) -> int:
    """A rollout's id within its run: sorted by step, kind, row (up to LARGEST_SHARD_ROWS for each step and kind)."""
    return step * IDS_OF_A_STEP + KINDS.index(kind) * LARGEST_SHARD_ROWS + row


def rollout_place(key: int) -> tuple[int, str, int]:
    """Step, kind and row of a rollout's id."""
    step, rest = divmod(key, IDS_OF_A_STEP)
    kind, row = divmod(rest, LARGEST_SHARD_ROWS)
    return step, KINDS[min(kind, len(KINDS) - 1)], row


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


class CorpusPosition(models.Model):
    """A place in a text, in every run that used it: the text's hash, and where the completion begins."""

    text_hash = models.BinaryField(max_length=16)
    """16 bytes of BLAKE2b of the document's UTF-8 text, as the tokenizer of the filter run has it."""
    byte_offset = models.IntegerField()
    """-1 for a question as a whole."""

    class Meta:
        constraints = [models.UniqueConstraint(fields=["text_hash", "byte_offset"], name="corpus_position_once")]

    def __str__(self) -> str:
        return f"{bytes(self.text_hash).hex()}:{self.byte_offset}"


class PositionRerun(models.Model):
    """A run that was made to run one position again; see `traces.reruns`."""

    run = models.OneToOneField(Run, primary_key=True, on_delete=models.CASCADE, related_name="rerun")
    position = models.ForeignKey(CorpusPosition, on_delete=models.PROTECT, related_name="reruns")

    def __str__(self) -> str:
        return f"{self.run_id} at {self.position_id}"


class PromptTokens(models.Model):
    """A prompt of a run in tokens, made by a job when somebody asks for it; see `traces.prompts`."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="prompt_tokens")
    digest = models.BinaryField(max_length=16)
    """Of the prompt's text."""
    job = models.ForeignKey(Job, null=True, on_delete=models.SET_NULL, related_name="+")
    ids = ArrayField(models.IntegerField(), default=list)
    """Empty until the job has ended well."""
    ends = ArrayField(models.IntegerField(), default=list)
    """Where each token ends in `data`."""
    data = models.BinaryField(default=b"")
    control = ArrayField(models.IntegerField(), default=list)
    """Numbers of the tokens that steer the model instead of being text."""

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "digest"], name="prompt_tokens_once")]

    def __str__(self) -> str:
        return f"a prompt of {self.run_id}"


class ResponseGroup(models.Model):
    """The responses to one problem in one step, summed up: what lists across runs read.

    Rows follow from the run's shards and are written with the rollouts. A shard that is recorded again keeps the
    ids of its groups; a run that is read again from its start gets new ones, so what must last names run, step, kind
    and group. They go with their run (`traces.partitions`).
    """

    run = models.ForeignKey(Run, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+")
    experiment = models.ForeignKey(
        Experiment, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    step = models.IntegerField()
    kind = models.CharField(max_length=10)
    group = models.IntegerField()
    first_rollout = models.BigIntegerField()
    """Id of its first response in the run; the others follow."""
    position = models.ForeignKey(
        CorpusPosition, null=True, on_delete=models.PROTECT, db_index=False, related_name="groups"
    )
    """None where an older shard does not say it and it could not be found."""
    document = models.TextField()
    token_position = models.IntegerField()
    """In the policy's tokens."""
    domain = models.CharField(max_length=100, blank=True)
    entropy_nats = models.FloatField(null=True)
    difficulty = models.PositiveSmallIntegerField(null=True)
    """The hardest level that the entropy reaches: 1 easy, 2 medium, 3 hard, 0 none; None for a question."""
    completion = models.BinaryField(default=b"")
    """The true continuation, or the reference answer, cut to MAJORITY_BYTES."""
    samples = models.PositiveIntegerField()
    rewarded = models.PositiveIntegerField()
    pass_rate = models.FloatField()
    predictions = models.PositiveIntegerField()
    """Distinct ones."""
    majority = models.BinaryField(null=True)
    """The prediction given most often, cut to MAJORITY_BYTES; None where most had no box."""
    majority_rewarded = models.BooleanField()
    disagreement = models.FloatField()
    """The share of responses that did not give it: 0 where all agree."""
    tokens_mean = models.FloatField()
    tokens_min = models.PositiveIntegerField()
    tokens_max = models.PositiveIntegerField()
    match = models.PositiveIntegerField(default=0)
    mismatch = models.PositiveIntegerField(default=0)
    not_on_boundary = models.PositiveIntegerField(default=0)
    empty = models.PositiveIntegerField(default=0)
    no_box = models.PositiveIntegerField(default=0)
    cut = models.PositiveIntegerField(default=0)
    """Responses that the limit cut."""
    white_space = models.PositiveIntegerField(default=0)
    """Responses that differ from the text by white space at their ends alone."""
    boxes = models.PositiveIntegerField(default=0)
    """Most boxes in one response."""
    patterns = models.PositiveSmallIntegerField(null=True)
    """Of which groups of keywords some response's thought has one: bits by PATTERNS. None where nobody has looked."""
    first_solved = models.BooleanField(default=False)
    """Some response is rewarded, and all that the run wrote there in earlier steps was wrong."""
    forgotten = models.BooleanField(default=False)
    """No response is rewarded, and in an earlier step of the run one was."""
    forgotten_now = models.BooleanField(default=False)
    """The same, and the run has not come to the position again."""
    greedy_alone = models.BooleanField(default=False)
    """Sampled: the majority is wrong, the greedy response at the same step right."""
    dispute: float | None = None
    """How far its reviewers differ, in lists that are ordered by it; it is no column."""

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["run", "step", "kind", "group"], name="response_group_once"),
        ]
        indexes = [
            models.Index(fields=["position", "run", "step"], name="group_position"),
            models.Index(fields=["run", "document", "token_position", "step"], name="group_document"),
            models.Index(fields=["run", "id"], include=["position"], name="group_newest"),
            models.Index(fields=["run", "entropy_nats", "id"], include=["position"], name="group_entropy"),
            models.Index(fields=["run", "tokens_mean", "id"], include=["position"], name="group_length"),
            models.Index(fields=["run", "pass_rate", "id"], include=["position"], name="group_pass_rate"),
            models.Index(fields=["run", "disagreement", "id"], include=["position"], name="group_disagreement"),
            models.Index(fields=["run", "id"], condition=models.Q(first_solved=True), name="group_first_solved"),
            models.Index(fields=["run", "id"], condition=models.Q(forgotten=True), name="group_forgotten"),
            models.Index(fields=["run", "id"], condition=models.Q(forgotten_now=True), name="group_forgotten_now"),
            models.Index(fields=["run", "id"], condition=models.Q(greedy_alone=True), name="group_greedy_alone"),
            models.Index(fields=["run", "id"], condition=models.Q(empty__gt=0), name="group_empty_box"),
            models.Index(fields=["run", "id"], condition=models.Q(boxes__gte=2), name="group_several_boxes"),
            models.Index(
                fields=["run", "entropy_nats", "id"],
                condition=models.Q(rewarded=0, difficulty=3),
                name="group_hard_and_wrong",
            ),
            models.Index(
                fields=["run", "step", "id"],
                include=[
                    "kind",
                    "difficulty",
                    "entropy_nats",
                    "samples",
                    "rewarded",
                    "pass_rate",
                    *COUNTED,
                    "position",
                ],
                name="group_filters",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.run_id} step {self.step} {self.kind} group {self.group}"
