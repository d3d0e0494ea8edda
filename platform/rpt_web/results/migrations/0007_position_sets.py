"""Evaluations say at which positions they were made; the reaper fills in older ones from their outcomes on disk."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import F


def ask_for_position_sets(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """The reaper looks at every experiment that has evaluations."""
    measured = apps.get_model("results", "Evaluation").objects.values("run__experiment")
    experiments = apps.get_model("runs", "Experiment").objects.filter(pk__in=measured)
    experiments.update(results_version=F("results_version") + 1)


class Migration(migrations.Migration):
    dependencies = [
        ("results", "0006_scaling_fits"),
        ("runs", "0009_versions_of_results"),
        ("teams", "0014_shared_plans"),
    ]

    operations = [
        migrations.AddField(
            model_name="evaluation",
            name="position_set",
            field=models.CharField(blank=True, default="", max_length=32),
        ),
        migrations.AddField(
            model_name="evaluation",
            name="tokenizer",
            field=models.CharField(blank=True, default="", max_length=64),
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
        migrations.RunPython(ask_for_position_sets, migrations.RunPython.noop),
    ]
