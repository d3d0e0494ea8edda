"""Comments by the API: those that the token's user may read, new ones, replies, and threads that are settled.

Operations here are registered by `add_operations`, so that they stand in the one document of the API.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from django.http import HttpRequest
from ninja import NinjaAPI, Query
from ninja import Status as Answer
from pydantic import Field

from rpt_core.errors import UserError
from rpt_web import access
from rpt_web.api.bodies import Body
from rpt_web.api.errors import refusals_at
from rpt_web.api.paging import After, Limit, page_of, user_of
from rpt_web.api.plain import PlainSchema
from rpt_web.api.schemas import Page
from rpt_web.comments import services, spans
from rpt_web.comments.models import Comment
from rpt_web.comments.services import WrittenComment
from rpt_web.comments.spans import Span
from rpt_web.comments.subjects import Subject
from rpt_web.comments.texts import response_text
from rpt_web.teams.membership import home_of
from rpt_web.teams.models import User

Key = Annotated[int | None, Query(ge=1, lt=2**63)]


class CommentOut(PlainSchema):
    """A comment, or a reply in a thread."""

    id: int
    team_id: int
    experiment_id: int | None = Field(description="What it is about, or what that belongs to; null for a position.")
    run_id: int | None
    rollout_id: int | None = Field(description="Id of a response within the run.")
    position_id: int | None
    report_id: int | None
    thread_id: int | None = Field(description="Of a reply, the comment that began the thread.")
    author: str | None = Field(description="Null for a user who no longer exists.")
    text: str = Field(description="Empty where it was deleted and has replies.")
    start: int | None = Field(description="Of a passage of a response: its place in code points.")
    end: int | None
    quote: str = Field(description="The passage itself.")
    created_at: datetime
    edited_at: datetime | None
    resolved_at: datetime | None
    resolved_by: str | None
    deleted_at: datetime | None

    @staticmethod
    def resolve_rollout_id(comment: Comment) -> int | None:
        """As rollouts name it."""
        return comment.rollout

    @staticmethod
    def resolve_text(comment: Comment) -> str:
        """As it was typed."""
        return comment.body

    @staticmethod
    def resolve_author(comment: Comment) -> str | None:
        """By name."""
        return None if comment.author is None else comment.author.username

    @staticmethod
    def resolve_resolved_by(comment: Comment) -> str | None:
        """By name."""
        return None if comment.resolved_by is None else comment.resolved_by.username


class WrittenOut(CommentOut):
    """A comment that was written or changed."""

    not_told: list[str] = Field(description="Names in it, after an @, of nobody who may see this.")


class TextIn(Body):
    """A text."""

    text: str = Field(max_length=100_000)


class CommentIn(TextIn):
    """A new comment: on an experiment, a run, a response of it, a position, or a report."""

    experiment: int | None = Field(default=None, ge=1, lt=2**63)
    run: int | None = Field(default=None, ge=1, lt=2**63)
    rollout: int | None = Field(default=None, ge=0, lt=2**63, description="Id of a response of the run.")
    position: int | None = Field(default=None, ge=1, lt=2**63)
    report: int | None = Field(default=None, ge=1, lt=2**63)
    team: int | None = Field(default=None, ge=1, lt=2**63, description="Whose comment on a position it is.")
    start: int | None = Field(default=None, ge=0, lt=2**31, description="Of a passage of the response, in code points.")
    end: int | None = Field(default=None, ge=0, lt=2**31)
    quote: str = Field(default="", description="The passage by its words, in place of `start` and `end`.")


def add_operations(api: NinjaAPI) -> None:
    """Register what is below."""
    tags, one = ["comments"], "/comments/{int:comment_id}"
    api.get("/comments", response=Page[CommentOut], tags=tags)(list_comments)
    api.post("/comments", response={201: WrittenOut}, tags=tags)(write_comment)
    api.get(one, response=CommentOut, tags=tags)(comment_detail)
    api.post(one, response=WrittenOut, tags=tags)(change_comment)
    api.delete(one, response={204: None}, tags=tags)(delete_comment)
    api.post(f"{one}/replies", response={201: WrittenOut}, tags=tags)(reply)
    api.post(f"{one}/resolve", response=CommentOut, tags=tags)(resolve_thread)
    api.post(f"{one}/reopen", response=CommentOut, tags=tags)(reopen_thread)


def list_comments(
    request: HttpRequest,
    experiment: Key = None,
    run: Key = None,
    rollout: Key = None,
    position: Key = None,
    report: Key = None,
    state: Literal["open", "resolved"] | None = None,
    after: After = None,
    limit: Limit = 50,
) -> dict[str, Any]:
    """Comments by rising ids. `experiment` takes those on its runs and responses, too, and `run` those on responses;
    `state` takes the comments that began threads which are open, or resolved."""
    asked = {"experiment": experiment, "run": run, "rollout": rollout, "position": position, "report": report}
    found = access.comments_for(user_of(request)).filter(**{name: key for name, key in asked.items() if key})
    if state is not None:
        found = found.filter(thread=None, resolved_at__isnull=state == "open")
    return page_of(found, "id", after, limit)


def write_comment(request: HttpRequest, comment: CommentIn) -> Answer[Any]:
    """Begin a thread. `@name` in the text tells somebody."""
    user = user_of(request)
    subject = _subject(user, comment)
    with refusals_at("text"):
        written = services.write(subject, comment.text, user, _passage(subject, comment))
    return Answer(201, _written(written))


def comment_detail(request: HttpRequest, comment_id: int) -> Comment:
    """One comment."""
    return access.get_comment_or_404(user_of(request), comment_id)


def change_comment(request: HttpRequest, comment_id: int, changed: TextIn) -> Any:
    """Give one's own comment another text."""
    user = user_of(request)
    found = access.get_own_comment_or_404(user, comment_id)
    with refusals_at("text"):
        return _written(services.edit(found, changed.text, user))


