from django.db import migrations


class Migration(migrations.Migration):
    """Changes nothing: the next migration follows it, whichever way a database came here (`supervisor.0001_squashed`)."""

    dependencies = [
        (
            "teams",
            "0001_initial",
        ),  # which is not replaced: without this it would be a second end of the app's migrations
        ("teams", "0016_sealed_answers"),
    ]
