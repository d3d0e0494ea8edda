"""Queues: the inbox of those that wait for the reader, a new one from a filter of responses, the page of one."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from rpt_core.errors import UserError
from rpt_core.words import listed
from rpt_web import access
from rpt_web.access import Actor
from rpt_web.compare.positions import ComparedSet
from rpt_web.pages.addresses import number_asked
from rpt_web.pages.review.forms import ComparedQueueForm, GroupQueueForm, QueueForm
from rpt_web.pages.rights import team_to_change
from rpt_web.results.queries import mode_label
from rpt_web.review import compared_queues, group_queues, progress, queues, reviews
from rpt_web.review.models import ItemKind, ReviewQueue
from rpt_web.runs.models import Run
from rpt_web.teams.models import User
from rpt_web.traces.group_filters import GroupFilters
from rpt_web.traces.queries import Filters

PER_PAGE = 50


@require_safe
def inbox(request: HttpRequest) -> HttpResponse:
    """Queues of the reader's teams, newest first: open ones, or those that are closed."""
    is_closed, before = request.GET.get("show") == "closed", number_asked(request, "before")
    rows = access.queues_for(request.user).filter(closed_at__isnull=not is_closed)
    found = list((rows if before is None else rows.filter(pk__lt=before))[: PER_PAGE + 1])
    known = progress.of_queues(found[:PER_PAGE], cast(User, request.user))
    lines = [(queue, known[queue.pk], _waits(request.user, queue, known[queue.pk])) for queue in found[:PER_PAGE]]
    context = {
        "nav": "review",
        "lines": sorted(lines, key=lambda line: not line[2]),  # those that wait for the reader first
        "older": found[PER_PAGE - 1].pk if len(found) > PER_PAGE else None,
        "is_closed": is_closed,
        "now": timezone.now(),
    }
    return render(request, "review/inbox.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def queue_new(request: HttpRequest) -> HttpResponse:
    """A queue of the responses of a run that pass a filter, which the address holds as the list of responses has it."""
    run = _run(request)
    _, rollouts = access.get_rollouts_or_404(request.user, run.pk)
    filters = Filters.from_query(request.GET)
    user = cast(User, request.user)
    form = QueueForm(user, run.experiment.team, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            queue = queues.create_from_run(run, filters.apply(rollouts), filters.query(), form.plan(), user)
        except UserError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, f"The queue has {queue.items.count():,} items.")
            return redirect("review:queue_detail", queue.pk)
    context = {
        "nav": "review",
        "run": run,
        "filters": filters,
        "form": form,
        "found": filters.apply(rollouts).count(),
        "team": run.experiment.team,
    }
    return render(request, "review/queue_new.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
def queue_of_groups(request: HttpRequest) -> HttpResponse:
    """A queue of the groups of a list of traces, or of a comparison's positions, whose query the address has."""
    if "comparison" in request.GET:
        return _of_comparison(request)
    team, user = team_to_change(request), cast(User, request.user)
    filters = access.resolved(user, GroupFilters.from_query(request.GET))
    form = GroupQueueForm(user, team, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        unit, runs = ItemKind(form.cleaned_data["unit"]), access.runs_for(user)
        try:
            queue = group_queues.create_from_traces(team, runs, filters, unit, form.plan(), user)
        except UserError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, f"The queue has {queue.items.count():,} items.")
            return redirect("review:queue_detail", queue.pk)
    context = {"nav": "review", "filters": filters, "form": form, "team": team}
    return render(request, "review/queue_new.html", context, status=422 if form.errors else 200)


def _of_comparison(request: HttpRequest) -> HttpResponse:
    key = number_asked(request, "comparison")
    row = access.get_comparison_or_404(request.user, -1 if key is None else key)
    try:
        asked = ComparedSet.from_query(row, request.GET.dict())
    except UserError as error:
        raise Http404(str(error)) from None
    team, user = team_to_change(request), cast(User, request.user)
    known = access.runs_by_id(user, row.runs)
    two = (row.entries[asked.a], row.entries[asked.b])
    is_mixed = two[0][2] != two[1][2]
    names = [
        f"{known[run].name}, step {step:,}, {f'{mode_label(mode)}, ' if is_mixed else ''}".rstrip()
        for run, step, mode in two
    ]
    form = ComparedQueueForm(user, team, names[0], names[1], request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        (unit, is_of_first), runs = form.wanted(), access.runs_for(user)
        try:
            queue = compared_queues.create_from_comparison(team, runs, asked, unit, is_of_first, form.plan(), user)
        except UserError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, f"The queue has {queue.items.count():,} items.")
            return redirect("review:queue_detail", queue.pk)
    context = {"nav": "review", "compared": asked, "found": len(asked.positions()), "form": form, "team": team}
    return render(request, "review/queue_new.html", context, status=422 if form.errors else 200)


@require_safe
def queue_detail(request: HttpRequest, queue_id: int) -> HttpResponse:
    """A queue: what to do, how far it is, who reviews it."""
    queue = access.get_queue_or_404(request.user, queue_id)
    known, people = progress.of_queue(queue, cast(User, request.user))
    context: dict[str, Any] = {
        "nav": "review",
        "queue": queue,
        "progress": known,
        "waits": _waits(request.user, queue, known),
        "hidden": _hidden(queue),
        "people": people,
        "questions": reviews.questions_of(queue),
        "may_manage": access.can_manage_queue(request.user, queue),
        "source": _source(request.user, queue, known),
        "now": timezone.now(),
    }
    return render(request, "review/queue_detail.html", context)


@require_POST
def queue_next(request: HttpRequest, queue_id: int) -> HttpResponse:
    """To the reader's first open item; of a queue that is open to all, to one that they take."""
    queue = access.get_queue_or_404(request.user, queue_id, to_review=True)
    review = reviews.take_next(queue, cast(User, request.user))
    if review is None:
        messages.info(request, "Nothing is left for you in this queue.")
        return redirect("review:queue_detail", queue.pk)
    return redirect("review:item_detail", review.item_id)


@require_POST
def queue_close(request: HttpRequest, queue_id: int) -> HttpResponse:
    """Nothing more is submitted."""
    queue = access.get_queue_or_404(request.user, queue_id, to_manage=True)
    queues.close(queue)
    messages.success(request, "The queue is closed. What was submitted stays, and everybody in the team sees it.")
    return redirect("review:queue_detail", queue.pk)


def _run(request: HttpRequest) -> Run:
    """The run that the address names, in a team where the user may change things. Raises Http404, PermissionDenied."""
    key = number_asked(request, "run")
    if key is None:
        raise Http404("Open the responses of a run, choose a filter there, and put what it shows into a queue.")
    run = access.get_run_or_404(request.user, key)
    access.require_change(request.user, run.experiment.team_id)
    return run


def _waits(user: Actor, queue: ReviewQueue, known: progress.QueueProgress) -> bool:
    """Whether there may be something for the reader to do."""
    if queue.closed_at is not None or not access.can_change(user, queue.team_id):
        return False
    return known.own_open > 0 or (queue.is_open_to_all and not known.is_done)


def _hidden(queue: ReviewQueue) -> str:
    """What reviewers do not see until they have submitted, in words."""
    blind = ["reward", "run"] if queue.is_blind else []
    return listed(["others’ labels", *blind, *(["how the text continues"] if queue.hides_truth else [])])


def _source(user: Actor, queue: ReviewQueue, known: progress.QueueProgress) -> dict[str, Any] | None:
    """The run and the filter that its items come from; None for who has yet to review them blind."""
    may_see = not queue.is_blind or queue.created_by_id == user.pk or not _waits(user, queue, known)
    if may_see and queue.source.keys() & {"traces", "comparison"}:
        return dict(queue.source)
    run_id = queue.source.get("run")
    run = access.runs_for(user).filter(pk=run_id).first() if may_see and run_id else None
    return {**queue.source, "run": run} if run else None
