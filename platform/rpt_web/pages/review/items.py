"""The reviewer's page: one item, its questions, the reviewer's draft; and what the page sends.

Until the reviewer has submitted, the page holds neither what others said nor, in a blind queue, reward and run.
"""

from __future__ import annotations

import json
from typing import cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from rpt_core.errors import UserError
from rpt_web import access
from rpt_web.pages.review.parts import origin_of, part_of
from rpt_web.review import progress, reviews, sides
from rpt_web.review.models import Review, ReviewItem, ReviewQueue
from rpt_web.review.questions import ReviewQuestion
from rpt_web.teams.models import User


@require_http_methods(["GET", "HEAD", "POST"])
def item_detail(request: HttpRequest, item_id: int) -> HttpResponse:
    """One item; a POST submits the review and leads to the next."""
    is_change = request.method == "POST"
    item = access.get_item_or_404(request.user, item_id, to_review=is_change)
    own = _own(request, item)
    if not is_change:
        return _page(request, item, own)
    if own is None:
        return _refused(request, item, "Take this item first: somebody else may have it.")
    draft = draft_of_form(request.POST, reviews.questions_of(item.queue))
    try:
        reviews.submit(own, draft)
    except reviews.StaleReview as error:
        messages.error(request, error.words)
        return redirect("review:item_detail", item.pk)
    except UserError as error:
        return _page(request, item, own, wrong=str(error), draft=draft)
    return _to_next(request, item.queue)


@require_POST
def item_draft(request: HttpRequest, item_id: int) -> HttpResponse:
    """Keep a draft that the page sends as JSON, or submit it; the answer is JSON: the version, or what is wrong."""
    item = access.get_item_or_404(request.user, item_id, to_review=True)
    own = _own(request, item)
    if own is None:
        return JsonResponse({"detail": "You do not have this item. Reload the page."}, status=409)
    try:
        draft, is_submit = draft_of_json(request.body)
        saved = reviews.submit(own, draft) if is_submit else reviews.save_draft(own, draft)
    except reviews.StaleReview as error:
        return JsonResponse({"detail": error.words, "version": error.review.version}, status=409)
    except UserError as error:
        return JsonResponse({"detail": str(error)}, status=422)
    answer = {"version": saved.version}
    return JsonResponse(answer | ({"next": _next_address(request, item.queue)} if is_submit else {}))


@require_POST
def item_take(request: HttpRequest, item_id: int) -> HttpResponse:
    """Take an item of a queue that is open to all."""
    item = access.get_item_or_404(request.user, item_id, to_review=True)
    try:
        reviews.take(item, cast(User, request.user))
    except UserError as error:
        messages.error(request, str(error))
    return redirect("review:item_detail", item.pk)


@require_POST
def item_take_back(request: HttpRequest, item_id: int) -> HttpResponse:
    """Make the reader's last review a draft again."""
    item = access.get_item_or_404(request.user, item_id, to_review=True)
    own = _own(request, item)
    if own is None or not reviews.take_back(own):
        messages.error(
            request,
            "Only your last review can be taken back, and only until you have been shown what others said.",
        )
    return redirect("review:item_detail", item.pk)


def draft_of_form(posted: QueryDict, questions: list[ReviewQuestion]) -> reviews.Draft:
    """What a browser sends without our script."""
    answers = {
        question.name: posted.getlist(f"q-{question.name}")
        if question.kind == "several"
        else posted.get(f"q-{question.name}", "")
        for question in questions
    }
    version, seconds = posted.get("version", ""), posted.get("seconds", "")
    return reviews.Draft(
        version=int(version) if version.isdecimal() and len(version) < 10 else 0,
        answers=answers,
        note=posted.get("note", ""),
        is_flagged=posted.get("flagged") == "on",
        seconds=float(seconds) if seconds.isdecimal() and len(seconds) < 10 else 0.0,
    )


