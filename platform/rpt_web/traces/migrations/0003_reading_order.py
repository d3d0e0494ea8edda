from django.db import migrations

# The order in which a run is read: from its newest step, each step from its first response. An id is made of the step
# and, in its lower 24 bits, of what stands in the step, so this is one number. `traces.queries.READING` is the same.
CREATE = """
CREATE INDEX traces_rollout_reading ON traces_rollout ((id - (id / 16777216) * 33554432));
CREATE INDEX traces_rollout_reason_reading ON traces_rollout (reason, (id - (id / 16777216) * 33554432));
"""
DROP = "DROP INDEX traces_rollout_reading; DROP INDEX traces_rollout_reason_reading"


class Migration(migrations.Migration):
    dependencies = [
        ("traces", "0002_rollout_entropy_may_be_missing"),
    ]

    operations = [
        migrations.RunSQL(CREATE, DROP),
    ]
