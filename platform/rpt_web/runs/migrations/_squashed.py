"""The tables of this app as all its migrations make them, for a new database."""

import datetime

import django.contrib.postgres.fields
import django.db.models.deletion
import pghistory.utils
import pgtrigger.compiler
from django.conf import settings
from django.db import migrations, models

import rpt_web.runs.models

OPERATIONS = [
    migrations.RunSQL("CREATE SEQUENCE runs_run_place", "DROP SEQUENCE runs_run_place"),
    migrations.CreateModel(
        name="Experiment",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("name", models.CharField(max_length=200)),
            ("description", models.TextField(blank=True)),
            ("preset", models.CharField(blank=True, max_length=50)),
            ("seed", models.IntegerField(default=0)),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            (
                "created_by",
                models.ForeignKey(
                    blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, to=settings.AUTH_USER_MODEL
                ),
            ),
            ("results_version", models.PositiveIntegerField(default=0)),
            ("intervals_version", models.PositiveIntegerField(default=0)),
            (
                "team",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT, related_name="experiments", to="teams.team"
                ),
            ),
            ("archived_at", models.DateTimeField(blank=True, null=True)),
            (
                "deletion",
                models.ForeignKey(
                    blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to="jobs.job"
                ),
            ),
            ("findings", models.TextField(blank=True)),
            (
                "outlook",
                models.CharField(
                    choices=[("open", "Open"), ("concluded", "Concluded"), ("abandoned", "Abandoned")],
                    default="open",
                    max_length=20,
                    verbose_name="state",
                ),
            ),
            (
                "tags",
                django.contrib.postgres.fields.ArrayField(
                    base_field=models.CharField(max_length=40), blank=True, default=list, size=None
                ),
            ),
        ],
        options={
            "ordering": ["-id"],
            "triggers": [
                pgtrigger.compiler.Trigger(
                    name="insert_insert",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        func='INSERT INTO "runs_experimentchange" ("archived_at", "created_by_id", "description", "findings", "name", "outlook", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "preset", "seed", "tags", "team_id") VALUES (NEW."archived_at", NEW."created_by_id", NEW."description", NEW."findings", NEW."name", NEW."outlook", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'insert\', NEW."id", NEW."preset", NEW."seed", NEW."tags", NEW."team_id"); RETURN NULL;',
                        hash="d456ad66245e397263a2f48486c83c0b55bf4c42",
                        operation="INSERT",
                        pgid="pgtrigger_insert_insert_824cd",
                        table="runs_experiment",
                        when="AFTER",
                    ),
                ),
                pgtrigger.compiler.Trigger(
                    name="update_update",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        condition='WHEN (OLD."archived_at" IS DISTINCT FROM (NEW."archived_at") OR OLD."created_by_id" IS DISTINCT FROM (NEW."created_by_id") OR OLD."description" IS DISTINCT FROM (NEW."description") OR OLD."findings" IS DISTINCT FROM (NEW."findings") OR OLD."name" IS DISTINCT FROM (NEW."name") OR OLD."outlook" IS DISTINCT FROM (NEW."outlook") OR OLD."preset" IS DISTINCT FROM (NEW."preset") OR OLD."seed" IS DISTINCT FROM (NEW."seed") OR OLD."tags" IS DISTINCT FROM (NEW."tags") OR OLD."team_id" IS DISTINCT FROM (NEW."team_id"))',
                        func='INSERT INTO "runs_experimentchange" ("archived_at", "created_by_id", "description", "findings", "name", "outlook", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "preset", "seed", "tags", "team_id") VALUES (NEW."archived_at", NEW."created_by_id", NEW."description", NEW."findings", NEW."name", NEW."outlook", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'update\', NEW."id", NEW."preset", NEW."seed", NEW."tags", NEW."team_id"); RETURN NULL;',
                        hash="d925f9ededbda8a2af57566297c69491f5ed9d0d",
                        operation="UPDATE",
                        pgid="pgtrigger_update_update_21d96",
                        table="runs_experiment",
                        when="AFTER",
                    ),
                ),
                pgtrigger.compiler.Trigger(
                    name="delete_delete",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        func='INSERT INTO "runs_experimentchange" ("archived_at", "created_by_id", "description", "findings", "name", "outlook", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "preset", "seed", "tags", "team_id") VALUES (OLD."archived_at", OLD."created_by_id", OLD."description", OLD."findings", OLD."name", OLD."outlook", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'delete\', OLD."id", OLD."preset", OLD."seed", OLD."tags", OLD."team_id"); RETURN NULL;',
                        hash="e2fa65e624adaf821c04c5db361eb20d9898c7f4",
                        operation="DELETE",
                        pgid="pgtrigger_delete_delete_95271",
                        table="runs_experiment",
                        when="AFTER",
                    ),
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="Run",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("name", models.CharField(max_length=100)),
            ("title", models.CharField(blank=True, max_length=200)),
            ("stage", models.CharField(max_length=20)),
            (
                "status",
                models.CharField(
                    choices=[
                        ("waiting", "Waiting"),
                        ("queued", "Queued"),
                        ("running", "Running"),
                        ("succeeded", "Succeeded"),
                        ("failed", "Failed"),
                        ("cancelled", "Cancelled"),
                        ("lost", "Lost"),
                    ],
                    default="queued",
                    max_length=20,
                ),
            ),
            ("config", models.JSONField()),
            ("seed", models.IntegerField(default=0)),
            ("code_version", models.CharField(max_length=100)),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            ("attempt", models.PositiveIntegerField(default=0)),
            ("max_attempts", models.PositiveIntegerField(default=3)),
            ("worker", models.CharField(blank=True, max_length=200)),
            ("lease_until", models.DateTimeField(blank=True, null=True)),
            ("dispatched_at", models.DateTimeField(blank=True, null=True)),
            ("started_at", models.DateTimeField(blank=True, null=True)),
            ("finished_at", models.DateTimeField(blank=True, null=True)),
            ("cancel_requested_at", models.DateTimeField(blank=True, null=True)),
            ("step", models.PositiveIntegerField(blank=True, null=True)),
            ("total_steps", models.PositiveIntegerField(blank=True, null=True)),
            ("progress", models.CharField(blank=True, max_length=200)),
            ("flops", models.FloatField(blank=True, null=True)),
            ("result", models.JSONField(blank=True, default=dict)),
            ("error", models.TextField(blank=True)),
            ("log_tail", models.TextField(blank=True)),
            ("exit_code", models.IntegerField(blank=True, null=True)),
            ("recorded_seq", models.BigIntegerField(default=0)),
            ("recorded_offset", models.BigIntegerField(default=0)),
            (
                "created_by",
                models.ForeignKey(
                    blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, to=settings.AUTH_USER_MODEL
                ),
            ),
            (
                "experiment",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE, related_name="runs", to="runs.experiment"
                ),
            ),
            (
                "needs",
                django.contrib.postgres.fields.ArrayField(
                    base_field=models.CharField(max_length=100), blank=True, default=list, size=None
                ),
            ),
            ("plan", models.JSONField(blank=True, default=dict)),
            ("queue", models.CharField(default="default", max_length=50)),
            ("time_spent", models.DurationField(blank=True, default=datetime.timedelta, null=True)),
            ("quiet_since", models.DateTimeField(blank=True, null=True)),
            ("attempt_code_version", models.CharField(blank=True, default="", max_length=100)),
            ("copy_seed", models.IntegerField(blank=True, null=True)),
            (
                "origin",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="clones",
                    to="runs.run",
                ),
            ),
            ("disk_bytes", models.BigIntegerField(blank=True, null=True)),
            ("measured_attempt", models.PositiveIntegerField(blank=True, null=True)),
            ("removed_checkpoints", models.PositiveIntegerField(default=0)),
            ("place", models.BigIntegerField(db_default=rpt_web.runs.models.NextPlace())),
            ("archived_at", models.DateTimeField(blank=True, null=True)),
            (
                "deletion",
                models.ForeignKey(
                    blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to="jobs.job"
                ),
            ),
            ("gpus", models.PositiveIntegerField(default=0)),
            ("priority", models.PositiveSmallIntegerField(choices=[(0, "Low"), (1, "Normal"), (2, "High")], default=1)),
            (
                "tags",
                django.contrib.postgres.fields.ArrayField(
                    base_field=models.CharField(max_length=40), blank=True, default=list, size=None
                ),
            ),
        ],
        options={
            "ordering": ["-id"],
            "indexes": [models.Index(fields=["status", "lease_until"], name="run_status_lease")],
            "constraints": [
                models.UniqueConstraint(fields=("experiment", "name"), name="run_name_once_per_experiment")
            ],
            "triggers": [
                pgtrigger.compiler.Trigger(
                    name="insert_insert",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        func='INSERT INTO "runs_runchange" ("archived_at", "cancel_requested_at", "created_by_id", "experiment_id", "name", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "priority", "removed_checkpoints", "status", "tags", "title") VALUES (NEW."archived_at", NEW."cancel_requested_at", NEW."created_by_id", NEW."experiment_id", NEW."name", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'insert\', NEW."id", NEW."priority", NEW."removed_checkpoints", NEW."status", NEW."tags", NEW."title"); RETURN NULL;',
                        hash="9247c4e9fd3d7344722545956b7c6cb2cdf7b3b5",
                        operation="INSERT",
                        pgid="pgtrigger_insert_insert_88a42",
                        table="runs_run",
                        when="AFTER",
                    ),
                ),
                pgtrigger.compiler.Trigger(
                    name="update_update",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        condition='WHEN (OLD."archived_at" IS DISTINCT FROM (NEW."archived_at") OR OLD."cancel_requested_at" IS DISTINCT FROM (NEW."cancel_requested_at") OR OLD."created_by_id" IS DISTINCT FROM (NEW."created_by_id") OR OLD."experiment_id" IS DISTINCT FROM (NEW."experiment_id") OR OLD."name" IS DISTINCT FROM (NEW."name") OR OLD."priority" IS DISTINCT FROM (NEW."priority") OR OLD."removed_checkpoints" IS DISTINCT FROM (NEW."removed_checkpoints") OR OLD."status" IS DISTINCT FROM (NEW."status") OR OLD."tags" IS DISTINCT FROM (NEW."tags") OR OLD."title" IS DISTINCT FROM (NEW."title"))',
                        func='INSERT INTO "runs_runchange" ("archived_at", "cancel_requested_at", "created_by_id", "experiment_id", "name", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "priority", "removed_checkpoints", "status", "tags", "title") VALUES (NEW."archived_at", NEW."cancel_requested_at", NEW."created_by_id", NEW."experiment_id", NEW."name", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'update\', NEW."id", NEW."priority", NEW."removed_checkpoints", NEW."status", NEW."tags", NEW."title"); RETURN NULL;',
                        hash="dfe623ec8ecdd8e561ab900393edc1833048dcf3",
                        operation="UPDATE",
                        pgid="pgtrigger_update_update_aefa2",
                        table="runs_run",
                        when="AFTER",
                    ),
                ),
                pgtrigger.compiler.Trigger(
                    name="delete_delete",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        func='INSERT INTO "runs_runchange" ("archived_at", "cancel_requested_at", "created_by_id", "experiment_id", "name", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "priority", "removed_checkpoints", "status", "tags", "title") VALUES (OLD."archived_at", OLD."cancel_requested_at", OLD."created_by_id", OLD."experiment_id", OLD."name", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'delete\', OLD."id", OLD."priority", OLD."removed_checkpoints", OLD."status", OLD."tags", OLD."title"); RETURN NULL;',
                        hash="9ea93025383cfdc53ddd77a56df713f16c42cd11",
                        operation="DELETE",
                        pgid="pgtrigger_delete_delete_8218c",
                        table="runs_run",
                        when="AFTER",
                    ),
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="Checkpoint",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("attempt", models.PositiveIntegerField()),
            ("step", models.PositiveIntegerField()),
            ("path", models.CharField(max_length=300)),
            ("bytes", models.BigIntegerField()),
            ("flops", models.FloatField(blank=True, null=True)),
            ("created_at", models.DateTimeField()),
            (
                "run",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE, related_name="checkpoints", to="runs.run"
                ),
            ),
        ],
        options={
            "ordering": ["step"],
            "constraints": [models.UniqueConstraint(fields=("run", "step"), name="checkpoint_step_once_per_run")],
        },
    ),
    migrations.CreateModel(
        name="RunEvent",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("attempt", models.PositiveIntegerField()),
            ("seq", models.BigIntegerField()),
            ("time", models.DateTimeField()),
            ("type", models.CharField(max_length=20)),
            ("data", models.JSONField()),
            (
                "run",
                models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="events", to="runs.run"),
            ),
        ],
        options={
            "ordering": ["seq"],
            "constraints": [models.UniqueConstraint(fields=("run", "seq"), name="event_seq_once_per_run")],
        },
    ),
    migrations.CreateModel(
        name="StepMetrics",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("attempt", models.PositiveIntegerField()),
            ("step", models.PositiveIntegerField()),
            ("time", models.DateTimeField()),
            ("flops", models.FloatField(blank=True, null=True)),
            ("values", models.JSONField()),
            (
                "run",
                models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="metrics", to="runs.run"),
            ),
        ],
        options={
            "ordering": ["step"],
            "constraints": [models.UniqueConstraint(fields=("run", "step"), name="metrics_step_once_per_run")],
        },
    ),
    migrations.CreateModel(
        name="Node",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("name", models.CharField(max_length=200, unique=True)),
            ("version", models.CharField(max_length=100)),
            ("folder_mark", models.CharField(max_length=64)),
            ("findings", models.JSONField(blank=True, default=list)),
            ("examined_at", models.DateTimeField(blank=True, null=True)),
            ("last_seen", models.DateTimeField()),
            ("drained_at", models.DateTimeField(blank=True, null=True)),
            (
                "drained_by",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="+",
                    to=settings.AUTH_USER_MODEL,
                ),
            ),
            ("gpus", models.JSONField(blank=True, null=True)),
        ],
        options={
            "ordering": ["name"],
            "triggers": [
                pgtrigger.compiler.Trigger(
                    name="insert_insert",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        func='INSERT INTO "runs_nodechange" ("drained_at", "drained_by_id", "name", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id") VALUES (NEW."drained_at", NEW."drained_by_id", NEW."name", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'insert\', NEW."id"); RETURN NULL;',
                        hash="920d4b78b128409a4744b7f83a11aa1f1239840f",
                        operation="INSERT",
                        pgid="pgtrigger_insert_insert_fe559",
                        table="runs_node",
                        when="AFTER",
                    ),
                ),
                pgtrigger.compiler.Trigger(
                    name="update_update",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        condition='WHEN (OLD."drained_at" IS DISTINCT FROM (NEW."drained_at") OR OLD."drained_by_id" IS DISTINCT FROM (NEW."drained_by_id") OR OLD."name" IS DISTINCT FROM (NEW."name"))',
                        func='INSERT INTO "runs_nodechange" ("drained_at", "drained_by_id", "name", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id") VALUES (NEW."drained_at", NEW."drained_by_id", NEW."name", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'update\', NEW."id"); RETURN NULL;',
                        hash="af6a10a05fd44f224d673ab6a1782577081449a2",
                        operation="UPDATE",
                        pgid="pgtrigger_update_update_280e1",
                        table="runs_node",
                        when="AFTER",
                    ),
                ),
                pgtrigger.compiler.Trigger(
                    name="delete_delete",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        func='INSERT INTO "runs_nodechange" ("drained_at", "drained_by_id", "name", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id") VALUES (OLD."drained_at", OLD."drained_by_id", OLD."name", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'delete\', OLD."id"); RETURN NULL;',
                        hash="bbdb89b84ec5ef1e855977fedea350063ce22ae4",
                        operation="DELETE",
                        pgid="pgtrigger_delete_delete_29bcc",
                        table="runs_node",
                        when="AFTER",
                    ),
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="Listener",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("queue", models.CharField(max_length=50)),
            ("last_heard", models.DateTimeField()),
            (
                "node",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE, related_name="listeners", to="runs.node"
                ),
            ),
        ],
        options={
            "ordering": ["queue"],
            "constraints": [models.UniqueConstraint(fields=("node", "queue"), name="listener_once_per_node_and_queue")],
        },
    ),
    migrations.CreateModel(
        name="DataFolder",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("mark", models.CharField(max_length=64)),
        ],
    ),
    migrations.CreateModel(
        name="RunDeed",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            (
                "what",
                models.CharField(
                    choices=[
                        ("cancelled", "Cancelled"),
                        ("retried", "Retried"),
                        ("trimmed", "Old checkpoints removed"),
                        ("moved", "Moved in the queue"),
                        ("ranked", "Priority changed"),
                        ("archived", "Archived"),
                        ("brought_back", "Brought back"),
                    ],
                    max_length=20,
                ),
            ),
            ("at", models.DateTimeField()),
            (
                "by",
                models.ForeignKey(
                    blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, to=settings.AUTH_USER_MODEL
                ),
            ),
            (
                "run",
                models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="deeds", to="runs.run"),
            ),
        ],
        options={
            "ordering": ["id"],
        },
    ),
    migrations.CreateModel(
        name="RunAttempt",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("number", models.PositiveIntegerField()),
            ("code_version", models.CharField(max_length=100)),
            ("worker", models.CharField(max_length=200)),
            ("started_at", models.DateTimeField()),
            (
                "run",
                models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="attempts", to="runs.run"),
            ),
            (
                "gpus",
                django.contrib.postgres.fields.ArrayField(
                    base_field=models.PositiveIntegerField(), blank=True, null=True, size=None
                ),
            ),
        ],
        options={
            "ordering": ["number"],
            "constraints": [models.UniqueConstraint(fields=("run", "number"), name="attempt_once_per_run")],
        },
    ),
    migrations.CreateModel(
        name="RunParent",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            (
                "role",
                models.CharField(
                    choices=[
                        ("start", "Starts from its model"),
                        ("compute", "Trains for as much compute"),
                        ("responses", "Samples as many responses, from the same start at the same positions"),
                        ("reads", "Reads what it made"),
                    ],
                    max_length=20,
                ),
            ),
            ("step", models.PositiveIntegerField(blank=True, null=True)),
            ("path", models.TextField(blank=True)),
            (
                "parent",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="children",
                    to="runs.run",
                ),
            ),
            (
                "run",
                models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="parents", to="runs.run"),
            ),
        ],
        options={
            "ordering": ["id"],
            "constraints": [models.UniqueConstraint(fields=("run", "role", "parent"), name="parent_once_per_role")],
        },
    ),
    migrations.CreateModel(
        name="ExperimentChange",
        fields=[
            ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
            ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
            ("pgh_label", models.TextField(help_text="The event label.")),
            ("pgh_context", pghistory.utils.JSONField(null=True)),
            ("name", models.CharField(max_length=200)),
            ("description", models.TextField(blank=True)),
            ("preset", models.CharField(blank=True, max_length=50)),
            ("seed", models.IntegerField(default=0)),
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
                    to="runs.experiment",
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
            ("archived_at", models.DateTimeField(blank=True, null=True)),
            ("findings", models.TextField(blank=True)),
            (
                "outlook",
                models.CharField(
                    choices=[("open", "Open"), ("concluded", "Concluded"), ("abandoned", "Abandoned")],
                    default="open",
                    max_length=20,
                    verbose_name="state",
                ),
            ),
            (
                "tags",
                django.contrib.postgres.fields.ArrayField(
                    base_field=models.CharField(max_length=40), blank=True, default=list, size=None
                ),
            ),
        ],
        options={
            "abstract": False,
            "indexes": [models.Index(fields=["pgh_created_at"], name="experiment_change_at")],
        },
    ),
    migrations.CreateModel(
        name="RunChange",
        fields=[
            ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
            ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
            ("pgh_label", models.TextField(help_text="The event label.")),
            ("pgh_context", pghistory.utils.JSONField(null=True)),
            ("name", models.CharField(max_length=100)),
            ("title", models.CharField(blank=True, max_length=200)),
            (
                "status",
                models.CharField(
                    choices=[
                        ("waiting", "Waiting"),
                        ("queued", "Queued"),
                        ("running", "Running"),
                        ("succeeded", "Succeeded"),
                        ("failed", "Failed"),
                        ("cancelled", "Cancelled"),
                        ("lost", "Lost"),
                    ],
                    default="queued",
                    max_length=20,
                ),
            ),
            ("cancel_requested_at", models.DateTimeField(blank=True, null=True)),
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
                "experiment",
                models.ForeignKey(
                    db_constraint=False,
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
                    to="runs.run",
                ),
            ),
            ("removed_checkpoints", models.PositiveIntegerField(default=0)),
            ("archived_at", models.DateTimeField(blank=True, null=True)),
            ("priority", models.PositiveSmallIntegerField(choices=[(0, "Low"), (1, "Normal"), (2, "High")], default=1)),
            (
                "tags",
                django.contrib.postgres.fields.ArrayField(
                    base_field=models.CharField(max_length=40), blank=True, default=list, size=None
                ),
            ),
        ],
        options={
            "abstract": False,
            "indexes": [models.Index(fields=["pgh_created_at"], name="run_change_at")],
        },
    ),
    migrations.CreateModel(
        name="GpuLease",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("host", models.CharField(max_length=200)),
            ("gpu", models.PositiveIntegerField()),
            ("attempt", models.PositiveIntegerField()),
            (
                "run",
                models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="leases", to="runs.run"),
            ),
        ],
        options={
            "ordering": ["host", "gpu"],
            "constraints": [models.UniqueConstraint(fields=("host", "gpu"), name="gpu_leased_once")],
        },
    ),
    migrations.CreateModel(
        name="NodeChange",
        fields=[
            ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
            ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
            ("pgh_label", models.TextField(help_text="The event label.")),
            ("pgh_context", pghistory.utils.JSONField(null=True)),
            ("name", models.CharField(max_length=200)),
            ("drained_at", models.DateTimeField(blank=True, null=True)),
            (
                "drained_by",
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
                    to="runs.node",
                ),
            ),
        ],
        options={
            "abstract": False,
            "indexes": [models.Index(fields=["pgh_created_at"], name="node_change_at")],
        },
    ),
    migrations.CreateModel(
        name="RunLimit",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("queue", models.CharField(blank=True, max_length=50)),
            ("each_person", models.BooleanField(default=False)),
            ("most", models.PositiveIntegerField()),
            (
                "team",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="run_limits",
                    to="teams.team",
                ),
            ),
        ],
        options={
            "ordering": ["id"],
            "constraints": [
                models.UniqueConstraint(
                    fields=("team", "queue", "each_person"), name="run_limit_once", nulls_distinct=False
                )
            ],
            "triggers": [
                pgtrigger.compiler.Trigger(
                    name="insert_insert",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        func='INSERT INTO "runs_runlimitchange" ("each_person", "most", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "queue", "team_id") VALUES (NEW."each_person", NEW."most", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'insert\', NEW."id", NEW."queue", NEW."team_id"); RETURN NULL;',
                        hash="db2e5d44e3bf34849a7aeb8538c587bafcc390db",
                        operation="INSERT",
                        pgid="pgtrigger_insert_insert_e2d3b",
                        table="runs_runlimit",
                        when="AFTER",
                    ),
                ),
                pgtrigger.compiler.Trigger(
                    name="update_update",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        condition='WHEN (OLD."each_person" IS DISTINCT FROM (NEW."each_person") OR OLD."most" IS DISTINCT FROM (NEW."most") OR OLD."queue" IS DISTINCT FROM (NEW."queue") OR OLD."team_id" IS DISTINCT FROM (NEW."team_id"))',
                        func='INSERT INTO "runs_runlimitchange" ("each_person", "most", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "queue", "team_id") VALUES (NEW."each_person", NEW."most", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'update\', NEW."id", NEW."queue", NEW."team_id"); RETURN NULL;',
                        hash="1383599bd1acf806ec31189c8d3ea1c346f36a8f",
                        operation="UPDATE",
                        pgid="pgtrigger_update_update_33fb6",
                        table="runs_runlimit",
                        when="AFTER",
                    ),
                ),
                pgtrigger.compiler.Trigger(
                    name="delete_delete",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        func='INSERT INTO "runs_runlimitchange" ("each_person", "most", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "queue", "team_id") VALUES (OLD."each_person", OLD."most", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'delete\', OLD."id", OLD."queue", OLD."team_id"); RETURN NULL;',
                        hash="517b72d82e5c2503aeb520728ada782e16a90cca",
                        operation="DELETE",
                        pgid="pgtrigger_delete_delete_eb668",
                        table="runs_runlimit",
                        when="AFTER",
                    ),
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="RunLimitChange",
        fields=[
            ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
            ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
            ("pgh_label", models.TextField(help_text="The event label.")),
            ("pgh_context", pghistory.utils.JSONField(null=True)),
            ("queue", models.CharField(blank=True, max_length=50)),
            ("each_person", models.BooleanField(default=False)),
            ("most", models.PositiveIntegerField()),
            (
                "pgh_obj",
                models.ForeignKey(
                    db_constraint=False,
                    on_delete=django.db.models.deletion.DO_NOTHING,
                    related_name="changes",
                    to="runs.runlimit",
                ),
            ),
            (
                "team",
                models.ForeignKey(
                    blank=True,
                    db_constraint=False,
                    null=True,
                    on_delete=django.db.models.deletion.DO_NOTHING,
                    related_name="+",
                    related_query_name="+",
                    to="teams.team",
                ),
            ),
        ],
        options={
            "abstract": False,
            "indexes": [models.Index(fields=["pgh_created_at"], name="runlimit_change_at")],
        },
    ),
    migrations.CreateModel(
        name="OwnPlan",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("name", models.CharField(max_length=80)),
            ("text", models.TextField()),
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
                models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="plans", to="teams.team"),
            ),
        ],
        options={
            "verbose_name": "plan",
            "ordering": ["name"],
            "constraints": [models.UniqueConstraint(fields=("team", "name"), name="plan_once_per_team")],
            "triggers": [
                pgtrigger.compiler.Trigger(
                    name="insert_insert",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        func='INSERT INTO "runs_ownplanchange" ("created_by_id", "name", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "team_id", "text") VALUES (NEW."created_by_id", NEW."name", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'insert\', NEW."id", NEW."team_id", NEW."text"); RETURN NULL;',
                        hash="b67f839620e69448374c911235aa06334cb9e350",
                        operation="INSERT",
                        pgid="pgtrigger_insert_insert_6aca9",
                        table="runs_ownplan",
                        when="AFTER",
                    ),
                ),
                pgtrigger.compiler.Trigger(
                    name="update_update",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        condition='WHEN (OLD."created_by_id" IS DISTINCT FROM (NEW."created_by_id") OR OLD."name" IS DISTINCT FROM (NEW."name") OR OLD."team_id" IS DISTINCT FROM (NEW."team_id") OR OLD."text" IS DISTINCT FROM (NEW."text"))',
                        func='INSERT INTO "runs_ownplanchange" ("created_by_id", "name", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "team_id", "text") VALUES (NEW."created_by_id", NEW."name", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'update\', NEW."id", NEW."team_id", NEW."text"); RETURN NULL;',
                        hash="57122f3bf147c98b5fc9724564eae15c47742265",
                        operation="UPDATE",
                        pgid="pgtrigger_update_update_0cd24",
                        table="runs_ownplan",
                        when="AFTER",
                    ),
                ),
                pgtrigger.compiler.Trigger(
                    name="delete_delete",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        func='INSERT INTO "runs_ownplanchange" ("created_by_id", "name", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "team_id", "text") VALUES (OLD."created_by_id", OLD."name", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'delete\', OLD."id", OLD."team_id", OLD."text"); RETURN NULL;',
                        hash="25aac9a0ed0836c5a5b50304311f90a2985d7f9e",
                        operation="DELETE",
                        pgid="pgtrigger_delete_delete_c4298",
                        table="runs_ownplan",
                        when="AFTER",
                    ),
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="OwnPlanChange",
        fields=[
            ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
            ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
            ("pgh_label", models.TextField(help_text="The event label.")),
            ("pgh_context", pghistory.utils.JSONField(null=True)),
            ("name", models.CharField(max_length=80)),
            ("text", models.TextField()),
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
                    to="runs.ownplan",
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
            "indexes": [models.Index(fields=["pgh_created_at"], name="ownplan_change_at")],
        },
    ),
    migrations.CreateModel(
        name="MetricSummary",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("metric", models.TextField()),
            ("last", models.FloatField()),
            ("last_step", models.PositiveIntegerField()),
            ("min", models.FloatField()),
            ("min_step", models.PositiveIntegerField()),
            ("max", models.FloatField()),
            ("max_step", models.PositiveIntegerField()),
            (
                "run",
                models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="summaries", to="runs.run"),
            ),
        ],
        options={
            "ordering": ["metric"],
            "indexes": [models.Index(fields=["metric"], name="summary_metric")],
            "constraints": [models.UniqueConstraint(fields=("run", "metric"), name="summary_once_per_metric")],
        },
    ),
]
