"""What is shared with other teams, and what has an audit trail, by the name of its kind."""

from __future__ import annotations

from typing import Any, cast

from django.db.models import Model, QuerySet
from django.http import Http404

from rpt_web.access.compare import baskets_for
from rpt_web.access.library import corpora_for, models_for, wordings_for
from rpt_web.access.review import label_sets_for, queues_for
from rpt_web.access.roles import Actor, can_administer, found_or_404, refusal, role_in, roles_of
from rpt_web.access.work import experiments_for, plans_for, runs_for
from rpt_web.corpora.models import Corpus, RegisteredModel, Wording
from rpt_web.runs.models import Experiment, OwnPlan
from rpt_web.teams import sharing
from rpt_web.teams.models import (
    Share,
    Team,
)

Shareable = Experiment | Corpus | RegisteredModel | Wording | OwnPlan

MODELS = {"model": "registeredmodel", "plan": "ownplan"}
"""What is shared -> its model, where that is called otherwise."""


def shared_by(user: Actor, thing: Shareable) -> Team | None:
    """The team that shares something with the user; None for what is of a team that they are in."""
    return thing.team if role_in(user, thing.team_id) is None else None


def get_to_share_or_404(user: Actor, kind: str, pk: int) -> Shareable:
    """Something that the user may share with other teams. Raises Http404, or PermissionDenied."""
    if kind not in sharing.KINDS:
        raise Http404(f"A {kind!r} cannot be shared. What can be: {', '.join(sharing.KINDS)}.")
    thing = cast(Shareable, get_thing_or_404(user, MODELS.get(kind, kind), pk))
    if not can_administer(user, thing.team_id):
        raise refusal(user, "Only an administrator of the team that it belongs to shares it. Ask one of them.")
    return thing


def get_share_or_404(user: Actor, share_id: int) -> Share:
    """A share that the user may withdraw: of a team that they administer. Raises Http404."""
    teams = [team for team in roles_of(user) if can_administer(user, team.pk)]
    return found_or_404(
        Share.objects.select_related("shared_with").filter(team__in=teams, pk=share_id), "share", share_id
    )


def get_thing_or_404(user: Actor, kind: str, pk: int) -> Model:
    """Something that has an audit trail of its own, by the name of its model. Raises Http404."""
    found: dict[str, QuerySet[Any]] = {
        "basket": baskets_for(user),
        "corpus": corpora_for(user),
        "experiment": experiments_for(user),
        "ownplan": plans_for(user),
        "labelset": label_sets_for(user),
        "registeredmodel": models_for(user),
        "reviewqueue": queues_for(user),
        "run": runs_for(user),
        "wording": wordings_for(user),
    }
    if kind not in found:
        raise Http404(f"There is no trail of a {kind!r}. There are those of: {', '.join(found)}.")
    rows = found[kind].filter(pk=pk)
    return cast(Model, found_or_404(rows, str(rows.model._meta.verbose_name), pk))
