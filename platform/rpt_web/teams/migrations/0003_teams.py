import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

ROLES = [("viewer", "Viewer"), ("member", "Member"), ("administrator", "Administrator")]


def all_into_one(apps, schema_editor):
    """What stands today becomes one team, in which everybody keeps their role; a superuser administers it."""
    team, _ = apps.get_model("teams", "Team").objects.get_or_create(name="Team")
    apps.get_model("teams", "Membership").objects.bulk_create(
        apps.get_model("teams", "Membership")(
            user=user, team=team, role="administrator" if user.is_superuser else user.role
        )
        for user in apps.get_model("teams", "User").objects.order_by("id")
    )


def roles_back(apps, schema_editor):
    """The field knows no administrator."""
    for membership in apps.get_model("teams", "Membership").objects.exclude(role="administrator").order_by("-id"):
        apps.get_model("teams", "User").objects.filter(pk=membership.user_id).update(role=membership.role)


class Migration(migrations.Migration):
    dependencies = [
        ("teams", "0002_login_attempts"),
    ]

    operations = [
        migrations.CreateModel(
            name="Team",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=100, unique=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={"ordering": ["name"]},
        ),
        migrations.CreateModel(
            name="Membership",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("role", models.CharField(choices=ROLES, default="member", max_length=20)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "team",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="memberships", to="teams.team"
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="memberships",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
                "constraints": [models.UniqueConstraint(fields=("user", "team"), name="membership_once_per_team")],
            },
        ),
        migrations.RunPython(all_into_one, roles_back),
    ]
