"""Positions of texts, across runs: seen by whoever sees a run that used one, and of it the groups of those runs."""

from __future__ import annotations

import re

from django.db.models import QuerySet
from django.http import Http404

from rpt_web.access.roles import Actor, found_or_404, seen
from rpt_web.traces.models import CorpusPosition, PositionRerun, ResponseGroup

_WHERE = "A response leads to its position."
_HASH = re.compile("[0-9a-f]{32}")


def groups_at(user: Actor, position: CorpusPosition) -> QuerySet[ResponseGroup]:
    """Groups of responses at a position, in all runs that the user may see."""
    return ResponseGroup.objects.filter(seen(user, "experiment", "experiment__"), position=position)


def get_group_or_404(user: Actor, position: CorpusPosition, group_id: int) -> ResponseGroup:
    """A group at a position. Raises Http404."""
    rows = groups_at(user, position).select_related("position").filter(pk=group_id)
    return found_or_404(rows, "group", group_id, "The position's list of groups has their ids.")


def reruns_at(user: Actor, position: CorpusPosition) -> QuerySet[PositionRerun]:
    """Runs that ran a position again, of those that the user may see, newest first."""
    found = PositionRerun.objects.filter(seen(user, "experiment", "run__experiment__"), position=position)
    return found.select_related("run__experiment", "run__created_by").order_by("-run")


def get_position_or_404(user: Actor, position_id: int) -> CorpusPosition:
    """A position that a run which the user may see has used. Raises Http404."""
    return _seen_or_404(user, CorpusPosition.objects.filter(pk=position_id), position_id)


def get_place_or_404(user: Actor, text_hash: str, byte_offset: int) -> CorpusPosition:
    """The same by the hash of its text, in hexadecimal, and the byte; -1 for a question as a whole. Raises Http404."""
    if not _HASH.fullmatch(text_hash) or byte_offset >= 2**31:
        raise Http404(f"There is no position of this address. {_WHERE}")
    rows = CorpusPosition.objects.filter(text_hash=bytes.fromhex(text_hash), byte_offset=byte_offset)
    return _seen_or_404(user, rows, byte_offset)


def _seen_or_404(user: Actor, rows: QuerySet[CorpusPosition], key: int) -> CorpusPosition:
    position: CorpusPosition = found_or_404(rows, "position", key, _WHERE)
    if not groups_at(user, position).exists():
        raise Http404(f"There is no position {key}. {_WHERE}")
    return position
