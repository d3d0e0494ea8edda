"""The audit trail's reading: who did what and when, of a team or of one thing, newest first.

In: a team or an object, filters. Out: changes as plain data, paged by key. Each kind of thing has a table of its own;
a page takes a fixed number of queries for each.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.db.models import F, ForeignKey, JSONField, Model, OuterRef, Q, QuerySet, Subquery, TextField, Value
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


def kinds() -> dict[str, type[Any]]:
    """The table of changes of each kind of thing, by the kind's name."""
    found: list[Any] = event_models()
    return {str(model.pgh_tracked_model._meta.model_name): model for model in found}


def of_team(team: Team, filters: TrailFilters, before: TrailKey | None = None) -> TrailPage:
    """The trail of a team: what belongs to it, and its people (2 queries, and 2 or 3 for each kind
    that is on the page)."""
    wanted = {kind: model for kind, model in kinds().items() if filters.kind in ("", kind)}
    return _page(
        {kind: _filtered(model.objects.filter(_of_team(model, team)), filters) for kind, model in wanted.items()},
        before,
    )


def of_object(thing: Model) -> list[TrailEntry]:
    """The trail of one thing, newest first, at most one page of it."""
    kind = str(thing._meta.model_name)
    return _page({kind: kinds()[kind].objects.filter(pgh_obj=thing.pk)}, None).changes


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


def _of_team(model: type[Any], team: Team) -> Q:
    """Which changes of a kind are the team's, also of what is gone by now."""
    tracked, fields = model.pgh_tracked_model, {found.name: found for found in model._meta.fields}
    if tracked is Team:
        return Q(pgh_obj=team.pk)
    if "team" in fields:
        return Q(team=team.pk)
    for whole in WHOLES & {*fields}:
        kept = kinds()[str(fields[whole].related_model._meta.model_name)]
        return Q(**{f"{whole}__in": kept.objects.filter(_of_team(kept, team)).values("pgh_obj")})
    if tracked is not User and "user" not in fields:  # of the server, such as a node
        return Q(pk__in=())
    return Q(**{"pgh_obj__in" if tracked is User else "user__in": people_of(team)})


def _filtered(rows: QuerySet[Any], filters: TrailFilters) -> QuerySet[Any]:
    if filters.who == BY_HAND:
        return rows.filter(pgh_context=None)
    if filters.who:
        return rows.filter(Q(pgh_context__name=filters.who) | Q(pgh_context__program=filters.who))
    # People have no program: of them NOT IN gives NULL, and their changes would be left out, too.
    return (
        rows if filters.routine else rows.exclude(pgh_context__program__in=ROUTINE, pgh_context__program__isnull=False)
    )


def _page(rows: Mapping[str, QuerySet[Any]], before: TrailKey | None) -> TrailPage:
    """A page of the changes of some kinds: which these are is asked of all kinds at once, and only they are read."""
    listed = _newest(rows, before)
    shown = listed[:PER_PAGE]
    found = {kind: _whole(kind, [number for own, number in shown if own == kind]) for kind in {*dict(shown)}}
    changes = _in_words([(kind, row) for kind, number in shown if (row := found[kind].get(number))])
    return TrailPage(changes, changes[-1].key if len(listed) > len(shown) else None)


def _newest(rows: Mapping[str, QuerySet[Any]], before: TrailKey | None) -> list[tuple[str, int]]:
    """Kinds and numbers of one change more than fits on a page (1 query)."""
    first, *others = (_keys(kind, own, before) for kind, own in rows.items())
    if others:
        first = first.union(*others, all=True).order_by("-pgh_created_at", "-of_kind", "-pgh_id")[: PER_PAGE + 1]
    return [(kind, number) for _, kind, number in first]


def _keys(kind: str, rows: QuerySet[Any], before: TrailKey | None) -> QuerySet[Any, Any]:
    """Of the newest changes of a kind the time, the kind and the number."""
    if before is not None:
        at_that_time = Q(pgh_created_at=before.at)
        if kind == before.kind:
            at_that_time &= Q(pgh_id__lt=before.number)
        older = Q(pgh_created_at__lt=before.at)
        rows = rows.filter(older | at_that_time if kind <= before.kind else older)
    found = rows.exclude(pgh_label=STOOD).annotate(of_kind=Value(kind, TextField()))
    newest = found.order_by("-pgh_created_at", F("pgh_id").desc())
    keys: QuerySet[Any, Any] = newest.values_list("pgh_created_at", "of_kind", "pgh_id")[: PER_PAGE + 1]
    return keys


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
