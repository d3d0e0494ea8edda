"""The tables of this app as all its migrations make them, for a new database, which `0001_initial` has begun."""

import django.contrib.auth.validators
import django.db.models.deletion
import pghistory.utils
import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.db import migrations, models

# A new platform has one team. The trail notes it like every row from before there was a trail, as `teams.audit.STOOD`.
FIRST_TEAM = """
ALTER TABLE teams_team DISABLE TRIGGER USER;
INSERT INTO teams_team (name, created_at) VALUES ('Team', now());
INSERT INTO teams_teamchange (pgh_created_at, pgh_label, pgh_obj_id, name)
SELECT created_at, 'stood', id, name FROM teams_team;
ALTER TABLE teams_team ENABLE TRIGGER USER;
"""

OPERATIONS = [
    migrations.RemoveField(
        model_name="user",
        name="role",
    ),
    pgtrigger.migrations.AddTrigger(
        model_name="user",
        trigger=pgtrigger.compiler.Trigger(
            name="insert_insert",
            sql=pgtrigger.compiler.UpsertTriggerSql(
                func='INSERT INTO "teams_userchange" ("email", "is_active", "is_superuser", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "username") VALUES (NEW."email", NEW."is_active", NEW."is_superuser", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'insert\', NEW."id", NEW."username"); RETURN NULL;',
                hash="b4a27763f58bc2fd4b2f196bb6f3ecddcde5f5bd",
                operation="INSERT",
                pgid="pgtrigger_insert_insert_640a3",
                table="teams_user",
                when="AFTER",
            ),
        ),
    ),
    pgtrigger.migrations.AddTrigger(
        model_name="user",
        trigger=pgtrigger.compiler.Trigger(
            name="update_update",
            sql=pgtrigger.compiler.UpsertTriggerSql(
                condition='WHEN (OLD."email" IS DISTINCT FROM (NEW."email") OR OLD."is_active" IS DISTINCT FROM (NEW."is_active") OR OLD."is_superuser" IS DISTINCT FROM (NEW."is_superuser") OR OLD."username" IS DISTINCT FROM (NEW."username"))',
                func='INSERT INTO "teams_userchange" ("email", "is_active", "is_superuser", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "username") VALUES (NEW."email", NEW."is_active", NEW."is_superuser", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'update\', NEW."id", NEW."username"); RETURN NULL;',
                hash="5c2a50bde981c4ed18fc680572e866ebac15e5fd",
                operation="UPDATE",
                pgid="pgtrigger_update_update_5a40a",
                table="teams_user",
                when="AFTER",
            ),
        ),
    ),
    pgtrigger.migrations.AddTrigger(
        model_name="user",
        trigger=pgtrigger.compiler.Trigger(
            name="delete_delete",
            sql=pgtrigger.compiler.UpsertTriggerSql(
                func='INSERT INTO "teams_userchange" ("email", "is_active", "is_superuser", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "username") VALUES (OLD."email", OLD."is_active", OLD."is_superuser", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'delete\', OLD."id", OLD."username"); RETURN NULL;',
                hash="e44172d3a267515df8574060a8ea206bf435b48d",
                operation="DELETE",
                pgid="pgtrigger_delete_delete_2c6e6",
                table="teams_user",
                when="AFTER",
            ),
        ),
    ),
    pgtrigger.migrations.AddTrigger(
        model_name="user",
        trigger=pgtrigger.compiler.Trigger(
            name="password_update",
            sql=pgtrigger.compiler.UpsertTriggerSql(
                condition='WHEN (OLD."password" IS DISTINCT FROM (NEW."password"))',
                func='INSERT INTO "teams_userchange" ("email", "is_active", "is_superuser", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "username") VALUES (NEW."email", NEW."is_active", NEW."is_superuser", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'password\', NEW."id", NEW."username"); RETURN NULL;',
                hash="b3aa0a97637a8deb9ad59eb85cf3f8d544f84122",
                operation="UPDATE",
                pgid="pgtrigger_password_update_79c77",
                table="teams_user",
                when="AFTER",
            ),
        ),
    ),
    migrations.AddField(
        model_name="apitoken",
        name="scope",
        field=models.CharField(
            choices=[("read", "Read"), ("write", "Read and write"), ("admin", "Everything you can do")],
            default="write",
            max_length=10,
        ),
    ),
    migrations.AlterModelOptions(
        name="apitoken",
        options={"verbose_name": "API token"},
    ),
    pgtrigger.migrations.AddTrigger(
        model_name="apitoken",
        trigger=pgtrigger.compiler.Trigger(
            name="insert_insert",
            sql=pgtrigger.compiler.UpsertTriggerSql(
                func='INSERT INTO "teams_apitokenchange" ("expires_at", "name", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "scope", "user_id") VALUES (NEW."expires_at", NEW."name", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'insert\', NEW."id", NEW."scope", NEW."user_id"); RETURN NULL;',
                hash="f2dc4b3bca64e297d25a5a39aa33c2f6f6822c63",
                operation="INSERT",
                pgid="pgtrigger_insert_insert_4106b",
                table="teams_apitoken",
                when="AFTER",
            ),
        ),
    ),
    pgtrigger.migrations.AddTrigger(
        model_name="apitoken",
        trigger=pgtrigger.compiler.Trigger(
            name="update_update",
            sql=pgtrigger.compiler.UpsertTriggerSql(
                condition='WHEN (OLD."expires_at" IS DISTINCT FROM (NEW."expires_at") OR OLD."name" IS DISTINCT FROM (NEW."name") OR OLD."scope" IS DISTINCT FROM (NEW."scope") OR OLD."user_id" IS DISTINCT FROM (NEW."user_id"))',
                func='INSERT INTO "teams_apitokenchange" ("expires_at", "name", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "scope", "user_id") VALUES (NEW."expires_at", NEW."name", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'update\', NEW."id", NEW."scope", NEW."user_id"); RETURN NULL;',
                hash="b02c9682ec8df39d54e6680729d8d794157ab2ba",
                operation="UPDATE",
                pgid="pgtrigger_update_update_8d26e",
                table="teams_apitoken",
                when="AFTER",
            ),
        ),
    ),
    pgtrigger.migrations.AddTrigger(
        model_name="apitoken",
        trigger=pgtrigger.compiler.Trigger(
            name="delete_delete",
            sql=pgtrigger.compiler.UpsertTriggerSql(
                func='INSERT INTO "teams_apitokenchange" ("expires_at", "name", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "scope", "user_id") VALUES (OLD."expires_at", OLD."name", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'delete\', OLD."id", OLD."scope", OLD."user_id"); RETURN NULL;',
                hash="c32e28d86460e1ad95b3e5ad473a38e1091836b8",
                operation="DELETE",
                pgid="pgtrigger_delete_delete_be002",
                table="teams_apitoken",
                when="AFTER",
            ),
        ),
    ),
    migrations.AlterModelOptions(
        name="loginlink",
        options={"verbose_name": "login link"},
    ),
    pgtrigger.migrations.AddTrigger(
        model_name="loginlink",
        trigger=pgtrigger.compiler.Trigger(
            name="insert_insert",
            sql=pgtrigger.compiler.UpsertTriggerSql(
                func='INSERT INTO "teams_loginlinkchange" ("expires_at", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "used_at", "user_id") VALUES (NEW."expires_at", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'insert\', NEW."id", NEW."used_at", NEW."user_id"); RETURN NULL;',
                hash="06bc06daafdc720690cc6c682f5e92394dc15f49",
                operation="INSERT",
                pgid="pgtrigger_insert_insert_42048",
                table="teams_loginlink",
                when="AFTER",
            ),
        ),
    ),
    pgtrigger.migrations.AddTrigger(
        model_name="loginlink",
        trigger=pgtrigger.compiler.Trigger(
            name="update_update",
            sql=pgtrigger.compiler.UpsertTriggerSql(
                condition='WHEN (OLD."expires_at" IS DISTINCT FROM (NEW."expires_at") OR OLD."used_at" IS DISTINCT FROM (NEW."used_at") OR OLD."user_id" IS DISTINCT FROM (NEW."user_id"))',
                func='INSERT INTO "teams_loginlinkchange" ("expires_at", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "used_at", "user_id") VALUES (NEW."expires_at", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'update\', NEW."id", NEW."used_at", NEW."user_id"); RETURN NULL;',
                hash="c6b5b60f89e5190d27e09e7ec1d5c35799a996b5",
                operation="UPDATE",
                pgid="pgtrigger_update_update_401e6",
                table="teams_loginlink",
                when="AFTER",
            ),
        ),
    ),
    pgtrigger.migrations.AddTrigger(
        model_name="loginlink",
        trigger=pgtrigger.compiler.Trigger(
            name="delete_delete",
            sql=pgtrigger.compiler.UpsertTriggerSql(
                func='INSERT INTO "teams_loginlinkchange" ("expires_at", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "used_at", "user_id") VALUES (OLD."expires_at", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'delete\', OLD."id", OLD."used_at", OLD."user_id"); RETURN NULL;',
                hash="05fc7cd45f05f7b164e566529e8156f96ff66569",
                operation="DELETE",
                pgid="pgtrigger_delete_delete_8b314",
                table="teams_loginlink",
                when="AFTER",
            ),
        ),
    ),
    migrations.CreateModel(
        name="LoginAttempt",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("account", models.CharField(max_length=64)),
            ("address", models.CharField(max_length=64)),
            ("at", models.DateTimeField()),
        ],
        options={
            "indexes": [
                models.Index(fields=["account", "at"], name="login_attempt_account"),
                models.Index(fields=["address", "at"], name="login_attempt_address"),
            ],
        },
    ),
    migrations.CreateModel(
        name="Team",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("name", models.CharField(max_length=100, unique=True)),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            (
                "keep_checkpoints_days",
                models.PositiveIntegerField(blank=True, null=True, verbose_name="days that old checkpoints are kept"),
            ),
            ("quota_bytes", models.BigIntegerField(blank=True, null=True, verbose_name="quota in bytes")),
        ],
        options={
            "ordering": ["name"],
            "triggers": [
                pgtrigger.compiler.Trigger(
                    name="insert_insert",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        func='INSERT INTO "teams_teamchange" ("keep_checkpoints_days", "name", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "quota_bytes") VALUES (NEW."keep_checkpoints_days", NEW."name", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'insert\', NEW."id", NEW."quota_bytes"); RETURN NULL;',
                        hash="abf49235eeb862b0b6e0c31ba1b8ee670ab8a62c",
                        operation="INSERT",
                        pgid="pgtrigger_insert_insert_59b08",
                        table="teams_team",
                        when="AFTER",
                    ),
                ),
                pgtrigger.compiler.Trigger(
                    name="update_update",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        condition='WHEN (OLD."keep_checkpoints_days" IS DISTINCT FROM (NEW."keep_checkpoints_days") OR OLD."name" IS DISTINCT FROM (NEW."name") OR OLD."quota_bytes" IS DISTINCT FROM (NEW."quota_bytes"))',
                        func='INSERT INTO "teams_teamchange" ("keep_checkpoints_days", "name", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "quota_bytes") VALUES (NEW."keep_checkpoints_days", NEW."name", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'update\', NEW."id", NEW."quota_bytes"); RETURN NULL;',
                        hash="86a5bfff10d579b559330f093e1927bef4303677",
                        operation="UPDATE",
                        pgid="pgtrigger_update_update_17c2b",
                        table="teams_team",
                        when="AFTER",
                    ),
                ),
                pgtrigger.compiler.Trigger(
                    name="delete_delete",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        func='INSERT INTO "teams_teamchange" ("keep_checkpoints_days", "name", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "quota_bytes") VALUES (OLD."keep_checkpoints_days", OLD."name", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'delete\', OLD."id", OLD."quota_bytes"); RETURN NULL;',
                        hash="804538a76b6b0e6cf134a64692a285102dd68d73",
                        operation="DELETE",
                        pgid="pgtrigger_delete_delete_6cc68",
                        table="teams_team",
                        when="AFTER",
                    ),
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="Membership",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            (
                "role",
                models.CharField(
                    choices=[("viewer", "Viewer"), ("member", "Member"), ("administrator", "Administrator")],
                    default="member",
                    max_length=20,
                ),
            ),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            (
                "team",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE, related_name="memberships", to="teams.team"
                ),
            ),
            (
                "user",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE, related_name="memberships", to=settings.AUTH_USER_MODEL
                ),
            ),
        ],
        options={
            "ordering": ["id"],
            "constraints": [models.UniqueConstraint(fields=("user", "team"), name="membership_once_per_team")],
            "triggers": [
                pgtrigger.compiler.Trigger(
                    name="insert_insert",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        func='INSERT INTO "teams_membershipchange" ("pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "role", "team_id", "user_id") VALUES (COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'insert\', NEW."id", NEW."role", NEW."team_id", NEW."user_id"); RETURN NULL;',
                        hash="23c4c95b94da4b512423aea0b05407994cfae343",
                        operation="INSERT",
                        pgid="pgtrigger_insert_insert_d21a0",
                        table="teams_membership",
                        when="AFTER",
                    ),
                ),
                pgtrigger.compiler.Trigger(
                    name="update_update",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        condition='WHEN (OLD."role" IS DISTINCT FROM (NEW."role") OR OLD."team_id" IS DISTINCT FROM (NEW."team_id") OR OLD."user_id" IS DISTINCT FROM (NEW."user_id"))',
                        func='INSERT INTO "teams_membershipchange" ("pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "role", "team_id", "user_id") VALUES (COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'update\', NEW."id", NEW."role", NEW."team_id", NEW."user_id"); RETURN NULL;',
                        hash="12aa3ced8a680f68cf0632f16555a9fb91a89455",
                        operation="UPDATE",
                        pgid="pgtrigger_update_update_5dc49",
                        table="teams_membership",
                        when="AFTER",
                    ),
                ),
                pgtrigger.compiler.Trigger(
                    name="delete_delete",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        func='INSERT INTO "teams_membershipchange" ("pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "role", "team_id", "user_id") VALUES (COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'delete\', OLD."id", OLD."role", OLD."team_id", OLD."user_id"); RETURN NULL;',
                        hash="bbcf84afb192175ff174358d0053648a3c4e346d",
                        operation="DELETE",
                        pgid="pgtrigger_delete_delete_7555f",
                        table="teams_membership",
                        when="AFTER",
                    ),
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="Invitation",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            (
                "role",
                models.CharField(
                    choices=[("viewer", "Viewer"), ("member", "Member"), ("administrator", "Administrator")],
                    default="member",
                    max_length=20,
                ),
            ),
            ("note", models.CharField(blank=True, max_length=100)),
            ("digest", models.CharField(max_length=64, unique=True)),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            ("expires_at", models.DateTimeField()),
            ("used_at", models.DateTimeField(blank=True, null=True)),
            (
                "invited_by",
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
                    on_delete=django.db.models.deletion.CASCADE, related_name="invitations", to="teams.team"
                ),
            ),
            (
                "used_by",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="+",
                    to=settings.AUTH_USER_MODEL,
                ),
            ),
        ],
        options={
            "ordering": ["-id"],
            "triggers": [
                pgtrigger.compiler.Trigger(
                    name="insert_insert",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        func='INSERT INTO "teams_invitationchange" ("expires_at", "note", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "role", "team_id", "used_by_id") VALUES (NEW."expires_at", NEW."note", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'insert\', NEW."id", NEW."role", NEW."team_id", NEW."used_by_id"); RETURN NULL;',
                        hash="580c4890f4d9dd3cc8f50ecbce0222d3f44b32a8",
                        operation="INSERT",
                        pgid="pgtrigger_insert_insert_68d5a",
                        table="teams_invitation",
                        when="AFTER",
                    ),
                ),
                pgtrigger.compiler.Trigger(
                    name="update_update",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        condition='WHEN (OLD."expires_at" IS DISTINCT FROM (NEW."expires_at") OR OLD."note" IS DISTINCT FROM (NEW."note") OR OLD."role" IS DISTINCT FROM (NEW."role") OR OLD."team_id" IS DISTINCT FROM (NEW."team_id") OR OLD."used_by_id" IS DISTINCT FROM (NEW."used_by_id"))',
                        func='INSERT INTO "teams_invitationchange" ("expires_at", "note", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "role", "team_id", "used_by_id") VALUES (NEW."expires_at", NEW."note", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'update\', NEW."id", NEW."role", NEW."team_id", NEW."used_by_id"); RETURN NULL;',
                        hash="49c6b5b10055649bff1cbdc37605fdace209647e",
                        operation="UPDATE",
                        pgid="pgtrigger_update_update_3fd6d",
                        table="teams_invitation",
                        when="AFTER",
                    ),
                ),
                pgtrigger.compiler.Trigger(
                    name="delete_delete",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        func='INSERT INTO "teams_invitationchange" ("expires_at", "note", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "role", "team_id", "used_by_id") VALUES (OLD."expires_at", OLD."note", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'delete\', OLD."id", OLD."role", OLD."team_id", OLD."used_by_id"); RETURN NULL;',
                        hash="ca781b9b0e415a1fc1c4b0063936c557e0ec3e56",
                        operation="DELETE",
                        pgid="pgtrigger_delete_delete_bb4b8",
                        table="teams_invitation",
                        when="AFTER",
                    ),
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="Browser",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("session_key", models.CharField(max_length=40, unique=True)),
            ("address", models.CharField(blank=True, max_length=64)),
            ("agent", models.CharField(blank=True, max_length=200)),
            ("since", models.DateTimeField(auto_now_add=True)),
            (
                "user",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE, related_name="browsers", to=settings.AUTH_USER_MODEL
                ),
            ),
        ],
        options={
            "ordering": ["-id"],
        },
    ),
    migrations.CreateModel(
        name="ApiTokenChange",
        fields=[
            ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
            ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
            ("pgh_label", models.TextField(help_text="The event label.")),
            ("pgh_context", pghistory.utils.JSONField(null=True)),
            ("name", models.CharField(max_length=100)),
            (
                "scope",
                models.CharField(
                    choices=[("read", "Read"), ("write", "Read and write"), ("admin", "Everything you can do")],
                    default="write",
                    max_length=10,
                ),
            ),
            ("expires_at", models.DateTimeField()),
            (
                "pgh_obj",
                models.ForeignKey(
                    db_constraint=False,
                    on_delete=django.db.models.deletion.DO_NOTHING,
                    related_name="changes",
                    to="teams.apitoken",
                ),
            ),
            (
                "user",
                models.ForeignKey(
                    db_constraint=False,
                    on_delete=django.db.models.deletion.DO_NOTHING,
                    related_name="+",
                    related_query_name="+",
                    to=settings.AUTH_USER_MODEL,
                ),
            ),
        ],
        options={
            "abstract": False,
            "indexes": [models.Index(fields=["pgh_created_at"], name="apitoken_change_at")],
        },
    ),
    migrations.CreateModel(
        name="InvitationChange",
        fields=[
            ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
            ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
            ("pgh_label", models.TextField(help_text="The event label.")),
            ("pgh_context", pghistory.utils.JSONField(null=True)),
            (
                "role",
                models.CharField(
                    choices=[("viewer", "Viewer"), ("member", "Member"), ("administrator", "Administrator")],
                    default="member",
                    max_length=20,
                ),
            ),
            ("note", models.CharField(blank=True, max_length=100)),
            ("expires_at", models.DateTimeField()),
            (
                "pgh_obj",
                models.ForeignKey(
                    db_constraint=False,
                    on_delete=django.db.models.deletion.DO_NOTHING,
                    related_name="changes",
                    to="teams.invitation",
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
                "used_by",
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
        ],
        options={
            "abstract": False,
            "indexes": [models.Index(fields=["pgh_created_at"], name="invitation_change_at")],
        },
    ),
    migrations.CreateModel(
        name="MembershipChange",
        fields=[
            ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
            ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
            ("pgh_label", models.TextField(help_text="The event label.")),
            ("pgh_context", pghistory.utils.JSONField(null=True)),
            (
                "role",
                models.CharField(
                    choices=[("viewer", "Viewer"), ("member", "Member"), ("administrator", "Administrator")],
                    default="member",
                    max_length=20,
                ),
            ),
            (
                "pgh_obj",
                models.ForeignKey(
                    db_constraint=False,
                    on_delete=django.db.models.deletion.DO_NOTHING,
                    related_name="changes",
                    to="teams.membership",
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
                "user",
                models.ForeignKey(
                    db_constraint=False,
                    on_delete=django.db.models.deletion.DO_NOTHING,
                    related_name="+",
                    related_query_name="+",
                    to=settings.AUTH_USER_MODEL,
                ),
            ),
        ],
        options={
            "abstract": False,
            "indexes": [models.Index(fields=["pgh_created_at"], name="membership_change_at")],
        },
    ),
    migrations.CreateModel(
        name="TeamChange",
        fields=[
            ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
            ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
            ("pgh_label", models.TextField(help_text="The event label.")),
            ("pgh_context", pghistory.utils.JSONField(null=True)),
            ("name", models.CharField(max_length=100)),
            (
                "pgh_obj",
                models.ForeignKey(
                    db_constraint=False,
                    on_delete=django.db.models.deletion.DO_NOTHING,
                    related_name="changes",
                    to="teams.team",
                ),
            ),
            (
                "keep_checkpoints_days",
                models.PositiveIntegerField(blank=True, null=True, verbose_name="days that old checkpoints are kept"),
            ),
            ("quota_bytes", models.BigIntegerField(blank=True, null=True, verbose_name="quota in bytes")),
        ],
        options={
            "abstract": False,
            "indexes": [models.Index(fields=["pgh_created_at"], name="team_change_at")],
        },
    ),
    migrations.CreateModel(
        name="UserChange",
        fields=[
            ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
            ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
            ("pgh_label", models.TextField(help_text="The event label.")),
            ("pgh_context", pghistory.utils.JSONField(null=True)),
            (
                "username",
                models.CharField(
                    error_messages={"unique": "A user with that username already exists."},
                    help_text="Required. 150 characters or fewer. Letters, digits and @/./+/-/_ only.",
                    max_length=150,
                    validators=[django.contrib.auth.validators.UnicodeUsernameValidator()],
                    verbose_name="username",
                ),
            ),
            ("email", models.EmailField(blank=True, max_length=254, verbose_name="email address")),
            (
                "is_active",
                models.BooleanField(
                    default=True,
                    help_text="Designates whether this user should be treated as active. Unselect this instead of deleting accounts.",
                    verbose_name="active",
                ),
            ),
            (
                "is_superuser",
                models.BooleanField(
                    default=False,
                    help_text="Designates that this user has all permissions without explicitly assigning them.",
                    verbose_name="superuser status",
                ),
            ),
            (
                "pgh_obj",
                models.ForeignKey(
                    db_constraint=False,
                    on_delete=django.db.models.deletion.DO_NOTHING,
                    related_name="changes",
                    to=settings.AUTH_USER_MODEL,
                ),
            ),
        ],
        options={
            "abstract": False,
            "indexes": [models.Index(fields=["pgh_created_at"], name="user_change_at")],
        },
    ),
    migrations.CreateModel(
        name="Identity",
        fields=[],
        options={
            "proxy": True,
        },
        bases=("socialaccount.socialaccount",),
    ),
    pgtrigger.migrations.AddTrigger(
        model_name="identity",
        trigger=pgtrigger.compiler.Trigger(
            name="insert_insert",
            sql=pgtrigger.compiler.UpsertTriggerSql(
                func='INSERT INTO "teams_identitychange" ("pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "provider", "uid", "user_id") VALUES (COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'insert\', NEW."id", NEW."provider", NEW."uid", NEW."user_id"); RETURN NULL;',
                hash="ef61f37c50560bf52ef81f0b55b24ed03896513d",
                operation="INSERT",
                pgid="pgtrigger_insert_insert_b7919",
                table="socialaccount_socialaccount",
                when="AFTER",
            ),
        ),
    ),
    pgtrigger.migrations.AddTrigger(
        model_name="identity",
        trigger=pgtrigger.compiler.Trigger(
            name="update_update",
            sql=pgtrigger.compiler.UpsertTriggerSql(
                condition='WHEN (OLD."provider" IS DISTINCT FROM (NEW."provider") OR OLD."uid" IS DISTINCT FROM (NEW."uid") OR OLD."user_id" IS DISTINCT FROM (NEW."user_id"))',
                func='INSERT INTO "teams_identitychange" ("pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "provider", "uid", "user_id") VALUES (COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'update\', NEW."id", NEW."provider", NEW."uid", NEW."user_id"); RETURN NULL;',
                hash="35b830ce93ce5e373e2f8aeb676cb0f60e5cd9e0",
                operation="UPDATE",
                pgid="pgtrigger_update_update_ca02b",
                table="socialaccount_socialaccount",
                when="AFTER",
            ),
        ),
    ),
    pgtrigger.migrations.AddTrigger(
        model_name="identity",
        trigger=pgtrigger.compiler.Trigger(
            name="delete_delete",
            sql=pgtrigger.compiler.UpsertTriggerSql(
                func='INSERT INTO "teams_identitychange" ("pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "provider", "uid", "user_id") VALUES (COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'delete\', OLD."id", OLD."provider", OLD."uid", OLD."user_id"); RETURN NULL;',
                hash="cdb6c3f044257a9a4cdd2348cfca2fb470b403c9",
                operation="DELETE",
                pgid="pgtrigger_delete_delete_fb98a",
                table="socialaccount_socialaccount",
                when="AFTER",
            ),
        ),
    ),
    migrations.CreateModel(
        name="IdentityChange",
        fields=[
            ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
            ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
            ("pgh_label", models.TextField(help_text="The event label.")),
            ("pgh_context", pghistory.utils.JSONField(null=True)),
            ("provider", models.CharField(max_length=200, verbose_name="provider")),
            ("uid", models.CharField(max_length=191, verbose_name="uid")),
            (
                "user",
                models.ForeignKey(
                    db_constraint=False,
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
                    to="teams.identity",
                ),
            ),
        ],
        options={
            "abstract": False,
            "indexes": [models.Index(fields=["pgh_created_at"], name="identity_change_at")],
        },
    ),
    migrations.CreateModel(
        name="Factor",
        fields=[],
        options={
            "verbose_name": "second factor",
            "proxy": True,
        },
        bases=("mfa.authenticator",),
    ),
    pgtrigger.migrations.AddTrigger(
        model_name="factor",
        trigger=pgtrigger.compiler.Trigger(
            name="insert_insert",
            sql=pgtrigger.compiler.UpsertTriggerSql(
                func='INSERT INTO "teams_factorchange" ("pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "type", "user_id") VALUES (COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'insert\', NEW."id", NEW."type", NEW."user_id"); RETURN NULL;',
                hash="327ffae7cb5679eeb633ae05afc0938ef8c53d19",
                operation="INSERT",
                pgid="pgtrigger_insert_insert_747f2",
                table="mfa_authenticator",
                when="AFTER",
            ),
        ),
    ),
    pgtrigger.migrations.AddTrigger(
        model_name="factor",
        trigger=pgtrigger.compiler.Trigger(
            name="update_update",
            sql=pgtrigger.compiler.UpsertTriggerSql(
                condition='WHEN (OLD."type" IS DISTINCT FROM (NEW."type") OR OLD."user_id" IS DISTINCT FROM (NEW."user_id"))',
                func='INSERT INTO "teams_factorchange" ("pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "type", "user_id") VALUES (COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'update\', NEW."id", NEW."type", NEW."user_id"); RETURN NULL;',
                hash="673cc9c2c9924fd18a094a9f9b7461918226feb1",
                operation="UPDATE",
                pgid="pgtrigger_update_update_64102",
                table="mfa_authenticator",
                when="AFTER",
            ),
        ),
    ),
    pgtrigger.migrations.AddTrigger(
        model_name="factor",
        trigger=pgtrigger.compiler.Trigger(
            name="delete_delete",
            sql=pgtrigger.compiler.UpsertTriggerSql(
                func='INSERT INTO "teams_factorchange" ("pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "type", "user_id") VALUES (COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'delete\', OLD."id", OLD."type", OLD."user_id"); RETURN NULL;',
                hash="285ece01ce6efed541d331da4eb80a4d237a7dfc",
                operation="DELETE",
                pgid="pgtrigger_delete_delete_c713e",
                table="mfa_authenticator",
                when="AFTER",
            ),
        ),
    ),
    migrations.CreateModel(
        name="FactorChange",
        fields=[
            ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
            ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
            ("pgh_label", models.TextField(help_text="The event label.")),
            ("pgh_context", pghistory.utils.JSONField(null=True)),
            (
                "type",
                models.CharField(
                    choices=[
                        ("recovery_codes", "Recovery codes"),
                        ("totp", "TOTP Authenticator"),
                        ("webauthn", "WebAuthn"),
                    ],
                    max_length=20,
                ),
            ),
            (
                "user",
                models.ForeignKey(
                    db_constraint=False,
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
                    to="teams.factor",
                ),
            ),
        ],
        options={
            "abstract": False,
            "indexes": [models.Index(fields=["pgh_created_at"], name="factor_change_at")],
        },
    ),
    migrations.CreateModel(
        name="Share",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("name", models.CharField(max_length=200)),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            (
                "corpus",
                models.ForeignKey(
                    null=True, on_delete=django.db.models.deletion.CASCADE, related_name="shares", to="corpora.corpus"
                ),
            ),
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
                "experiment",
                models.ForeignKey(
                    null=True, on_delete=django.db.models.deletion.CASCADE, related_name="shares", to="runs.experiment"
                ),
            ),
            (
                "model",
                models.ForeignKey(
                    null=True,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="shares",
                    to="corpora.registeredmodel",
                ),
            ),
            (
                "shared_with",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE, related_name="received", to="teams.team"
                ),
            ),
            (
                "team",
                models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="shares", to="teams.team"),
            ),
            (
                "wording",
                models.ForeignKey(
                    null=True, on_delete=django.db.models.deletion.CASCADE, related_name="shares", to="corpora.wording"
                ),
            ),
            (
                "plan",
                models.ForeignKey(
                    null=True, on_delete=django.db.models.deletion.CASCADE, related_name="shares", to="runs.ownplan"
                ),
            ),
        ],
        options={
            "ordering": ["id"],
            "constraints": [
                models.UniqueConstraint(fields=("shared_with", "experiment"), name="share_once_experiment"),
                models.UniqueConstraint(fields=("shared_with", "corpus"), name="share_once_corpus"),
                models.UniqueConstraint(fields=("shared_with", "model"), name="share_once_model"),
                models.UniqueConstraint(fields=("shared_with", "wording"), name="share_once_wording"),
                models.UniqueConstraint(fields=("shared_with", "plan"), name="share_once_plan"),
            ],
            "triggers": [
                pgtrigger.compiler.Trigger(
                    name="insert_insert",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        func='INSERT INTO "teams_sharechange" ("corpus_id", "created_by_id", "experiment_id", "model_id", "name", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "plan_id", "shared_with_id", "team_id", "wording_id") VALUES (NEW."corpus_id", NEW."created_by_id", NEW."experiment_id", NEW."model_id", NEW."name", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'insert\', NEW."id", NEW."plan_id", NEW."shared_with_id", NEW."team_id", NEW."wording_id"); RETURN NULL;',
                        hash="64336744d2a81c3b7cef84d13e7a745adba92d9b",
                        operation="INSERT",
                        pgid="pgtrigger_insert_insert_48cb2",
                        table="teams_share",
                        when="AFTER",
                    ),
                ),
                pgtrigger.compiler.Trigger(
                    name="update_update",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        condition='WHEN (OLD."corpus_id" IS DISTINCT FROM (NEW."corpus_id") OR OLD."created_by_id" IS DISTINCT FROM (NEW."created_by_id") OR OLD."experiment_id" IS DISTINCT FROM (NEW."experiment_id") OR OLD."model_id" IS DISTINCT FROM (NEW."model_id") OR OLD."name" IS DISTINCT FROM (NEW."name") OR OLD."plan_id" IS DISTINCT FROM (NEW."plan_id") OR OLD."shared_with_id" IS DISTINCT FROM (NEW."shared_with_id") OR OLD."team_id" IS DISTINCT FROM (NEW."team_id") OR OLD."wording_id" IS DISTINCT FROM (NEW."wording_id"))',
                        func='INSERT INTO "teams_sharechange" ("corpus_id", "created_by_id", "experiment_id", "model_id", "name", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "plan_id", "shared_with_id", "team_id", "wording_id") VALUES (NEW."corpus_id", NEW."created_by_id", NEW."experiment_id", NEW."model_id", NEW."name", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'update\', NEW."id", NEW."plan_id", NEW."shared_with_id", NEW."team_id", NEW."wording_id"); RETURN NULL;',
                        hash="38832d60c3b68dc20d28b0f70df7bafdd6845389",
                        operation="UPDATE",
                        pgid="pgtrigger_update_update_f9a93",
                        table="teams_share",
                        when="AFTER",
                    ),
                ),
                pgtrigger.compiler.Trigger(
                    name="delete_delete",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        func='INSERT INTO "teams_sharechange" ("corpus_id", "created_by_id", "experiment_id", "model_id", "name", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "plan_id", "shared_with_id", "team_id", "wording_id") VALUES (OLD."corpus_id", OLD."created_by_id", OLD."experiment_id", OLD."model_id", OLD."name", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'delete\', OLD."id", OLD."plan_id", OLD."shared_with_id", OLD."team_id", OLD."wording_id"); RETURN NULL;',
                        hash="71791bda5c93bb29a49aabfd470c19cf7f994442",
                        operation="DELETE",
                        pgid="pgtrigger_delete_delete_f4c8c",
                        table="teams_share",
                        when="AFTER",
                    ),
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="ShareChange",
        fields=[
            ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
            ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
            ("pgh_label", models.TextField(help_text="The event label.")),
            ("pgh_context", pghistory.utils.JSONField(null=True)),
            ("name", models.CharField(max_length=200)),
            (
                "corpus",
                models.ForeignKey(
                    db_constraint=False,
                    null=True,
                    on_delete=django.db.models.deletion.DO_NOTHING,
                    related_name="+",
                    related_query_name="+",
                    to="corpora.corpus",
                ),
            ),
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
                "model",
                models.ForeignKey(
                    db_constraint=False,
                    null=True,
                    on_delete=django.db.models.deletion.DO_NOTHING,
                    related_name="+",
                    related_query_name="+",
                    to="corpora.registeredmodel",
                ),
            ),
            (
                "pgh_obj",
                models.ForeignKey(
                    db_constraint=False,
                    on_delete=django.db.models.deletion.DO_NOTHING,
                    related_name="changes",
                    to="teams.share",
                ),
            ),
            (
                "shared_with",
                models.ForeignKey(
                    db_constraint=False,
                    on_delete=django.db.models.deletion.DO_NOTHING,
                    related_name="+",
                    related_query_name="+",
                    to="teams.team",
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
                "wording",
                models.ForeignKey(
                    db_constraint=False,
                    null=True,
                    on_delete=django.db.models.deletion.DO_NOTHING,
                    related_name="+",
                    related_query_name="+",
                    to="corpora.wording",
                ),
            ),
            (
                "plan",
                models.ForeignKey(
                    db_constraint=False,
                    null=True,
                    on_delete=django.db.models.deletion.DO_NOTHING,
                    related_name="+",
                    related_query_name="+",
                    to="runs.ownplan",
                ),
            ),
        ],
        options={
            "abstract": False,
            "indexes": [models.Index(fields=["pgh_created_at"], name="share_change_at")],
        },
    ),
    migrations.CreateModel(
        name="LoginLinkChange",
        fields=[
            ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
            ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
            ("pgh_label", models.TextField(help_text="The event label.")),
            ("pgh_context", pghistory.utils.JSONField(null=True)),
            ("expires_at", models.DateTimeField()),
            ("used_at", models.DateTimeField(blank=True, null=True)),
            (
                "pgh_obj",
                models.ForeignKey(
                    db_constraint=False,
                    on_delete=django.db.models.deletion.DO_NOTHING,
                    related_name="changes",
                    to="teams.loginlink",
                ),
            ),
            (
                "user",
                models.ForeignKey(
                    db_constraint=False,
                    on_delete=django.db.models.deletion.DO_NOTHING,
                    related_name="+",
                    related_query_name="+",
                    to=settings.AUTH_USER_MODEL,
                ),
            ),
        ],
        options={
            "abstract": False,
            "indexes": [models.Index(fields=["pgh_created_at"], name="loginlink_change_at")],
        },
    ),
    migrations.CreateModel(
        name="RepeatableCall",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("key", models.CharField(max_length=200)),
            ("request_hash", models.CharField(max_length=64)),
            ("status", models.PositiveSmallIntegerField(default=0)),
            ("content_type", models.CharField(default="", max_length=100)),
            ("body", models.BinaryField(default=b"")),
            ("made_at", models.DateTimeField(auto_now_add=True, db_index=True)),
            (
                "user",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL
                ),
            ),
        ],
        options={
            "constraints": [models.UniqueConstraint(fields=("user", "key"), name="repeatable_call_once")],
        },
    ),
    migrations.RunSQL(FIRST_TEAM, migrations.RunSQL.noop),
]
