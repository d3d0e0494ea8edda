"""The stable address of a position, and of positions that are known by document and byte."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import lru_cache

from django.db.models import Case, IntegerField, QuerySet, Value, When
from django.urls import reverse

from rpt_web.compare.responses import AtPositions, Evaluated
from rpt_web.traces.filmstrip import FilmCell
from rpt_web.traces.models import CorpusPosition, ResponseGroup


def place_of(position: CorpusPosition) -> str:
    """Its page."""
    return _page(bytes(position.text_hash), position.byte_offset)


@lru_cache(10_000)
def _page(text: bytes, offset: int) -> str:
    """Lists name many, and are read again and again."""
    if offset < 0:
        return reverse("positions:question", args=[text.hex()])
    return reverse("positions:position", args=[text.hex(), offset])


def query_of(group: ResponseGroup | FilmCell) -> str:
    """What names a group in the address."""
    return f"run={group.run_id}&step={group.step}&kind={group.kind}&group={group.group}"  # a kind is a plain word


def pages_of(rows: Sequence[Evaluated], runs: Collection[int], exact: tuple[int, int, str] | None) -> dict[int, str]:
    """By place the page of each position at which one of the runs keeps responses, opened at those of a run, a step and
    a kind where there are such (2 queries; 3 where the text of a position is not known)."""
    at = AtPositions(rows)
    groups = list(one_of_each(at.groups(ResponseGroup.objects.filter(run__in=runs)), exact))
    elsewhere = {group.position_id for group in groups} - at.places.keys()
    others = CorpusPosition.objects.in_bulk(elsewhere) if elsewhere else {}
    places = at.places | {pk: (bytes(place.text_hash), place.byte_offset) for pk, place in others.items()}
    found: dict[int, str] = {}
    for group in groups:
        assert group.position_id is not None
        text, offset = places[group.position_id]
        one = at.position_of(group.document, text, offset)
        is_exact = (group.run_id, group.step, group.kind) == exact
        if one is not None and (one.place not in found or is_exact):
            found[one.place] = _page(text, offset) + (f"?{query_of(group)}#group" if is_exact else "")
    return found


def one_of_each(
    groups: QuerySet[ResponseGroup], side: tuple[int, int, str | None] | None = None
) -> QuerySet[ResponseGroup]:
    """A group of each position and document, for a run may have come to it a hundred times: that of a run, a step and
    a kind where there is one, else the first."""
    chosen = groups.only("document", "position", "run_id", "step", "kind", "group")
    if side is None:
        return chosen.order_by("position_id", "document", "id").distinct("position_id", "document")
    own = When(run=side[0], step=side[1], kind=side[2], then=Value(0))
    first = Case(own, default=Value(1), output_field=IntegerField())
    return chosen.order_by("position_id", "document", first, "id").distinct("position_id", "document")
