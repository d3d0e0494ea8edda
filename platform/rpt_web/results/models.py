"""What was found: accuracy of a run's policy at one step, by mode and difficulty, and the tables of its stage."""

from __future__ import annotations

import math

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models

from rpt_core.analysis.scaling import PowerLaw
from rpt_web.runs.models import Experiment, Run
from rpt_web.teams.audit import audited


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
    position_set = models.CharField(max_length=32, blank=True, default="")
    """Hash of the positions of all difficulties (`rpt_core.evaluation.position_identity`); "" where not known."""
    tokenizer = models.CharField(max_length=64, blank=True, default="")
    """Hash of the policy's tokenizer; "" if not known."""

    class Meta:
        ordering = ["step", "mode", "difficulty"]
        constraints = [
            models.UniqueConstraint(fields=["run", "step", "mode", "difficulty"], name="evaluation_cell_once_per_step")
        ]

    def __str__(self) -> str:
        return f"{self.run_id} step {self.step} {self.mode} {self.difficulty}"


class EvaluatedSet(models.Model):
    """Held-out positions that a team has evaluated models at, known by their content."""

    team = models.ForeignKey("teams.Team", on_delete=models.CASCADE, related_name="evaluated_sets")
    hash = models.CharField(max_length=32)
    positions = models.PositiveIntegerField()
    documents = models.PositiveIntegerField()
    above_nats = models.JSONField(default=dict)
    """Each difficulty's threshold; without those that are not known."""
    corpora = ArrayField(models.CharField(max_length=300), default=list)
    """Names of what the positions were found in; empty where that is not known."""
    name = models.CharField(max_length=200, blank=True)
    """Under which the filter run stored it; "" for one that was drawn."""
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["team", "hash"], name="evaluated_set_once_per_team")]

    def __str__(self) -> str:
        return f"{self.hash[:8]} of team {self.team_id}"


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


class Standing(models.Model):
    """A row of the leaderboard: a model in one mode on one position set, or the mean over its copies for several seeds.

    `workers.intervals` writes it when evaluations have arrived; see `results.standings` for what counts as a model.
    """

    experiment = models.ForeignKey(Experiment, on_delete=models.CASCADE, related_name="standings")
    key = models.CharField(max_length=32)
    """The same however often the rows are written."""
    group = models.CharField(max_length=32, blank=True)
    """Rows are compared only where it is the same; "" where the positions are not known."""
    sets = ArrayField(models.CharField(max_length=32), default=list)
    """Hashes of `EvaluatedSet`s: one for all seeds, or one of each."""
    name = models.CharField(max_length=300)
    stage = models.CharField(max_length=20, blank=True)
    """Of the runs that made the model; "" for one from elsewhere."""
    mode = models.CharField(max_length=20)
    runs = ArrayField(models.BigIntegerField(), default=list)
    seeds = ArrayField(models.IntegerField(), default=list)
    members = models.JSONField(default=list)
    """For each seed the run, its step, what has measured it, and its values."""
    template = models.TextField(blank=True)
    sampling = models.CharField(max_length=100, blank=True)
    tokenizer = models.CharField(max_length=64, blank=True)
    is_finished = models.BooleanField(default=True)
    no_box = models.FloatField(null=True, blank=True)
    """Largest share of responses without a box."""
    n = models.PositiveIntegerField()
    """Positions of the difficulty that has the fewest."""
    easy = models.FloatField(null=True, blank=True)
    medium = models.FloatField(null=True, blank=True)
    hard = models.FloatField(null=True, blank=True)
    cells = models.JSONField(default=dict)
    """{difficulty: {value, low, high, n, evaluations: ids}}"""
    gains = models.JSONField(default=dict)
    """{difficulty: {value, low, high, n, how}}: over what the model's run started from."""
    flops = models.FloatField(null=True, blank=True)
    hours = models.FloatField(null=True, blank=True)
    gpu_hours = models.FloatField(null=True, blank=True)

    class Meta:
        ordering = ["id"]
        verbose_name_plural = "results"
        constraints = [models.UniqueConstraint(fields=["experiment", "key"], name="standing_once_per_experiment")]
        indexes = [models.Index(fields=["group"], name="standing_group")]

    def __str__(self) -> str:
        return f"{self.experiment_id} {self.name} {self.mode}"


@audited("team", "group", "standing", "pinned_by")
class PinnedBaseline(models.Model):
    """The row that a team measures all others of a group by."""

    team = models.ForeignKey("teams.Team", on_delete=models.CASCADE, related_name="pinned_baselines")
    group = models.CharField(max_length=32)
    standing = models.ForeignKey(Standing, on_delete=models.CASCADE, related_name="pins")
    pinned_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    pinned_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["team", "group"], name="baseline_once_per_group")]

    def __str__(self) -> str:
        return f"{self.standing_id} for team {self.team_id}"


class BaselineLead(models.Model):
    """By how much a row is above a pinned baseline. `workers.leads` computes it."""

    pin = models.ForeignKey(PinnedBaseline, on_delete=models.CASCADE, related_name="leads")
    standing = models.ForeignKey(Standing, on_delete=models.CASCADE, related_name="leads")
    difficulty = models.CharField(max_length=10)
    evaluations = ArrayField(models.BigIntegerField())
    """Ids, pair after pair; it is of older results where these are not the rows' own."""
    value = models.FloatField()
    low = models.FloatField(null=True, blank=True)
    high = models.FloatField(null=True, blank=True)
    n = models.PositiveIntegerField(null=True, blank=True)
    how = models.CharField(max_length=100, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["pin", "standing", "difficulty"], name="lead_once_per_cell")]

    def __str__(self) -> str:
        return f"{self.standing_id} over {self.pin_id}, {self.difficulty}"


class ScalingFit(models.Model):
    """The power law through a run's accuracies over compute, or why there is none. `workers.intervals` computes it."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="scaling_fits")
    mode = models.CharField(max_length=20)
    difficulty = models.CharField(max_length=10)
    evaluations = ArrayField(models.BigIntegerField())
    """Ids of the points, by rising step."""
    problem = models.TextField(blank=True)
    """Why there is no curve; then the numbers are empty."""
    a = models.FloatField(null=True, blank=True)
    alpha = models.FloatField(null=True, blank=True)
    p_star = models.FloatField(null=True, blank=True)
    r2 = models.FloatField(null=True, blank=True)
    """None also where the accuracies do not vary."""
    at_bound = models.BooleanField(default=False)
    p_star_low = models.FloatField(null=True, blank=True)
    p_star_high = models.FloatField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["run", "mode", "difficulty"], name="scaling_fit_once_for_difficulty")
        ]

    def __str__(self) -> str:
        return f"{self.run_id} {self.mode} {self.difficulty}"

    @property
    def law(self) -> PowerLaw | None:
        """The curve; None where there is none."""
        numbers = self.a, self.alpha, self.p_star, self.p_star_low, self.p_star_high
        a, alpha, p_star, low, high = (math.nan if number is None else number for number in numbers)
        if self.problem:
            return None
        return PowerLaw(a, alpha, p_star, math.nan if self.r2 is None else self.r2, self.at_bound, low, high)


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
