"""The tables of this app as all its migrations make them, for a new database."""

import django.contrib.postgres.fields
import django.db.models.deletion
import django.utils.timezone
import pghistory.utils
import pgtrigger.compiler
from django.conf import settings
from django.db import migrations, models

OPERATIONS = [
    migrations.CreateModel(
        name="Notice",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            (
                "kind",
                models.CharField(
                    choices=[
                        ("alarm", "Alarm"),
                        ("failed", "Run failed or lost"),
                        ("succeeded", "Run succeeded"),
                        ("cancelled", "Run cancelled by somebody else"),
                        ("mention", "Named in a comment"),
                        ("reply", "Reply in a thread of yours"),
                        ("review", "Items to review"),
                    ],
                    max_length=20,
                ),
            ),
            ("text", models.CharField(max_length=400)),
            ("count", models.PositiveIntegerField(default=1)),
            ("made_at", models.DateTimeField(auto_now_add=True)),
            ("read_at", models.DateTimeField(blank=True, null=True)),
            (
                "experiment",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="+",
                    to="runs.experiment",
                ),
            ),
            (
                "run",
                models.ForeignKey(
                    blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="runs.run"
                ),
            ),
            (
                "user",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE, related_name="notices", to=settings.AUTH_USER_MODEL
                ),
            ),
            (
                "comment",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="+",
                    to="comments.comment",
                ),
            ),
            (
                "queue",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="+",
                    to="review.reviewqueue",
                ),
            ),
        ],
        options={
            "ordering": ["-id"],
            "indexes": [
                models.Index(fields=["user", "-id"], name="notice_of_user"),
                models.Index(condition=models.Q(("read_at", None)), fields=["user"], name="notice_unread"),
            ],
        },
    ),
    migrations.CreateModel(
        name="MailChoice",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            (
                "kinds",
                django.contrib.postgres.fields.ArrayField(
                    base_field=models.CharField(
                        choices=[
                            ("alarm", "Alarm"),
                            ("failed", "Run failed or lost"),
                            ("succeeded", "Run succeeded"),
                            ("cancelled", "Run cancelled by somebody else"),
                            ("mention", "Named in a comment"),
                            ("reply", "Reply in a thread of yours"),
                            ("review", "Items to review"),
                        ],
                        max_length=20,
                    ),
                    blank=True,
                    default=list,
                    size=None,
                ),
            ),
            (
                "user",
                models.OneToOneField(
                    on_delete=django.db.models.deletion.CASCADE, related_name="mail_choice", to=settings.AUTH_USER_MODEL
                ),
            ),
        ],
    ),
    migrations.CreateModel(
        name="Webhook",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("url", models.CharField(max_length=500, verbose_name="address")),
            ("sealed_secret", models.TextField()),
            ("secret_at", models.DateTimeField(default=django.utils.timezone.now, verbose_name="secret made at")),
            ("with_successes", models.BooleanField(default=False, verbose_name="also of runs that succeed")),
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
                "team",
                models.OneToOneField(
                    on_delete=django.db.models.deletion.CASCADE, related_name="webhook", to="teams.team"
                ),
            ),
        ],
        options={
            "triggers": [
                pgtrigger.compiler.Trigger(
                    name="insert_insert",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        func='INSERT INTO "notices_webhookchange" ("created_by_id", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "secret_at", "team_id", "url", "with_successes") VALUES (NEW."created_by_id", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'insert\', NEW."id", NEW."secret_at", NEW."team_id", NEW."url", NEW."with_successes"); RETURN NULL;',
                        hash="80cb3e6d6bb63523b0925c519ddcd747bcd5758b",
                        operation="INSERT",
                        pgid="pgtrigger_insert_insert_07cf8",
                        table="notices_webhook",
                        when="AFTER",
                    ),
                ),
                pgtrigger.compiler.Trigger(
                    name="update_update",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        condition='WHEN (OLD."created_by_id" IS DISTINCT FROM (NEW."created_by_id") OR OLD."secret_at" IS DISTINCT FROM (NEW."secret_at") OR OLD."team_id" IS DISTINCT FROM (NEW."team_id") OR OLD."url" IS DISTINCT FROM (NEW."url") OR OLD."with_successes" IS DISTINCT FROM (NEW."with_successes"))',
                        func='INSERT INTO "notices_webhookchange" ("created_by_id", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "secret_at", "team_id", "url", "with_successes") VALUES (NEW."created_by_id", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'update\', NEW."id", NEW."secret_at", NEW."team_id", NEW."url", NEW."with_successes"); RETURN NULL;',
                        hash="511d52258747d3ef30430e3740d077c9f431492e",
                        operation="UPDATE",
                        pgid="pgtrigger_update_update_f8d29",
                        table="notices_webhook",
                        when="AFTER",
                    ),
                ),
                pgtrigger.compiler.Trigger(
                    name="delete_delete",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        func='INSERT INTO "notices_webhookchange" ("created_by_id", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "secret_at", "team_id", "url", "with_successes") VALUES (OLD."created_by_id", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'delete\', OLD."id", OLD."secret_at", OLD."team_id", OLD."url", OLD."with_successes"); RETURN NULL;',
                        hash="a999843d602d157c684df80bbbc375baf1379290",
                        operation="DELETE",
                        pgid="pgtrigger_delete_delete_d1a5c",
                        table="notices_webhook",
                        when="AFTER",
                    ),
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="Delivery",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("payload", models.JSONField()),
            ("made_at", models.DateTimeField(auto_now_add=True)),
            ("due_at", models.DateTimeField(auto_now_add=True)),
            ("tries", models.PositiveIntegerField(default=0)),
            ("ended_at", models.DateTimeField(blank=True, null=True)),
            ("went_out", models.BooleanField(default=False)),
            ("answer", models.CharField(blank=True, max_length=300)),
            (
                "user",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="+",
                    to=settings.AUTH_USER_MODEL,
                ),
            ),
            (
                "webhook",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="deliveries",
                    to="notices.webhook",
                ),
            ),
        ],
        options={
            "verbose_name_plural": "deliveries",
            "ordering": ["-id"],
            "indexes": [models.Index(condition=models.Q(("ended_at", None)), fields=["due_at"], name="delivery_due")],
        },
    ),
    migrations.CreateModel(
        name="WebhookChange",
        fields=[
            ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
            ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
            ("pgh_label", models.TextField(help_text="The event label.")),
            ("pgh_context", pghistory.utils.JSONField(null=True)),
            ("url", models.CharField(max_length=500, verbose_name="address")),
            ("with_successes", models.BooleanField(default=False, verbose_name="also of runs that succeed")),
            ("secret_at", models.DateTimeField(default=django.utils.timezone.now, verbose_name="secret made at")),
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
                    to="notices.webhook",
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
            "indexes": [models.Index(fields=["pgh_created_at"], name="webhook_change_at")],
        },
    ),
    migrations.CreateModel(
        name="Alarm",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            (
                "kind",
                models.CharField(
                    choices=[
                        ("monitor", "Collapse monitor"),
                        ("not_finite", "Number that is not finite"),
                        ("sampler_gap", "Sampler and trainer apart"),
                        ("stalled", "Not responding"),
                        ("ended", "Failed or lost"),
                    ],
                    max_length=20,
                ),
            ),
            ("key", models.CharField(max_length=120)),
            ("attempt", models.PositiveIntegerField(default=0)),
            ("step", models.PositiveIntegerField(blank=True, null=True)),
            ("metric", models.CharField(blank=True, max_length=100)),
            ("value", models.FloatField(blank=True, null=True)),
            ("limit", models.FloatField(blank=True, null=True)),
            ("text", models.CharField(max_length=400)),
            ("at", models.DateTimeField(auto_now_add=True)),
            (
                "run",
                models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="alarms", to="runs.run"),
            ),
        ],
        options={
            "ordering": ["-id"],
            "constraints": [models.UniqueConstraint(fields=("run", "key"), name="alarm_once_per_run")],
        },
    ),
    migrations.CreateModel(
        name="MonitorLimit",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("metric", models.CharField(max_length=100)),
            ("limit", models.FloatField()),
            ("steps", models.PositiveSmallIntegerField()),
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
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE, related_name="monitor_limits", to="teams.team"
                ),
            ),
        ],
        options={
            "constraints": [models.UniqueConstraint(fields=("team", "metric"), name="one_limit_per_metric")],
            "triggers": [
                pgtrigger.compiler.Trigger(
                    name="insert_insert",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        func='INSERT INTO "notices_monitorlimitchange" ("created_by_id", "limit", "metric", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "steps", "team_id") VALUES (NEW."created_by_id", NEW."limit", NEW."metric", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'insert\', NEW."id", NEW."steps", NEW."team_id"); RETURN NULL;',
                        hash="3a37ffd5fafaab730e1ed403ab57ac97ca722234",
                        operation="INSERT",
                        pgid="pgtrigger_insert_insert_1178d",
                        table="notices_monitorlimit",
                        when="AFTER",
                    ),
                ),
                pgtrigger.compiler.Trigger(
                    name="update_update",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        condition='WHEN (OLD."created_by_id" IS DISTINCT FROM (NEW."created_by_id") OR OLD."limit" IS DISTINCT FROM (NEW."limit") OR OLD."metric" IS DISTINCT FROM (NEW."metric") OR OLD."steps" IS DISTINCT FROM (NEW."steps") OR OLD."team_id" IS DISTINCT FROM (NEW."team_id"))',
                        func='INSERT INTO "notices_monitorlimitchange" ("created_by_id", "limit", "metric", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "steps", "team_id") VALUES (NEW."created_by_id", NEW."limit", NEW."metric", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'update\', NEW."id", NEW."steps", NEW."team_id"); RETURN NULL;',
                        hash="e39f444f32ab13aaa4fc198aa859ade4c5d61cb8",
                        operation="UPDATE",
                        pgid="pgtrigger_update_update_1a28f",
                        table="notices_monitorlimit",
                        when="AFTER",
                    ),
                ),
                pgtrigger.compiler.Trigger(
                    name="delete_delete",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        func='INSERT INTO "notices_monitorlimitchange" ("created_by_id", "limit", "metric", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "steps", "team_id") VALUES (OLD."created_by_id", OLD."limit", OLD."metric", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'delete\', OLD."id", OLD."steps", OLD."team_id"); RETURN NULL;',
                        hash="3c27aaa13dabbe089b26993701946ae8de62d62f",
                        operation="DELETE",
                        pgid="pgtrigger_delete_delete_bad4f",
                        table="notices_monitorlimit",
                        when="AFTER",
                    ),
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="MonitorLimitChange",
        fields=[
            ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
            ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
            ("pgh_label", models.TextField(help_text="The event label.")),
            ("pgh_context", pghistory.utils.JSONField(null=True)),
            ("metric", models.CharField(max_length=100)),
            ("limit", models.FloatField()),
            ("steps", models.PositiveSmallIntegerField()),
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
                    to="notices.monitorlimit",
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
            "indexes": [models.Index(fields=["pgh_created_at"], name="monitorlimit_change_at")],
        },
    ),
]
