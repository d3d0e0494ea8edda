"""The thresholds of the levels stand beside each accuracy; those of older rows follow from their run's config."""

from django.db import migrations, models

LEVELS = ("easy", "medium", "hard")


def from_configs(apps, schema_editor):
    """A run that drew its positions itself has used its own thresholds; of a stored set they are not known."""
    runs = apps.get_model("runs", "Run").objects.filter(evaluations__isnull=False).distinct()
    for run in runs.only("config").iterator():
        held_out = run.config.get("evaluation")
        if not isinstance(held_out, dict) or held_out.get("position_set") is not None:
            continue
        for level in LEVELS:
            nats = held_out.get(f"{level}_nats")
            if isinstance(nats, int | float):
                run.evaluations.filter(difficulty=level).update(above_nats=nats)


class Migration(migrations.Migration):
    dependencies = [("results", "0003_no_box"), ("runs", "0001_initial")]

    operations = [
        migrations.AddField(model_name="evaluation", name="above_nats", field=models.FloatField(blank=True, null=True)),
        migrations.RunPython(from_configs, migrations.RunPython.noop),
    ]
