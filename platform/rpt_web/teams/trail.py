"""The audit trail's reading: who did what and when, of a team or of one thing, newest first.

In: a team or an object, filters. Out: changes as plain data, paged by key. Each kind of thing has a table of its own;
a page takes a fixed number of queries for each.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any

from django.db import connection
from django.db.models import ForeignKey, JSONField, Model, OuterRef, QuerySet, Subquery, TextField
from pghistory.core import event_models

from rpt_web.teams.audit import PASSWORD, STOOD
from rpt_web.teams.models import Membership, Team, User

PER_PAGE = 30
ROUTINE = ("worker", "reaper")
"""Programs that change runs all the time, which the trail of a team leaves out unless it is asked for them."""
BY_HAND = "SQL"
UNSEEN = ("email", "url", "body", "answers")
"""Fields of which only is shown that they changed."""
WHOLES = {"experiment", "corpus", "version", "wording", "label_set", "queue"}
"""Fields that name what something is a part of."""
VERBS = {"insert": "made", "update": "changed", "delete": "removed", PASSWORD: "new password"}


@dataclass(frozen=True)
class TrailKey:
    """Where a page goes on: time, kind and number of the last change before it."""

    at: datetime
    kind: str
    number: int

    def __str__(self) -> str:
        return f"{self.at.isoformat()}~{self.kind}~{self.number}"

    @classmethod
    def parse(cls, text: str) -> TrailKey | None:
        """From an address; None for anything else."""
        at, _, rest = text.partition("~")
        kind, _, number = rest.partition("~")
        try:
            found = datetime.fromisoformat(at)
            in_utc = found.astimezone(UTC)  # Postgres knows no offset of 16 hours and more
        except (OverflowError, ValueError):
            return None
        if found.tzinfo is None or not number.isdecimal() or len(number) > 18:
            return None
        return cls(in_utc, kind, int(number))


@dataclass(frozen=True)
class TrailDifference:
    """One field before and after; None for nothing, and for what is not told."""

    name: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class TrailEntry:
    """Something that was made, changed or removed."""

    at: datetime
    who: str
    is_person: bool
    verb: str
    kind: str
    """The model's name: experiment, run, membership, ..."""
    noun: str
    pk: int
    title: str
    key: TrailKey
    differences: Sequence[TrailDifference] = field(default_factory=tuple)
    token: str = ""
    """The API token that it was done with."""


@dataclass(frozen=True)
class TrailFilters:
    """What a page of the trail is asked for."""

    who: str = ""
    """A name; empty for all people, commands and changes by hand."""
    kind: str = ""
    routine: bool = False
    """Also what workers do by themselves."""


@dataclass(frozen=True)
class TrailPage:
    """One page, and the key from which the next older one goes on."""

    changes: list[TrailEntry]
    older: TrailKey | None


@cache
def kinds() -> dict[str, type[Any]]:
    """The table of changes of each kind of thing, by the kind's name."""
    found: list[Any] = event_models()
    return {str(model.pgh_tracked_model._meta.model_name): model for model in found}


def of_team(team: Team, filters: TrailFilters, before: TrailKey | None = None) -> TrailPage:
    """The trail of a team: what belongs to it, and its people (2 queries, and 2 or 3 for each kind
    that is on the page)."""
    asked = _asked(filters)
    wanted = {kind: model for kind, model in kinds().items() if filters.kind in ("", kind)}
    conditions = {kind: f"{_of_team(model)} AND {asked}" for kind, model in wanted.items()}
    return _page(conditions, {"team": team.pk, "who": filters.who, "routine": list(ROUTINE)}, before)


def of_object(thing: Model) -> list[TrailEntry]:
    """The trail of one thing, newest first, at most one page of it."""
    return _page({str(thing._meta.model_name): "pgh_obj_id = %(thing)s"}, {"thing": thing.pk}).changes


def names_in(team: Team) -> list[str]:
    """Who can be asked for: the people who are, or were, in the team."""
    return list(User.objects.filter(pk__in=people_of(team)).order_by("username").values_list("username", flat=True))


def people_of(team: Team) -> QuerySet[Any, Any]:
    """Keys of the people who are, or were, in the team."""
    people: QuerySet[Any, Any] = kinds()[str(Membership._meta.model_name)].objects.filter(team=team.pk).values("user")
    return people


