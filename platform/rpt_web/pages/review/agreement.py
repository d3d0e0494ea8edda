"""Can the labels be trusted: how far reviewers agree, what they disagree about, and settling that.

Items that the reader has yet to submit are left out of all numbers and lists.
"""

from __future__ import annotations

from typing import Any, cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from rpt_core.errors import UserError
from rpt_web import access
from rpt_web.pages.addresses import number_asked
from rpt_web.pages.review.items import draft_of_form, said_of
from rpt_web.review import agreement, figures, reviews, settling, sides
from rpt_web.review.models import Decision, ItemKind, ReviewItem, ReviewQueue
from rpt_web.review.questions import ReviewQuestion
from rpt_web.review.shown import shown_response
from rpt_web.review.shown_groups import shown_group
from rpt_web.review.shown_pairs import shown_pair
from rpt_web.teams.models import User

PER_PAGE = 50


@require_safe
def queue_agreement(request: HttpRequest, queue_id: int) -> HttpResponse:
    """The numbers by question, and the items to settle."""
    queue = access.get_queue_or_404(request.user, queue_id)
    seen = access.seen_reviews(request.user, queue)
    rows = agreement.submitted_of(seen)
    questions = reviews.questions_of(queue)
    if request.method == "GET":
        reviews.note_seen(seen, cast(User, request.user))
    disputed = agreement.disagreements(questions, rows)
    context: dict[str, Any] = {
        "nav": "review",
        "queue": queue,
        "reviews": len(rows),
        "hidden": queue.items.filter(access.blind_items(request.user)).count(),
        "questions": _compared(queue, agreement.compared(questions), rows),
        "disputed": len(disputed),
        "may_settle": access.can_change(request.user, queue.team_id),
        **_lines(request, queue, disputed, rows),
    }
    return render(request, "review/agreement.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def item_settle(request: HttpRequest, item_id: int) -> HttpResponse:
    """An item with what all its reviewers said, and the decision about it."""
    is_change = request.method == "POST"
    item = access.get_item_or_404(request.user, item_id, to_review=is_change)
    user = cast(User, request.user)
    if access.is_blind(user, item):
        messages.info(request, "Submit your own review of this item first. Then you may settle it.")
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


def _compared(
    queue: ReviewQueue, questions: list[ReviewQuestion], rows: list[agreement.SubmittedReview]
) -> list[dict[str, Any]]:
    """Each question with its counts, and kappa and alpha beside them."""
    known = figures.of_queue(queue, questions, rows)
    found = []
    for question in questions:
        counts, own = agreement.of_question(question, rows), known[question.name]
        found.append(
            {
                "counts": counts,
                "alpha": own["alpha"],
                "labels": [(label, own["labels"].get(label.value)) for label in counts.labels],
                "people": [(pair, own["pairs"].get(f"{pair.first} and {pair.second}")) for pair in counts.people],
                "reviewers": own["reviewers"],
            }
        )
    return found


def _lines(
    request: HttpRequest, queue: ReviewQueue, disputed: list[int], rows: list[agreement.SubmittedReview]
) -> dict[str, Any]:
    """A page of the items that reviewers disagree about, in the order of the queue, each with what was said."""
    is_all, after = request.GET.get("show") == "all", number_asked(request, "after") or 0
    decisions = {found.item_id: found for found in Decision.objects.filter(queue=queue).select_related("decided_by")}
    wanted = [item for item in disputed if is_all or item not in decisions]
    names = {review.item: review.number for review in rows}
    shown = [item for item in wanted if names[item] > after][: PER_PAGE + 1]
    said: dict[int, list[tuple[str, str]]] = {item: [] for item in shown[:PER_PAGE]}
    questions = agreement.compared(reviews.questions_of(queue))
    for review in rows:
        if review.item in said:
            answers = [q.words_of(review.answers[q.name]) for q in questions if q.name in review.answers]
            said[review.item].append((review.reviewer, ", ".join(answers)))
    return {
        "lines": [(item, names[item], words, decisions.get(item)) for item, words in said.items()],
        "more": names[shown[PER_PAGE - 1]] if len(shown) > PER_PAGE else None,
        "unsettled": sum(item not in decisions for item in disputed),
        "is_all": is_all,
    }


def _following(user: User, item: ReviewItem) -> int | None:
    """The next item to settle in the order of the queue, then from its start."""
    rows = agreement.submitted_of(access.seen_reviews(user, item.queue))
    settled = set(Decision.objects.filter(queue=item.queue_id).values_list("item", flat=True))
    disputed = agreement.disagreements(reviews.questions_of(item.queue), rows)
    numbers = {review.item: review.number for review in rows}
    left = [found for found in disputed if found not in settled]
    return next((found for found in left if numbers[found] > item.number), left[0] if left else None)


def _settle_page(
    request: HttpRequest, item: ReviewItem, wrong: str = "", draft: reviews.Draft | None = None
) -> HttpResponse:
    user, queue = cast(User, request.user), item.queue
    decision = Decision.objects.filter(item=item).select_related("decided_by").first()
    answers = draft.answers if draft else sides.as_seen_by(item, decision.answers, user) if decision else {}
    is_pair = item.kind == ItemKind.PAIR
    with_origin = not access.hides_origin(user, item)
    context = {
        "nav": "review",
        "queue": queue,
        "item": item,
        "decision": decision,
        "pair": shown_pair(item, user, with_truth=True, with_origin=with_origin) if is_pair else None,
        "group": shown_group(item, with_truth=True) if item.kind == ItemKind.GROUP else (),
        "shown": None if is_pair else shown_response(item, with_truth=True),
        "others": said_of(user, item),
        "fields": [(question, answers.get(question.name)) for question in reviews.questions_of(queue)],
        "note": draft.note if draft else decision.note if decision else "",
        "is_open": access.can_change(user, queue.team_id),
        "wrong": wrong,
    }
    return render(request, "review/settle.html", context, status=422 if wrong else 200)
