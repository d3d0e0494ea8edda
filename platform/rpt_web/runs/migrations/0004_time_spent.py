from datetime import timedelta

from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import F, Q


def fill(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Only one attempt's times were kept: more than one, or one that went back to the queue, are not known."""
    runs = apps.get_model("runs", "Run").objects.filter(attempt__gte=1)
    runs.filter(Q(attempt__gt=1) | Q(worker="")).update(time_spent=None)
    first = runs.filter(attempt=1, started_at__isnull=False, finished_at__isnull=False).exclude(worker="")
    first.update(time_spent=F("finished_at") - F("started_at"))


class Migration(migrations.Migration):
    dependencies = [("runs", "0003_nodes")]

    operations = [
        migrations.AddField(
            model_name="run",
            name="time_spent",
            field=models.DurationField(blank=True, default=timedelta, null=True),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