def delete_comment(request: HttpRequest, comment_id: int) -> Answer[None]:
    """Take a comment back: one's own; an administrator of the team, anybody's. Replies stay."""
    services.delete(access.get_own_comment_or_404(user_of(request), comment_id, to_delete=True))
    return Answer(204, None)


def reply(request: HttpRequest, comment_id: int, answer: TextIn) -> Answer[Any]:
    """Reply in a thread."""
    user = user_of(request)
    thread = access.get_comment_or_404(user, comment_id, to_answer=True)
    with refusals_at("text"):
        return Answer(201, _written(services.reply(thread, answer.text, user)))


def resolve_thread(request: HttpRequest, comment_id: int) -> Comment:
    """Settle the thread of a comment; gives the comment that began it."""
    user = user_of(request)
    thread = access.get_comment_or_404(user, comment_id, to_answer=True)
    services.resolve(thread, user)
    return access.get_comment_or_404(user, thread.root_id)


def reopen_thread(request: HttpRequest, comment_id: int) -> Comment:
    """Open a settled thread again; gives the comment that began it."""
    user = user_of(request)
    thread = access.get_comment_or_404(user, comment_id, to_answer=True)
    services.reopen(thread)
    return access.get_comment_or_404(user, thread.root_id)


def _subject(user: User, comment: CommentIn) -> Subject:
    """What it is about. Raises UserError where nothing or more than one thing is named."""
    named = [name for name in ("experiment", "run", "position", "report") if getattr(comment, name) is not None]
    if len(named) != 1 or (comment.rollout is not None and named != ["run"]):
        raise UserError(
            "Name what the comment is about: `experiment`, `run`, `run` and `rollout`, `position` or `report`."
        )
    access.require_change_somewhere(user)
    team = comment.team or home_of(user).pk
    with refusals_at(named[0]):
        return access.get_subject_or_404(
            user,
            experiment_id=comment.experiment,
            run_id=comment.run,
            rollout_id=comment.rollout,
            position_id=comment.position,
            report_id=comment.report,
            team_id=team,
        )


def _passage(subject: Subject, comment: CommentIn) -> Span | None:
    if comment.start is None and not comment.quote:
        return None
    if subject.run is None or subject.rollout is None:
        raise UserError("Only a response has passages. Leave out `start`, `end` and `quote`.")
    text = response_text(subject.run, subject.rollout)
    if text is None:
        raise UserError("The full text of this response is missing, so no passage of it can be kept.")
    if comment.start is not None:
        return spans.span_at(text, comment.start, comment.end or 0)
    return spans.span_of(text, comment.quote)


def _written(written: WrittenComment) -> Any:
    comment: Any = written.comment
    comment.not_told = written.untold
    return comment
