"""Lists of the API come in pages by key, and every call is somebody's."""

from __future__ import annotations

from typing import Annotated, Any, cast

from django.db.models import QuerySet
from django.http import HttpRequest
from ninja import Query

from rpt_web.teams.models import User

After = Annotated[int | None, Query(description="`next` from the page before.")]
Limit = Annotated[int, Query(ge=1, le=500, description="At most this many items.")]


def page_of(rows: QuerySet[Any], order: str, after: int | None, limit: int) -> dict[str, Any]:
    """One page by key: `order` is the key's field, with a minus for newest first. Rows may be plain (`values`)."""
    key = order.removeprefix("-")
    if after is not None:
        rows = rows.filter(**{f"{key}__{'lt' if order.startswith('-') else 'gt'}": after})
    found = list(rows.order_by(order)[: limit + 1])
    return {"items": found[:limit], "next": _key(found[limit - 1], key) if len(found) > limit else None}


def _key(row: Any, name: str) -> Any:
    return row[name] if isinstance(row, dict) else getattr(row, name)


def user_of(request: HttpRequest) -> User:
    """The token's user."""
    return cast(User, request.user)
