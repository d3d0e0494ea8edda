"""What a team lets another one see, read-only: experiments, corpora, models, wordings and plans, each by itself.

In: something with a team, the other team's name. Out: rows of `Share`. Who may see what follows from them in `access`,
and what runs may read in `runs.reach`.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.db.models import Model, QuerySet

from rpt_core.errors import UserError
from rpt_web.teams.models import Share, Team, User
from rpt_web.text import clean_text

KINDS = ("experiment", "corpus", "model", "wording", "plan")


def share(kind: str, thing: Any, name: str, user: User) -> Share:
    """Let the team of this name see it. Raises UserError when there is none, or it is the thing's own."""
    name = clean_text(name).strip()
    other = Team.objects.filter(name=name).first()
    if other is None:
        raise UserError(f"There is no team named {name[:100]!r}. Ask its people what it is called.")
    if other.pk == thing.team_id:
        raise UserError(f"It belongs to {other} already. Name another team.")
    values = {"team": thing.team, "name": str(thing)[:200], "created_by": user}
    found, _ = Share.objects.get_or_create(shared_with=other, defaults=values, **{kind: thing})
    return found


def shares_of(kind: str, thing: Model) -> QuerySet[Share]:
    """With whom it is shared."""
    return Share.objects.filter(**{kind: thing.pk}).select_related("shared_with").order_by("shared_with__name")


def received(teams: Collection[Team], kind: str) -> QuerySet[Share, Any]:
    """Keys of what others share with these teams."""
    found: QuerySet[Share, Any] = Share.objects.filter(shared_with__in=teams).exclude(**{kind: None}).values(kind)
    return found
