"""The table as it is asked for: which columns, which runs, in which order; paged by key in the database.

In: what an address, a saved view or a program asks for, as text. Out: `AskedTable`, and pages of rows. Raises UserError
for what cannot be read. A run without a value stands last, whichever way the table is sorted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

from django.db.models import Q, QuerySet, Subquery
from django.db.models.lookups import Exact, GreaterThan, IsNull, LessThan

from rpt_core.errors import UserError
from rpt_web.run_table.cells import Cell, cells_of
from rpt_web.run_table.columns import DEFAULT, RunColumn, column, columns, names_of
from rpt_web.run_table.conditions import Condition, condition, conditions
from rpt_web.run_table.expressions import expression
from rpt_web.runs import archive
from rpt_web.runs.models import Run
from rpt_web.runs.queries import UNLISTED

PER_PAGE = 100
MOST_KEYS = 3
NOT_GROUPED = ("metric", "accuracy")
"""Families of columns that runs are not grouped by."""


@dataclass(frozen=True)
class AskedTable:
    """What the table shows."""

    columns: Sequence[RunColumn]
    where: Sequence[Condition] = ()
    sort: RunColumn | None = None
    """None: the newest first."""
    is_falling: bool = False
    group: Sequence[RunColumn] = ()
    archived: bool = False
    """Those that are out of sight, rather than the others."""

    @classmethod
    def of(
        cls,
        names: Sequence[str] = (),
        where: Sequence[str] = (),
        sort: str = "",
        group: Sequence[str] = (),
        archived: bool = False,
    ) -> AskedTable:
        """From names and conditions as text; without columns the default ones. Raises UserError."""
        parted = [part for name in names for part in name.split(",") if part.strip()]
        keys = columns(part for name in group for part in name.split(",") if part.strip())
        if len(keys) > MOST_KEYS:
            raise UserError(f"Runs are grouped by {MOST_KEYS} columns at most. Take some away.")
        if wrong := [key.name for key in keys if key.family in NOT_GROUPED or key.kind == "tags"]:
            raise UserError(f"Runs are not grouped by tags or by what was measured ({wrong[0]}). Take a setting.")
        falling = sort.startswith("-")
        order = column(sort.removeprefix("-")) if sort.removeprefix("-") else None
        return cls(columns(parted or DEFAULT), conditions(where), order, falling and order is not None, keys, archived)

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """As the pairs of an address's query."""
        found = [("columns", names_of(self.columns)), *(("where", str(one)) for one in self.where)]
        if self.sort is not None:
            found.append(("sort", f"{'-' if self.is_falling else ''}{self.sort.name}"))
        if self.group:
            found.append(("group", names_of(self.group)))
        return [*found, *([("archived", "1")] if self.archived else [])]

    def query(self, **more: str) -> str:
        """The same as text, with more pairs."""
        return urlencode([*self.pairs, *more.items()])

    def sorted_by(self, by: RunColumn) -> AskedTable:
        """Sorted by a column; by the one that it is sorted by already, the other way round. Numbers fall at first."""
        if self.sort is not None and self.sort.name == by.name:
            return replace(self, is_falling=not self.is_falling)
        return replace(self, sort=by, is_falling=by.kind not in ("text", "state"))

    def without(self, dropped: Condition) -> AskedTable:
        """Without a condition."""
        return replace(self, where=[one for one in self.where if one != dropped])

    def members(self, keys: Mapping[str, str]) -> AskedTable:
        """The runs of a group: where each of its columns has the value, as a condition has it."""
        more = [condition(f"{name}={value}") for name, value in keys.items()]
        return replace(self, group=(), where=[*self.where, *more], sort=None, is_falling=False)


@dataclass(frozen=True)
class TableRow:
    """A run with its cells."""

    run: Run
    cells: Sequence[Cell]


@dataclass(frozen=True)
class TablePage:
    """One page; `next`: the run after which the next one begins."""

    rows: Sequence[TableRow]
    total: int
    next: int | None = None
    columns: Sequence[RunColumn] = field(default_factory=tuple)


def runs_of(runs: QuerySet[Run], asked: AskedTable) -> QuerySet[Run]:
    """Of runs that somebody may see those that fit, in no order."""
    runs = runs.exclude(archive.RUN_IN_SIGHT) if asked.archived else runs.filter(archive.RUN_IN_SIGHT)
    for one in asked.where:
        runs = runs.filter(one.fits())
    return runs.order_by()


def page(runs: QuerySet[Run], asked: AskedTable, after: int | None = None, limit: int = PER_PAGE) -> TablePage:
    """One page of the table, of runs that somebody may see (8 queries at most)."""
    fitting = runs_of(runs, asked)
    ids = list(_in_order(fitting, asked, after).values_list("pk", flat=True)[: limit + 1])
    shown = ids[:limit]
    return TablePage(
        rows(shown, asked.columns), fitting.count(), shown[-1] if len(ids) > limit else None, asked.columns
    )


def rows(run_ids: Sequence[int], asked: Sequence[RunColumn]) -> list[TableRow]:
    """Rows of runs in the order of their ids as given."""
    found = Run.objects.select_related("experiment", "deletion").defer(*UNLISTED)
    return _with_cells(found, run_ids, asked)


def named_rows(run_ids: Sequence[int], asked: Sequence[RunColumn]) -> list[TableRow]:
    """The same for a file, which has the number and the name of each run beside its cells: no more of it is read."""
    return _with_cells(Run.objects.only("name"), run_ids, asked)


def all_ids(runs: QuerySet[Run], asked: AskedTable, limit: int) -> list[int]:
    """Ids of all runs that fit, in their order; at most so many."""
    return list(_in_order(runs_of(runs, asked), asked, None).values_list("pk", flat=True)[:limit])


def _with_cells(found: QuerySet[Run], run_ids: Sequence[int], asked: Sequence[RunColumn]) -> list[TableRow]:
    runs, cells = found.in_bulk(run_ids), cells_of(run_ids, asked)
    return [TableRow(runs[run], cells[run]) for run in run_ids if run in runs]


def _in_order(runs: QuerySet[Run], asked: AskedTable, after: int | None) -> QuerySet[Run]:
    if asked.sort is None:
        return (runs.filter(pk__lt=after) if after is not None else runs).order_by("-id")
    value = expression(asked.sort)
    if after is not None:
        runs = runs.filter(_behind(value, asked.is_falling, after))
    order = value.desc(nulls_last=True) if asked.is_falling else value.asc(nulls_last=True)
    return runs.order_by(order, "-id")


def _behind(value: Any, is_falling: bool, after: int) -> Q:
    """Runs that come behind one, in the order of a value: those without one are last, and of equal ones the older."""
    last = Run.objects.filter(pk=after).annotate(sought=value)
    older = Q(pk__lt=after)
    if last.filter(sought__isnull=False).exists():
        sought = Subquery(last.values("sought")[:1])
        beyond = LessThan(value, sought) if is_falling else GreaterThan(value, sought)
        return Q(beyond) | Q(IsNull(value, True)) | (Q(Exact(value, sought)) & older)
    return Q(IsNull(value, True)) & older
