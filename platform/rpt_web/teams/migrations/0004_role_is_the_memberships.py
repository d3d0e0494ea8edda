from django.db import migrations


class Migration(migrations.Migration):
    """By itself: Postgres drops no column while rows that refer to the table are still to be checked."""

    dependencies = [
        ("teams", "0003_teams"),
    ]

    operations = [
        migrations.RemoveField(model_name="user", name="role"),
    ]
