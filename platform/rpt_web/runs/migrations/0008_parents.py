import math
import re
from collections.abc import Iterator
from typing import Any

import django.db.models.deletion
from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

CHECKPOINT = re.compile(r"/runs/(\d{1,18})/checkpoints/step-(\d{6,9})/?$")
IN_FOLDER = re.compile(r".*/runs/(\d{1,18})(?:/.*)?$")
COPY = re.compile(r"s(0|-?[1-9]\d{0,8})-.+")
START, COMPUTE, RESPONSES, READS = "start", "compute", "responses", "reads"
NEAR_BUDGET = 0.1


def fill(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """As pages found them until now: by the paths in the configs, wherever the data folder was then, and by names."""
    runs = apps.get_model("runs", "Run").objects
    parents = apps.get_model("runs", "RunParent").objects
    there = set(runs.values_list("pk", flat=True))
    for pk, name in runs.values_list("pk", "name"):
        if found := COPY.fullmatch(name):
            runs.filter(pk=pk).update(copy_seed=int(found[1]))
    for experiment in apps.get_model("runs", "Experiment").objects.values_list("pk", flat=True):
        found = list(
            runs.filter(experiment=experiment).exclude(config={}).only("name", "stage", "config", "plan", "flops")
        )
        for run in found:
            parents.bulk_create(parents.model(run=run, **row) for row in rows_of(run, found, there))


def rows_of(run: Any, others: list[Any], there: set[int]) -> Iterator[dict[str, Any]]:
    """The parents of a run: its start, what it reads, what it is a baseline of."""
    model = (run.config.get("model") or {}).get("path")
    if model:
        pk, step = start if isinstance(start := start_of(run), tuple) and start[0] in there else (None, None)
        yield {"role": START, "path": model, "parent_id": pk, "step": step}
    budget = run.config.get("budget") or {}
    computed = {pk for pk in [number(budget.get("flops_of"))] if pk in there}
    read = {number(text) for field, text in texts(run.config) if field not in ("model.path", "budget.flops_of")}
    for role, found in ((COMPUTE, computed), (READS, read & there)):
        yield from ({"role": role, "parent_id": pk} for pk in sorted(found))
    if not computed and budget:
        yield from baseline(run, budget, others)


def baseline(run: Any, budget: dict[str, Any], others: list[Any]) -> Iterator[dict[str, Any]]:
    """What a run without `flops_of` is a baseline of."""
    asked = (run.plan.get("budget") or {}).get("flops")
    planned = [other.pk for other in others if asked == f"@{other.name}/flops"]
    if planned or budget.get("flops"):
        near = [
            (gap, other.pk)
            for other in others
            if other.pk != run.pk and other.flops and budget.get("flops")
            if (gap := abs(other.flops / budget["flops"] - 1)) <= NEAR_BUDGET
            if not has_flops(other) and start_of(other) == start_of(run)
        ]
        for pk in planned[:1] or [pk for _, pk in sorted(near)][:1]:
            yield {"role": COMPUTE, "parent_id": pk}
    elif run.stage == "expert_iteration" and (wanted := ground(run)):
        alike = sorted(other.pk for other in others if other.stage == "rpt" and ground(other) == wanted)
        for pk in alike[:1]:
            yield {"role": RESPONSES, "parent_id": pk}


def has_flops(run: Any) -> bool:
    """Whether its budget is in FLOPs."""
    budget = run.config.get("budget") or {}
    return bool(budget.get("flops") or budget.get("flops_of"))


def ground(run: Any) -> tuple[Any, ...] | None:
    """How many responses it samples, where, from which start; None where that is not known."""
    config = run.config
    if (config.get("dynamic_sampling") or {}).get("from_step"):
        return None
    steps = (config.get("budget") or {}).get("steps") if run.stage == "expert_iteration" else config.get("steps")
    sizes = [steps, config.get("batch_problems"), config.get("group_size")]
    if not all(isinstance(size, int) for size in sizes):
        return None
    return math.prod(sizes), config.get("positions"), start_of(run)


def start_of(run: Any) -> tuple[int, int] | str:
    """The run and step of its start, or any other path."""
    path = (run.config.get("model") or {}).get("path") or ""
    found = CHECKPOINT.search(path)
    return (int(found[1]), int(found[2])) if found else path


def number(text: str | None) -> int | None:
    """The run in whose folder a path lies."""
    found = IN_FOLDER.fullmatch(text or "")
    return int(found[1]) if found else None


def texts(value: Any, field: str = "") -> Iterator[tuple[str, str]]:
    """Every text of a config with its dotted field."""
    if isinstance(value, str):
        yield field, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from texts(item, f"{field}.{key}" if field else key)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item, field)


class Migration(migrations.Migration):
    dependencies = [("runs", "0007_attempts_and_their_code")]

    operations = [
        migrations.AddField(
            model_name="run",
            name="copy_seed",
            field=models.IntegerField(blank=True, null=True),
        ),
        migrations.CreateModel(
            name="RunParent",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "role",
                    models.CharField(
                        choices=[
                            ("start", "Starts from its model"),
                            ("compute", "Trains for as much compute"),
                            ("responses", "Samples as many responses, from the same start at the same positions"),
                            ("reads", "Reads what it made"),
                        ],
                        max_length=20,
                    ),
                ),
                ("step", models.PositiveIntegerField(blank=True, null=True)),
                ("path", models.TextField(blank=True)),
                (
                    "parent",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="children",
                        to="runs.run",
                    ),
                ),
                (
                    "run",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="parents", to="runs.run"
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
                "constraints": [models.UniqueConstraint(fields=("run", "role", "parent"), name="parent_once_per_role")],
            },
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
