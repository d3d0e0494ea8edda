import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """By itself: Postgres changes no column while rows of the table are still to be checked."""

    dependencies = [
        ("runs", "0010_team"),
    ]

    operations = [
        migrations.AlterField(
            model_name="experiment",
            name="team",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="experiments",
                to="teams.team",
            ),
        ),
    ]
