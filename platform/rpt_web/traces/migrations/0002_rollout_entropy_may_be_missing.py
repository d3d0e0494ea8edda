from django.db import migrations, models

# Answers to questions are rollouts too, but a question is no position of a document and has no entropy. Dropping the
# constraint on the parent drops it on every partition, without a scan.
ALTER = "ALTER TABLE traces_rollout ALTER COLUMN entropy_nats DROP NOT NULL"
BACK = "ALTER TABLE traces_rollout ALTER COLUMN entropy_nats SET NOT NULL"


class Migration(migrations.Migration):
    dependencies = [
        ("traces", "0001_initial"),
    ]

    operations = [
        migrations.RunSQL(
            ALTER,
            BACK,
            state_operations=[migrations.AlterField("rollout", "entropy_nats", models.FloatField(null=True))],
        ),
    ]