def former_names(team: Team) -> set[str]:
    """What the team and its people were ever called, those who have left and accounts that are gone among them."""
    users, teams = kinds()["user"].objects, kinds()["team"].objects
    names = users.filter(pgh_obj__in=people_of(team)).values_list("username", flat=True)
    return {*names, *teams.filter(pgh_obj=team.pk).values_list("name", flat=True)}


def _of_team(model: type[Any]) -> str:
    """In SQL, which changes of a kind are those of the team `team`, also of what is gone by now."""
    tracked, fields = model.pgh_tracked_model, {found.name: found for found in model._meta.fields}
    if tracked is Team:
        return "pgh_obj_id = %(team)s"
    if "team" in fields:
        return "team_id = %(team)s"
    for whole in WHOLES & {*fields}:
        kept = kinds()[str(fields[whole].related_model._meta.model_name)]
        return f"{whole}_id IN (SELECT pgh_obj_id FROM {kept._meta.db_table} WHERE {_of_team(kept)})"
    if tracked is not User and "user" not in fields:  # of the server, such as a node
        return "FALSE"
    members = kinds()[str(Membership._meta.model_name)]._meta.db_table
    person = "pgh_obj_id" if tracked is User else "user_id"
    return f"{person} IN (SELECT user_id FROM {members} WHERE team_id = %(team)s)"


def _asked(filters: TrailFilters) -> str:
    """In SQL, which changes the filters ask for."""
    if filters.who == BY_HAND:
        return "pgh_context IS NULL"
    if filters.who:
        return "%(who)s IN (pgh_context ->> 'name', pgh_context ->> 'program')"
    # People have no program: of them NOT alone gives NULL, and their changes would be left out, too.
    return "TRUE" if filters.routine else "(pgh_context ->> 'program' = ANY(%(routine)s)) IS NOT TRUE"


def _page(conditions: Mapping[str, str], values: Mapping[str, Any], before: TrailKey | None = None) -> TrailPage:
    """A page of the changes of some kinds: which these are is asked of all kinds at once, and only they are read.

    conditions: for each kind which of its changes, in SQL with named values.
    """
    listed = _newest(conditions, values, before)
    shown = listed[:PER_PAGE]
    found = {kind: _whole(kind, [number for own, number in shown if own == kind]) for kind in {*dict(shown)}}
    changes = _in_words([(kind, row) for kind, number in shown if (row := found[kind].get(number))])
    return TrailPage(changes, changes[-1].key if len(listed) > len(shown) else None)


def _newest(conditions: Mapping[str, str], values: Mapping[str, Any], before: TrailKey | None) -> list[tuple[str, int]]:
    """Kinds and numbers of one change more than fits on a page (1 query).

    In SQL, as Django takes 40 ms of a processor to write a query of so many tables.
    """
    named = {**values, "at": before and before.at, "number": before and before.number}
    found = " UNION ALL ".join(_keys(kind, condition, before) for kind, condition in conditions.items())
    order = "pgh_created_at DESC, of_kind DESC, pgh_id DESC"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT of_kind, pgh_id FROM ({found}) AS found ORDER BY {order} LIMIT {PER_PAGE + 1}", named)
        newest: list[tuple[str, int]] = cursor.fetchall()
    return newest


def _keys(kind: str, condition: str, before: TrailKey | None) -> str:
    """In SQL, of the newest changes of a kind the time, the kind and the number."""
    older = "TRUE"
    if before is not None:
        older = f"pgh_created_at {'<=' if kind < before.kind else '<'} %(at)s"
        if kind == before.kind:
            older = "(pgh_created_at, pgh_id) < (%(at)s, %(number)s)"
    return (
        f"(SELECT pgh_created_at, '{kind}' AS of_kind, pgh_id FROM {kinds()[kind]._meta.db_table} "
        f"WHERE pgh_label <> '{STOOD}' AND {condition} AND {older} "
        f"ORDER BY pgh_created_at DESC, pgh_id DESC LIMIT {PER_PAGE + 1})"
    )


def _whole(kind: str, numbers: Sequence[int]) -> dict[int, Any]:
    """Changes by their numbers, each with the number of the change of the same thing before it."""
    rows: QuerySet[Any] = kinds()[kind].objects.all()
    earlier = rows.filter(pgh_obj=OuterRef("pgh_obj"), pgh_id__lt=OuterRef("pgh_id"))
    same = earlier.exclude(pgh_label=PASSWORD).order_by("-pgh_id")  # that one comes first if both are of one update
    found: dict[int, Any] = rows.annotate(previous=Subquery(same.values("pgh_id")[:1])).in_bulk(numbers)
    return found


