import django.db.models.deletion
from django.db import migrations, models


def of_events(apps, schema_editor):
    """Runs from before have told the same but for the summary, which stays empty."""
    event_model, split_model = apps.get_model("runs", "RunEvent"), apps.get_model("corpora", "ScoredSplit")
    for event in event_model.objects.filter(type="positions").order_by("run_id", "seq").iterator():
        counts = {name: event.data.get(name) for name in ("documents", "positions", "kept")}
        if event.data.get("split") and None not in counts.values():
            told = {name: event.data.get(name) or {} for name in ("by_difficulty", "above_nats")}
            split_model.objects.update_or_create(run_id=event.run_id, split=event.data["split"], defaults=counts | told)


class Migration(migrations.Migration):
    dependencies = [
        ("corpora", "0001_initial"),
        ("runs", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="ScoredSplit",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("split", models.CharField(max_length=20)),
                ("documents", models.PositiveIntegerField()),
                ("positions", models.PositiveBigIntegerField()),
                ("kept", models.PositiveBigIntegerField()),
                ("by_difficulty", models.JSONField(default=dict)),
                ("above_nats", models.JSONField(default=dict)),
                ("summary", models.JSONField(default=dict)),
                (
                    "run",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="splits", to="runs.run"
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("run", "split"), name="split_once_per_run")],
            },
        ),
        migrations.RunPython(of_events, migrations.RunPython.noop),
    ]
