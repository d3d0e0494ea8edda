from django.db import migrations


class Migration(migrations.Migration):
    """Changes nothing: the next migration follows it, whichever way a database came here (`supervisor.0001_squashed`)."""

    dependencies = [("reports", "0002_pdfs")]
