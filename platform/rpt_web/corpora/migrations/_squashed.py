"""The tables of this app as all its migrations make them, for a new database."""

import uuid

import django.db.models.deletion
import pghistory.utils
import pgtrigger.compiler
from django.conf import settings
from django.db import migrations, models

# `RunCorpus` was called `Corpus` at first, and what Postgres named after it has kept its name.
RENAMED = """
ALTER SEQUENCE corpora_corpus_id_seq RENAME TO corpora_corpus_id_seq1;
ALTER SEQUENCE corpora_runcorpus_id_seq RENAME TO corpora_corpus_id_seq;
ALTER INDEX corpora_corpus_pkey RENAME TO corpora_corpus_pkey1;
ALTER INDEX corpora_runcorpus_pkey RENAME TO corpora_corpus_pkey;
ALTER INDEX corpora_runcorpus_run_id_ab0fd07a RENAME TO corpora_corpus_run_id_c8c30af8;
ALTER TABLE corpora_runcorpus
    RENAME CONSTRAINT corpora_runcorpus_run_id_ab0fd07a_fk_runs_run_id TO corpora_corpus_run_id_c8c30af8_fk_runs_run_id;
ALTER TABLE corpora_runcorpus RENAME CONSTRAINT corpora_runcorpus_bad_count_check TO corpora_corpus_bad_count_check;
ALTER TABLE corpora_runcorpus
    RENAME CONSTRAINT corpora_runcorpus_train_documents_check TO corpora_corpus_train_documents_check;
ALTER TABLE corpora_runcorpus
    RENAME CONSTRAINT corpora_runcorpus_validation_documents_check TO corpora_corpus_validation_documents_check;
"""

