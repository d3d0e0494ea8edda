"""Has leads over baselines in the same mode, and GPU hours by the GPUs that runs had, computed for all experiments."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import F


def ask_again(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """The reaper looks at every experiment that has evaluations."""
    measured = apps.get_model("results", "Evaluation").objects.values("run__experiment")
    experiments = apps.get_model("runs", "Experiment").objects.filter(pk__in=measured)
    experiments.update(results_version=F("results_version") + 1)


class Migration(migrations.Migration):
    dependencies = [("results", "0008_standings"), ("runs", "0022_tags_of_runs")]

    operations = [migrations.RunPython(ask_again, migrations.RunPython.noop)]
