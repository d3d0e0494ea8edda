"""Saved views: made, renamed, changed, shared, made the default.

In: a team, a user, what is asked of the table. Out: rows of `SavedView`. Raises UserError in words. Who may do what is
decided before, by `access`: a view that is not shared is its owner's; a shared one is changed by its owner and by the
team's administrators, and only these make it what the team's tables begin with.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.db import IntegrityError, transaction
from django.http import QueryDict

from rpt_core.errors import UserError
from rpt_web.run_table.models import SavedView
from rpt_web.run_table.rows import AskedTable
from rpt_web.teams.models import Team, User
from rpt_web.text import clean_text

LONGEST_NAME = 80
MOST_VIEWS = 100
"""Of one person in one team."""


def asked_by(query: QueryDict) -> AskedTable:
    """What an address asks for. Raises UserError."""
    return AskedTable.of(
        query.getlist("columns"),
        query.getlist("where"),
        query.get("sort", ""),
        query.getlist("group"),
        query.get("archived") == "1",
    )


def asked_of(view: SavedView) -> AskedTable:
    """What a view asks for. Raises UserError when this version does not know one of its columns any more."""
    return asked_by(QueryDict(view.query))


def create(team: Team, owner: User, name: str, asked: AskedTable, *, is_shared: bool = False) -> SavedView:
    """Save a view under a name that the owner has not used in the team."""
    name = _checked_name(name)
    if SavedView.objects.filter(team=team, owner=owner).count() >= MOST_VIEWS:
        raise UserError(f"You have {MOST_VIEWS} views in this team. Delete one first.")
    view = SavedView(team=team, owner=owner, name=name, query=asked.query(), is_shared=is_shared)
    return _stored(view)


def change(
    view: SavedView, *, name: str | None = None, asked: AskedTable | None = None, is_shared: bool | None = None
) -> SavedView:
    """Give it another name, other contents, or show it to the team or no more; what is None stays.

    One that is shared, or is no more, is nobody's default until it is made that again.
    """
    view.name = view.name if name is None else _checked_name(name)
    view.query = view.query if asked is None else asked.query()
    if is_shared is not None and is_shared != view.is_shared:
        view.is_shared, view.is_default = is_shared, False
    return _stored(view)


def make_default(view: SavedView, is_default: bool = True) -> None:
    """Let tables begin with it, of the team or of its owner; the one before begins none any more."""
    others = SavedView.objects.filter(team=view.team_id, is_shared=view.is_shared, is_default=True)
    with transaction.atomic():
        if is_default:
            (others if view.is_shared else others.filter(owner=view.owner_id)).exclude(pk=view.pk).update(
                is_default=False
            )
        SavedView.objects.filter(pk=view.pk).update(is_default=is_default)
    view.is_default = is_default


def default_among(views: Iterable[SavedView], teams: Sequence[Team]) -> SavedView | None:
    """Of the views that somebody sees the one that their table begins with: their own before their teams', in the
    order of the teams."""
    defaults = [view for view in views if view.is_default]
    place = {team.pk: number for number, team in enumerate(teams)}
    return min(defaults, key=lambda view: (view.is_shared, place.get(view.team_id, len(place))), default=None)


def _checked_name(name: str) -> str:
    name = " ".join(clean_text(name).split())
    if not name or len(name) > LONGEST_NAME:
        raise UserError(f"Give the view a name of at most {LONGEST_NAME} characters.")
    return name


def _stored(view: SavedView) -> SavedView:
    try:
        with transaction.atomic():
            view.save()
    except IntegrityError:
        raise UserError(
            f"You have a view {view.name!r} in this team already. Take another name, or update that."
        ) from None
    return view
