"""Each evaluation of a comparison has a mode of its own."""

from django.db import migrations, models

FORWARD = """
UPDATE compare_positioncomparison SET entries = (
    SELECT jsonb_agg(entry || to_jsonb(mode) ORDER BY place)
    FROM jsonb_array_elements(entries) WITH ORDINALITY AS found(entry, place)
)
"""
BACKWARD = """
UPDATE compare_positioncomparison SET mode = entries -> 0 ->> 2, entries = (
    SELECT jsonb_agg(entry - 2 ORDER BY place)
    FROM jsonb_array_elements(entries) WITH ORDINALITY AS found(entry, place)
)
"""


class Migration(migrations.Migration):
    dependencies = [("compare", "0003_engine_config")]

    operations = [
        migrations.AlterField("positioncomparison", "mode", models.CharField(max_length=20, default="sampled")),
        migrations.RunSQL(FORWARD, BACKWARD),
        migrations.RemoveField("positioncomparison", "mode"),
    ]
