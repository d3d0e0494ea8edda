"""The corpus of a run, as the run counted it, is called RunCorpus: people have corpora of their own next."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("corpora", "0002_scored_splits"),
    ]

    operations = [
        migrations.RenameModel(old_name="Corpus", new_name="RunCorpus"),
        migrations.AlterModelOptions(name="runcorpus", options={"verbose_name_plural": "corpora of runs"}),
    ]
