"""Reports by the API: made, filled, frozen, shared by links and read as files."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, cast

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from ninja import NinjaAPI
from ninja import Status as Answer
from pydantic import Field

from rpt_web import access
from rpt_web.api.bodies import Body
from rpt_web.api.corpora import JobOut
from rpt_web.api.errors import refusals_at
from rpt_web.api.exhibits import ExhibitOut, exhibit_out
from rpt_web.api.paging import After, Limit, page_of, user_of
from rpt_web.api.plain import PlainSchema
from rpt_web.api.schemas import Page
from rpt_web.exhibits.refs import parsed
from rpt_web.jobs.models import Job
from rpt_web.reports import content, printing, services
from rpt_web.reports.content import NEVER_LIVE, ShownPart
from rpt_web.reports.files import FILES, pdf_answer, report_as_file
from rpt_web.reports.models import LONGEST_TEXT, LONGEST_TITLE, ReportLink, TeamReport
from rpt_web.teams.models import Team, User

AS_FILE: dict[str, Any] = {
    "responses": {
        200: {
            "content": {
                media_type.partition(";")[0]: {"schema": {"type": "string", "format": "binary"}}
                for media_type, _ in FILES.values()
            }
        }
    }
}

AS_PDF: dict[str, Any] = {
    "responses": {200: {"content": {"application/pdf": {"schema": {"type": "string", "format": "binary"}}}}}
}


class ReportIn(Body):
    """A new report."""

    title: str = Field(max_length=LONGEST_TITLE)
    team: int | None = Field(None, description="The first team in which the user may change things, if left out.")
    hidden_words: str = Field(
        "", max_length=2000, description="What anonymous copies leave out beside names, one a line."
    )


class ReportPartIn(Body):
    """A new part: a text, or a ref with what is said of it."""

    text: str = Field("", max_length=LONGEST_TEXT, description="Markdown.")
    ref: str = Field(
        "", max_length=400, description="Of a figure or a table, or run/ID/response/ROLLOUT; empty for a text."
    )


class ReportLinkIn(Body):
    """A new link."""

    days: int = Field(30, ge=1, le=services.MOST_DAYS)
    anonymous: bool = Field(False, description="Whether it shows the anonymous copy.")


class PdfIn(Body):
    """Which copy is to be printed."""

    anonymous: bool = False


class FrozenIn(Body):
    """Whether a report keeps its data as they are."""

    frozen: bool


class ReportLinkOut(PlainSchema):
    """A link without its secret, which is shown only when the link is made."""

    id: int
    is_anonymous: bool
    expires_at: datetime
    created_at: datetime


class NewReportLinkOut(ReportLinkOut):
    """A link that was just made."""

    address: str = Field(description="What to give to readers. It cannot be read again.")


class TeamReportOut(PlainSchema):
    """A report."""

    id: int
    team_id: int
    title: str
    frozen_at: datetime | None
    created_at: datetime
    changed_at: datetime


class QuotedResponseOut(PlainSchema):
    """A response in a report."""

    run: int
    run_name: str
    step: int
    kind: str
    reward: float
    prompt: str
    response: str


class ReportPartOut(PlainSchema):
    """A part with its data."""

    id: int
    place: int
    kind: str = Field(description="text, exhibit or response.")
    text: str
    ref: str
    exhibit: ExhibitOut | None
    response: QuotedResponseOut | None
    is_gone: bool = Field(description="What it should show is no longer there.")


class ReportDetailOut(TeamReportOut):
    """A report with its parts and links."""

    parts: list[ReportPartOut]
    links: list[ReportLinkOut]


def add_operations(api: NinjaAPI) -> None:
    """Register what is below."""
    one, tags = "/reports/{int:report_id}", ["reports"]
    api.get("/reports", response=Page[TeamReportOut], tags=tags)(reports)
    api.post("/reports", response={201: TeamReportOut}, tags=tags)(create_report)
    api.get(one, response=ReportDetailOut, tags=tags)(report_detail)
    api.post(f"{one}/parts", response={201: ReportDetailOut}, tags=tags)(add_part)
    api.post(f"{one}/freeze", response=TeamReportOut, tags=tags)(freeze_report)
    api.get(f"{one}/links", response=Page[ReportLinkOut], tags=tags)(report_links)
    api.post(f"{one}/links", response={201: NewReportLinkOut}, tags=tags)(share_report)
    api.delete(f"{one}/links/{{int:link_id}}", response={204: None}, tags=tags)(withdraw_link)
    api.post(f"{one}/pdf", response={202: JobOut}, tags=tags)(print_report)
    api.get(f"{one}/pdf", tags=tags, openapi_extra=AS_PDF)(report_pdf)
    api.get(f"{one}/file", tags=tags, openapi_extra=AS_FILE)(report_file)


def reports(request: HttpRequest, after: After = None, limit: Limit = 50) -> dict[str, Any]:
    """Reports of the user's teams, newest first."""
    return page_of(access.reports_for(user_of(request)), "-id", after, limit)


