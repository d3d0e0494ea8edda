import django.contrib.postgres.fields
import django.db.models.deletion
from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import F


def ask_for_fits(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """The reaper fits the curves of stored evaluations."""
    measured = apps.get_model("results", "Evaluation").objects.filter(run__stage="rpt").values("run__experiment")
    experiments = apps.get_model("runs", "Experiment").objects.filter(pk__in=measured)
    experiments.update(results_version=F("results_version") + 1)


class Migration(migrations.Migration):
    dependencies = [
        ("results", "0005_intervals"),
        ("runs", "0009_versions_of_results"),
    ]

    operations = [
        migrations.CreateModel(
            name="ScalingFit",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("mode", models.CharField(max_length=20)),
                ("difficulty", models.CharField(max_length=10)),
                (
                    "evaluations",
                    django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), size=None),
                ),
                ("problem", models.TextField(blank=True)),
                ("a", models.FloatField(blank=True, null=True)),
                ("alpha", models.FloatField(blank=True, null=True)),
                ("p_star", models.FloatField(blank=True, null=True)),
                ("r2", models.FloatField(blank=True, null=True)),
                ("at_bound", models.BooleanField(default=False)),
                ("p_star_low", models.FloatField(blank=True, null=True)),
                ("p_star_high", models.FloatField(blank=True, null=True)),
                (
                    "run",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="scaling_fits", to="runs.run"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("run", "mode", "difficulty"), name="scaling_fit_once_for_difficulty"
                    )
                ],
            },
        ),
        migrations.RunPython(ask_for_fits, migrations.RunPython.noop),
    ]
