"""Forgets the answers of repeatable calls: earlier versions stored them as they were, secrets of links included."""

from django.db import migrations


def forget(apps, schema_editor):
    apps.get_model("teams", "RepeatableCall").objects.all().delete()


class Migration(migrations.Migration):
    dependencies = [("teams", "0015_words_of_scopes")]
    operations = [migrations.RunPython(forget, migrations.RunPython.noop)]
