"""Can the labels be trusted: how far reviewers agree, what they disagree about, and settling that.

Items that the reader has yet to submit are left out of all numbers and lists.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from rpt_core.errors import UserError
from rpt_web import access
from rpt_web.pages.addresses import number_asked
from rpt_web.pages.review.items import draft_of_form, said_of
from rpt_web.pages.review.parts import origin_of, part_of
from rpt_web.review import agreement, figures, reviews, settling, sides
from rpt_web.review.models import Decision, Review, ReviewItem, ReviewQueue
from rpt_web.teams.models import User

PER_PAGE = 50


@require_safe
def queue_agreement(request: HttpRequest, queue_id: int) -> HttpResponse:
    """The numbers by question, and the items to settle."""
    queue = access.get_queue_or_404(request.user, queue_id)
    hidden = access.hidden_items(request.user, queue)
    seen = access.seen_reviews(request.user, queue, hidden)
    questions = reviews.questions_of(queue)
    if request.method == "GET":
        reviews.note_seen(seen, cast(User, request.user))
    found = figures.of_queue(queue, questions, seen)
    context: dict[str, Any] = {
        "nav": "review",
        "queue": queue,
        "figures": found,
        "hidden": len(hidden),
        "disputed": len(found.disputed),
        "may_settle": access.can_change(request.user, queue.team_id),
        **_lines(request, queue, found.disputed, seen),
    }
    return render(request, "review/agreement.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def item_settle(request: HttpRequest, item_id: int) -> HttpResponse:
    """An item with what all its reviewers said, and the decision about it."""
    is_change = request.method == "POST"
    item = access.get_item_or_404(request.user, item_id, to_review=is_change)
    user = cast(User, request.user)
    if access.hides_labels(user, item):
        messages.info(request, reviews.YET_TO_SUBMIT)
        return redirect("review:item_detail", item.pk)
    if not is_change:
        return _settle_page(request, item)
    draft = draft_of_form(request.POST, reviews.questions_of(item.queue))
    answers = draft.answers
    if isinstance(answers, dict):
        answers = sides.as_seen_by(item, answers, user)  # what is turned twice is as it was
    try:
        settling.decide(item, answers, draft.note, user)
    except UserError as error:
        return _settle_page(request, item, wrong=str(error), draft=draft)
    following = _following(user, item)
    if following is None:
        messages.success(request, "That was the last one that reviewers disagree about.")
        return redirect("review:queue_agreement", item.queue_id)
    return redirect("review:item_settle", following)


def _lines(
    request: HttpRequest, queue: ReviewQueue, disputed: Mapping[int, int], seen: QuerySet[Review]
) -> dict[str, Any]:
    """A page of the items that reviewers disagree about, in the order of the queue, each with what was said."""
    is_all, after = request.GET.get("show") == "all", number_asked(request, "after") or 0
    settled = set(Decision.objects.filter(queue=queue).values_list("item", flat=True))
    wanted = [item for item, number in disputed.items() if number > after and (is_all or item not in settled)]
    shown = wanted[:PER_PAGE]
    said: dict[int, list[tuple[str, str]]] = {item: [] for item in shown}
    questions = agreement.compared(reviews.questions_of(queue))
    for review in agreement.submitted_of(seen.filter(item__in=shown)):
        answers = [q.words_of(review.answers[q.name]) for q in questions if q.name in review.answers]
        said[review.item].append((review.reviewer, ", ".join(answers)))
    decisions = Decision.objects.filter(item__in=shown).select_related("decided_by")
    by_item = {found.item_id: found for found in decisions}
    return {
        "lines": [(item, disputed[item], words, by_item.get(item)) for item, words in said.items()],
        "more": disputed[shown[-1]] if len(wanted) > PER_PAGE else None,
        "unsettled": sum(item not in settled for item in disputed),
        "is_all": is_all,
    }


def _following(user: User, item: ReviewItem) -> int | None:
    """The next item to settle in the order of the queue, then from its start."""
    seen = access.seen_reviews(user, item.queue)
    disputed = figures.of_queue(item.queue, reviews.questions_of(item.queue), seen).disputed
    settled = set(Decision.objects.filter(queue=item.queue_id).values_list("item", flat=True))
    left = [found for found in disputed if found not in settled]
    return next((found for found in left if disputed[found] > item.number), left[0] if left else None)


def _settle_page(
    request: HttpRequest, item: ReviewItem, wrong: str = "", draft: reviews.Draft | None = None
) -> HttpResponse:
    user, queue = cast(User, request.user), item.queue
    decision = Decision.objects.filter(item=item).select_related("decided_by").first()
    answers = draft.answers if draft else sides.as_seen_by(item, decision.answers, user) if decision else {}
    with_origin = not access.hides_origin(user, item)
    context = {
        "nav": "review",
        "queue": queue,
        **origin_of(item, is_hidden=not with_origin),
        "number": item.number,
        "decision": decision,
        **part_of(user, item, with_truth=True, with_origin=with_origin),
        "others": said_of(user, item),
        "fields": [(question, answers.get(question.name)) for question in reviews.questions_of(queue)],
        "note": draft.note if draft else decision.note if decision else "",
        "is_open": access.can_change(user, queue.team_id),
        "wrong": wrong,
    }
    return render(request, "review/settle.html", context, status=422 if wrong else 200)
