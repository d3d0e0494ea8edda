"""Writing comments and settling threads. Each form leads back to the comment, on the page of what it is about; a text
that is refused comes back in its form."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from rpt_core.errors import UserError
from rpt_web import access
from rpt_web.comments import exports, services, spans
from rpt_web.comments.models import Comment
from rpt_web.comments.services import WrittenComment
from rpt_web.comments.spans import Span
from rpt_web.comments.subjects import Subject, subject_of
from rpt_web.comments.texts import response_text
from rpt_web.pages.addresses import number_posted
from rpt_web.pages.comments.places import page_of, place_of
from rpt_web.pages.rights import team_to_change
from rpt_web.teams.models import User


@require_POST
def on_experiment(request: HttpRequest, experiment_id: int) -> HttpResponse:
    """A new comment on an experiment."""
    return _new(request, access.get_subject_or_404(request.user, experiment_id=experiment_id))


@require_POST
def on_run(request: HttpRequest, run_id: int) -> HttpResponse:
    """A new comment on a run."""
    return _new(request, access.get_subject_or_404(request.user, run_id=run_id))


@require_POST
def on_response(request: HttpRequest, run_id: int, rollout_id: int) -> HttpResponse:
    """A new comment on a response, or on a passage of it."""
    return _new(request, access.get_subject_or_404(request.user, run_id=run_id, rollout_id=rollout_id))


@require_POST
def on_position(request: HttpRequest, position_id: int) -> HttpResponse:
    """A new comment on a position, of the team that is chosen in the menu."""
    team = team_to_change(request)
    return _new(request, access.get_subject_or_404(request.user, position_id=position_id, team_id=team.pk))


@require_POST
def on_report(request: HttpRequest, report_id: int) -> HttpResponse:
    """A new comment on a report."""
    return _new(request, access.get_subject_or_404(request.user, report_id=report_id))


@require_safe
def export(request: HttpRequest, experiment_id: int, ending: str) -> HttpResponse:
    """All comments on an experiment, its runs and their responses, as a file."""
    experiment = access.get_experiment_or_404(request.user, experiment_id)
    if ending not in exports.FORMATS:
        raise Http404(f"There are no comments as {ending!r}. There are: {', '.join(exports.FORMATS)}.")
    rows = exports.comment_rows(access.comments_for(request.user).filter(experiment=experiment))
    response = HttpResponse(exports.as_file(ending, rows), content_type=exports.FORMATS[ending])
    name = f"comments-{experiment.pk}.{ending}"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


@require_safe
def comment(request: HttpRequest, comment_id: int) -> HttpResponse:
    """Lead to a comment on its page."""
    return redirect(place_of(access.get_comment_or_404(request.user, comment_id)))


@require_POST
def reply(request: HttpRequest, comment_id: int) -> HttpResponse:
    """A reply in a thread."""
    thread = access.get_comment_or_404(request.user, comment_id, to_answer=True)
    return _written(request, subject_of(thread), lambda body, user: services.reply(thread, body, user))


@require_POST
def edit(request: HttpRequest, comment_id: int) -> HttpResponse:
    """Another text for one's own comment."""
    found = access.get_own_comment_or_404(request.user, comment_id)
    return _written(request, subject_of(found), lambda body, user: services.edit(found, body, user))


@require_POST
def delete(request: HttpRequest, comment_id: int) -> HttpResponse:
    """Take a comment back."""
    found = access.get_own_comment_or_404(request.user, comment_id, to_delete=True)
    place = f"{page_of(subject_of(found))}#comments"
    services.delete(found)
    messages.success(request, "The comment was deleted.")
    return redirect(place)


@require_POST
def resolve(request: HttpRequest, comment_id: int) -> HttpResponse:
    """Settle a thread."""
    return _settled(request, comment_id, lambda thread: services.resolve(thread, cast(User, request.user)))


@require_POST
def reopen(request: HttpRequest, comment_id: int) -> HttpResponse:
    """Open a settled thread again."""
    return _settled(request, comment_id, services.reopen)


def _new(request: HttpRequest, subject: Subject) -> HttpResponse:
    return _written(
        request, subject, lambda body, user: services.write(subject, body, user, _passage(request, subject))
    )


def _written(request: HttpRequest, subject: Subject, write: Callable[[str, User], WrittenComment]) -> HttpResponse:
    """Write what was typed; what is refused comes back with the reason."""
    body = request.POST.get("body", "")
    try:
        written = write(body, cast(User, request.user))
    except UserError as error:
        context = {
            "wrong": str(error),
            "body": body,
            "quote": request.POST.get("quote", ""),
            "is_response": subject.rollout is not None,
            "back": page_of(subject),
            "words": subject.words,
        }
        return render(request, "comments/refused.html", context, status=422)
    if written.warning:
        messages.warning(request, written.warning)
    return redirect(place_of(written.comment))


def _settled(request: HttpRequest, comment_id: int, settle: Callable[[Comment], object]) -> HttpResponse:
    thread = access.get_comment_or_404(request.user, comment_id, to_answer=True)
    settle(thread)
    return redirect(f"{page_of(subject_of(thread))}#comment-{thread.root_id}")


def _passage(request: HttpRequest, subject: Subject) -> Span | None:
    """What was selected, or typed as a quote; None for a comment on the whole."""
    start, end = number_posted(request, "start"), number_posted(request, "end")
    quote = request.POST.get("quote", "").strip()
    if subject.run is None or subject.rollout is None or (start is None and not quote):
        return None
    text = response_text(subject.run, subject.rollout)
    if text is None:
        raise UserError(
            "The full text of this response is missing, so no passage of it can be kept. Leave the passage empty."
        )
    if start is not None and end is not None:
        return spans.span_at(text, start, end)
    return spans.span_of(text, quote)