def _in_words(rows: Sequence[tuple[str, Any]]) -> list[TrailEntry]:
    before = _previous(rows)
    names = _Names(row for _, row in [*rows, *before.items()])
    return [_change(kind, row, before.get((kind, row.previous)), names) for kind, row in rows]


def _previous(rows: Sequence[tuple[str, Any]]) -> dict[Any, Any]:
    """(kind, number) -> the change of that number, of all that these are compared with."""
    tables = kinds()
    found: dict[Any, Any] = {}
    for kind in {kind for kind, _ in rows}:
        numbers = [row.previous for own, row in rows if own == kind and row.previous is not None]
        found |= {(kind, number): row for number, row in tables[kind].objects.in_bulk(numbers).items()}
    return found


class _Names:
    """What things are called whose keys stand in rows (1 query for each kind of them)."""

    def __init__(self, rows: Iterable[Any]) -> None:
        keys: defaultdict[type[Model], set[int]] = defaultdict(set)
        for row in rows:
            for found in _kept(row):
                if isinstance(found, ForeignKey):
                    keys[found.related_model].add(getattr(row, found.attname))
        self._known = {model: _named(model, wanted - {None}) for model, wanted in keys.items()}

    def written(self, found: Any, value: Any) -> str | None:
        """A value of a field in words; None for nothing."""
        if value is None or value == "":
            return None
        if isinstance(found, ForeignKey):
            return self._known.get(found.related_model, {}).get(value, f"number {value}")
        if isinstance(value, bool):
            return "yes" if value else "no"
        return f"{value:%Y-%m-%d %H:%M UTC}" if isinstance(value, datetime) else str(value)


def _named(model: type[Model], keys: Collection[int]) -> dict[int, str]:
    """Keys of things -> what they are called; no name needs long texts."""
    long = [found.name for found in model._meta.concrete_fields if isinstance(found, JSONField | TextField)]
    return {key: str(thing) for key, thing in model._default_manager.defer(*long).in_bulk(keys).items()}


def _kept(row: Any) -> list[Any]:
    return [found for found in row._meta.fields if not found.name.startswith("pgh_")]


def _change(kind: str, row: Any, before: Any, names: _Names) -> TrailEntry:
    context = row.pgh_context or {}
    return TrailEntry(
        at=row.pgh_created_at,
        who=context.get("name") or context.get("program") or BY_HAND,
        is_person=bool(context.get("name")),
        verb=VERBS.get(row.pgh_label, row.pgh_label),
        kind=kind,
        noun=str(row.pgh_tracked_model._meta.verbose_name),
        pk=row.pgh_obj_id,
        title=_title(row, names),
        key=TrailKey(row.pgh_created_at, kind, row.pgh_id),
        differences=_differences(row, before, names),
        token=context.get("token", ""),
    )


def _title(row: Any, names: _Names) -> str:
    """What the thing is called, by the first of its fields that says so."""
    kept = {found.name: found for found in _kept(row)}
    for name in ("name", "username", "user", "note"):
        if name in kept and (written := names.written(kept[name], getattr(row, kept[name].attname))):
            return written
    if (whole := next((name for name in ("corpus", "wording", "label_set") if name in kept), "")) and "number" in kept:
        return f"{names.written(kept[whole], getattr(row, kept[whole].attname))}, version {row.number}"
    return f"number {row.pgh_obj_id}"


def _differences(row: Any, before: Any, names: _Names) -> tuple[TrailDifference, ...]:
    """The fields that changed; of what was made, all that it has."""
    if row.pgh_label not in ("insert", "update"):
        return ()
    base = before if row.pgh_label == "update" else None
    found = []
    for kept in _kept(row):
        old, new = getattr(base, kept.attname, None), getattr(row, kept.attname)
        if old == new or (base is None and row.pgh_label == "update"):
            continue
        is_told = kept.name not in UNSEEN
        words = (names.written(kept, old), names.written(kept, new)) if is_told else (None, None)
        if base is not None or words[1] is not None:
            found.append(TrailDifference(str(kept.verbose_name), *words))
    return tuple(found)
