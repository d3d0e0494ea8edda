"""Writing comments, replying, changing and taking back one's own, settling a thread; and telling whom it concerns.

In: a subject or a comment, a text, its author. Out: rows, and notices. A notice names who wrote and where, never what:
the inbox and e-mails must not show what a page may have to hide.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from rpt_core.errors import UserError
from rpt_core.words import listed
from rpt_web.comments.mentions import people_named
from rpt_web.comments.models import LONGEST_BODY, Comment
from rpt_web.comments.spans import Span
from rpt_web.comments.subjects import Subject, audience, subject_of
from rpt_web.notices import services as notices
from rpt_web.notices.models import NoticeKind
from rpt_web.teams.models import User
from rpt_web.text import clean_text


@dataclass(frozen=True)
class WrittenComment:
    """A comment that was written or changed, and which of the names in it are of nobody who may see it."""

    comment: Comment
    untold: list[str] = field(default_factory=list)

    @property
    def warning(self) -> str:
        """Who was not told, in words; empty when everybody was."""
        if not self.untold:
            return ""
        names = listed(f"@{name}" for name in self.untold)
        return f"No notice went to {names}: nobody who may see this has such a name."


@transaction.atomic
def write(subject: Subject, body: str, author: User, span: Span | None = None) -> WrittenComment:
    """Begin a thread. Raises UserError for a text that is empty or too long."""
    place = {"start": span.start, "end": span.end, "quote": clean_text(span.quote)} if span else {}
    comment = Comment.objects.create(**subject.fields, author=author, body=checked(body), **place)
    return WrittenComment(comment, _tell_named(comment, subject, author))


@transaction.atomic
def reply(thread: Comment, body: str, author: User) -> WrittenComment:
    """Add to a thread, and tell those who have written in it. Raises as `write`."""
    subject = subject_of(thread)
    comment = Comment.objects.create(**subject.fields, thread_id=thread.root_id, author=author, body=checked(body))
    named = [user.pk for user in people_named(comment.body, audience(subject))[0]]
    untold = _tell_named(comment, subject, author)
    before = Comment.objects.filter(pk=thread.root_id) | Comment.objects.filter(thread=thread.root_id)
    writers = audience(subject).filter(pk__in=before.exclude(author=None).values("author"))
    others = writers.exclude(pk__in=[author.pk, *named]).values_list("pk", flat=True)
    words = f"{author} replied to a comment on {subject.words}."
    notices.tell(others, NoticeKind.REPLY, words, comment_id=comment.pk)
    return WrittenComment(comment, untold)


@transaction.atomic
def edit(comment: Comment, body: str, author: User) -> WrittenComment:
    """Change the text; who is named only now is told. Raises as `write`."""
    subject = subject_of(comment)
    before = {user.pk for user in people_named(comment.body, audience(subject))[0]}
    comment.body, comment.edited_at = checked(body), timezone.now()
    comment.save(update_fields=["body", "edited_at"])
    return WrittenComment(comment, _tell_named(comment, subject, author, before))


@transaction.atomic
def delete(comment: Comment) -> None:
    """Take a comment back. Of one that has replies, which stay, the text goes."""
    locked = Comment.objects.select_for_update(of=("self",)).get(pk=comment.pk)
    if locked.replies.exists():
        locked.body, locked.quote, locked.deleted_at = "", "", timezone.now()
        locked.start = locked.end = None
        locked.save()
        notices.forget(comment_id=locked.pk)
    else:
        locked.delete()


def resolve(thread: Comment, user: User) -> bool:
    """Settle a thread; False when it was settled already."""
    found = Comment.objects.filter(pk=thread.root_id, resolved_at=None)
    return found.update(resolved_at=Now(), resolved_by=user) == 1


def reopen(thread: Comment) -> bool:
    """Take that back; False when it was open."""
    found = Comment.objects.filter(pk=thread.root_id).exclude(resolved_at=None)
    return found.update(resolved_at=None, resolved_by=None) == 1


def checked(body: str) -> str:
    """The text as it is stored. Raises UserError for one that is empty or too long."""
    text = clean_text(body.replace("\r\n", "\n")).strip()
    if not text:
        raise UserError("The comment is empty. Write something.")
    if len(text) > LONGEST_BODY:
        raise UserError(f"The comment has {len(text):,} characters, and {LONGEST_BODY:,} are allowed. Shorten it.")
    return text


def _tell_named(comment: Comment, subject: Subject, author: User, before: Iterable[int] = ()) -> list[str]:
    """Tell those who are named; returns the names that are of nobody."""
    people, unknown = people_named(comment.body, audience(subject))
    told = [user.pk for user in people if user.pk not in {author.pk, *before}]
    words = f"{author} named you in a comment on {subject.words}."
    notices.tell(told, NoticeKind.MENTION, words, comment_id=comment.pk)
    return unknown
