"""Filled things into the database and out of it again, by COPY: two million responses take minutes.

filled = fill(Amounts(2_000_000, 2_500, 100_000))    # what was made, by name
remove()                                             # all that was ever filled, and nothing else
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any

from django.db import connection, transaction
from django.db.models import Model, QuerySet
from django.utils import timezone
from psycopg import sql

from rpt_core.run.rollout_files import write_rollouts
from rpt_web.runs import parents
from rpt_web.runs.models import Experiment, Run
from rpt_web.supervisor.filling import rows
from rpt_web.supervisor.filling.shape import MARK, Amounts, FilledRun, experiment_of, experiments_needed, filled_runs
from rpt_web.teams.membership import first_team
from rpt_web.traces.partitions import PARENT, ensure_partition

Counts = dict[str, int]
"""What was made or removed -> how many."""


def filled_experiments() -> QuerySet[Experiment]:
    """Those that `fill` has made."""
    return Experiment.objects.filter(description=MARK, created_by=None)


def fill(amounts: Amounts, say: Callable[[str], None]) -> Counts:
    """Make it all. What is interrupted stays, and `remove` takes it away."""
    now, team = timezone.now(), first_team()
    keys = _new_keys(Experiment, experiments_needed(amounts.runs))
    experiments = [experiment_of(pk, number, now, team) for number, pk in enumerate(keys)]
    filled = filled_runs(experiments, _new_keys(Run, amounts.runs), amounts, now)
    counts = {"experiments": _copy(experiments), "runs": _copy(found.run for found in filled)}
    with transaction.atomic():
        parents.record([found.run for found in filled if found.run.config])
    say(f"{counts['experiments']:,} experiments and {counts['runs']:,} runs are there; now what they wrote.")
    counts |= _copy_records(filled)
    counts["responses"] = sum(_copy_responses(found) for found in filled)
    _analyse()
    return counts


def remove() -> Counts:
    """Take away all filled experiments, each with its runs, its rows and its files at once."""
    counts = {"experiments": 0, "runs": 0}
    for experiment in filled_experiments().order_by("id"):
        folders = [run.directory for run in experiment.runs.only("id")]
        with transaction.atomic():
            experiment.delete()
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
        counts = {"experiments": counts["experiments"] + 1, "runs": counts["runs"] + len(folders)}
    return counts


def _copy_records(filled: Sequence[FilledRun]) -> Counts:
    """All but responses."""
    ran = [found for found in filled if found.run.started_at]
    runs = [found.run for found in ran]
    made: dict[str, Iterable[Iterable[Model]]] = {
        "metrics": map(rows.metrics_of, ran),
        "events": map(rows.events_of, ran),
        "evaluations": map(rows.evaluations_of, runs),
        "tables": map(rows.tables_of, runs),
        "checkpoints": map(rows.checkpoints_of, runs),
        "corpora": map(rows.corpora_of, runs),
        "shards": map(rows.shards_of, ran),
    }
    return {what: _copy(chain.from_iterable(many)) for what, many in made.items()}


def _copy_responses(filled: FilledRun) -> int:
    """The responses of a run into its partition; those of the newest step with their texts on disk."""
    shards = rows.shards_of(filled)
    if not shards:
        return 0
    ensure_partition(filled.run.pk)
    number = _copy_rows(PARENT, rows.ROLLOUT_COLUMNS, chain.from_iterable(map(rows.rollouts_of, shards)))
    for shard in shards[-2:]:  # the newest of training, and the evaluation
        write_rollouts(filled.run.directory / shard.path, rows.full_rows(shard))
    return number


def _copy(objects: Iterable[Model]) -> int:
    """Objects into their table; a key that they lack comes from the table's sequence."""
    several = iter(objects)
    first = next(several, None)
    if first is None:
        return 0
    fields = [field for field in first._meta.concrete_fields if not field.primary_key or first.pk is not None]
    values = (
        [field.get_db_prep_save(getattr(row, field.attname), connection) for field in fields]
        for row in chain([first], several)
    )
    return _copy_rows(first._meta.db_table, [str(field.column) for field in fields], values)


def _copy_rows(table: str, columns: Sequence[str], values: Iterable[Sequence[Any]]) -> int:
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    number = 0
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in values:
            copy.write_row(row)
            number += 1
    return number


def _new_keys(model: type[Model], number: int) -> list[int]:
    """Keys that nobody else gets."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)",
            [model._meta.db_table, number],
        )
        return [key for (key,) in cursor.fetchall()]


def _analyse() -> None:
    """Let Postgres know what it has now; by itself it would look some minutes later."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
