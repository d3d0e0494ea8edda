"""Comments as a part of a page, and what ties them to the text of a response.

`{% notes_on_run run %}`, `{% notes_on_experiment experiment %}`, `{% comments_on_response run rollout text %}`; a text
on which passages can be selected has the attributes of `{% selectable thought %}`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from django.template import Context, Library
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from rpt_web import access
from rpt_web.comments.models import LONGEST_BODY
from rpt_web.comments.subjects import Subject
from rpt_web.pages.comments import threads
from rpt_web.pages.comments.places import writing_place
from rpt_web.pages.rights import current_team
from rpt_web.reports.models import TeamReport
from rpt_web.runs.models import Experiment, Run
from rpt_web.traces import inspector
from rpt_web.traces.models import CorpusPosition, Rollout

register = Library()
END_OF_THOUGHT = "</think>"


@register.inclusion_tag("comments/_threads.html", takes_context=True)
def notes_on_experiment(context: Context, experiment: Experiment) -> dict[str, Any]:
    """The notes on an experiment."""
    return _section(context, Subject(experiment), "Notes") | {"exported": experiment.pk}


@register.inclusion_tag("comments/_threads.html", takes_context=True)
def notes_on_run(context: Context, run: Run) -> dict[str, Any]:
    """The notes on a run."""
    return _section(context, Subject(run.experiment, run), "Notes")


@register.inclusion_tag("comments/_threads.html", takes_context=True)
def comments_on_response(context: Context, run: Run, rollout: Rollout, text: str | None) -> dict[str, Any]:
    """The comments on a response. text: the whole of it; None when it cannot be read."""
    is_hidden = access.is_blind_on(context["request"].user, rollout)
    more = {"is_response": True, "has_text": text is not None}
    return _section(context, Subject(run.experiment, run, rollout.id), "Comments", text, is_hidden=is_hidden) | more


@register.inclusion_tag("comments/_threads.html", takes_context=True)
def comments_on_position(context: Context, position: CorpusPosition) -> dict[str, Any]:
    """The comments of the reader's team on a position."""
    team = current_team(context["request"])
    if team is None:
        return {}
    is_hidden = access.is_blind_on(context["request"].user, position)
    subject = Subject(position=position, of_team=team.pk)
    return _section(context, subject, "Comments", is_hidden=is_hidden) | {"of_team": team.name}


@register.inclusion_tag("comments/_threads.html", takes_context=True)
def comments_on_report(context: Context, report: TeamReport) -> dict[str, Any]:
    """The comments of a team on its report."""
    return _section(context, Subject(report=report.pk, of_team=report.team_id), "Comments")


@register.simple_tag
def comment_text(parts: Sequence[threads.TextPart]) -> SafeString:
    """A comment's text with the names that were told, and links to runs. All of it is escaped."""
    return format_html_join("", "{}", ((_written(part),) for part in parts))


@register.simple_tag
def selectable(text: str, start: int = 0) -> SafeString:
    """Attributes of an element whose text is `readable`: where in the response it begins, and what is written out."""
    return _attributes(start, signs_of(text, start), len(text))


@register.simple_tag
def selectable_answer(parts: inspector.ResponseParts, prediction: bytes | None) -> SafeString:
    """The same of an answer with its box, which is one piece: there blanks stand as signs."""
    start = len(parts.thought) + len(END_OF_THOUGHT)
    before = signs_of(parts.before_box, start)
    if parts.box is None:
        return _attributes(start, before, len(parts.before_box))
    place = start + len(parts.before_box)
    shown = sum(len(piece.text) for piece in inspector.visible(prediction))
    after = signs_of(parts.after_box, place + len(parts.box))
    whole = len(parts.before_box) + len(parts.box) + len(parts.after_box)
    return _attributes(start, [*before, [place, len(parts.box), shown], *after], whole)


def signs_of(text: str, start: int) -> list[list[int]]:
    """[place, length, length as shown] of each character that `readable` writes out."""
    return [
        [start + place, 1, len(inspector.readable(character))]
        for place, character in enumerate(text)
        if character not in "\n\t" and not character.isprintable()
    ]


def _written(part: threads.TextPart) -> SafeString | str:
    if part.kind == "name":
        return format_html('<strong class="named">{}</strong>', part.text)
    if part.kind == "run":
        return format_html('<a href="{}">{}</a>', part.place, part.text)
    return inspector.readable(part.text)


def _attributes(start: int, signs: list[list[int]], length: int) -> SafeString:
    """Where the text begins, its signs, and how many characters it has when they are shown."""
    shown = length + sum(width - size for _, size, width in signs)
    written = json.dumps(signs, separators=(",", ":"))
    return format_html('data-passages="{}" data-shown="{}" data-signs="{}"', start, shown, written)


def _section(
    context: Context, subject: Subject, title: str, text: str | None = None, *, is_hidden: bool = False
) -> dict[str, Any]:
    user = context["request"].user
    found = threads.threads_on(user, subject, text, is_hidden=is_hidden)
    return threads.counted(found) | {
        "is_hidden": is_hidden,
        "title": title,
        "what": subject.words,
        "count": len(found),
        "may_write": access.can_comment(user, subject.team_id),
        "writing_place": writing_place(subject),
        "longest": LONGEST_BODY,
        "csrf_token": context.get("csrf_token"),
    }
