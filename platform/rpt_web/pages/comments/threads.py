"""Threads as pages show them: comments with what the reader may do, and the passages that they are about.

In: comments on one thing, its text where that is a response. Out: plain data for the template; 2 or 3 queries.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.urls import reverse

from rpt_web import access
from rpt_web.access import Actor
from rpt_web.comments import spans
from rpt_web.comments.mentions import PATTERN, spellings
from rpt_web.comments.models import Comment
from rpt_web.comments.spans import Span, Whereabouts
from rpt_web.comments.subjects import Subject, audience

_RUN = re.compile(r"(?<![\w#&/])#(\d{1,9})\b")
_LINKED = re.compile(f"{PATTERN.pattern}|{_RUN.pattern}")


@dataclass(frozen=True)
class TextPart:
    """Text, a name that was told, or a link to a run."""

    text: str
    kind: str = "text"
    place: str = ""


@dataclass(frozen=True)
class ShownComment:
    """A comment with its text in parts, and what the reader may do with it."""

    comment: Comment
    author: str
    """Empty for somebody who has left."""
    place: str
    """Its address, below which are those of what is done with it."""
    parts: Sequence[TextPart]
    may_edit: bool
    may_delete: bool


@dataclass(frozen=True)
class Thread:
    """A comment with its replies, and where its passage is."""

    first: ShownComment
    replies: Sequence[ShownComment]
    passage: Whereabouts | None

    @property
    def root(self) -> Comment:
        """The comment that began it."""
        return self.first.comment


def threads_on(user: Actor, subject: Subject, text: str | None = None, *, is_hidden: bool) -> list[Thread]:
    """All threads on something, oldest first. text: of a response; None when it cannot be read. is_hidden: whether the
    reader has yet to review it."""
    comments = list(access.comments_on(user, subject, is_hidden=is_hidden))
    if not comments:
        return []
    linker = _Linker(user, subject, comments)
    shown = {comment.pk: _shown(user, comment, linker) for comment in comments}
    replies: dict[int, list[ShownComment]] = {}
    for comment in comments:
        if comment.thread_id is not None:
            replies.setdefault(comment.thread_id, []).append(shown[comment.pk])
    firsts = [comment for comment in comments if comment.thread_id is None]
    return [Thread(shown[first.pk], replies.get(first.pk, []), _passage(first, text)) for first in firsts]


def _shown(user: Actor, comment: Comment, linker: _Linker) -> ShownComment:
    return ShownComment(
        comment,
        str(comment.author or ""),
        reverse("comments:comment", args=[comment.pk]),
        linker.parts(comment.body),
        access.can_edit_comment(user, comment),
        access.can_delete_comment(user, comment),
    )


def _passage(comment: Comment, text: str | None) -> Whereabouts | None:
    if comment.start is None or comment.end is None:
        return None
    return spans.found_in(text, Span(comment.start, comment.end, comment.quote))


class _Linker:
    """Finds names of people and numbers of runs in texts; of both only those that are there to be seen."""

    def __init__(self, user: Actor, subject: Subject, comments: Iterable[Comment]) -> None:
        found = [match for comment in comments for match in _LINKED.finditer(comment.body)]
        runs = {int(match[2]) for match in found if match[2]}
        names = {spelling for match in found if match[1] for spelling in spellings(match[1])}
        self._runs: set[int] = set()
        self._names: set[str] = set()
        if runs:
            self._runs = set(access.runs_for(user).filter(pk__in=runs).values_list("pk", flat=True))
        if names:
            self._names = set(audience(subject).filter(username__in=names).values_list("username", flat=True))

    def parts(self, text: str) -> list[TextPart]:
        """The text, cut at names and numbers of runs."""
        parts, at = list[TextPart](), 0
        for match in _LINKED.finditer(text):
            part = self._part(match)
            if part is None:
                continue
            parts += [TextPart(text[at : match.start()]), part]
            at = match.start() + len(part.text)
        return [part for part in [*parts, TextPart(text[at:])] if part.text]

    def _part(self, match: re.Match[str]) -> TextPart | None:
        if match[2]:
            place = reverse("runs:run_detail", args=[int(match[2])])
            return TextPart(match[0], "run", place) if int(match[2]) in self._runs else None
        name = next((spelling for spelling in spellings(match[1]) if spelling in self._names), None)
        return None if name is None else TextPart(f"@{name}", "name")


def counted(threads: Sequence[Thread]) -> dict[str, Any]:
    """Open and settled ones apart."""
    return {
        "open_threads": [thread for thread in threads if thread.root.resolved_at is None],
        "settled_threads": [thread for thread in threads if thread.root.resolved_at is not None],
    }
