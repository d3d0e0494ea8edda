from django.db import migrations, models

import rpt_web.runs.models


class Migration(migrations.Migration):
    """Runs that are queued already keep their order."""

    dependencies = [("runs", "0014_disk_use")]

    operations = [
        migrations.RunSQL("CREATE SEQUENCE runs_run_place", "DROP SEQUENCE runs_run_place"),
        migrations.AddField("run", "place", models.BigIntegerField(db_default=rpt_web.runs.models.NextPlace())),
        migrations.RunSQL(
            "UPDATE runs_run SET place = id; SELECT setval('runs_run_place', (SELECT coalesce(max(id), 0) + 1 FROM runs_run))",
            migrations.RunSQL.noop,
        ),
        migrations.AlterField(
            "rundeed",
            "what",
            models.CharField(
                choices=[
                    ("cancelled", "Cancelled"),
                    ("retried", "Retried"),
                    ("trimmed", "Old checkpoints removed"),
                    ("moved", "Moved in the queue"),
                ],
                max_length=20,
            ),
        ),
    ]