def draft_of_json(body: bytes) -> tuple[reviews.Draft, bool]:
    """What our script sends, and whether it submits. Raises UserError for anything else."""
    try:
        given = json.loads(body)
        version, note, seconds = given["version"], given.get("note", ""), float(given.get("seconds", 0))
        fits = type(version) is int and 0 <= version < 2**31 and isinstance(note, str) and seconds == seconds
        answers, is_flagged, is_submit = given.get("answers", {}), given.get("flagged"), given.get("submit")
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        fits = False
    if not fits:
        raise UserError("This is no draft of a review.")
    return reviews.Draft(version, answers, note, is_flagged is True, seconds), is_submit is True


def said_of(user: User, item: ReviewItem) -> list[tuple[Review, list[tuple[str, str]]]]:
    """What was submitted, in words; from now on the reader's own review stands."""
    found = access.reviews_of(user, item).order_by("submitted_at")
    questions = reviews.questions_of(item.queue)
    reviews.note_seen(found, user)
    return [
        (
            review,
            [(q.title, q.words_of(answers[q.name])) for q in questions if q.name in answers],
        )
        for review in found
        for answers in [sides.as_seen_by(item, review.answers, user)]
    ]


def _page(
    request: HttpRequest,
    item: ReviewItem,
    own: Review | None,
    wrong: str = "",
    draft: reviews.Draft | None = None,
) -> HttpResponse:
    queue, user = item.queue, cast(User, request.user)
    is_blind = access.is_blind(user, item)
    is_open = own is not None and not own.is_submitted and queue.closed_at is None
    answers = draft.answers if draft else sides.turned(own.answers, own.is_swapped) if own else {}
    with_truth, hides_origin = not (is_blind and queue.hides_truth), access.hides_origin(user, item, is_blind)
    context = {
        "nav": "review",
        **origin_of(item, is_hidden=hides_origin),
        "number": item.number,
        "item_pk": item.pk,
        "queue": queue,
        "own": own,
        "is_open": is_open,
        "is_blind": is_blind,
        "fields": [(question, answers.get(question.name)) for question in reviews.questions_of(queue)],
        "note": draft.note if draft else own.note if own else "",
        **part_of(user, item, with_truth=with_truth, with_origin=not hides_origin),
        "others": said_of(user, item) if not is_blind else None,
        "waits_elsewhere": not is_blind and access.hides_labels(user, item),
        "may_take": own is None and access.can_change(user, queue.team_id) and queue.is_open_to_all,
        "progress": progress.of_queues([queue], user)[queue.pk],
        "pace": progress.pace(queue, user),
        "wrong": wrong,
        **_neighbours(user, item),
    }
    return render(request, "review/item_detail.html", context, status=422 if wrong else 200)


def _neighbours(user: User, item: ReviewItem) -> dict[str, int | None]:
    """The reader's items before and after this one (2 queries)."""
    own = Review.objects.filter(item__queue=item.queue_id, reviewer=user).order_by("item__number")
    before = own.filter(item__number__lt=item.number).values_list("item", flat=True).last()
    after = own.filter(item__number__gt=item.number).values_list("item", flat=True).first()
    last = own.exclude(submitted_at=None).order_by("-submitted_at", "-id").values_list("item", flat=True).first()
    return {"before": before, "after": after, "last": last}


def _own(request: HttpRequest, item: ReviewItem) -> Review | None:
    rows = Review.objects.filter(item=item, reviewer=request.user.pk or 0)
    return rows.select_related("item__queue__version").first()


def _next_address(request: HttpRequest, queue: ReviewQueue) -> str:
    review = reviews.take_next(queue, cast(User, request.user))
    if review is None:
        return reverse("review:queue_detail", args=[queue.pk])
    return reverse("review:item_detail", args=[review.item_id])


def _to_next(request: HttpRequest, queue: ReviewQueue) -> HttpResponse:
    return redirect(_next_address(request, queue))


def _refused(request: HttpRequest, item: ReviewItem, words: str) -> HttpResponse:
    messages.error(request, words)
    return redirect("review:item_detail", item.pk)
