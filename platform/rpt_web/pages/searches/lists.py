"""The list of traces that a search is within: its filters in words, and its address."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.http import HttpRequest, QueryDict

from rpt_web import access
from rpt_web.pages.traces.compared_words import words_of
from rpt_web.pages.traces.group_words import told
from rpt_web.traces.group_filters import GroupFilters


@dataclass(frozen=True)
class TracesList:
    """A list of traces."""

    query: str
    words: str


def lists_of(request: HttpRequest, queries: Sequence[str]) -> list[TracesList | None]:
    """The list of each query, None for an empty one (at most 5 queries, however many there are)."""
    filters = [GroupFilters.from_query(QueryDict(query)) for query in queries]
    runs = {run for one in filters for run in one.named_runs}
    named = list(access.runs_for(request.user).filter(pk__in=runs)) if runs else []
    labels = access.labels_offered(request.user) if any(one.label for one in filters) else {}
    names = {one.compared for one in filters if one.compared}
    compared = words_of(request, names, access.compared_sets(request.user, names))
    parts = [told(one, named, labels, compared.get(one.compared, "")) for one in filters]
    return [
        TracesList(query, ", ".join(part.words for part in told_of) or "all groups") if query else None
        for query, told_of in zip(queries, parts, strict=True)
    ]
