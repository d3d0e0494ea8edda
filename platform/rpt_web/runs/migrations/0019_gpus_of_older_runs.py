from django.db import migrations

from rpt_web.runs.queues import gpus_for


def count(apps, schema_editor):
    """Runs that are queued, or may be retried, ask for the GPUs that they had without asking."""
    runs = apps.get_model("runs", "Run").objects.exclude(config={}).exclude(status="succeeded")
    changed = []
    for run in runs.only("config").iterator(chunk_size=500):
        run.gpus = gpus_for(run.config)
        if run.gpus:
            changed.append(run)
    apps.get_model("runs", "Run").objects.bulk_update(changed, ["gpus"], batch_size=500)


class Migration(migrations.Migration):
    dependencies = [("runs", "0018_own_plans")]

    operations = [migrations.RunPython(count, migrations.RunPython.noop)]
