"""What people say of what the policy wrote: label sets, queues of items to review, reviews, decisions.

A label set holds questions, in versions that never change; a queue names one version. An item is one thing to look at;
a review is what one person says of it, first a draft, then submitted. A decision settles what reviews disagree about
and stands beside them. Only the services of this folder change rows: `label_sets`, `queues`, `reviews`, `settling`,
`managing`.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Q

from rpt_web.runs.models import Run
from rpt_web.teams.audit import audited
from rpt_web.teams.models import Team
from rpt_web.traces.models import CorpusPosition

LONGEST_NAME = 100


@audited("team", "name", "created_by")
class LabelSet(models.Model):
    """Questions that a team asks its reviewers, under a name."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="label_sets")
    name = models.CharField(max_length=LONGEST_NAME)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["team", "name"], name="label_set_once_per_team")]

    def __str__(self) -> str:
        return self.name


@audited("label_set", "number", "created_by")
class LabelSetVersion(models.Model):
    """The questions of a label set as a queue asks them; it never changes."""

    label_set = models.ForeignKey(LabelSet, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    text = models.TextField()
    """YAML, as it was typed."""
    questions = models.JSONField()
    """The same as data: see `questions.ReviewQuestion`."""
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-number"]
        constraints = [models.UniqueConstraint(fields=["label_set", "number"], name="label_set_version_once")]

    def __str__(self) -> str:
        return f"version {self.number} of label set {self.label_set_id}"


class ItemKind(models.TextChoices):
    """What is looked at."""

    RESPONSE = "response", "Responses"
    GROUP = "group", "Groups"
    POSITION = "position", "Positions"
    PAIR = "pair", "Pairs of responses"


@audited("team", "name", "version", "is_open_to_all", "is_blind", "due_at", "closed_at", "created_by")
class ReviewQueue(models.Model):
    """Items that people of a team review, with one version of a label set."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="review_queues")
    name = models.CharField(max_length=LONGEST_NAME)
    """Reviewers read it, so it should give away neither run nor reward."""
    instructions = models.TextField(blank=True)
    version = models.ForeignKey(LabelSetVersion, on_delete=models.PROTECT, related_name="queues")
    kind = models.CharField(max_length=10, choices=ItemKind.choices, default=ItemKind.RESPONSE)
    source = models.JSONField(default=dict, blank=True)
    """What its items were taken from: run, query, seed, how many were asked for and how many there were."""
    reviewers_per_item = models.PositiveIntegerField(default=1)
    """How many people look at an item of the overlap; at the others, one does."""
    overlap = models.FloatField(default=1.0)
    """The share of its items that `reviewers_per_item` people look at."""
    is_open_to_all = models.BooleanField("open to all", default=False)
    """Whether every member takes items from it; else each item is assigned."""
    is_blind = models.BooleanField("blind", default=True)
    """Whether reward and run are hidden from whoever has yet to submit an item. Others' labels always are."""
    hides_truth = models.BooleanField(default=True)
    """Whether how the text continues is hidden, too."""
    due_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    """Since when nothing more is submitted."""
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        verbose_name = "queue"

    def __str__(self) -> str:
        return self.name


class ReviewItem(models.Model):
    """One thing to look at. Its number is all that an address says of it, so that a reviewer stays blind.

    What joins it to the rollouts stands here, too, with the verdict's reward as it was when the queue was made. A pair
    has a second response, a position is of no run.
    """

    queue = models.ForeignKey(ReviewQueue, on_delete=models.CASCADE, related_name="items")
    number = models.PositiveIntegerField()
    """Its place in the queue, from 1."""
    kind = models.CharField(max_length=10, choices=ItemKind.choices, default=ItemKind.RESPONSE)
    run = models.ForeignKey(Run, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    rollout_id = models.BigIntegerField(null=True, blank=True)
    other_run = models.ForeignKey(Run, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    other_rollout_id = models.BigIntegerField(null=True, blank=True)
    step = models.IntegerField(null=True, blank=True)
    rollout_kind = models.CharField(max_length=10, blank=True)
    row = models.IntegerField(null=True, blank=True)
    group = models.IntegerField(null=True, blank=True)
    document = models.TextField(blank=True)
    position = models.IntegerField(null=True, blank=True)
    place = models.ForeignKey(CorpusPosition, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    """Of a position, in whatever run; it belongs to none."""
    reward = models.FloatField(null=True, blank=True)
    wanted = models.PositiveSmallIntegerField(default=1)
    """How many people are to look at it."""
    submitted = models.PositiveSmallIntegerField(default=0)
    """How many have."""
    dispute = models.FloatField(null=True, blank=True)
    """How far they differ, 0 to 1: see `disputes`."""

    class Meta:
        ordering = ["queue", "number"]
        verbose_name = "item"
        constraints = [models.UniqueConstraint(fields=["queue", "number"], name="review_item_once")]
        indexes = [
            models.Index(fields=["run", "rollout_id"], name="review_item_of_rollout"),
            models.Index(fields=["run", "step", "rollout_kind", "group"], name="review_item_of_group"),
            models.Index(
                fields=["queue", "number"], condition=Q(submitted__lt=models.F("wanted")), name="review_item_open"
            ),
        ]

    def __str__(self) -> str:
        return f"item {self.number} of {self.queue_id}"


class Review(models.Model):
    """What one person says of one item. `version` rises with each change: who has seen an older one changes nothing.

    Without `submitted_at` it is a draft, or an assignment that nobody has begun.
    """

    item = models.ForeignKey(ReviewItem, on_delete=models.CASCADE, related_name="reviews")
    reviewer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="reviews")
    version = models.PositiveIntegerField(default=0)
    answers = models.JSONField(default=dict, blank=True)
    """Name of a question -> value, values, number or text."""
    note = models.TextField(blank=True)
    is_flagged = models.BooleanField(default=False)
    """Whether somebody should look at it again."""
    is_swapped = models.BooleanField(default=False)
    """Of a pair: whether its second response stood on the left."""
    seconds = models.FloatField(default=0.0)
    """How long the item was in sight."""
    held_until = models.DateTimeField(null=True, blank=True)
    """Until then nobody else is given the item in its place."""
    taken_at = models.DateTimeField(null=True, blank=True)
    changed_at = models.DateTimeField(null=True, blank=True)
    submitted_at = models.DateTimeField(null=True, blank=True)
    seen_at = models.DateTimeField(null=True, blank=True)
    """When its reviewer was first shown what others said: from then on it cannot be taken back."""
    is_imported = models.BooleanField(default=False)

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["item", "reviewer"], name="review_once_per_person")]
        indexes = [
            models.Index(fields=["reviewer", "submitted_at"], name="review_of_reviewer"),
            GinIndex(fields=["answers"], opclasses=["jsonb_path_ops"], name="review_answers"),  # for lists by label
        ]

    def __str__(self) -> str:
        return f"review of {self.item_id} by {self.reviewer_id}"

    @property
    def is_submitted(self) -> bool:
        """Whether it counts."""
        return self.submitted_at is not None


@audited("queue", "item", "answers", "decided_by")
class Decision(models.Model):
    """What holds for an item that its reviewers disagree about. Their reviews stay as they are."""

    queue = models.ForeignKey(ReviewQueue, on_delete=models.CASCADE, related_name="decisions")
    item = models.OneToOneField(ReviewItem, on_delete=models.CASCADE, related_name="decision")
    answers: Any = models.JSONField(default=dict)
    note = models.TextField(blank=True)
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    decided_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"decision on {self.item_id}"


@audited("queue", "user", "taken_by", "items", "made_by")
class Reassignment(models.Model):
    """That items which somebody had yet to submit were given to others. It never changes."""

    queue = models.ForeignKey(ReviewQueue, on_delete=models.CASCADE, related_name="reassignments")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    """Whose they were."""
    taken_by = models.TextField()
    """Names."""
    items = models.PositiveIntegerField()
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    made_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.items} items of {self.queue_id}"


class AgreementFigures(models.Model):
    """Kappa and alpha over certain reviews of a queue, so that a page need not compute them: see `figures`."""

    queue = models.ForeignKey(ReviewQueue, on_delete=models.CASCADE, related_name="figures")
    key = models.CharField(max_length=32)
    """Of the reviews that they are computed from."""
    figures = models.JSONField(default=dict)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["queue", "key"], name="agreement_figures_once")]

    def __str__(self) -> str:
        return f"figures of {self.queue_id}"