def create_report(request: HttpRequest, report: ReportIn) -> Answer[TeamReport]:
    """Make an empty report."""
    user = user_of(request)
    access.require_change_somewhere(user)
    team = _team(user, report.team)
    with refusals_at("title"):
        made = services.create(team, report.title, user)
    with refusals_at("hidden_words"):
        services.rename(made, report.title, report.hidden_words)
    return Answer(201, made)


def report_detail(request: HttpRequest, report_id: int) -> dict[str, Any]:
    """A report with the data of its parts."""
    return _detail(access.get_report_or_404(user_of(request), report_id))


def add_part(request: HttpRequest, report_id: int, part: ReportPartIn) -> Answer[dict[str, Any]]:
    """Add a part at the end."""
    user = user_of(request)
    report = access.get_report_or_404(user, report_id, to_change=True)
    if not part.ref:
        with refusals_at("text"):
            services.add_text(report, part.text)
        return Answer(201, _detail(report))
    found = parsed(part.ref)
    with refusals_at("ref"):
        is_kept = found is not None and found.kind in NEVER_LIVE
        seen = access.get_exhibit_or_404(user, part.ref) if is_kept else None
        services.add_ref(report, part.ref, part.text, seen)
    return Answer(201, _detail(report))


def freeze_report(request: HttpRequest, report_id: int, asked: FrozenIn) -> TeamReport:
    """Keep its data as they are now, or make it live again."""
    report = access.get_report_or_404(user_of(request), report_id, to_change=True)
    if not asked.frozen:
        services.thaw(report)
    elif not report.frozen_at:
        with refusals_at("frozen"):
            services.freeze(report)
    return report


def report_links(request: HttpRequest, report_id: int, after: After = None, limit: Limit = 50) -> dict[str, Any]:
    """Its links, newest first, expired ones too; their addresses are not kept."""
    return page_of(access.get_report_or_404(user_of(request), report_id).links.all(), "-id", after, limit)


def share_report(request: HttpRequest, report_id: int, link: ReportLinkIn) -> Answer[dict[str, Any]]:
    """Make a link by which it is read without a login."""
    user = user_of(request)
    report = access.get_report_or_404(user, report_id, to_change=True)
    with refusals_at("days"):
        made, secret = services.share(report, user, link.days, is_anonymous=link.anonymous)
    address = request.build_absolute_uri(reverse("reports:shared", args=[secret]))
    return Answer(201, _link(made) | {"address": address})


def withdraw_link(request: HttpRequest, report_id: int, link_id: int) -> Answer[None]:
    """Withdraw a link: it leads nowhere any more."""
    services.withdraw(access.get_report_link_or_404(user_of(request), report_id, link_id))
    return Answer(204, None)


def report_file(
    request: HttpRequest, report_id: int, ending: Literal["html", "zip"], anonymous: bool = False
) -> HttpResponse:
    """The report as one HTML file, or as a zip with its data."""
    report = access.get_report_or_404(user_of(request), report_id)
    return report_as_file(report, ending, is_anonymous=anonymous)


def print_report(request: HttpRequest, report_id: int, asked: PdfIn) -> Answer[Job]:
    """Have a worker print it, where Chromium is installed; look at the job, then fetch the PDF."""
    user = user_of(request)
    report = access.get_report_or_404(user, report_id, to_change=True)
    return Answer(202, printing.ask(report, user, is_anonymous=asked.anonymous))


def report_pdf(request: HttpRequest, report_id: int, anonymous: bool = False) -> HttpResponse:
    """The PDF that was made last."""
    return pdf_answer(access.get_report_or_404(user_of(request), report_id), is_anonymous=anonymous)


def _team(user: User, asked: int | None) -> Team:
    if asked is None:
        return access.teams_to_change(user)[0]
    with refusals_at("team"):
        return access.get_team_or_404(user, asked, to_change=True)


def _detail(report: TeamReport) -> dict[str, Any]:
    own = {name: getattr(report, name) for name in TeamReportOut.model_fields}
    parts = [_part(part) for part in content.shown_parts(report)]
    return own | {"parts": parts, "links": [_link(link) for link in report.links.all()]}


def _part(part: ShownPart) -> dict[str, Any]:
    own = {"id": part.key, "place": part.number, "kind": part.kind, "text": part.text, "ref": part.ref}
    exhibit = exhibit_out(part.exhibit) if part.exhibit else None
    response = dict(vars(part.response)) if part.response else None
    return own | {"exhibit": exhibit, "response": response, "is_gone": part.is_gone}


def _link(link: ReportLink) -> dict[str, Any]:
    return cast(dict[str, Any], {name: getattr(link, name) for name in ReportLinkOut.model_fields})
