"""The tables of this app as all its migrations make them, for a new database."""

import django.db.models.deletion
import pghistory.utils
import pgtrigger.compiler
from django.conf import settings
from django.db import migrations, models

OPERATIONS = [
    migrations.CreateModel(
        name="SavedView",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("name", models.CharField(max_length=80)),
            ("query", models.TextField(blank=True)),
            ("is_shared", models.BooleanField(default=False)),
            ("is_default", models.BooleanField(default=False)),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            ("changed_at", models.DateTimeField(auto_now=True)),
            (
                "owner",
                models.ForeignKey(
                    blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, to=settings.AUTH_USER_MODEL
                ),
            ),
            (
                "team",
                models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="views", to="teams.team"),
            ),
        ],
        options={
            "verbose_name": "view",
            "ordering": ["name", "id"],
            "constraints": [
                models.UniqueConstraint(fields=("team", "owner", "name"), name="view_once_for_owner"),
                models.UniqueConstraint(
                    condition=models.Q(("is_default", True), ("is_shared", True)),
                    fields=("team",),
                    name="view_one_default_of_team",
                ),
                models.UniqueConstraint(
                    condition=models.Q(("is_default", True), ("is_shared", False)),
                    fields=("team", "owner"),
                    name="view_one_default_of_owner",
                ),
            ],
            "triggers": [
                pgtrigger.compiler.Trigger(
                    name="insert_insert",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        func='INSERT INTO "run_table_savedviewchange" ("is_default", "is_shared", "name", "owner_id", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "query", "team_id") VALUES (NEW."is_default", NEW."is_shared", NEW."name", NEW."owner_id", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'insert\', NEW."id", NEW."query", NEW."team_id"); RETURN NULL;',
                        hash="f8b76220e064ddc202e9d0a97b1d218ccd93031c",
                        operation="INSERT",
                        pgid="pgtrigger_insert_insert_d618f",
                        table="run_table_savedview",
                        when="AFTER",
                    ),
                ),
                pgtrigger.compiler.Trigger(
                    name="update_update",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        condition='WHEN (OLD."is_default" IS DISTINCT FROM (NEW."is_default") OR OLD."is_shared" IS DISTINCT FROM (NEW."is_shared") OR OLD."name" IS DISTINCT FROM (NEW."name") OR OLD."owner_id" IS DISTINCT FROM (NEW."owner_id") OR OLD."query" IS DISTINCT FROM (NEW."query") OR OLD."team_id" IS DISTINCT FROM (NEW."team_id"))',
                        func='INSERT INTO "run_table_savedviewchange" ("is_default", "is_shared", "name", "owner_id", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "query", "team_id") VALUES (NEW."is_default", NEW."is_shared", NEW."name", NEW."owner_id", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'update\', NEW."id", NEW."query", NEW."team_id"); RETURN NULL;',
                        hash="a94ff7858b8fddc1b3ca5b58d465f9d0a0367658",
                        operation="UPDATE",
                        pgid="pgtrigger_update_update_ac53b",
                        table="run_table_savedview",
                        when="AFTER",
                    ),
                ),
                pgtrigger.compiler.Trigger(
                    name="delete_delete",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        func='INSERT INTO "run_table_savedviewchange" ("is_default", "is_shared", "name", "owner_id", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "query", "team_id") VALUES (OLD."is_default", OLD."is_shared", OLD."name", OLD."owner_id", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'delete\', OLD."id", OLD."query", OLD."team_id"); RETURN NULL;',
                        hash="33b46ed0f7d9e8619eeb40850e1d9273e9c2e2b7",
                        operation="DELETE",
                        pgid="pgtrigger_delete_delete_eb6e1",
                        table="run_table_savedview",
                        when="AFTER",
                    ),
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="SavedViewChange",
        fields=[
            ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
            ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
            ("pgh_label", models.TextField(help_text="The event label.")),
            ("pgh_context", pghistory.utils.JSONField(null=True)),
            ("name", models.CharField(max_length=80)),
            ("query", models.TextField(blank=True)),
            ("is_shared", models.BooleanField(default=False)),
            ("is_default", models.BooleanField(default=False)),
            (
                "owner",
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
                    to="run_table.savedview",
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
            "indexes": [models.Index(fields=["pgh_created_at"], name="savedview_change_at")],
        },
    ),
]
