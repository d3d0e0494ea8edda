from django.db import migrations, models

FILL = """
UPDATE traces_responsegroup AS g SET forgotten_now = true WHERE g.forgotten AND NOT EXISTS (
    SELECT FROM traces_responsegroup later
    WHERE later.run_id = g.run_id AND later.document = g.document AND later.token_position = g.token_position
        AND later.step > g.step AND later.kind = g.kind
)
"""


class Migration(migrations.Migration):
    """The list of what is forgotten now looked for later groups of each forgotten one, which were thousands."""

    dependencies = [("runs", "0023_after_squashed"), ("traces", "0012_after_squashed")]

    operations = [
        migrations.AddField("responsegroup", "forgotten_now", models.BooleanField(default=False)),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
        migrations.AddIndex(
            "responsegroup",
            models.Index(condition=models.Q(forgotten_now=True), fields=["run", "id"], name="group_forgotten_now"),
        ),
    ]
