"""Which leaderboards are shown: the groups of rows that a user may see, by their positions, and a page of each.

In: the `Standing`s that a user may see (`access.standings_for`), filters, the row that a page follows. Out: `Board`s. A
fixed number of queries for a page, whatever it shows: ranks need little of each row, and only what is shown is read
whole.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from django.db.models import Count, Max, QuerySet

from rpt_web.results.board import (
    UNKNOWN,
    Board,
    BoardFilters,
    BoardPlace,
    BoardRow,
    Light,
    SetWords,
    first_places,
    of_other_set,
    places,
)
from rpt_web.results.models import BaselineLead, EvaluatedSet, PinnedBaseline, Standing
from rpt_web.teams.models import Team

GROUPS_ON_A_PAGE = 5
ROWS_OF_A_GROUP = 6
"""On the page of all groups; a group's own page has the others."""
ROWS_ON_A_PAGE = 20
ELSEWHERE = 20
"""Rows of other positions of the same corpora that a group's page lists."""


def groups_of(rows: QuerySet[Standing], after: int | None, limit: int) -> tuple[list[str], int | None]:
    """The groups, those with the newest rows first, unknown positions as any other; and where the next page begins."""
    found = rows.order_by().values("group").annotate(newest=Max("pk"), count=Count("pk")).order_by("-newest")
    if after is not None:
        found = found.filter(newest__lt=after)
    listed = list(found[: limit + 1])
    more = listed[limit - 1]["newest"] if len(listed) > limit else None
    return [group["group"] for group in listed[:limit]], more


def boards(
    seen: QuerySet[Standing], groups: Sequence[str], filters: BoardFilters, baselines: Mapping[str, Standing], most: int
) -> list[Board]:
    """The boards of some groups with their first rows (5 queries)."""
    whole = _light(seen.filter(group__in=groups))
    words = words_of(seen, groups)
    listed = {group: places(whole[group], filters, _key(baselines.get(group))) for group in groups}
    shown = {group: first_places(listed[group], most) for group in groups}
    read = _whole([place for group in groups for place in shown[group]])
    return [
        Board(
            words[group],
            _rows(shown[group], read),
            filters.difficulty,
            len(listed[group]),
            baselines.get(group),
        )
        for group in groups
    ]


def board_page(
    seen: QuerySet[Standing],
    group: str,
    filters: BoardFilters,
    baseline: Standing | None,
    after: int | None,
    limit: int,
) -> tuple[Board, int | None]:
    """A page of one group's rows in their order, and the id of the row that the next page follows (5 queries)."""
    listed = places(_light(seen.filter(group=group))[group], filters, _key(baseline))
    first = next((number + 1 for number, place in enumerate(listed) if place.pk == after), 0)
    page = listed[first : first + limit]
    more = page[-1].pk if page and first + limit < len(listed) else None
    words = words_of(seen, [group])[group]
    return Board(words, _rows(page, _whole(page)), filters.difficulty, len(listed), baseline), more


def elsewhere(seen: QuerySet[Standing], words: SetWords, filters: BoardFilters) -> list[BoardRow]:
    """Rows of other positions in the same corpora, each with what keeps it from being ranked here (3 queries)."""
    corpora = sorted({name for found in words.sets for name in found.corpora})
    if not corpora:
        return []
    own = [found.hash for found in words.sets]
    other = EvaluatedSet.objects.filter(corpora__overlap=corpora, team__in={found.team_id for found in words.sets})
    hashes = list(other.exclude(hash__in=own).values_list("hash", flat=True)) + own
    rows = filters.narrowed(seen.filter(sets__overlap=hashes).exclude(group__in=[words.group, UNKNOWN]))
    order = f"-{filters.difficulty}"
    listed = list(
        rows.exclude(**{filters.difficulty: None}).select_related("experiment").order_by(order, "pk")[:ELSEWHERE]
    )
    named = words_of(seen, list({row.group for row in listed}))
    return [BoardRow(row, None, [of_other_set(words, named[row.group])]) for row in listed]


def words_of(seen: QuerySet[Standing], groups: Sequence[str]) -> dict[str, SetWords]:
    """What the rows of each group were measured on (2 queries)."""
    firsts = seen.filter(group__in=groups).order_by("group", "pk").distinct("group")
    found = {group: (sets, team) for group, sets, team in firsts.values_list("group", "sets", "experiment__team")}
    hashes = {name for sets, _ in found.values() for name in sets}
    teams = {team for _, team in found.values()}
    known = {one.hash: one for one in EvaluatedSet.objects.filter(hash__in=hashes, team__in=teams)}
    return {
        group: SetWords(group, [known[name] for name in found[group][0] if name in known] if group in found else [])
        for group in groups
    }


def pinned(seen: QuerySet[Standing], team_id: int, groups: Sequence[str]) -> dict[str, PinnedBaseline]:
    """The baselines that a team has pinned, by group: rows that may still be seen (1 query)."""
    found = PinnedBaseline.objects.filter(team=team_id, group__in=groups, standing__in=seen.order_by().values("pk"))
    return {pin.group: pin for pin in found.select_related("standing__experiment")}


def pin_of(seen: QuerySet[Standing], teams: Sequence[Team], group: str) -> PinnedBaseline | None:
    """The baseline that one of these teams has pinned in a group, a row that may still be seen; of the first team that
    has (1 query)."""
    found = PinnedBaseline.objects.filter(team__in=teams, group=group, standing__in=seen.order_by().values("pk"))
    by_team = {pin.team_id: pin for pin in found.select_related("standing__experiment")}
    return next((by_team[team.pk] for team in teams if team.pk in by_team), None)


def leads_of(pins: Iterable[PinnedBaseline], rows: Iterable[BoardRow]) -> dict[tuple[int, str], BaselineLead]:
    """The stored differences of rows to their baseline, by row and difficulty (1 query)."""
    ids = [row.standing.pk for row in rows]
    found = BaselineLead.objects.filter(pin__in=[pin.pk for pin in pins], standing__in=ids)
    return {(lead.standing_id, lead.difficulty): lead for lead in found}


def corpora_of(seen: QuerySet[Standing]) -> list[str]:
    """The names of the corpora that rows were measured on (2 queries)."""
    hashes = {name for names in seen.order_by().values_list("sets", flat=True).distinct() for name in names}
    found = EvaluatedSet.objects.filter(hash__in=hashes).values_list("corpora", flat=True)
    return sorted({name for names in found for name in names})


def _light(rows: QuerySet[Standing]) -> dict[str, list[Light]]:
    """The rows of each group by their age, with what ranks and flags need (1 query)."""
    found: dict[str, list[Light]] = defaultdict(list)
    for values in rows.order_by("pk").values_list(*Light._fields):
        row = Light(*values)
        found[row.group].append(row)
    return found


def _whole(listed: Sequence[BoardPlace]) -> dict[int, Standing]:
    """The rows with all that a page shows; each of their experiments is read once (2 queries)."""
    return Standing.objects.prefetch_related("experiment").in_bulk([place.pk for place in listed])


def _rows(listed: Sequence[BoardPlace], read: Mapping[int, Standing]) -> list[BoardRow]:
    return [BoardRow(read[place.pk], place.rank, place.flags) for place in listed if place.pk in read]


def _key(row: Standing | None) -> int | None:
    return None if row is None else row.pk
