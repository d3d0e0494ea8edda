"""A basket as its page shows it: each entry with its run, its colour, where its links lead; and what is missing.

In: a request, entries. Out: what the templates read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.db.models import Q
from django.http import HttpRequest
from django.urls import reverse

from rpt_core.words import counted, listed
from rpt_web import access
from rpt_web.compare import entries as lists
from rpt_web.compare.entries import BasketEntry
from rpt_web.compare.placed import PlacedEntry, placed_entries
from rpt_web.pages.addresses import text_asked
from rpt_web.runs import archive
from rpt_web.runs.models import Run

VIEWS = (("settings", "Settings"), ("curves", "Curves"), ("positions", "Same positions"))
FOUND_SHOWN = 20
MISSING_NAMED = 5
MOST_LINKED = 200
"""Entries of a basket whose links change it: each link holds the whole address."""
KEPT_IN_ADDRESS = (
    *(
        "view",
        "ignore",
        "of",
        "basket",
        "metric",
        "x",
        "smooth",
        "by_seed",
        "minus",
        "log_x",
        "log_y",
        "mode",
        "difficulty",
    ),
)
"""What of the query stays when the basket changes."""


@dataclass(frozen=True)
class ModeChoice:
    """A mode that an entry may be compared in."""

    title: str
    address: str
    is_chosen: bool


@dataclass(frozen=True)
class ShownEntry(PlacedEntry):
    """One entry of the basket whose run the user may see."""

    as_baseline: str
    """The address with it in front, and without it; both "" where the basket has more than MOST_LINKED."""
    without: str
    modes: Sequence[ModeChoice] = ()
    """Where there is something to choose."""


@dataclass(frozen=True)
class ShownBasket:
    """All of it."""

    entries: Sequence[ShownEntry]
    missing: str
    """What of the address cannot be shown, in words; "" for nothing."""
    written: str
    """The entries as the address has them, missing ones included."""

    @property
    def subject(self) -> str:
        """The entries that are shown, as refs name them."""
        return lists.written(shown.entry for shown in self.entries)

    @property
    def runs(self) -> list[Run]:
        """The run of each entry."""
        return [shown.run for shown in self.entries]


def shown_basket(request: HttpRequest, text: str, *, with_settings: bool = False) -> ShownBasket:
    """The entries whose runs the user may see, in their order (1 query)."""
    entries, others = lists.read_entries(text)
    runs = access.runs_by_id(request.user, {entry.run for entry in entries}, with_settings=with_settings)
    changes = _changes(request, entries)
    shown = [
        ShownEntry(one.entry, one.run, one.place, one.label, *changes.get(one.entry, ("", "")))
        for one in placed_entries(entries, runs)
    ]
    gone = [entry for entry in entries if entry.run not in runs]
    return ShownBasket(shown, _missing_words(gone, others), lists.written(entries))


def address(request: HttpRequest, entries: Sequence[BasketEntry], **more: str) -> str:
    """The page with other entries, or with other values in its query."""
    return _addresses(request, **more)(lists.written(entries))


def _addresses(request: HttpRequest, **more: str) -> Callable[[str], str]:
    """What gives that address for entries as they are written, none of which needs an escape: a basket has hundreds."""
    kept = {name: request.GET[name] for name in KEPT_IN_ADDRESS if request.GET.get(name)} | more
    query = urlencode({name: value for name, value in kept.items() if value}, safe=",@:")
    here = reverse("compare:basket")
    return lambda written: f"{here}?{'&'.join(filter(None, (written and f'runs={written}', query)))}"


def _changes(request: HttpRequest, entries: Sequence[BasketEntry]) -> dict[BasketEntry, tuple[str, str]]:
    """Of each entry the addresses with it in front and without it; of none where there are more than MOST_LINKED."""
    if len(entries) > MOST_LINKED:
        return {}
    texts, lead_to = [str(entry) for entry in entries], _addresses(request)
    found = {}
    for place, entry in enumerate(entries):
        others = [*texts[:place], *texts[place + 1 :]]
        found[entry] = lead_to(",".join([texts[place], *others])), lead_to(",".join(others))
    return found


def found_runs(request: HttpRequest, basket: ShownBasket) -> list[tuple[Run, str]]:
    """Runs that fit what is looked for, newest first, each with the address of the basket that has it too."""
    words = text_asked(request, "q", 100).strip()
    if not words:
        return []
    fields = ("name", "title", "experiment__name")
    fits = Q(*((f"{field}__icontains", words) for field in fields), _connector=Q.OR)
    held = {shown.run.pk for shown in basket.entries if shown.entry.step is None}
    rows = access.runs_for(request.user).filter(archive.RUN_IN_SIGHT).filter(fits).exclude(pk__in=held)
    entries, _ = lists.read_entries(basket.written)
    return [
        (run, address(request, lists.added(entries, [BasketEntry(run.pk)]), q=words))
        for run in rows.defer("config", "plan", "log_tail", "result", "error").order_by("-id")[:FOUND_SHOWN]
    ]


def tabs(request: HttpRequest, chosen: str, here: str) -> list[dict[str, Any]]:
    """The views of a comparison, each with its address."""
    query = request.GET.copy()
    found = []
    for name, title in VIEWS:
        query["view"] = name
        found.append({"title": title, "address": f"{here}?{query.urlencode(safe=',@:')}", "is_chosen": name == chosen})
    return found


def _missing_words(gone: Sequence[BasketEntry], others: Sequence[str]) -> str:
    parts = []
    if gone:
        named = listed([str(entry.run) for entry in gone[:MISSING_NAMED]])
        more = f" and {len(gone) - MISSING_NAMED} more" if len(gone) > MISSING_NAMED else ""
        many = f"{counted(len(gone), 'run')} of this address {'is' if len(gone) == 1 else 'are'} not shown"
        parts.append(
            f"{many}: {named}{more}. What is missing was deleted, or belongs to a team that you are not in; ask "
            "whoever gave you the address."
        )
    if others:
        parts.append(
            f"“{others[0]}” is no run. An address names runs by their ids, each with a step and a mode or without: "
            f"`/compare/?runs=12,15@40:standard`. Modes are {listed(lists.MODES)}."
        )
    return " ".join(parts)
