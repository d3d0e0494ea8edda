"""The tables of this app as all its migrations make them, for a new database."""

import django.db.models.deletion
import pghistory.utils
import pgtrigger.compiler
from django.conf import settings
from django.db import migrations, models

OPERATIONS = [
    migrations.CreateModel(
        name="Comment",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("rollout", models.BigIntegerField(null=True, verbose_name="response")),
            ("body", models.TextField(verbose_name="text")),
            ("start", models.PositiveIntegerField(null=True, verbose_name="start of the passage")),
            ("end", models.PositiveIntegerField(null=True, verbose_name="end of the passage")),
            ("quote", models.TextField(default="")),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            ("edited_at", models.DateTimeField(null=True)),
            ("resolved_at", models.DateTimeField(null=True)),
            ("deleted_at", models.DateTimeField(null=True)),
            (
                "author",
                models.ForeignKey(
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="+",
                    to=settings.AUTH_USER_MODEL,
                ),
            ),
            (
                "experiment",
                models.ForeignKey(
                    null=True,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="comments",
                    to="runs.experiment",
                ),
            ),
            (
                "resolved_by",
                models.ForeignKey(
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="+",
                    to=settings.AUTH_USER_MODEL,
                ),
            ),
            (
                "run",
                models.ForeignKey(
                    null=True, on_delete=django.db.models.deletion.CASCADE, related_name="comments", to="runs.run"
                ),
            ),
            ("team", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="teams.team")),
            (
                "thread",
                models.ForeignKey(
                    null=True,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="replies",
                    to="comments.comment",
                ),
            ),
            (
                "position",
                models.ForeignKey(
                    null=True,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="comments",
                    to="traces.corpusposition",
                ),
            ),
            (
                "report",
                models.ForeignKey(
                    null=True,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="comments",
                    to="reports.teamreport",
                ),
            ),
        ],
        options={
            "ordering": ["id"],
            "indexes": [models.Index(fields=["run", "rollout"], name="comment_subject")],
            "triggers": [
                pgtrigger.compiler.Trigger(
                    name="insert_insert",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        func='INSERT INTO "comments_commentchange" ("author_id", "body", "deleted_at", "end", "experiment_id", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "position_id", "report_id", "resolved_by_id", "rollout", "run_id", "start", "team_id", "thread_id") VALUES (NEW."author_id", NEW."body", NEW."deleted_at", NEW."end", NEW."experiment_id", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'insert\', NEW."id", NEW."position_id", NEW."report_id", NEW."resolved_by_id", NEW."rollout", NEW."run_id", NEW."start", NEW."team_id", NEW."thread_id"); RETURN NULL;',
                        hash="2b3999b29a61dc951ce960a329cdc554075d95f2",
                        operation="INSERT",
                        pgid="pgtrigger_insert_insert_18fd9",
                        table="comments_comment",
                        when="AFTER",
                    ),
                ),
                pgtrigger.compiler.Trigger(
                    name="update_update",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        condition='WHEN (OLD."author_id" IS DISTINCT FROM (NEW."author_id") OR OLD."body" IS DISTINCT FROM (NEW."body") OR OLD."deleted_at" IS DISTINCT FROM (NEW."deleted_at") OR OLD."end" IS DISTINCT FROM (NEW."end") OR OLD."experiment_id" IS DISTINCT FROM (NEW."experiment_id") OR OLD."position_id" IS DISTINCT FROM (NEW."position_id") OR OLD."report_id" IS DISTINCT FROM (NEW."report_id") OR OLD."resolved_by_id" IS DISTINCT FROM (NEW."resolved_by_id") OR OLD."rollout" IS DISTINCT FROM (NEW."rollout") OR OLD."run_id" IS DISTINCT FROM (NEW."run_id") OR OLD."start" IS DISTINCT FROM (NEW."start") OR OLD."team_id" IS DISTINCT FROM (NEW."team_id") OR OLD."thread_id" IS DISTINCT FROM (NEW."thread_id"))',
                        func='INSERT INTO "comments_commentchange" ("author_id", "body", "deleted_at", "end", "experiment_id", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "position_id", "report_id", "resolved_by_id", "rollout", "run_id", "start", "team_id", "thread_id") VALUES (NEW."author_id", NEW."body", NEW."deleted_at", NEW."end", NEW."experiment_id", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'update\', NEW."id", NEW."position_id", NEW."report_id", NEW."resolved_by_id", NEW."rollout", NEW."run_id", NEW."start", NEW."team_id", NEW."thread_id"); RETURN NULL;',
                        hash="e8cd69b4eed0079e8361ad6a9831f7505b6b12c4",
                        operation="UPDATE",
                        pgid="pgtrigger_update_update_230ec",
                        table="comments_comment",
                        when="AFTER",
                    ),
                ),
                pgtrigger.compiler.Trigger(
                    name="delete_delete",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        func='INSERT INTO "comments_commentchange" ("author_id", "body", "deleted_at", "end", "experiment_id", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "position_id", "report_id", "resolved_by_id", "rollout", "run_id", "start", "team_id", "thread_id") VALUES (OLD."author_id", OLD."body", OLD."deleted_at", OLD."end", OLD."experiment_id", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'delete\', OLD."id", OLD."position_id", OLD."report_id", OLD."resolved_by_id", OLD."rollout", OLD."run_id", OLD."start", OLD."team_id", OLD."thread_id"); RETURN NULL;',
                        hash="ceddff1ee9509f8fb2dd7a08ba3f34be2b719ba2",
                        operation="DELETE",
                        pgid="pgtrigger_delete_delete_ff62f",
                        table="comments_comment",
                        when="AFTER",
                    ),
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="CommentChange",
        fields=[
            ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
            ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
            ("pgh_label", models.TextField(help_text="The event label.")),
            ("pgh_context", pghistory.utils.JSONField(null=True)),
            ("rollout", models.BigIntegerField(null=True, verbose_name="response")),
            ("body", models.TextField(verbose_name="text")),
            ("start", models.PositiveIntegerField(null=True, verbose_name="start of the passage")),
            ("end", models.PositiveIntegerField(null=True, verbose_name="end of the passage")),
            ("deleted_at", models.DateTimeField(null=True)),
            (
                "author",
                models.ForeignKey(
                    db_constraint=False,
                    null=True,
                    on_delete=django.db.models.deletion.DO_NOTHING,
                    related_name="+",
                    related_query_name="+",
                    to=settings.AUTH_USER_MODEL,
                ),
            ),
            (
                "experiment",
                models.ForeignKey(
                    db_constraint=False,
                    null=True,
                    on_delete=django.db.models.deletion.DO_NOTHING,
                    related_name="+",
                    related_query_name="+",
                    to="runs.experiment",
                ),
            ),
            (
                "pgh_obj",
                models.ForeignKey(
                    db_constraint=False,
                    on_delete=django.db.models.deletion.DO_NOTHING,
                    related_name="changes",
                    to="comments.comment",
                ),
            ),
            (
                "resolved_by",
                models.ForeignKey(
                    db_constraint=False,
                    null=True,
                    on_delete=django.db.models.deletion.DO_NOTHING,
                    related_name="+",
                    related_query_name="+",
                    to=settings.AUTH_USER_MODEL,
                ),
            ),
            (
                "run",
                models.ForeignKey(
                    db_constraint=False,
                    null=True,
                    on_delete=django.db.models.deletion.DO_NOTHING,
                    related_name="+",
                    related_query_name="+",
                    to="runs.run",
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
                "thread",
                models.ForeignKey(
                    db_constraint=False,
                    null=True,
                    on_delete=django.db.models.deletion.DO_NOTHING,
                    related_name="+",
                    related_query_name="+",
                    to="comments.comment",
                ),
            ),
            (
                "position",
                models.ForeignKey(
                    db_constraint=False,
                    null=True,
                    on_delete=django.db.models.deletion.DO_NOTHING,
                    related_name="+",
                    related_query_name="+",
                    to="traces.corpusposition",
                ),
            ),
            (
                "report",
                models.ForeignKey(
                    db_constraint=False,
                    null=True,
                    on_delete=django.db.models.deletion.DO_NOTHING,
                    related_name="+",
                    related_query_name="+",
                    to="reports.teamreport",
                ),
            ),
        ],
        options={
            "abstract": False,
            "indexes": [models.Index(fields=["pgh_created_at"], name="comment_change_at")],
        },
    ),
]
