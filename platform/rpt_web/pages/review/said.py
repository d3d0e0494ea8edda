"""What reviewers said of a response or a position, as a part of its own page."""

from __future__ import annotations

from typing import cast

from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from rpt_web import access
from rpt_web.review import reviews
from rpt_web.review.models import ItemKind, Review, ReviewItem
from rpt_web.teams.models import User
from rpt_web.traces.models import Rollout

MOST_SHOWN = 50


@require_safe
def response_labels(request: HttpRequest, run_id: int, rollout_id: int) -> HttpResponse:
    """Labels of a response and of its group, of queues of the reader's teams; nothing that the reader is blind for."""
    run, rollout = access.get_rollout_or_404(request.user, run_id, rollout_id)
    return _said(request, _reviews(request, _items(request, rollout).filter(run=run)))


@require_safe
def position_labels(request: HttpRequest, position_id: int) -> HttpResponse:
    """Labels of a position as such, likewise."""
    position = access.get_position_or_404(request.user, position_id)
    items = ReviewItem.objects.filter(place=position, queue__in=access.queues_for(request.user))
    return _said(request, _reviews(request, items))


def _said(request: HttpRequest, found: QuerySet[Review]) -> HttpResponse:
    if request.method == "GET":
        reviews.note_seen(found, cast(User, request.user))
    lines = [(review, _words(review)) for review in found.order_by("submitted_at")[:MOST_SHOWN]]
    return render(request, "review/_said.html", {"lines": lines})


def _items(request: HttpRequest, rollout: Rollout) -> QuerySet[ReviewItem]:
    own = Q(kind=ItemKind.RESPONSE, rollout_id=rollout.id)
    group = Q(kind=ItemKind.GROUP, step=rollout.step, rollout_kind=rollout.kind, group=rollout.group)
    return ReviewItem.objects.filter(own | group, queue__in=access.queues_for(request.user))


def _reviews(request: HttpRequest, items: QuerySet[ReviewItem]) -> QuerySet[Review]:
    # Few items are about one thing: one query for each is planned sooner than one for all of their kinds.
    seen = [item.pk for item in items if not access.hides_labels(request.user, item)]
    found = Review.objects.filter(item__in=seen).exclude(submitted_at=None)
    return found.select_related("reviewer", "item__queue__version", "item__decision__decided_by")


def _words(review: Review) -> str:
    asked = reviews.questions_of(review.item.queue)
    return ", ".join(q.words_of(review.answers[q.name]) for q in asked if q.name in review.answers)
