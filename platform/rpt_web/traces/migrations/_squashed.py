"""The tables of this app as all its migrations make them, for a new database."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

# A primary key of a partitioned table must hold the partition key; within one partition run_id is the same for all
# rows, so the other indexes start with what lists filter by.
#
# The order in which a run is read: from its newest step, each step from its first response. An id is made of the step
# and, in its lower 24 bits, of what stands in the step, so this is one number (`traces.queries.READING`). The index of a
# reason is over the negative of it (`traces.queries.MIRRORED`): were both over the same expression, Postgres could read
# the whole run for a reason that it believes to be everywhere. The same holds for evaluations, which are few.
#
# Answers to questions are rollouts too, but a question is no position of a document and has no entropy.
CREATE_ROLLOUT = """
CREATE TABLE traces_rollout (
    run_id bigint NOT NULL,
    id bigint NOT NULL,
    attempt integer NOT NULL,
    step integer NOT NULL,
    kind varchar(10) NOT NULL,
    "row" integer NOT NULL,
    "group" integer NOT NULL,
    sample integer NOT NULL,
    document text NOT NULL,
    "position" integer NOT NULL,
    entropy_nats double precision,
    reward double precision NOT NULL,
    reason varchar(20) NOT NULL,
    finish_reason varchar(10) NOT NULL,
    prompt_tokens integer NOT NULL,
    response_tokens integer NOT NULL,
    prediction bytea,
    completion bytea NOT NULL,
    preview varchar(96) NOT NULL,
    PRIMARY KEY (run_id, id)
) PARTITION BY LIST (run_id);
CREATE INDEX traces_rollout_reason ON traces_rollout (reason, id);
CREATE INDEX traces_rollout_position ON traces_rollout (document, "position", id);
CREATE INDEX traces_rollout_reading ON traces_rollout ((id - (id / 16777216) * 33554432));
CREATE INDEX traces_rollout_reason_mirrored ON traces_rollout (reason, ((id / 16777216) * 33554432 - id));
CREATE INDEX traces_rollout_kind ON traces_rollout (kind, id);
"""

OPERATIONS = [
    migrations.CreateModel(
        name="Rollout",
        fields=[
            (
                "pk",
                models.CompositePrimaryKey("run", "id", blank=True, editable=False, primary_key=True, serialize=False),
            ),
            ("id", models.BigIntegerField()),
            ("attempt", models.IntegerField()),
            ("step", models.IntegerField()),
            ("kind", models.CharField(max_length=10)),
            ("row", models.IntegerField()),
            ("group", models.IntegerField()),
            ("sample", models.IntegerField()),
            ("document", models.TextField()),
            ("position", models.IntegerField()),
            ("entropy_nats", models.FloatField(null=True)),
            ("reward", models.FloatField()),
            ("reason", models.CharField(max_length=20)),
            ("finish_reason", models.CharField(max_length=10)),
            ("prompt_tokens", models.IntegerField()),
            ("response_tokens", models.IntegerField()),
            ("prediction", models.BinaryField(null=True)),
            ("completion", models.BinaryField()),
            ("preview", models.CharField(max_length=96)),
        ],
        options={
            "db_table": "traces_rollout",
            "managed": False,
        },
    ),
    migrations.CreateModel(
        name="RolloutShard",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("attempt", models.PositiveIntegerField()),
            ("step", models.PositiveIntegerField()),
            ("kind", models.CharField(max_length=10)),
            ("path", models.CharField(max_length=300)),
            ("rows", models.PositiveIntegerField()),
            ("rewarded", models.PositiveIntegerField()),
            (
                "run",
                models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="shards", to="runs.run"),
            ),
        ],
        options={
            "constraints": [models.UniqueConstraint(fields=("run", "kind", "step"), name="shard_once_per_step")],
        },
    ),
    migrations.CreateModel(
        name="CorpusPosition",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("text_hash", models.BinaryField(max_length=16)),
            ("byte_offset", models.IntegerField()),
        ],
        options={
            "constraints": [models.UniqueConstraint(fields=("text_hash", "byte_offset"), name="corpus_position_once")],
        },
    ),
    migrations.CreateModel(
        name="ResponseGroup",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("step", models.IntegerField()),
            ("kind", models.CharField(max_length=10)),
            ("group", models.IntegerField()),
            ("first_rollout", models.BigIntegerField()),
            ("document", models.TextField()),
            ("token_position", models.IntegerField()),
            ("domain", models.CharField(blank=True, max_length=100)),
            ("entropy_nats", models.FloatField(null=True)),
            ("difficulty", models.PositiveSmallIntegerField(null=True)),
            ("samples", models.PositiveIntegerField()),
            ("rewarded", models.PositiveIntegerField()),
            ("pass_rate", models.FloatField()),
            ("predictions", models.PositiveIntegerField()),
            ("majority", models.BinaryField(null=True)),
            ("majority_rewarded", models.BooleanField()),
            ("disagreement", models.FloatField()),
            ("tokens_mean", models.FloatField()),
            ("tokens_min", models.PositiveIntegerField()),
            ("tokens_max", models.PositiveIntegerField()),
            ("match", models.PositiveIntegerField(default=0)),
            ("mismatch", models.PositiveIntegerField(default=0)),
            ("not_on_boundary", models.PositiveIntegerField(default=0)),
            ("empty", models.PositiveIntegerField(default=0)),
            ("no_box", models.PositiveIntegerField(default=0)),
            ("cut", models.PositiveIntegerField(default=0)),
            ("white_space", models.PositiveIntegerField(default=0)),
            ("boxes", models.PositiveIntegerField(default=0)),
            ("first_solved", models.BooleanField(default=False)),
            ("forgotten", models.BooleanField(default=False)),
            ("greedy_alone", models.BooleanField(default=False)),
            (
                "experiment",
                models.ForeignKey(
                    db_constraint=False,
                    db_index=False,
                    on_delete=django.db.models.deletion.DO_NOTHING,
                    related_name="+",
                    to="runs.experiment",
                ),
            ),
            (
                "position",
                models.ForeignKey(
                    db_index=False,
                    null=True,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="groups",
                    to="traces.corpusposition",
                ),
            ),
            (
                "run",
                models.ForeignKey(
                    db_constraint=False,
                    db_index=False,
                    on_delete=django.db.models.deletion.DO_NOTHING,
                    related_name="+",
                    to="runs.run",
                ),
            ),
            ("completion", models.BinaryField(default=b"")),
            ("patterns", models.PositiveSmallIntegerField(null=True)),
        ],
        options={
            "indexes": [
                models.Index(fields=["position", "run", "step"], name="group_position"),
                models.Index(fields=["run", "document", "token_position", "step"], name="group_document"),
                models.Index(
                    condition=models.Q(("first_solved", True)), fields=["run", "id"], name="group_first_solved"
                ),
                models.Index(condition=models.Q(("forgotten", True)), fields=["run", "id"], name="group_forgotten"),
                models.Index(
                    condition=models.Q(("greedy_alone", True)), fields=["run", "id"], name="group_greedy_alone"
                ),
                models.Index(
                    condition=models.Q(("difficulty", 3), ("rewarded", 0)),
                    fields=["run", "entropy_nats", "id"],
                    name="group_hard_and_wrong",
                ),
                models.Index(condition=models.Q(("empty__gt", 0)), fields=["run", "id"], name="group_empty_box"),
                models.Index(condition=models.Q(("boxes__gte", 2)), fields=["run", "id"], name="group_several_boxes"),
                models.Index(fields=["run", "id"], include=("position",), name="group_newest"),
                models.Index(fields=["run", "entropy_nats", "id"], include=("position",), name="group_entropy"),
                models.Index(fields=["run", "tokens_mean", "id"], include=("position",), name="group_length"),
                models.Index(fields=["run", "pass_rate", "id"], include=("position",), name="group_pass_rate"),
                models.Index(fields=["run", "disagreement", "id"], include=("position",), name="group_disagreement"),
                models.Index(
                    fields=["run", "step", "id"],
                    include=(
                        "kind",
                        "difficulty",
                        "entropy_nats",
                        "samples",
                        "rewarded",
                        "pass_rate",
                        "domain",
                        "disagreement",
                        "tokens_mean",
                        "match",
                        "mismatch",
                        "not_on_boundary",
                        "empty",
                        "no_box",
                        "cut",
                        "white_space",
                        "boxes",
                        "patterns",
                        "first_solved",
                        "forgotten",
                        "greedy_alone",
                        "position",
                    ),
                    name="group_filters",
                ),
            ],
            "constraints": [
                models.UniqueConstraint(fields=("run", "step", "kind", "group"), name="response_group_once")
            ],
        },
    ),
    migrations.CreateModel(
        name="PositionRerun",
        fields=[
            (
                "run",
                models.OneToOneField(
                    on_delete=django.db.models.deletion.CASCADE,
                    primary_key=True,
                    related_name="rerun",
                    serialize=False,
                    to="runs.run",
                ),
            ),
            (
                "position",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT, related_name="reruns", to="traces.corpusposition"
                ),
            ),
        ],
    ),
    migrations.CreateModel(
        name="PromptTokens",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("digest", models.BinaryField(max_length=16)),
            (
                "ids",
                django.contrib.postgres.fields.ArrayField(base_field=models.IntegerField(), default=list, size=None),
            ),
            (
                "ends",
                django.contrib.postgres.fields.ArrayField(base_field=models.IntegerField(), default=list, size=None),
            ),
            ("data", models.BinaryField(default=b"")),
            (
                "control",
                django.contrib.postgres.fields.ArrayField(base_field=models.IntegerField(), default=list, size=None),
            ),
            (
                "job",
                models.ForeignKey(
                    null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to="jobs.job"
                ),
            ),
            (
                "run",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE, related_name="prompt_tokens", to="runs.run"
                ),
            ),
        ],
        options={
            "constraints": [models.UniqueConstraint(fields=("run", "digest"), name="prompt_tokens_once")],
        },
    ),
    migrations.RunSQL(CREATE_ROLLOUT, "DROP TABLE traces_rollout"),
]
