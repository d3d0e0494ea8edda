"""Making reports: parts are added, changed, moved and removed; a report is frozen and made live again; links.

In: a report, its parts. Out: rows. Raises UserError for what does not fit; a frozen report is not changed.
"""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from rpt_core.errors import UserError
from rpt_web.exhibits.exhibit import Exhibit
from rpt_web.exhibits.refs import ExhibitRef, parsed
from rpt_web.reports.content import NEVER_LIVE, RESPONSE, LiveData, as_stored, data_of
from rpt_web.reports.models import (
    LONGEST_TEXT,
    LONGEST_TITLE,
    LONGEST_WORDS,
    PartKind,
    ReportLink,
    ReportPart,
    TeamReport,
)
from rpt_web.review.models import ReviewQueue
from rpt_web.teams.models import Team, User
from rpt_web.text import clean_text

MOST_PARTS, MOST_LINKS, MOST_DAYS = 100, 20, 365
FROZEN = "The report is frozen. Make it live again to change it."
NOT_OWN = "The report holds what its own team has, and this is not there or another team's. Take a figure of your runs."


def create(team: Team, title: str, user: User) -> TeamReport:
    """An empty report."""
    return TeamReport.objects.create(team=team, title=_title(title), created_by=user)


def rename(report: TeamReport, title: str, hidden_words: str) -> bool:
    """Change its title and the words that an anonymous copy leaves out. Whether that took away an anonymous PDF, which
    has left out other ones."""
    words = clean_text(hidden_words.replace("\r\n", "\n")).strip()
    if len(words) > LONGEST_WORDS:
        raise UserError(f"The words have {len(words):,} characters, and {LONGEST_WORDS:,} are allowed. Shorten them.")
    with transaction.atomic():
        is_other = report.hidden_words != words
        report.title, report.hidden_words = _title(title), words
        report.save(update_fields=["title", "hidden_words", "changed_at"])
        return is_other and report.pdfs.filter(is_anonymous=True).delete()[0] > 0


def add_text(report: TeamReport, text: str) -> ReportPart:
    """Add Markdown at the end."""
    cleaned = _text(text)
    if not cleaned:
        raise UserError("The text is empty. Write something.")
    return _add(report, kind=PartKind.TEXT, text=cleaned)


def add_ref(report: TeamReport, ref: str, note: str = "", seen: Exhibit | None = None) -> ReportPart:
    """Add a figure, a table or a response of the team at the end; `seen` is what the user sees of a review queue."""
    found = parsed(ref)
    is_kept = found is not None and seen is not None and _is_kept(report, found)
    if found is None or not (is_kept or data_of(report.team_id, ref)):
        raise UserError(NOT_OWN)
    kind = PartKind.RESPONSE if found.rest.startswith(RESPONSE) else PartKind.EXHIBIT
    stored = as_stored(seen) if is_kept and seen else None
    return _add(report, kind=kind, ref=str(found), text=_text(note), stored=stored)


def _is_kept(report: TeamReport, ref: ExhibitRef) -> bool:
    """Whether a ref is of a queue of the report's own team."""
    return ref.kind in NEVER_LIVE and ReviewQueue.objects.filter(pk=ref.pk, team=report.team_id).exists()


@transaction.atomic
def change_text(part: ReportPart, text: str) -> None:
    """Change a text, or what is said of a figure."""
    _locked(part.report)
    cleaned = _text(text)
    if not cleaned and part.kind == PartKind.TEXT:
        raise UserError("The text is empty. Write something, or remove the part.")
    ReportPart.objects.filter(pk=part.pk).update(text=cleaned)


@transaction.atomic
def move(part: ReportPart, by: int) -> None:
    """Move a part up (-1) or down (1); the first and the last stay where they are."""
    order = list(_locked(part.report).parts.order_by("place", "id"))
    place = next(index for index, found in enumerate(order) if found.pk == part.pk)
    order.insert(min(max(place + by, 0), len(order) - 1), order.pop(place))
    _number(order)


@transaction.atomic
def remove(part: ReportPart) -> None:
    """Take a part out."""
    report = _locked(part.report)
    part.delete()
    _number(list(report.parts.order_by("place", "id")))


@transaction.atomic
def freeze(report: TeamReport) -> None:
    """Keep the data of all parts as they are now. Raises UserError where something is gone."""
    locked = _locked(report)
    parts = list(locked.parts.exclude(kind=PartKind.TEXT))
    live = LiveData(locked.team_id, [part.ref for part in parts])
    for part in parts:
        data = live.of(part.ref)
        if data is None and part.stored is None:
            raise UserError(f"Part {part.place} shows something that is no longer there. Remove it, then freeze.")
        if data is not None:
            ReportPart.objects.filter(pk=part.pk).update(stored=as_stored(data))
    TeamReport.objects.filter(pk=report.pk).update(frozen_at=timezone.now(), changed_at=timezone.now())
    report.refresh_from_db()


def thaw(report: TeamReport) -> None:
    """Make it live again. What was kept is shown only where the run is gone."""
    TeamReport.objects.filter(pk=report.pk).update(frozen_at=None, changed_at=timezone.now())
    report.refresh_from_db()


def share(report: TeamReport, user: User, days: int, *, is_anonymous: bool) -> tuple[ReportLink, str]:
    """Make a link that is valid for so many days; returns it with its secret, which is shown once."""
    if not 1 <= days <= MOST_DAYS:
        raise UserError(f"A link is valid for 1 to {MOST_DAYS} days, not for {days}.")
    if report.links.count() >= MOST_LINKS:
        raise UserError(f"The report has {MOST_LINKS} links. Withdraw one of them first.")
    return ReportLink.issue(report, user, timedelta(days=days), is_anonymous=is_anonymous)


def withdraw(link: ReportLink) -> None:
    """Nobody reads the report by this link any more."""
    link.delete()


@transaction.atomic
def _add(report: TeamReport, **values: object) -> ReportPart:
    parts = _locked(report).parts
    last = parts.aggregate(last=Max("place"))["last"] or 0
    if parts.count() >= MOST_PARTS:
        raise UserError(f"A report has at most {MOST_PARTS} parts. Make another one.")
    return parts.create(place=last + 1, **values)


def _locked(report: TeamReport) -> TeamReport:
    """The report for a change, one at a time. Raises UserError for a frozen one."""
    found = TeamReport.objects.select_for_update(of=("self",)).get(pk=report.pk)
    if found.frozen_at:
        raise UserError(FROZEN)
    TeamReport.objects.filter(pk=report.pk).update(changed_at=timezone.now())
    return found


def _number(order: list[ReportPart]) -> None:
    for place, part in enumerate(order, start=1):
        part.place = place
    ReportPart.objects.bulk_update(order, ["place"])


def _title(title: str) -> str:
    cleaned = " ".join(clean_text(title).split())
    if not cleaned:
        raise UserError("The report has no title. Give it one.")
    if len(cleaned) > LONGEST_TITLE:
        raise UserError(f"The title has {len(cleaned):,} characters, and {LONGEST_TITLE} are allowed. Shorten it.")
    return cleaned


def _text(text: str) -> str:
    cleaned = clean_text(text.replace("\r\n", "\n")).strip()
    if len(cleaned) > LONGEST_TEXT:
        raise UserError(f"The text has {len(cleaned):,} characters, and {LONGEST_TEXT:,} are allowed. Shorten it.")
    return cleaned
