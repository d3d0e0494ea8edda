"""The tables of this app as all its migrations make them, for a new database."""

import django.db.models.deletion
import pghistory.utils
import pgtrigger.compiler
from django.conf import settings
from django.db import migrations, models

OPERATIONS = [
    migrations.CreateModel(
        name="ReportLink",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("digest", models.CharField(max_length=64, unique=True)),
            ("is_anonymous", models.BooleanField(default=False)),
            ("expires_at", models.DateTimeField()),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            (
                "created_by",
                models.ForeignKey(
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="+",
                    to=settings.AUTH_USER_MODEL,
                ),
            ),
            (
                "report",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE, related_name="links", to="reports.teamreport"
                ),
            ),
        ],
        options={
            "verbose_name": "link to a report",
            "ordering": ["-id"],
            "triggers": [
                pgtrigger.compiler.Trigger(
                    name="insert_insert",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        func='INSERT INTO "reports_reportlinkchange" ("created_by_id", "expires_at", "is_anonymous", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "report_id") VALUES (NEW."created_by_id", NEW."expires_at", NEW."is_anonymous", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'insert\', NEW."id", NEW."report_id"); RETURN NULL;',
                        hash="db4a0e87b21cc7035c7f1f974324fcadb2624443",
                        operation="INSERT",
                        pgid="pgtrigger_insert_insert_fbf3d",
                        table="reports_reportlink",
                        when="AFTER",
                    ),
                ),
                pgtrigger.compiler.Trigger(
                    name="update_update",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        condition='WHEN (OLD."created_by_id" IS DISTINCT FROM (NEW."created_by_id") OR OLD."expires_at" IS DISTINCT FROM (NEW."expires_at") OR OLD."is_anonymous" IS DISTINCT FROM (NEW."is_anonymous") OR OLD."report_id" IS DISTINCT FROM (NEW."report_id"))',
                        func='INSERT INTO "reports_reportlinkchange" ("created_by_id", "expires_at", "is_anonymous", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "report_id") VALUES (NEW."created_by_id", NEW."expires_at", NEW."is_anonymous", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'update\', NEW."id", NEW."report_id"); RETURN NULL;',
                        hash="421b209dc9a336a982bc22586ecab94ab559b909",
                        operation="UPDATE",
                        pgid="pgtrigger_update_update_8437d",
                        table="reports_reportlink",
                        when="AFTER",
                    ),
                ),
                pgtrigger.compiler.Trigger(
                    name="delete_delete",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        func='INSERT INTO "reports_reportlinkchange" ("created_by_id", "expires_at", "is_anonymous", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "report_id") VALUES (OLD."created_by_id", OLD."expires_at", OLD."is_anonymous", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'delete\', OLD."id", OLD."report_id"); RETURN NULL;',
                        hash="5b8c9eabbcf3396cdcd762c3ce2cc76d4ddf5f48",
                        operation="DELETE",
                        pgid="pgtrigger_delete_delete_239ad",
                        table="reports_reportlink",
                        when="AFTER",
                    ),
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="TeamReport",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("title", models.CharField(max_length=200)),
            ("hidden_words", models.TextField(blank=True, max_length=2000)),
            ("frozen_at", models.DateTimeField(null=True)),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            ("changed_at", models.DateTimeField(auto_now=True)),
            (
                "created_by",
                models.ForeignKey(
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="+",
                    to=settings.AUTH_USER_MODEL,
                ),
            ),
            (
                "team",
                models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="reports", to="teams.team"),
            ),
        ],
        options={
            "ordering": ["-id"],
            "triggers": [
                pgtrigger.compiler.Trigger(
                    name="insert_insert",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        func='INSERT INTO "reports_teamreportchange" ("created_by_id", "frozen_at", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "team_id", "title") VALUES (NEW."created_by_id", NEW."frozen_at", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'insert\', NEW."id", NEW."team_id", NEW."title"); RETURN NULL;',
                        hash="1af58b797ed996e138063f6fb7bf6000847526cf",
                        operation="INSERT",
                        pgid="pgtrigger_insert_insert_b3a63",
                        table="reports_teamreport",
                        when="AFTER",
                    ),
                ),
                pgtrigger.compiler.Trigger(
                    name="update_update",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        condition='WHEN (OLD."created_by_id" IS DISTINCT FROM (NEW."created_by_id") OR OLD."frozen_at" IS DISTINCT FROM (NEW."frozen_at") OR OLD."team_id" IS DISTINCT FROM (NEW."team_id") OR OLD."title" IS DISTINCT FROM (NEW."title"))',
                        func='INSERT INTO "reports_teamreportchange" ("created_by_id", "frozen_at", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "team_id", "title") VALUES (NEW."created_by_id", NEW."frozen_at", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'update\', NEW."id", NEW."team_id", NEW."title"); RETURN NULL;',
                        hash="1adecb013c3ec70786a548c30631437fe7021f21",
                        operation="UPDATE",
                        pgid="pgtrigger_update_update_ff9c9",
                        table="reports_teamreport",
                        when="AFTER",
                    ),
                ),
                pgtrigger.compiler.Trigger(
                    name="delete_delete",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        func='INSERT INTO "reports_teamreportchange" ("created_by_id", "frozen_at", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "team_id", "title") VALUES (OLD."created_by_id", OLD."frozen_at", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'delete\', OLD."id", OLD."team_id", OLD."title"); RETURN NULL;',
                        hash="87a8ad9e84ae1767053d26620cd70e059c54e2eb",
                        operation="DELETE",
                        pgid="pgtrigger_delete_delete_84e9f",
                        table="reports_teamreport",
                        when="AFTER",
                    ),
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="ReportPart",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("place", models.PositiveIntegerField()),
            (
                "kind",
                models.CharField(
                    choices=[("text", "Text"), ("exhibit", "Figure or table"), ("response", "Response")], max_length=10
                ),
            ),
            ("text", models.TextField(blank=True, max_length=50000)),
            ("ref", models.CharField(blank=True, max_length=400)),
            ("stored", models.JSONField(null=True)),
            (
                "report",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE, related_name="parts", to="reports.teamreport"
                ),
            ),
        ],
        options={
            "ordering": ["place", "id"],
        },
    ),
    migrations.CreateModel(
        name="ReportLinkChange",
        fields=[
            ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
            ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
            ("pgh_label", models.TextField(help_text="The event label.")),
            ("pgh_context", pghistory.utils.JSONField(null=True)),
            ("is_anonymous", models.BooleanField(default=False)),
            ("expires_at", models.DateTimeField()),
            (
                "created_by",
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
                "pgh_obj",
                models.ForeignKey(
                    db_constraint=False,
                    on_delete=django.db.models.deletion.DO_NOTHING,
                    related_name="changes",
                    to="reports.reportlink",
                ),
            ),
            (
                "report",
                models.ForeignKey(
                    db_constraint=False,
                    on_delete=django.db.models.deletion.DO_NOTHING,
                    related_name="+",
                    related_query_name="+",
                    to="reports.teamreport",
                ),
            ),
        ],
        options={
            "abstract": False,
            "indexes": [models.Index(fields=["pgh_created_at"], name="reportlink_change_at")],
        },
    ),
    migrations.CreateModel(
        name="TeamReportChange",
        fields=[
            ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
            ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
            ("pgh_label", models.TextField(help_text="The event label.")),
            ("pgh_context", pghistory.utils.JSONField(null=True)),
            ("title", models.CharField(max_length=200)),
            ("frozen_at", models.DateTimeField(null=True)),
            (
                "created_by",
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
                "pgh_obj",
                models.ForeignKey(
                    db_constraint=False,
                    on_delete=django.db.models.deletion.DO_NOTHING,
                    related_name="changes",
                    to="reports.teamreport",
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
            "indexes": [models.Index(fields=["pgh_created_at"], name="teamreport_change_at")],
        },
    ),
    migrations.CreateModel(
        name="ReportPdf",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("is_anonymous", models.BooleanField(default=False)),
            ("content", models.BinaryField()),
            ("made_at", models.DateTimeField(auto_now=True)),
            (
                "report",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE, related_name="pdfs", to="reports.teamreport"
                ),
            ),
        ],
        options={
            "ordering": ["is_anonymous"],
            "constraints": [models.UniqueConstraint(fields=("report", "is_anonymous"), name="pdf_once_for_each_copy")],
        },
    ),
]
