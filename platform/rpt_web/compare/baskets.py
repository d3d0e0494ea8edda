"""Baskets that a team keeps: made, renamed, given other runs, deleted.

In: a name and entries (`rpt_web.compare.entries`). Out: rows, or a UserError in words.
"""

from __future__ import annotations

from django.db import IntegrityError, transaction

from rpt_core.errors import UserError
from rpt_web.characters import has_something_to_see, unfit_for_a_name
from rpt_web.compare.entries import read_entries, written
from rpt_web.compare.models import LONGEST_NAME, Basket
from rpt_web.teams.models import Team, User

LONGEST_TEXT = 40_000
"""Of a basket's entries as an address writes them: some thousands."""


def create(team: Team, name: str, entries: str, user: User) -> Basket:
    """Keep a basket under a new name. Raises UserError for a name or entries that are none, or a name that is taken."""
    values = {"name": _fit_name(name), "entries": _fit_entries(entries)}
    return _unless_taken(Basket(team=team, created_by=user, **values))


def change(basket: Basket, name: str, entries: str) -> Basket:
    """Give a basket this name and these entries. Raises as `create`."""
    basket.name, basket.entries = _fit_name(name), _fit_entries(entries)
    return _unless_taken(basket)


def _unless_taken(basket: Basket) -> Basket:
    try:
        with transaction.atomic():
            basket.save()
    except IntegrityError:
        raise UserError(
            f"The team has a basket “{basket.name}” already. Open it and change it, or take another name."
        ) from None
    return basket


def _fit_name(name: str) -> str:
    name = " ".join(name.split())
    if not has_something_to_see(name) or len(name) > LONGEST_NAME:
        raise UserError(f"Give a name of at most {LONGEST_NAME} characters.")
    if (unfit := unfit_for_a_name(name)) is not None:
        raise UserError(f"The name holds {unfit}, which nobody sees. Remove it.")
    return name


def _fit_entries(text: str) -> str:
    if len(text) > LONGEST_TEXT:
        raise UserError(f"A basket takes some thousand runs: {LONGEST_TEXT:,} characters of ids. Leave some out.")
    entries, others = read_entries(text)
    if others:
        raise UserError(
            f"“{others[0]}” is no run. Write ids, each with a step and a mode or without: 12,15@40:standard."
        )
    if not entries:
        raise UserError("The basket is empty. Add a run first.")
    return written(entries)
