"""The tables of this app as all its migrations make them, for a new database."""

import django.contrib.postgres.indexes
import django.db.models.deletion
import pghistory.utils
import pgtrigger.compiler
from django.conf import settings
from django.db import migrations, models

OPERATIONS = [
    migrations.CreateModel(
        name="LabelSet",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("name", models.CharField(max_length=100)),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            (
                "created_by",
                models.ForeignKey(
                    blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, to=settings.AUTH_USER_MODEL
                ),
            ),
            (
                "team",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE, related_name="label_sets", to="teams.team"
                ),
            ),
        ],
        options={
            "ordering": ["name"],
            "constraints": [models.UniqueConstraint(fields=("team", "name"), name="label_set_once_per_team")],
            "triggers": [
                pgtrigger.compiler.Trigger(
                    name="insert_insert",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        func='INSERT INTO "review_labelsetchange" ("created_by_id", "name", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "team_id") VALUES (NEW."created_by_id", NEW."name", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'insert\', NEW."id", NEW."team_id"); RETURN NULL;',
                        hash="545f4a1103d4d7a53f218111b1bc4a17e4de6feb",
                        operation="INSERT",
                        pgid="pgtrigger_insert_insert_df912",
                        table="review_labelset",
                        when="AFTER",
                    ),
                ),
                pgtrigger.compiler.Trigger(
                    name="update_update",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        condition='WHEN (OLD."created_by_id" IS DISTINCT FROM (NEW."created_by_id") OR OLD."name" IS DISTINCT FROM (NEW."name") OR OLD."team_id" IS DISTINCT FROM (NEW."team_id"))',
                        func='INSERT INTO "review_labelsetchange" ("created_by_id", "name", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "team_id") VALUES (NEW."created_by_id", NEW."name", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'update\', NEW."id", NEW."team_id"); RETURN NULL;',
                        hash="471cecccfb3e793cf29cf7ad53f2ff91fc787483",
                        operation="UPDATE",
                        pgid="pgtrigger_update_update_24e96",
                        table="review_labelset",
                        when="AFTER",
                    ),
                ),
                pgtrigger.compiler.Trigger(
                    name="delete_delete",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        func='INSERT INTO "review_labelsetchange" ("created_by_id", "name", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "team_id") VALUES (OLD."created_by_id", OLD."name", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'delete\', OLD."id", OLD."team_id"); RETURN NULL;',
                        hash="5c144c56cb172ed52d4400043c85ae256adae37d",
                        operation="DELETE",
                        pgid="pgtrigger_delete_delete_7772c",
                        table="review_labelset",
                        when="AFTER",
                    ),
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="LabelSetChange",
        fields=[
            ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
            ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
            ("pgh_label", models.TextField(help_text="The event label.")),
            ("pgh_context", pghistory.utils.JSONField(null=True)),
            ("name", models.CharField(max_length=100)),
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
                    to="review.labelset",
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
            "indexes": [models.Index(fields=["pgh_created_at"], name="labelset_change_at")],
        },
    ),
    migrations.CreateModel(
        name="LabelSetVersion",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("number", models.PositiveIntegerField()),
            ("text", models.TextField()),
            ("questions", models.JSONField()),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            (
                "created_by",
                models.ForeignKey(
                    blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, to=settings.AUTH_USER_MODEL
                ),
            ),
            (
                "label_set",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE, related_name="versions", to="review.labelset"
                ),
            ),
        ],
        options={
            "ordering": ["-number"],
            "constraints": [models.UniqueConstraint(fields=("label_set", "number"), name="label_set_version_once")],
            "triggers": [
                pgtrigger.compiler.Trigger(
                    name="insert_insert",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        func='INSERT INTO "review_labelsetversionchange" ("created_by_id", "label_set_id", "number", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id") VALUES (NEW."created_by_id", NEW."label_set_id", NEW."number", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'insert\', NEW."id"); RETURN NULL;',
                        hash="dd59981b7646a2c812c3a1d125c43eaccf8001b4",
                        operation="INSERT",
                        pgid="pgtrigger_insert_insert_8f0f6",
                        table="review_labelsetversion",
                        when="AFTER",
                    ),
                ),
                pgtrigger.compiler.Trigger(
                    name="update_update",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        condition='WHEN (OLD."created_by_id" IS DISTINCT FROM (NEW."created_by_id") OR OLD."label_set_id" IS DISTINCT FROM (NEW."label_set_id") OR OLD."number" IS DISTINCT FROM (NEW."number"))',
                        func='INSERT INTO "review_labelsetversionchange" ("created_by_id", "label_set_id", "number", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id") VALUES (NEW."created_by_id", NEW."label_set_id", NEW."number", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'update\', NEW."id"); RETURN NULL;',
                        hash="190e02f8bd87d7168c1441ffe0c23531c7cb9079",
                        operation="UPDATE",
                        pgid="pgtrigger_update_update_1bafc",
                        table="review_labelsetversion",
                        when="AFTER",
                    ),
                ),
                pgtrigger.compiler.Trigger(
                    name="delete_delete",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        func='INSERT INTO "review_labelsetversionchange" ("created_by_id", "label_set_id", "number", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id") VALUES (OLD."created_by_id", OLD."label_set_id", OLD."number", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'delete\', OLD."id"); RETURN NULL;',
                        hash="588362f22df110ad092e60467526ea02f2bbf185",
                        operation="DELETE",
                        pgid="pgtrigger_delete_delete_c25ac",
                        table="review_labelsetversion",
                        when="AFTER",
                    ),
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="LabelSetVersionChange",
        fields=[
            ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
            ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
            ("pgh_label", models.TextField(help_text="The event label.")),
            ("pgh_context", pghistory.utils.JSONField(null=True)),
            ("number", models.PositiveIntegerField()),
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
                "label_set",
                models.ForeignKey(
                    db_constraint=False,
                    on_delete=django.db.models.deletion.DO_NOTHING,
                    related_name="+",
                    related_query_name="+",
                    to="review.labelset",
                ),
            ),
            (
                "pgh_obj",
                models.ForeignKey(
                    db_constraint=False,
                    on_delete=django.db.models.deletion.DO_NOTHING,
                    related_name="changes",
                    to="review.labelsetversion",
                ),
            ),
        ],
        options={
            "abstract": False,
            "indexes": [models.Index(fields=["pgh_created_at"], name="labelsetversion_change_at")],
        },
    ),
    migrations.CreateModel(
        name="ReviewItem",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("number", models.PositiveIntegerField()),
            (
                "kind",
                models.CharField(
                    choices=[
                        ("response", "Responses"),
                        ("group", "Groups"),
                        ("position", "Positions"),
                        ("pair", "Pairs of responses"),
                    ],
                    default="response",
                    max_length=10,
                ),
            ),
            ("rollout_id", models.BigIntegerField(blank=True, null=True)),
            ("other_rollout_id", models.BigIntegerField(blank=True, null=True)),
            ("step", models.IntegerField(blank=True, null=True)),
            ("rollout_kind", models.CharField(blank=True, max_length=10)),
            ("row", models.IntegerField(blank=True, null=True)),
            ("group", models.IntegerField(blank=True, null=True)),
            ("document", models.TextField(blank=True)),
            ("position", models.IntegerField(blank=True, null=True)),
            ("reward", models.FloatField(blank=True, null=True)),
            ("wanted", models.PositiveSmallIntegerField(default=1)),
            ("submitted", models.PositiveSmallIntegerField(default=0)),
            (
                "other_run",
                models.ForeignKey(
                    blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="runs.run"
                ),
            ),
            (
                "run",
                models.ForeignKey(
                    blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="runs.run"
                ),
            ),
            (
                "queue",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE, related_name="items", to="review.reviewqueue"
                ),
            ),
            ("dispute", models.FloatField(blank=True, null=True)),
            (
                "place",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="+",
                    to="traces.corpusposition",
                ),
            ),
        ],
        options={
            "verbose_name": "item",
            "ordering": ["queue", "number"],
            "indexes": [
                models.Index(fields=["run", "rollout_id"], name="review_item_of_rollout"),
                models.Index(
                    condition=models.Q(("submitted__lt", models.F("wanted"))),
                    fields=["queue", "number"],
                    name="review_item_open",
                ),
                models.Index(fields=["run", "step", "rollout_kind", "group"], name="review_item_of_group"),
            ],
            "constraints": [models.UniqueConstraint(fields=("queue", "number"), name="review_item_once")],
        },
    ),
    migrations.CreateModel(
        name="Review",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("version", models.PositiveIntegerField(default=0)),
            ("answers", models.JSONField(blank=True, default=dict)),
            ("note", models.TextField(blank=True)),
            ("is_flagged", models.BooleanField(default=False)),
            ("is_swapped", models.BooleanField(default=False)),
            ("seconds", models.FloatField(default=0.0)),
            ("held_until", models.DateTimeField(blank=True, null=True)),
            ("taken_at", models.DateTimeField(blank=True, null=True)),
            ("changed_at", models.DateTimeField(blank=True, null=True)),
            ("submitted_at", models.DateTimeField(blank=True, null=True)),
            ("seen_at", models.DateTimeField(blank=True, null=True)),
            ("is_imported", models.BooleanField(default=False)),
            (
                "reviewer",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE, related_name="reviews", to=settings.AUTH_USER_MODEL
                ),
            ),
            (
                "item",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE, related_name="reviews", to="review.reviewitem"
                ),
            ),
        ],
        options={
            "ordering": ["id"],
            "indexes": [
                models.Index(fields=["reviewer", "submitted_at"], name="review_of_reviewer"),
                django.contrib.postgres.indexes.GinIndex(
                    fields=["answers"], name="review_answers", opclasses=["jsonb_path_ops"]
                ),
            ],
            "constraints": [models.UniqueConstraint(fields=("item", "reviewer"), name="review_once_per_person")],
        },
    ),
    migrations.CreateModel(
        name="Decision",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("answers", models.JSONField(default=dict)),
            ("note", models.TextField(blank=True)),
            ("decided_at", models.DateTimeField(auto_now=True)),
            (
                "decided_by",
                models.ForeignKey(
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="+",
                    to=settings.AUTH_USER_MODEL,
                ),
            ),
            (
                "item",
                models.OneToOneField(
                    on_delete=django.db.models.deletion.CASCADE, related_name="decision", to="review.reviewitem"
                ),
            ),
            (
                "queue",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE, related_name="decisions", to="review.reviewqueue"
                ),
            ),
        ],
        options={
            "triggers": [
                pgtrigger.compiler.Trigger(
                    name="insert_insert",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        func='INSERT INTO "review_decisionchange" ("answers", "decided_by_id", "item_id", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "queue_id") VALUES (NEW."answers", NEW."decided_by_id", NEW."item_id", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'insert\', NEW."id", NEW."queue_id"); RETURN NULL;',
                        hash="31e74aac2eb17df6458a9d1bb26d741c37081df8",
                        operation="INSERT",
                        pgid="pgtrigger_insert_insert_8812a",
                        table="review_decision",
                        when="AFTER",
                    ),
                ),
                pgtrigger.compiler.Trigger(
                    name="update_update",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        condition='WHEN (OLD."answers" IS DISTINCT FROM (NEW."answers") OR OLD."decided_by_id" IS DISTINCT FROM (NEW."decided_by_id") OR OLD."item_id" IS DISTINCT FROM (NEW."item_id") OR OLD."queue_id" IS DISTINCT FROM (NEW."queue_id"))',
                        func='INSERT INTO "review_decisionchange" ("answers", "decided_by_id", "item_id", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "queue_id") VALUES (NEW."answers", NEW."decided_by_id", NEW."item_id", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'update\', NEW."id", NEW."queue_id"); RETURN NULL;',
                        hash="3544f61b0cde95abf6fd6654a1a7199f85662e1e",
                        operation="UPDATE",
                        pgid="pgtrigger_update_update_6c3ff",
                        table="review_decision",
                        when="AFTER",
                    ),
                ),
                pgtrigger.compiler.Trigger(
                    name="delete_delete",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        func='INSERT INTO "review_decisionchange" ("answers", "decided_by_id", "item_id", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "queue_id") VALUES (OLD."answers", OLD."decided_by_id", OLD."item_id", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'delete\', OLD."id", OLD."queue_id"); RETURN NULL;',
                        hash="693bb89141fe38b59db1377c0d1635d3bb5cd2a8",
                        operation="DELETE",
                        pgid="pgtrigger_delete_delete_927e4",
                        table="review_decision",
                        when="AFTER",
                    ),
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="ReviewQueue",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("name", models.CharField(max_length=100)),
            ("instructions", models.TextField(blank=True)),
            (
                "kind",
                models.CharField(
                    choices=[
                        ("response", "Responses"),
                        ("group", "Groups"),
                        ("position", "Positions"),
                        ("pair", "Pairs of responses"),
                    ],
                    default="response",
                    max_length=10,
                ),
            ),
            ("source", models.JSONField(blank=True, default=dict)),
            ("reviewers_per_item", models.PositiveIntegerField(default=1)),
            ("overlap", models.FloatField(default=1.0)),
            ("is_open_to_all", models.BooleanField(default=False, verbose_name="open to all")),
            ("is_blind", models.BooleanField(default=True, verbose_name="blind")),
            ("hides_truth", models.BooleanField(default=True)),
            ("due_at", models.DateTimeField(blank=True, null=True)),
            ("closed_at", models.DateTimeField(blank=True, null=True)),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            (
                "created_by",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="+",
                    to=settings.AUTH_USER_MODEL,
                ),
            ),
            (
                "team",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE, related_name="review_queues", to="teams.team"
                ),
            ),
            (
                "version",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT, related_name="queues", to="review.labelsetversion"
                ),
            ),
        ],
        options={
            "verbose_name": "queue",
            "ordering": ["-id"],
            "triggers": [
                pgtrigger.compiler.Trigger(
                    name="insert_insert",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        func='INSERT INTO "review_reviewqueuechange" ("closed_at", "created_by_id", "due_at", "is_blind", "is_open_to_all", "name", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "team_id", "version_id") VALUES (NEW."closed_at", NEW."created_by_id", NEW."due_at", NEW."is_blind", NEW."is_open_to_all", NEW."name", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'insert\', NEW."id", NEW."team_id", NEW."version_id"); RETURN NULL;',
                        hash="c651968d99ae7095488aefa6a1861cfd683e4978",
                        operation="INSERT",
                        pgid="pgtrigger_insert_insert_89d51",
                        table="review_reviewqueue",
                        when="AFTER",
                    ),
                ),
                pgtrigger.compiler.Trigger(
                    name="update_update",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        condition='WHEN (OLD."closed_at" IS DISTINCT FROM (NEW."closed_at") OR OLD."created_by_id" IS DISTINCT FROM (NEW."created_by_id") OR OLD."due_at" IS DISTINCT FROM (NEW."due_at") OR OLD."is_blind" IS DISTINCT FROM (NEW."is_blind") OR OLD."is_open_to_all" IS DISTINCT FROM (NEW."is_open_to_all") OR OLD."name" IS DISTINCT FROM (NEW."name") OR OLD."team_id" IS DISTINCT FROM (NEW."team_id") OR OLD."version_id" IS DISTINCT FROM (NEW."version_id"))',
                        func='INSERT INTO "review_reviewqueuechange" ("closed_at", "created_by_id", "due_at", "is_blind", "is_open_to_all", "name", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "team_id", "version_id") VALUES (NEW."closed_at", NEW."created_by_id", NEW."due_at", NEW."is_blind", NEW."is_open_to_all", NEW."name", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'update\', NEW."id", NEW."team_id", NEW."version_id"); RETURN NULL;',
                        hash="a1e6104f3cde682935e51e200668a528d4e1fd0b",
                        operation="UPDATE",
                        pgid="pgtrigger_update_update_858ab",
                        table="review_reviewqueue",
                        when="AFTER",
                    ),
                ),
                pgtrigger.compiler.Trigger(
                    name="delete_delete",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        func='INSERT INTO "review_reviewqueuechange" ("closed_at", "created_by_id", "due_at", "is_blind", "is_open_to_all", "name", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "team_id", "version_id") VALUES (OLD."closed_at", OLD."created_by_id", OLD."due_at", OLD."is_blind", OLD."is_open_to_all", OLD."name", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'delete\', OLD."id", OLD."team_id", OLD."version_id"); RETURN NULL;',
                        hash="8ceeea488e2f92dc2411effe8f08d5121963ce72",
                        operation="DELETE",
                        pgid="pgtrigger_delete_delete_7b6b0",
                        table="review_reviewqueue",
                        when="AFTER",
                    ),
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="DecisionChange",
        fields=[
            ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
            ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
            ("pgh_label", models.TextField(help_text="The event label.")),
            ("pgh_context", pghistory.utils.JSONField(null=True)),
            ("answers", models.JSONField(default=dict)),
            (
                "decided_by",
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
                    to="review.decision",
                ),
            ),
            (
                "item",
                models.ForeignKey(
                    db_constraint=False,
                    on_delete=django.db.models.deletion.DO_NOTHING,
                    related_name="+",
                    related_query_name="+",
                    to="review.reviewitem",
                ),
            ),
            (
                "queue",
                models.ForeignKey(
                    db_constraint=False,
                    on_delete=django.db.models.deletion.DO_NOTHING,
                    related_name="+",
                    related_query_name="+",
                    to="review.reviewqueue",
                ),
            ),
        ],
        options={
            "abstract": False,
            "indexes": [models.Index(fields=["pgh_created_at"], name="decision_change_at")],
        },
    ),
    migrations.CreateModel(
        name="ReviewQueueChange",
        fields=[
            ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
            ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
            ("pgh_label", models.TextField(help_text="The event label.")),
            ("pgh_context", pghistory.utils.JSONField(null=True)),
            ("name", models.CharField(max_length=100)),
            ("is_open_to_all", models.BooleanField(default=False, verbose_name="open to all")),
            ("is_blind", models.BooleanField(default=True, verbose_name="blind")),
            ("due_at", models.DateTimeField(blank=True, null=True)),
            ("closed_at", models.DateTimeField(blank=True, null=True)),
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
                    to="review.reviewqueue",
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
                "version",
                models.ForeignKey(
                    db_constraint=False,
                    on_delete=django.db.models.deletion.DO_NOTHING,
                    related_name="+",
                    related_query_name="+",
                    to="review.labelsetversion",
                ),
            ),
        ],
        options={
            "abstract": False,
            "indexes": [models.Index(fields=["pgh_created_at"], name="reviewqueue_change_at")],
        },
    ),
    migrations.CreateModel(
        name="AgreementFigures",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("key", models.CharField(max_length=32)),
            ("figures", models.JSONField(default=dict)),
            (
                "queue",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE, related_name="figures", to="review.reviewqueue"
                ),
            ),
        ],
        options={
            "constraints": [models.UniqueConstraint(fields=("queue", "key"), name="agreement_figures_once")],
        },
    ),
    migrations.CreateModel(
        name="Reassignment",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("taken_by", models.TextField()),
            ("items", models.PositiveIntegerField()),
            ("made_at", models.DateTimeField(auto_now_add=True)),
            (
                "made_by",
                models.ForeignKey(
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="+",
                    to=settings.AUTH_USER_MODEL,
                ),
            ),
            (
                "queue",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE, related_name="reassignments", to="review.reviewqueue"
                ),
            ),
            (
                "user",
                models.ForeignKey(
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="+",
                    to=settings.AUTH_USER_MODEL,
                ),
            ),
        ],
        options={
            "triggers": [
                pgtrigger.compiler.Trigger(
                    name="insert_insert",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        func='INSERT INTO "review_reassignmentchange" ("items", "made_by_id", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "queue_id", "taken_by", "user_id") VALUES (NEW."items", NEW."made_by_id", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'insert\', NEW."id", NEW."queue_id", NEW."taken_by", NEW."user_id"); RETURN NULL;',
                        hash="9fce051ca857f31706b04e156773a96c9d69791b",
                        operation="INSERT",
                        pgid="pgtrigger_insert_insert_8d4f9",
                        table="review_reassignment",
                        when="AFTER",
                    ),
                ),
                pgtrigger.compiler.Trigger(
                    name="update_update",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        condition='WHEN (OLD."items" IS DISTINCT FROM (NEW."items") OR OLD."made_by_id" IS DISTINCT FROM (NEW."made_by_id") OR OLD."queue_id" IS DISTINCT FROM (NEW."queue_id") OR OLD."taken_by" IS DISTINCT FROM (NEW."taken_by") OR OLD."user_id" IS DISTINCT FROM (NEW."user_id"))',
                        func='INSERT INTO "review_reassignmentchange" ("items", "made_by_id", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "queue_id", "taken_by", "user_id") VALUES (NEW."items", NEW."made_by_id", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'update\', NEW."id", NEW."queue_id", NEW."taken_by", NEW."user_id"); RETURN NULL;',
                        hash="dd8b1726e721b121354fa075e8fa147a74ef347d",
                        operation="UPDATE",
                        pgid="pgtrigger_update_update_ebcbb",
                        table="review_reassignment",
                        when="AFTER",
                    ),
                ),
                pgtrigger.compiler.Trigger(
                    name="delete_delete",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        func='INSERT INTO "review_reassignmentchange" ("items", "made_by_id", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "queue_id", "taken_by", "user_id") VALUES (OLD."items", OLD."made_by_id", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'delete\', OLD."id", OLD."queue_id", OLD."taken_by", OLD."user_id"); RETURN NULL;',
                        hash="85a0838346366a9adc834d93b1f87a906c40c86f",
                        operation="DELETE",
                        pgid="pgtrigger_delete_delete_e279e",
                        table="review_reassignment",
                        when="AFTER",
                    ),
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="ReassignmentChange",
        fields=[
            ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
            ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
            ("pgh_label", models.TextField(help_text="The event label.")),
            ("pgh_context", pghistory.utils.JSONField(null=True)),
            ("taken_by", models.TextField()),
            ("items", models.PositiveIntegerField()),
            (
                "made_by",
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
                    to="review.reassignment",
                ),
            ),
            (
                "queue",
                models.ForeignKey(
                    db_constraint=False,
                    on_delete=django.db.models.deletion.DO_NOTHING,
                    related_name="+",
                    related_query_name="+",
                    to="review.reviewqueue",
                ),
            ),
            (
                "user",
                models.ForeignKey(
                    db_constraint=False,
                    null=True,
                    on_delete=django.db.models.deletion.DO_NOTHING,
                    related_name="+",
                    related_query_name="+",
                    to=settings.AUTH_USER_MODEL,
                ),
            ),
        ],
        options={
            "abstract": False,
            "indexes": [models.Index(fields=["pgh_created_at"], name="reassignment_change_at")],
        },
    ),
]
