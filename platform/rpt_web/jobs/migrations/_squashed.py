"""The tables of this app as all its migrations make them, for a new database."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

OPERATIONS = [
    migrations.CreateModel(
        name="Job",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("kind", models.CharField(max_length=50)),
            ("arguments", models.JSONField(default=dict)),
            (
                "state",
                models.CharField(
                    choices=[
                        ("queued", "Queued"),
                        ("running", "Running"),
                        ("succeeded", "Succeeded"),
                        ("failed", "Failed"),
                        ("cancelled", "Cancelled"),
                    ],
                    default="queued",
                    max_length=20,
                ),
            ),
            ("progress", models.FloatField(blank=True, null=True)),
            ("message", models.CharField(blank=True, max_length=300)),
            ("result", models.JSONField(blank=True, default=dict)),
            ("error", models.TextField(blank=True)),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            ("attempt", models.PositiveIntegerField(default=0)),
            ("max_attempts", models.PositiveIntegerField(default=3)),
            ("worker", models.CharField(blank=True, max_length=200)),
            ("lease_until", models.DateTimeField(blank=True, null=True)),
            ("dispatched_at", models.DateTimeField(blank=True, null=True)),
            ("started_at", models.DateTimeField(blank=True, null=True)),
            ("finished_at", models.DateTimeField(blank=True, null=True)),
            ("cancel_requested_at", models.DateTimeField(blank=True, null=True)),
            (
                "created_by",
                models.ForeignKey(
                    blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, to=settings.AUTH_USER_MODEL
                ),
            ),
        ],
        options={
            "ordering": ["-id"],
            "indexes": [models.Index(fields=["state", "lease_until"], name="job_state_lease")],
        },
    ),
]
