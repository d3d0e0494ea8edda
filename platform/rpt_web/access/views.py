"""Saved views of the table of runs: a team's, and one's own."""

from __future__ import annotations

from django.db.models import Q, QuerySet

from rpt_web.access.roles import Actor, can_administer, can_change, found_or_404, refusal, require_change, roles_of
from rpt_web.run_table.models import SavedView


def views_for(user: Actor) -> QuerySet[SavedView]:
    """Views that the user's teams share, and the user's own, by name."""
    return SavedView.objects.filter(Q(is_shared=True) | Q(owner=user.pk), team__in=list(roles_of(user))).select_related(
        "owner", "team"
    )


def can_change_view(user: Actor, view: SavedView) -> bool:
    """Whether the user may rename, update, share and delete it: its owner, and of a shared one an administrator."""
    is_theirs = view.owner_id is not None and view.owner_id == user.pk
    return can_change(user, view.team_id) and (is_theirs or can_administer(user, view.team_id))


def can_make_default(user: Actor, view: SavedView) -> bool:
    """Whether the user decides that tables begin with it: of a shared one an administrator, of others the owner."""
    return can_administer(user, view.team_id) if view.is_shared else can_change_view(user, view)


def get_view_or_404(user: Actor, view_id: int, *, to_change: bool = False, to_make_default: bool = False) -> SavedView:
    """One that the user may see. Raises Http404, or PermissionDenied when it is to be changed and may not be."""
    view = found_or_404(views_for(user).filter(pk=view_id), "view", view_id)
    if to_change or to_make_default:
        require_change(user, view.team_id)
    if to_change and not can_change_view(user, view):
        raise refusal(user, "A view is changed by its owner, or by an administrator of the team. Save one of your own.")
    if to_make_default and not can_make_default(user, view):
        raise refusal(user, "Only an administrator of the team decides what its tables begin with.")
    return view
