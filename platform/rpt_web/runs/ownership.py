"""What somebody owns in a team, and giving it to somebody else when they go.

In: a team and two of its people. Out: rows with another `created_by`. Every model that has such a field, and belongs to
a team, takes part, so a new one is not forgotten.
"""

from __future__ import annotations

from collections.abc import Iterator

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist
from django.db import transaction
from django.db.models import Model, QuerySet

from rpt_web.teams.models import Team, User

PATHS = ("team", "experiment__team")
"""How a model may say of which team it is."""


def owned(team: Team, user: User) -> Iterator[QuerySet[Model]]:
    """What the user has made in the team, of each kind."""
    for model in apps.get_models():
        if hasattr(model, "pgh_tracked_model"):  # what the audit trail has kept stays as it was
            continue
        path = next((path for path in PATHS if _has(model, path.partition("__")[0])), None)
        if path is not None and _has(model, "created_by") and model._meta.get_field("created_by").related_model is User:
            yield model._default_manager.filter(created_by=user, **{path: team})


def count(team: Team, user: User) -> dict[str, int]:
    """How many of each kind there are, by its name, singular or plural; kinds without any are left out."""
    counts = [(rows.model._meta, rows.count()) for rows in owned(team, user)]
    return {
        str(kind.verbose_name if number == 1 else kind.verbose_name_plural): number for kind, number in counts if number
    }


def transfer(team: Team, giver: User, taker: User) -> int:
    """Give all of it to somebody else of the team; returns how much that was."""
    with transaction.atomic():
        return sum(rows.update(created_by=taker) for rows in owned(team, giver))


def _has(model: type[Model], name: str) -> bool:
    try:
        model._meta.get_field(name)
    except FieldDoesNotExist:
        return False
    return True
