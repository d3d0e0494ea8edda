"""The tables of this app as all its migrations make them, for a new database."""

import django.contrib.postgres.fields
import django.db.models.deletion
import pghistory.utils
import pgtrigger.compiler
from django.conf import settings
from django.db import migrations, models

OPERATIONS = [
    migrations.CreateModel(
        name="Evaluation",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("attempt", models.PositiveIntegerField()),
            ("step", models.PositiveIntegerField()),
            ("flops", models.FloatField(blank=True, null=True)),
            ("mode", models.CharField(max_length=20)),
            ("difficulty", models.CharField(max_length=10)),
            ("correct", models.PositiveIntegerField(blank=True, null=True)),
            ("n", models.PositiveIntegerField()),
            ("value", models.FloatField()),
            ("low", models.FloatField()),
            ("high", models.FloatField()),
            (
                "run",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE, related_name="evaluations", to="runs.run"
                ),
            ),
            ("no_box", models.FloatField(blank=True, null=True)),
            ("above_nats", models.FloatField(blank=True, null=True)),
            ("position_set", models.CharField(blank=True, default="", max_length=32)),
            ("tokenizer", models.CharField(blank=True, default="", max_length=64)),
        ],
        options={
            "ordering": ["step", "mode", "difficulty"],
            "constraints": [
                models.UniqueConstraint(
                    fields=("run", "step", "mode", "difficulty"), name="evaluation_cell_once_per_step"
                )
            ],
        },
    ),
    migrations.CreateModel(
        name="ResultTable",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("attempt", models.PositiveIntegerField()),
            ("step", models.PositiveIntegerField()),
            ("name", models.CharField(max_length=200)),
            ("title", models.CharField(max_length=300)),
            ("data", models.JSONField()),
            (
                "run",
                models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="tables", to="runs.run"),
            ),
        ],
        options={
            "ordering": ["step", "id"],
            "constraints": [models.UniqueConstraint(fields=("run", "step", "name"), name="table_once_per_step")],
        },
    ),
    migrations.CreateModel(
        name="Interval",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("kind", models.CharField(max_length=10)),
            ("evaluations", django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), size=None)),
            ("value", models.FloatField()),
            ("low", models.FloatField(blank=True, null=True)),
            ("high", models.FloatField(blank=True, null=True)),
            ("n", models.PositiveIntegerField(blank=True, null=True)),
            ("how", models.CharField(blank=True, max_length=100)),
            (
                "experiment",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE, related_name="intervals", to="runs.experiment"
                ),
            ),
        ],
        options={
            "constraints": [
                models.UniqueConstraint(
                    fields=("experiment", "kind", "evaluations"), name="interval_once_for_evaluations"
                )
            ],
        },
    ),
    migrations.CreateModel(
        name="ScalingFit",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("mode", models.CharField(max_length=20)),
            ("difficulty", models.CharField(max_length=10)),
            ("evaluations", django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), size=None)),
            ("problem", models.TextField(blank=True)),
            ("a", models.FloatField(blank=True, null=True)),
            ("alpha", models.FloatField(blank=True, null=True)),
            ("p_star", models.FloatField(blank=True, null=True)),
            ("r2", models.FloatField(blank=True, null=True)),
            ("at_bound", models.BooleanField(default=False)),
            ("p_star_low", models.FloatField(blank=True, null=True)),
            ("p_star_high", models.FloatField(blank=True, null=True)),
            (
                "run",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE, related_name="scaling_fits", to="runs.run"
                ),
            ),
        ],
        options={
            "constraints": [
                models.UniqueConstraint(fields=("run", "mode", "difficulty"), name="scaling_fit_once_for_difficulty")
            ],
        },
    ),
    migrations.CreateModel(
        name="EvaluatedSet",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("hash", models.CharField(max_length=32)),
            ("positions", models.PositiveIntegerField()),
            ("documents", models.PositiveIntegerField()),
            ("above_nats", models.JSONField(default=dict)),
            (
                "corpora",
                django.contrib.postgres.fields.ArrayField(
                    base_field=models.CharField(max_length=300), default=list, size=None
                ),
            ),
            ("name", models.CharField(blank=True, max_length=200)),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            (
                "team",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE, related_name="evaluated_sets", to="teams.team"
                ),
            ),
        ],
        options={
            "constraints": [models.UniqueConstraint(fields=("team", "hash"), name="evaluated_set_once_per_team")],
        },
    ),
    migrations.CreateModel(
        name="PinnedBaseline",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("group", models.CharField(max_length=32)),
            ("pinned_at", models.DateTimeField(auto_now_add=True)),
            (
                "pinned_by",
                models.ForeignKey(
                    blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, to=settings.AUTH_USER_MODEL
                ),
            ),
            (
                "team",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE, related_name="pinned_baselines", to="teams.team"
                ),
            ),
            (
                "standing",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE, related_name="pins", to="results.standing"
                ),
            ),
        ],
        options={
            "constraints": [models.UniqueConstraint(fields=("team", "group"), name="baseline_once_per_group")],
            "triggers": [
                pgtrigger.compiler.Trigger(
                    name="insert_insert",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        func='INSERT INTO "results_pinnedbaselinechange" ("group", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "pinned_by_id", "standing_id", "team_id") VALUES (NEW."group", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'insert\', NEW."id", NEW."pinned_by_id", NEW."standing_id", NEW."team_id"); RETURN NULL;',
                        hash="939bb65db1fb1e3d5ec79ad9572c0d1e376f9e73",
                        operation="INSERT",
                        pgid="pgtrigger_insert_insert_5b8be",
                        table="results_pinnedbaseline",
                        when="AFTER",
                    ),
                ),
                pgtrigger.compiler.Trigger(
                    name="update_update",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        condition='WHEN (OLD."group" IS DISTINCT FROM (NEW."group") OR OLD."pinned_by_id" IS DISTINCT FROM (NEW."pinned_by_id") OR OLD."standing_id" IS DISTINCT FROM (NEW."standing_id") OR OLD."team_id" IS DISTINCT FROM (NEW."team_id"))',
                        func='INSERT INTO "results_pinnedbaselinechange" ("group", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "pinned_by_id", "standing_id", "team_id") VALUES (NEW."group", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'update\', NEW."id", NEW."pinned_by_id", NEW."standing_id", NEW."team_id"); RETURN NULL;',
                        hash="84052ab0c4abb6d2f9ea1ab0657a1ea7c09d802d",
                        operation="UPDATE",
                        pgid="pgtrigger_update_update_62241",
                        table="results_pinnedbaseline",
                        when="AFTER",
                    ),
                ),
                pgtrigger.compiler.Trigger(
                    name="delete_delete",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        func='INSERT INTO "results_pinnedbaselinechange" ("group", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "pinned_by_id", "standing_id", "team_id") VALUES (OLD."group", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'delete\', OLD."id", OLD."pinned_by_id", OLD."standing_id", OLD."team_id"); RETURN NULL;',
                        hash="dc2f2a269eae890df17f2fb0bb897e7136208186",
                        operation="DELETE",
                        pgid="pgtrigger_delete_delete_4c623",
                        table="results_pinnedbaseline",
                        when="AFTER",
                    ),
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="Standing",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("key", models.CharField(max_length=32)),
            ("group", models.CharField(blank=True, max_length=32)),
            (
                "sets",
                django.contrib.postgres.fields.ArrayField(
                    base_field=models.CharField(max_length=32), default=list, size=None
                ),
            ),
            ("name", models.CharField(max_length=300)),
            ("stage", models.CharField(blank=True, max_length=20)),
            ("mode", models.CharField(max_length=20)),
            (
                "runs",
                django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), default=list, size=None),
            ),
            (
                "seeds",
                django.contrib.postgres.fields.ArrayField(base_field=models.IntegerField(), default=list, size=None),
            ),
            ("members", models.JSONField(default=list)),
            ("template", models.TextField(blank=True)),
            ("sampling", models.CharField(blank=True, max_length=100)),
            ("tokenizer", models.CharField(blank=True, max_length=64)),
            ("is_finished", models.BooleanField(default=True)),
            ("no_box", models.FloatField(blank=True, null=True)),
            ("n", models.PositiveIntegerField()),
            ("easy", models.FloatField(blank=True, null=True)),
            ("medium", models.FloatField(blank=True, null=True)),
            ("hard", models.FloatField(blank=True, null=True)),
            ("cells", models.JSONField(default=dict)),
            ("gains", models.JSONField(default=dict)),
            ("flops", models.FloatField(blank=True, null=True)),
            ("hours", models.FloatField(blank=True, null=True)),
            ("gpu_hours", models.FloatField(blank=True, null=True)),
            (
                "experiment",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE, related_name="standings", to="runs.experiment"
                ),
            ),
        ],
        options={
            "verbose_name_plural": "results",
            "ordering": ["id"],
            "indexes": [models.Index(fields=["group"], name="standing_group")],
            "constraints": [models.UniqueConstraint(fields=("experiment", "key"), name="standing_once_per_experiment")],
        },
    ),
    migrations.CreateModel(
        name="PinnedBaselineChange",
        fields=[
            ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
            ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
            ("pgh_label", models.TextField(help_text="The event label.")),
            ("pgh_context", pghistory.utils.JSONField(null=True)),
            ("group", models.CharField(max_length=32)),
            (
                "pgh_obj",
                models.ForeignKey(
                    db_constraint=False,
                    on_delete=django.db.models.deletion.DO_NOTHING,
                    related_name="changes",
                    to="results.pinnedbaseline",
                ),
            ),
            (
                "pinned_by",
                models.ForeignKey(
                    blank=True,
                    db_constraint=False,
                    null=True,
                    on_delete=django.db.models.deletion.DO_NOTHING,
                    related_name="+",
                    related_query_name="+",
                    to=settings.AUTH_USER_MODEL,
                ),
            ),
            (
                "team",
                models.ForeignKey(
                    db_constraint=False,
                    on_delete=django.db.models.deletion.DO_NOTHING,
                    related_name="+",
                    related_query_name="+",
                    to="teams.team",
                ),
            ),
            (
                "standing",
                models.ForeignKey(
                    db_constraint=False,
                    on_delete=django.db.models.deletion.DO_NOTHING,
                    related_name="+",
                    related_query_name="+",
                    to="results.standing",
                ),
            ),
        ],
        options={
            "abstract": False,
            "indexes": [models.Index(fields=["pgh_created_at"], name="pinnedbaseline_change_at")],
        },
    ),
    migrations.CreateModel(
        name="BaselineLead",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("difficulty", models.CharField(max_length=10)),
            ("evaluations", django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), size=None)),
            ("value", models.FloatField()),
            ("low", models.FloatField(blank=True, null=True)),
            ("high", models.FloatField(blank=True, null=True)),
            ("n", models.PositiveIntegerField(blank=True, null=True)),
            ("how", models.CharField(blank=True, max_length=100)),
            (
                "pin",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE, related_name="leads", to="results.pinnedbaseline"
                ),
            ),
            (
                "standing",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE, related_name="leads", to="results.standing"
                ),
            ),
        ],
        options={
            "constraints": [
                models.UniqueConstraint(fields=("pin", "standing", "difficulty"), name="lead_once_per_cell")
            ],
        },
    ),
]
