import django.contrib.postgres.fields
import django.db.models.deletion
from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def ask_for_intervals(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """The reaper computes those of stored evaluations: a migration must not wait for files that may be large or away."""
    measured = apps.get_model("results", "Evaluation").objects.values("run__experiment")
    apps.get_model("runs", "Experiment").objects.filter(pk__in=measured).update(results_version=1)


class Migration(migrations.Migration):
    dependencies = [
        ("results", "0004_above_nats"),
        ("runs", "0009_versions_of_results"),
    ]

    operations = [
        migrations.CreateModel(
            name="Interval",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("kind", models.CharField(max_length=10)),
                (
                    "evaluations",
                    django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), size=None),
                ),
                ("value", models.FloatField()),
                ("low", models.FloatField(blank=True, null=True)),
                ("high", models.FloatField(blank=True, null=True)),
                ("n", models.PositiveIntegerField(blank=True, null=True)),
                ("how", models.CharField(blank=True, max_length=100)),
                (
                    "experiment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="intervals", to="runs.experiment"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("experiment", "kind", "evaluations"), name="interval_once_for_evaluations"
                    )
                ],
            },
        ),
        migrations.RunPython(ask_for_intervals, migrations.RunPython.noop),
    ]
