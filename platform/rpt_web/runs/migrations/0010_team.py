import django.db.models.deletion
from django.db import migrations, models


def all_to_the_first(apps, schema_editor):
    """What stands today belongs to the oldest team."""
    experiments, teams = apps.get_model("runs", "Experiment").objects, apps.get_model("teams", "Team").objects
    if experiments.exists():
        experiments.update(team=teams.order_by("id").first() or teams.create(name="Team"))


class Migration(migrations.Migration):
    dependencies = [
        ("runs", "0009_versions_of_results"),
        ("teams", "0003_teams"),
    ]

    operations = [
        migrations.AddField(
            model_name="experiment",
            name="team",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="experiments",
                to="teams.team",
            ),
        ),
        migrations.RunPython(all_to_the_first, migrations.RunPython.noop),
    ]
