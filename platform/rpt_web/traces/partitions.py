"""The partitions of `traces_rollout`, one for each run: made when the run's first rollouts come, dropped with the run.
The rows of its groups go with it.

Both are DDL of a few milliseconds. A new partition is made as a plain table and attached, because ATTACH lets readers
and writers of other runs go on, where `CREATE TABLE ... PARTITION OF` would shut them out until the commit.
"""

from __future__ import annotations

from typing import Any

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models.signals import post_delete
from psycopg import sql

from rpt_web.runs.models import Run
from rpt_web.traces.models import ResponseGroup

PARENT = "traces_rollout"


def partition_name(run_id: int) -> str:
    """Name of the table that holds one run's rollouts."""
    return f"{PARENT}_run_{int(run_id)}"


def ensure_partition(run_id: int) -> None:
    """Make a run's partition unless it is there. Safe to call at the same time from several processes."""
    with transaction.atomic(), connection.cursor() as cursor:
        if _exists(cursor, run_id):
            return
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [PARENT])
        if not _exists(cursor, run_id):
            _create(cursor, run_id)


def drop_partition(run_id: int) -> None:
    """Drop a run's partition with all its rows; nothing happens when there is none."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [PARENT])
        if _exists(cursor, run_id):
            cursor.execute(_statement("DROP TABLE {partition}", run_id))


def drop_with_run(sender: type[Run], instance: Run, **_: Any) -> None:
    """Signal handler: a deleted run takes its partition and its groups along."""
    if instance.pk is not None:
        ResponseGroup.objects.filter(run_id=instance.pk).delete()
        drop_partition(instance.pk)


def connect() -> None:
    """Called once when the app is ready."""
    post_delete.connect(drop_with_run, sender=Run, dispatch_uid="traces.drop_with_run")


def _exists(cursor: CursorWrapper, run_id: int) -> bool:
    # Read from the catalogue itself: `to_regclass` may still answer what was true before a lock was waited for.
    cursor.execute(
        "SELECT EXISTS (SELECT FROM pg_class WHERE relname = %s AND pg_table_is_visible(oid))",
        [partition_name(run_id)],
    )
    row = cursor.fetchone()
    return bool(row and row[0])


def _create(cursor: CursorWrapper, run_id: int) -> None:
    cursor.execute(_statement("CREATE TABLE {partition} (LIKE {parent} INCLUDING ALL)", run_id))
    cursor.execute(_statement("ALTER TABLE {parent} ATTACH PARTITION {partition} FOR VALUES IN ({run_id})", run_id))


def _statement(template: str, run_id: int) -> str:
    names = {"parent": sql.Identifier(PARENT), "partition": sql.Identifier(partition_name(run_id))}
    return sql.SQL(template).format(**names, run_id=sql.Literal(int(run_id))).as_string(None)
