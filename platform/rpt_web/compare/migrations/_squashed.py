"""The tables of this app as all its migrations make them, for a new database."""

import django.contrib.postgres.fields
import django.db.models.deletion
import pghistory.utils
import pgtrigger.compiler
from django.conf import settings
from django.db import migrations, models

OPERATIONS = [
    migrations.CreateModel(
        name="Basket",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("name", models.CharField(max_length=100)),
            ("entries", models.TextField()),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            ("changed_at", models.DateTimeField(auto_now=True)),
            (
                "created_by",
                models.ForeignKey(
                    blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, to=settings.AUTH_USER_MODEL
                ),
            ),
            (
                "team",
                models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="baskets", to="teams.team"),
            ),
        ],
        options={
            "ordering": ["name", "id"],
            "constraints": [models.UniqueConstraint(fields=("team", "name"), name="basket_once_per_team")],
            "triggers": [
                pgtrigger.compiler.Trigger(
                    name="insert_insert",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        func='INSERT INTO "compare_basketchange" ("created_by_id", "entries", "name", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "team_id") VALUES (NEW."created_by_id", NEW."entries", NEW."name", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'insert\', NEW."id", NEW."team_id"); RETURN NULL;',
                        hash="3ce7075c5f67b1b38efeb099d865cf8df66d74d8",
                        operation="INSERT",
                        pgid="pgtrigger_insert_insert_ce771",
                        table="compare_basket",
                        when="AFTER",
                    ),
                ),
                pgtrigger.compiler.Trigger(
                    name="update_update",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        condition='WHEN (OLD."created_by_id" IS DISTINCT FROM (NEW."created_by_id") OR OLD."entries" IS DISTINCT FROM (NEW."entries") OR OLD."name" IS DISTINCT FROM (NEW."name") OR OLD."team_id" IS DISTINCT FROM (NEW."team_id"))',
                        func='INSERT INTO "compare_basketchange" ("created_by_id", "entries", "name", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "team_id") VALUES (NEW."created_by_id", NEW."entries", NEW."name", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'update\', NEW."id", NEW."team_id"); RETURN NULL;',
                        hash="e48c984ad2f6c5079dc29d811715621c067c344c",
                        operation="UPDATE",
                        pgid="pgtrigger_update_update_37b99",
                        table="compare_basket",
                        when="AFTER",
                    ),
                ),
                pgtrigger.compiler.Trigger(
                    name="delete_delete",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        func='INSERT INTO "compare_basketchange" ("created_by_id", "entries", "name", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "team_id") VALUES (OLD."created_by_id", OLD."entries", OLD."name", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'delete\', OLD."id", OLD."team_id"); RETURN NULL;',
                        hash="f21c994f74f18df3caf06a217b6366e900934cc3",
                        operation="DELETE",
                        pgid="pgtrigger_delete_delete_9665c",
                        table="compare_basket",
                        when="AFTER",
                    ),
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="BasketChange",
        fields=[
            ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
            ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
            ("pgh_label", models.TextField(help_text="The event label.")),
            ("pgh_context", pghistory.utils.JSONField(null=True)),
            ("name", models.CharField(max_length=100)),
            ("entries", models.TextField()),
            (
                "created_by",
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
                "pgh_obj",
                models.ForeignKey(
                    db_constraint=False,
                    on_delete=django.db.models.deletion.DO_NOTHING,
                    related_name="changes",
                    to="compare.basket",
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
        ],
        options={
            "abstract": False,
            "indexes": [models.Index(fields=["pgh_created_at"], name="basket_change_at")],
        },
    ),
    migrations.CreateModel(
        name="PositionComparison",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("key", models.CharField(max_length=64, unique=True)),
            ("entries", models.JSONField()),
            ("runs", django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), size=None)),
            ("data", models.JSONField(default=dict)),
            ("positions", models.BinaryField(null=True)),
            ("created_at", models.DateTimeField(auto_now_add=True, db_index=True)),
            ("made_at", models.DateTimeField(blank=True, null=True)),
            (
                "job",
                models.ForeignKey(
                    null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to="jobs.job"
                ),
            ),
        ],
        options={
            "verbose_name": "comparison",
            "ordering": ["-id"],
        },
    ),
    migrations.CreateModel(
        name="ComparedOutcomes",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("place", models.PositiveIntegerField()),
            ("rows", models.BinaryField()),
            ("run", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="runs.run")),
            (
                "comparison",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="outcomes",
                    to="compare.positioncomparison",
                ),
            ),
        ],
        options={
            "ordering": ["place"],
            "constraints": [models.UniqueConstraint(fields=("comparison", "place"), name="compared_outcomes_once")],
        },
    ),
    migrations.CreateModel(
        name="EngineConfig",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("attempt", models.PositiveIntegerField()),
            ("engine", models.CharField(max_length=20)),
            ("values", models.JSONField()),
            (
                "run",
                models.OneToOneField(
                    on_delete=django.db.models.deletion.CASCADE, related_name="engine_config", to="runs.run"
                ),
            ),
        ],
    ),
]
