from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("runs", "0008_parents")]

    operations = [
        migrations.AddField(
            model_name="experiment",
            name="results_version",
            field=models.PositiveIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="experiment",
            name="intervals_version",
            field=models.PositiveIntegerField(default=0),
        ),
    ]
