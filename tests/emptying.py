"""The database after a test that commits: the rows that it left are deleted, and no other table is touched.

Django would truncate every table, of which there are more than a hundred, and write down again what kinds of objects
and permissions there are: half a second for each of these tests.
"""

from __future__ import annotations

from functools import cache

from django.db import connection, transaction

KEPT = {"django_content_type", "auth_permission"}
"""What Django itself writes after the migrations."""
UNMANAGED = {"traces_rollout"}


def empty() -> None:
    """Delete all rows; what is deleted leaves rows in the audit trail, which are deleted next."""
    with transaction.atomic(), connection.cursor() as cursor:
        while filled := _filled(cursor):
            for table in filled:
                cursor.execute(f'DELETE FROM "{table}"')


def _filled(cursor) -> list[str]:
    looks = (f"SELECT '{table}' WHERE EXISTS (SELECT FROM \"{table}\")" for table in _tables())
    cursor.execute(" UNION ALL ".join(looks))
    return [table for (table,) in cursor.fetchall()]


@cache
def _tables() -> tuple[str, ...]:
    names = connection.introspection.django_table_names(only_existing=True, include_views=False)
    return tuple(sorted({*names, *UNMANAGED} - KEPT))
