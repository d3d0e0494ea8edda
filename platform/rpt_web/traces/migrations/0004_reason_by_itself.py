from django.db import migrations

# The index of a reason is over the negative of the order of reading (`traces.queries.MIRRORED`). Were both over the same
# expression, Postgres could read the whole run for a reason that it believes to be everywhere.
CREATE = """
DROP INDEX traces_rollout_reason_reading;
CREATE INDEX traces_rollout_reason_mirrored ON traces_rollout (reason, ((id / 16777216) * 33554432 - id));
"""
DROP = """
DROP INDEX traces_rollout_reason_mirrored;
CREATE INDEX traces_rollout_reason_reading ON traces_rollout (reason, (id - (id / 16777216) * 33554432));
"""


class Migration(migrations.Migration):
    dependencies = [
        ("traces", "0003_reading_order"),
    ]

    operations = [
        migrations.RunSQL(CREATE, DROP),
    ]