OPERATIONS = [
    migrations.CreateModel(
        name="ScoredSplit",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("split", models.CharField(max_length=20)),
            ("documents", models.PositiveIntegerField()),
            ("positions", models.PositiveBigIntegerField()),
            ("kept", models.PositiveBigIntegerField()),
            ("by_difficulty", models.JSONField(default=dict)),
            ("above_nats", models.JSONField(default=dict)),
            ("summary", models.JSONField(default=dict)),
            (
                "run",
                models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="splits", to="runs.run"),
            ),
        ],
        options={
            "constraints": [models.UniqueConstraint(fields=("run", "split"), name="split_once_per_run")],
        },
    ),
    migrations.CreateModel(
        name="RunCorpus",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("name", models.CharField(max_length=300)),
            ("train_documents", models.PositiveIntegerField()),
            ("validation_documents", models.PositiveIntegerField()),
            ("bad_count", models.PositiveIntegerField(default=0)),
            ("bad_records", models.JSONField(default=list)),
            (
                "run",
                models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="corpora", to="runs.run"),
            ),
        ],
        options={
            "verbose_name_plural": "corpora of runs",
            "constraints": [models.UniqueConstraint(fields=("run", "name"), name="corpus_once_per_run")],
        },
    ),
    migrations.CreateModel(
        name="Corpus",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("name", models.CharField(max_length=200)),
            ("licence", models.CharField(blank=True, max_length=200)),
            ("source", models.CharField(blank=True, max_length=500)),
            ("notes", models.TextField(blank=True)),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            (
                "created_by",
                models.ForeignKey(
                    blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, to=settings.AUTH_USER_MODEL
                ),
            ),
            (
                "team",
                models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="corpora", to="teams.team"),
            ),
        ],
        options={
            "verbose_name_plural": "corpora",
            "ordering": ["-id"],
            "triggers": [
                pgtrigger.compiler.Trigger(
                    name="insert_insert",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        func='INSERT INTO "corpora_corpuschange" ("created_by_id", "licence", "name", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "source", "team_id") VALUES (NEW."created_by_id", NEW."licence", NEW."name", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'insert\', NEW."id", NEW."source", NEW."team_id"); RETURN NULL;',
                        hash="fb66573121bcd8a335fac0c29b512c5b7279080f",
                        operation="INSERT",
                        pgid="pgtrigger_insert_insert_30458",
                        table="corpora_corpus",
                        when="AFTER",
                    ),
                ),
                pgtrigger.compiler.Trigger(
                    name="update_update",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        condition='WHEN (OLD."created_by_id" IS DISTINCT FROM (NEW."created_by_id") OR OLD."licence" IS DISTINCT FROM (NEW."licence") OR OLD."name" IS DISTINCT FROM (NEW."name") OR OLD."source" IS DISTINCT FROM (NEW."source") OR OLD."team_id" IS DISTINCT FROM (NEW."team_id"))',
                        func='INSERT INTO "corpora_corpuschange" ("created_by_id", "licence", "name", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "source", "team_id") VALUES (NEW."created_by_id", NEW."licence", NEW."name", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'update\', NEW."id", NEW."source", NEW."team_id"); RETURN NULL;',
                        hash="93339f1db0fd57a03d859e531748098a15be5da3",
                        operation="UPDATE",
                        pgid="pgtrigger_update_update_47341",
                        table="corpora_corpus",
                        when="AFTER",
                    ),
                ),
                pgtrigger.compiler.Trigger(
                    name="delete_delete",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        func='INSERT INTO "corpora_corpuschange" ("created_by_id", "licence", "name", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "source", "team_id") VALUES (OLD."created_by_id", OLD."licence", OLD."name", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'delete\', OLD."id", OLD."source", OLD."team_id"); RETURN NULL;',
                        hash="30f9f06a4b9db4a6a9ca63a5c15f93bb88f264cd",
                        operation="DELETE",
                        pgid="pgtrigger_delete_delete_4b29d",
                        table="corpora_corpus",
                        when="AFTER",
                    ),
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="CorpusVersion",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("number", models.PositiveIntegerField()),
            ("path", models.TextField(blank=True)),
            ("preview", models.JSONField(blank=True, default=dict)),
            ("mapping", models.JSONField(blank=True, default=dict)),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            ("checked_at", models.DateTimeField(blank=True, null=True)),
            ("content_hash", models.CharField(blank=True, max_length=64)),
            ("files", models.JSONField(blank=True, default=list)),
            ("notes", models.JSONField(blank=True, default=list)),
            ("bytes", models.BigIntegerField(blank=True, null=True)),
            ("characters", models.BigIntegerField(blank=True, null=True)),
            ("records", models.BigIntegerField(blank=True, null=True)),
            ("train_documents", models.BigIntegerField(blank=True, null=True)),
            ("validation_documents", models.BigIntegerField(blank=True, null=True)),
            ("duplicates", models.BigIntegerField(blank=True, null=True)),
            ("near_duplicates", models.BigIntegerField(blank=True, null=True)),
            ("bad_count", models.BigIntegerField(blank=True, null=True)),
            ("bad_records", models.JSONField(blank=True, default=list)),
            (
                "corpus",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE, related_name="versions", to="corpora.corpus"
                ),
            ),
            (
                "created_by",
                models.ForeignKey(
                    blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, to=settings.AUTH_USER_MODEL
                ),
            ),
            (
                "job",
                models.ForeignKey(
                    blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to="jobs.job"
                ),
            ),
            ("stored_bytes", models.BigIntegerField(blank=True, null=True)),
            ("address", models.TextField(blank=True)),
            ("fetched_at", models.DateTimeField(blank=True, null=True)),
        ],
        options={
            "ordering": ["-number"],
            "constraints": [models.UniqueConstraint(fields=("corpus", "number"), name="version_once_per_corpus")],
            "triggers": [
                pgtrigger.compiler.Trigger(
                    name="insert_insert",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        func='INSERT INTO "corpora_corpusversionchange" ("address", "checked_at", "corpus_id", "created_by_id", "number", "path", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id") VALUES (NEW."address", NEW."checked_at", NEW."corpus_id", NEW."created_by_id", NEW."number", NEW."path", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'insert\', NEW."id"); RETURN NULL;',
                        hash="c74bcdabdce38299654efa776c5fae17235bf9ae",
                        operation="INSERT",
                        pgid="pgtrigger_insert_insert_52d18",
                        table="corpora_corpusversion",
                        when="AFTER",
                    ),
                ),
                pgtrigger.compiler.Trigger(
                    name="update_update",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        condition='WHEN (OLD."address" IS DISTINCT FROM (NEW."address") OR OLD."checked_at" IS DISTINCT FROM (NEW."checked_at") OR OLD."corpus_id" IS DISTINCT FROM (NEW."corpus_id") OR OLD."created_by_id" IS DISTINCT FROM (NEW."created_by_id") OR OLD."number" IS DISTINCT FROM (NEW."number") OR OLD."path" IS DISTINCT FROM (NEW."path"))',
                        func='INSERT INTO "corpora_corpusversionchange" ("address", "checked_at", "corpus_id", "created_by_id", "number", "path", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id") VALUES (NEW."address", NEW."checked_at", NEW."corpus_id", NEW."created_by_id", NEW."number", NEW."path", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'update\', NEW."id"); RETURN NULL;',
                        hash="7d8d3e9ab429f708de868796a5b7f885b339006c",
                        operation="UPDATE",
                        pgid="pgtrigger_update_update_7c6e0",
                        table="corpora_corpusversion",
                        when="AFTER",
                    ),
                ),
                pgtrigger.compiler.Trigger(
                    name="delete_delete",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        func='INSERT INTO "corpora_corpusversionchange" ("address", "checked_at", "corpus_id", "created_by_id", "number", "path", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id") VALUES (OLD."address", OLD."checked_at", OLD."corpus_id", OLD."created_by_id", OLD."number", OLD."path", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'delete\', OLD."id"); RETURN NULL;',
                        hash="38ca238066c25347bcd11ae906114376c1f7615f",
                        operation="DELETE",
                        pgid="pgtrigger_delete_delete_85e31",
                        table="corpora_corpusversion",
                        when="AFTER",
                    ),
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="Upload",
        fields=[
            ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
            ("name", models.CharField(max_length=1000)),
            ("length", models.BigIntegerField()),
            ("offset", models.BigIntegerField(default=0)),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            ("touched_at", models.DateTimeField(auto_now_add=True)),
            ("completed_at", models.DateTimeField(blank=True, null=True)),
            (
                "created_by",
                models.ForeignKey(
                    blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, to=settings.AUTH_USER_MODEL
                ),
            ),
            (
                "version",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE, related_name="uploads", to="corpora.corpusversion"
                ),
            ),
        ],
        options={
            "ordering": ["name"],
            "indexes": [models.Index(fields=["touched_at"], name="upload_touched")],
            "constraints": [models.UniqueConstraint(fields=("version", "name"), name="upload_once_per_version")],
            "verbose_name": "file",
            "triggers": [
                pgtrigger.compiler.Trigger(
                    name="insert_insert",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        func='INSERT INTO "corpora_uploadchange" ("created_by_id", "length", "name", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "version_id") VALUES (NEW."created_by_id", NEW."length", NEW."name", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'insert\', NEW."id", NEW."version_id"); RETURN NULL;',
                        hash="3792a666cc9eb0013dbe6cd5017a71b1ad211e47",
                        operation="INSERT",
                        pgid="pgtrigger_insert_insert_a8d19",
                        table="corpora_upload",
                        when="AFTER",
                    ),
                ),
                pgtrigger.compiler.Trigger(
                    name="update_update",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        condition='WHEN (OLD."created_by_id" IS DISTINCT FROM (NEW."created_by_id") OR OLD."length" IS DISTINCT FROM (NEW."length") OR OLD."name" IS DISTINCT FROM (NEW."name") OR OLD."version_id" IS DISTINCT FROM (NEW."version_id"))',
                        func='INSERT INTO "corpora_uploadchange" ("created_by_id", "length", "name", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "version_id") VALUES (NEW."created_by_id", NEW."length", NEW."name", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'update\', NEW."id", NEW."version_id"); RETURN NULL;',
                        hash="d41ff0bc35d61724b074445aa00bd440457c83ef",
                        operation="UPDATE",
                        pgid="pgtrigger_update_update_622cc",
                        table="corpora_upload",
                        when="AFTER",
                    ),
                ),
                pgtrigger.compiler.Trigger(
                    name="delete_delete",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        func='INSERT INTO "corpora_uploadchange" ("created_by_id", "length", "name", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "version_id") VALUES (OLD."created_by_id", OLD."length", OLD."name", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'delete\', OLD."id", OLD."version_id"); RETURN NULL;',
                        hash="1d6387265b2ca8dd4ff42d1f555b30d5367bdb4b",
                        operation="DELETE",
                        pgid="pgtrigger_delete_delete_7a3f5",
                        table="corpora_upload",
                        when="AFTER",
                    ),
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="RegisteredModel",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("name", models.CharField(max_length=200)),
            (
                "source",
                models.CharField(
                    choices=[("folder", "Folder"), ("checkpoint", "Checkpoint"), ("hub", "Hub")], max_length=20
                ),
            ),
            ("path", models.CharField(max_length=1000)),
            ("step", models.PositiveIntegerField(blank=True, null=True)),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            ("checked_at", models.DateTimeField(blank=True, null=True)),
            ("loads", models.BooleanField(blank=True, null=True)),
            ("facts", models.JSONField(blank=True, default=dict)),
            ("faults", models.JSONField(blank=True, default=list)),
            (
                "created_by",
                models.ForeignKey(
                    blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, to=settings.AUTH_USER_MODEL
                ),
            ),
            (
                "job",
                models.ForeignKey(
                    blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to="jobs.job"
                ),
            ),
            (
                "run",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="registered_models",
                    to="runs.run",
                ),
            ),
            (
                "team",
                models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="models", to="teams.team"),
            ),
        ],
        options={
            "ordering": ["-id"],
            "constraints": [models.UniqueConstraint(fields=("team", "path"), name="model_once_per_team")],
            "verbose_name": "model",
            "triggers": [
                pgtrigger.compiler.Trigger(
                    name="insert_insert",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        func='INSERT INTO "corpora_registeredmodelchange" ("created_by_id", "name", "path", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "source", "team_id") VALUES (NEW."created_by_id", NEW."name", NEW."path", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'insert\', NEW."id", NEW."source", NEW."team_id"); RETURN NULL;',
                        hash="0e2335981434f63f52d86f0e65ea44c6cdfc37ee",
                        operation="INSERT",
                        pgid="pgtrigger_insert_insert_cfacb",
                        table="corpora_registeredmodel",
                        when="AFTER",
                    ),
                ),
                pgtrigger.compiler.Trigger(
                    name="update_update",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        condition='WHEN (OLD."created_by_id" IS DISTINCT FROM (NEW."created_by_id") OR OLD."name" IS DISTINCT FROM (NEW."name") OR OLD."path" IS DISTINCT FROM (NEW."path") OR OLD."source" IS DISTINCT FROM (NEW."source") OR OLD."team_id" IS DISTINCT FROM (NEW."team_id"))',
                        func='INSERT INTO "corpora_registeredmodelchange" ("created_by_id", "name", "path", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "source", "team_id") VALUES (NEW."created_by_id", NEW."name", NEW."path", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'update\', NEW."id", NEW."source", NEW."team_id"); RETURN NULL;',
                        hash="0b3d84b74c3bc1b0632de651791889ea5f657330",
                        operation="UPDATE",
                        pgid="pgtrigger_update_update_aa28c",
                        table="corpora_registeredmodel",
                        when="AFTER",
                    ),
                ),
                pgtrigger.compiler.Trigger(
                    name="delete_delete",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        func='INSERT INTO "corpora_registeredmodelchange" ("created_by_id", "name", "path", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "source", "team_id") VALUES (OLD."created_by_id", OLD."name", OLD."path", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'delete\', OLD."id", OLD."source", OLD."team_id"); RETURN NULL;',
                        hash="f136888dacc2d2b4404cd1f6ccc64b39b18527c2",
                        operation="DELETE",
                        pgid="pgtrigger_delete_delete_87029",
                        table="corpora_registeredmodel",
                        when="AFTER",
                    ),
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="Wording",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            (
                "kind",
                models.CharField(
                    choices=[("template", "Prompt template"), ("patterns", "Pattern list")], max_length=20
                ),
            ),
            ("name", models.CharField(max_length=64)),
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
                    on_delete=django.db.models.deletion.CASCADE, related_name="wordings", to="teams.team"
                ),
            ),
        ],
        options={
            "ordering": ["name"],
            "constraints": [models.UniqueConstraint(fields=("team", "kind", "name"), name="wording_once_per_team")],
            "triggers": [
                pgtrigger.compiler.Trigger(
                    name="insert_insert",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        func='INSERT INTO "corpora_wordingchange" ("created_by_id", "kind", "name", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "team_id") VALUES (NEW."created_by_id", NEW."kind", NEW."name", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'insert\', NEW."id", NEW."team_id"); RETURN NULL;',
                        hash="1c8964b5a2b62a41abeaa36d7f95fa55f9c10a17",
                        operation="INSERT",
                        pgid="pgtrigger_insert_insert_30a82",
                        table="corpora_wording",
                        when="AFTER",
                    ),
                ),
                pgtrigger.compiler.Trigger(
                    name="update_update",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        condition='WHEN (OLD."created_by_id" IS DISTINCT FROM (NEW."created_by_id") OR OLD."kind" IS DISTINCT FROM (NEW."kind") OR OLD."name" IS DISTINCT FROM (NEW."name") OR OLD."team_id" IS DISTINCT FROM (NEW."team_id"))',
                        func='INSERT INTO "corpora_wordingchange" ("created_by_id", "kind", "name", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "team_id") VALUES (NEW."created_by_id", NEW."kind", NEW."name", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'update\', NEW."id", NEW."team_id"); RETURN NULL;',
                        hash="f6ff17ad9b611b7ad798398230aa82a05a7ec1ac",
                        operation="UPDATE",
                        pgid="pgtrigger_update_update_1591f",
                        table="corpora_wording",
                        when="AFTER",
                    ),
                ),
                pgtrigger.compiler.Trigger(
                    name="delete_delete",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        func='INSERT INTO "corpora_wordingchange" ("created_by_id", "kind", "name", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "team_id") VALUES (OLD."created_by_id", OLD."kind", OLD."name", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'delete\', OLD."id", OLD."team_id"); RETURN NULL;',
                        hash="750cedcb19884331c984e4ed027bd0ef9214264b",
                        operation="DELETE",
                        pgid="pgtrigger_delete_delete_cfa95",
                        table="corpora_wording",
                        when="AFTER",
                    ),
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="WordingVersion",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("number", models.PositiveIntegerField()),
            ("text", models.TextField()),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            (
                "created_by",
                models.ForeignKey(
                    blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, to=settings.AUTH_USER_MODEL
                ),
            ),
            (
                "wording",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE, related_name="versions", to="corpora.wording"
                ),
            ),
        ],
        options={
            "ordering": ["-number"],
            "constraints": [models.UniqueConstraint(fields=("wording", "number"), name="wording_version_once")],
            "triggers": [
                pgtrigger.compiler.Trigger(
                    name="insert_insert",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        func='INSERT INTO "corpora_wordingversionchange" ("created_by_id", "number", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "wording_id") VALUES (NEW."created_by_id", NEW."number", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'insert\', NEW."id", NEW."wording_id"); RETURN NULL;',
                        hash="4d4e469d51897c947c57fd7df1196d91ce5aaad5",
                        operation="INSERT",
                        pgid="pgtrigger_insert_insert_a6872",
                        table="corpora_wordingversion",
                        when="AFTER",
                    ),
                ),
                pgtrigger.compiler.Trigger(
                    name="update_update",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        condition='WHEN (OLD."created_by_id" IS DISTINCT FROM (NEW."created_by_id") OR OLD."number" IS DISTINCT FROM (NEW."number") OR OLD."wording_id" IS DISTINCT FROM (NEW."wording_id"))',
                        func='INSERT INTO "corpora_wordingversionchange" ("created_by_id", "number", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "wording_id") VALUES (NEW."created_by_id", NEW."number", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'update\', NEW."id", NEW."wording_id"); RETURN NULL;',
                        hash="1a2c60dd21bfb8dd16db83dc6ad8d86fa8c91dcf",
                        operation="UPDATE",
                        pgid="pgtrigger_update_update_be2b4",
                        table="corpora_wordingversion",
                        when="AFTER",
                    ),
                ),
                pgtrigger.compiler.Trigger(
                    name="delete_delete",
                    sql=pgtrigger.compiler.UpsertTriggerSql(
                        func='INSERT INTO "corpora_wordingversionchange" ("created_by_id", "number", "pgh_context", "pgh_created_at", "pgh_label", "pgh_obj_id", "wording_id") VALUES (OLD."created_by_id", OLD."number", COALESCE(NULLIF(CURRENT_SETTING(\'pghistory.context_metadata\', TRUE), \'\'), NULL)::JSONB, CLOCK_TIMESTAMP(), \'delete\', OLD."id", OLD."wording_id"); RETURN NULL;',
                        hash="90b404e48dc25e9b52b70e4820e18b330cd13a82",
                        operation="DELETE",
                        pgid="pgtrigger_delete_delete_d17aa",
                        table="corpora_wordingversion",
                        when="AFTER",
                    ),
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="CorpusChange",
        fields=[
            ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
            ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
            ("pgh_label", models.TextField(help_text="The event label.")),
            ("pgh_context", pghistory.utils.JSONField(null=True)),
            ("name", models.CharField(max_length=200)),
            ("licence", models.CharField(blank=True, max_length=200)),
            ("source", models.CharField(blank=True, max_length=500)),
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
                    to="corpora.corpus",
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
            "indexes": [models.Index(fields=["pgh_created_at"], name="corpus_change_at")],
        },
    ),
    migrations.CreateModel(
        name="CorpusVersionChange",
        fields=[
            ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
            ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
            ("pgh_label", models.TextField(help_text="The event label.")),
            ("pgh_context", pghistory.utils.JSONField(null=True)),
            ("number", models.PositiveIntegerField()),
            ("path", models.TextField(blank=True)),
            ("checked_at", models.DateTimeField(blank=True, null=True)),
            (
                "corpus",
                models.ForeignKey(
                    db_constraint=False,
                    on_delete=django.db.models.deletion.DO_NOTHING,
                    related_name="+",
                    related_query_name="+",
                    to="corpora.corpus",
                ),
            ),
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
                    to="corpora.corpusversion",
                ),
            ),
            ("address", models.TextField(blank=True)),
        ],
        options={
            "abstract": False,
            "indexes": [models.Index(fields=["pgh_created_at"], name="corpusversion_change_at")],
        },
    ),
    migrations.CreateModel(
        name="DeletedVersion",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("corpus_key", models.BigIntegerField()),
            ("corpus_name", models.CharField(max_length=200)),
            ("number", models.PositiveIntegerField()),
            ("place", models.TextField()),
            ("content_hash", models.CharField(blank=True, max_length=64)),
            ("deleted_at", models.DateTimeField(auto_now_add=True)),
        ],
        options={
            "ordering": ["id"],
            "indexes": [models.Index(fields=["place"], name="deleted_version_place")],
            "constraints": [models.UniqueConstraint(fields=("corpus_key", "number"), name="deleted_version_once")],
        },
    ),
    migrations.CreateModel(
        name="RegisteredModelChange",
        fields=[
            ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
            ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
            ("pgh_label", models.TextField(help_text="The event label.")),
            ("pgh_context", pghistory.utils.JSONField(null=True)),
            ("name", models.CharField(max_length=200)),
            (
                "source",
                models.CharField(
                    choices=[("folder", "Folder"), ("checkpoint", "Checkpoint"), ("hub", "Hub")], max_length=20
                ),
            ),
            ("path", models.CharField(max_length=1000)),
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
                    to="corpora.registeredmodel",
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
            "indexes": [models.Index(fields=["pgh_created_at"], name="registeredmodel_change_at")],
        },
    ),
    migrations.CreateModel(
        name="UploadChange",
        fields=[
            ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
            ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
            ("pgh_label", models.TextField(help_text="The event label.")),
            ("pgh_context", pghistory.utils.JSONField(null=True)),
            ("name", models.CharField(max_length=1000)),
            ("length", models.BigIntegerField()),
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
                    to="corpora.upload",
                ),
            ),
            (
                "version",
                models.ForeignKey(
                    db_constraint=False,
                    on_delete=django.db.models.deletion.DO_NOTHING,
                    related_name="+",
                    related_query_name="+",
                    to="corpora.corpusversion",
                ),
            ),
        ],
        options={
            "abstract": False,
            "indexes": [models.Index(fields=["pgh_created_at"], name="upload_change_at")],
        },
    ),
    migrations.CreateModel(
        name="WordingChange",
        fields=[
            ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
            ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
            ("pgh_label", models.TextField(help_text="The event label.")),
            ("pgh_context", pghistory.utils.JSONField(null=True)),
            (
                "kind",
                models.CharField(
                    choices=[("template", "Prompt template"), ("patterns", "Pattern list")], max_length=20
                ),
            ),
            ("name", models.CharField(max_length=64)),
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
                    to="corpora.wording",
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
            "indexes": [models.Index(fields=["pgh_created_at"], name="wording_change_at")],
        },
    ),
    migrations.CreateModel(
        name="WordingVersionChange",
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
                "pgh_obj",
                models.ForeignKey(
                    db_constraint=False,
                    on_delete=django.db.models.deletion.DO_NOTHING,
                    related_name="changes",
                    to="corpora.wordingversion",
                ),
            ),
            (
                "wording",
                models.ForeignKey(
                    db_constraint=False,
                    on_delete=django.db.models.deletion.DO_NOTHING,
                    related_name="+",
                    related_query_name="+",
                    to="corpora.wording",
                ),
            ),
        ],
        options={
            "abstract": False,
            "indexes": [models.Index(fields=["pgh_created_at"], name="wordingversion_change_at")],
        },
    ),
]
