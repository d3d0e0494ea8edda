"""The tables of this app as all its migrations make them, for a new database."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

OPERATIONS = [
    migrations.CreateModel(
        name="Search",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("text", models.CharField(max_length=500)),
            (
                "mode",
                models.CharField(
                    choices=[("words", "all words"), ("phrase", "phrase"), ("expression", "expression (RE2)")],
                    default="words",
                    max_length=10,
                ),
            ),
            (
                "place",
                models.CharField(
                    choices=[("response", "responses"), ("prompt", "prompts, once for each group")],
                    default="response",
                    max_length=8,
                ),
            ),
            ("ignore_case", models.BooleanField(default=True)),
            ("runs", models.JSONField(default=list)),
            ("filters", models.JSONField(blank=True, default=dict)),
            ("created_at", models.DateTimeField(auto_now_add=True, db_index=True)),
            (
                "created_by",
                models.ForeignKey(
                    blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, to=settings.AUTH_USER_MODEL
                ),
            ),
            (
                "job",
                models.ForeignKey(
                    null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to="jobs.job"
                ),
            ),
            (
                "team",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE, related_name="searches", to="teams.team"
                ),
            ),
            ("is_personal", models.BooleanField(default=False)),
        ],
        options={
            "ordering": ["-id"],
        },
    ),
    migrations.CreateModel(
        name="SearchHit",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("number", models.PositiveIntegerField()),
            ("rollout", models.BigIntegerField()),
            ("step", models.PositiveIntegerField()),
            ("kind", models.CharField(max_length=10)),
            ("group", models.IntegerField()),
            ("sample", models.IntegerField()),
            ("reward", models.FloatField(null=True)),
            ("reason", models.CharField(max_length=20)),
            ("before", models.TextField()),
            ("match", models.TextField()),
            ("after", models.TextField()),
            ("times", models.PositiveIntegerField()),
            ("run", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="runs.run")),
            (
                "search",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE, related_name="hits", to="searches.search"
                ),
            ),
        ],
        options={
            "ordering": ["number"],
            "constraints": [models.UniqueConstraint(fields=("search", "number"), name="search_hit_once")],
        },
    ),
]
