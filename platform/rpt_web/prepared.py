"""Queries that each page asks, written once.

Django writes a query each time, which takes longer than Postgres needs for one of these.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

from django.db import connection
from django.db.models import Expression, ForeignKey, Lookup, QuerySet


class Given(Expression):
    """Where a query takes a value each time: `filter(user_id=Given("user"))`."""

    def __init__(self, name: str) -> None:
        """`name` is what `Prepared.rows` takes the value by."""
        super().__init__()
        self.name = name

    def as_sql(self, *_: Any, **__: Any) -> tuple[str, tuple[Any, ...]]:
        """A place for the value; the expression stands for it until it is known."""
        return "%s", (self,)


@ForeignKey.register_lookup
class Among(Lookup):
    """`filter(team__among=[1, 2])`, or a `Given` list: as `in`, but one value however many there are."""

    lookup_name = "among"
    prepare_rhs = False

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        """`column = ANY(values)`."""
        column, of_column = self.process_lhs(compiler, connection)
        values, of_values = self.process_rhs(compiler, connection)
        return f"{column} = ANY({values})", (*of_column, *of_values)


class Prepared:
    """A query of rows of values (`values_list`), as Django writes it at its first use."""

    def __init__(self, query: Callable[[], QuerySet[Any, Any]]) -> None:
        """`query` is called once, when the models are loaded."""
        self._query = query

    @cached_property
    def _written(self) -> tuple[str, tuple[Any, ...]]:
        return self._query().query.sql_with_params()

    def rows(self, most: int | None = None, **values: object) -> list[tuple[Any, ...]]:
        """The rows for these values, up to `most`. Raises KeyError for a value that is missing."""
        sql, places = self._written
        asked: list[Any] = [values[place.name] if isinstance(place, Given) else place for place in places]
        with connection.cursor() as cursor:
            cursor.execute(f"{sql} LIMIT %s", [*asked, most])  # LIMIT NULL is none
            found: list[tuple[Any, ...]] = cursor.fetchall()
            return found
