from django.db import migrations

# Evaluations are few among the responses of training: without an index, a list of them reads the whole run.
CREATE = "CREATE INDEX traces_rollout_kind ON traces_rollout (kind, id)"
DROP = "DROP INDEX traces_rollout_kind"


class Migration(migrations.Migration):
    dependencies = [
        ("traces", "0004_reason_by_itself"),
    ]

    operations = [
        migrations.RunSQL(CREATE, DROP),
    ]
