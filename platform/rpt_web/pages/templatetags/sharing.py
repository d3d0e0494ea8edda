"""What pages show of sharing: with whom something of the team's is shared, and who shares what is another team's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.template import Context, Library
from django.utils.html import format_html
from django.utils.safestring import SafeString

from rpt_web import access
from rpt_web.teams import sharing

register = Library()


@register.simple_tag(takes_context=True)
def shared_mark(context: Context, thing: Any) -> SafeString | str:
    """A mark for what another team shares with the reader."""
    team = access.shared_by(context["request"].user, thing)
    return "" if team is None else format_html('<span class="chip blue">shared by {}</span>', team.name)


@register.inclusion_tag("sharing/_sharing.html", takes_context=True)
def sharing_of(context: Context, kind: str, thing: Any) -> Mapping[str, Any]:
    """With whom it is shared, and for an administrator of its team what changes that; nothing for other teams."""
    user = context["request"].user
    may_share = access.can_administer(user, thing.team_id)
    is_ours = access.shared_by(user, thing) is None
    return {
        "kind": kind,
        "thing": thing,
        "may_share": may_share,
        "shares": list(sharing.shares_of(kind, thing)) if is_ours else [],
        "csrf_token": context.get("csrf_token"),
    }
