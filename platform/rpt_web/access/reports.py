"""Reports: their team reads them, and its members change them. Whoever has a link that is valid reads one copy."""

from __future__ import annotations

from django.db.models import QuerySet

from rpt_web.access.roles import Actor, found_or_404, require_change, roles_of
from rpt_web.reports.models import ReportLink, ReportPart, TeamReport


def reports_for(user: Actor) -> QuerySet[TeamReport]:
    """The reports of the user's teams, newest first."""
    teams = [team.pk for team in roles_of(user)]
    return TeamReport.objects.filter(team__in=teams).select_related("team", "created_by").order_by("-id")


def get_report_or_404(user: Actor, report_id: int, *, to_change: bool = False) -> TeamReport:
    """A report that the user may see. Raises Http404, or PermissionDenied when it is to be changed and may not be."""
    report = found_or_404(reports_for(user).filter(pk=report_id), "report", report_id)
    if to_change:
        require_change(user, report.team_id)
    return report


def get_report_part_or_404(user: Actor, report_id: int, part_id: int) -> ReportPart:
    """A part of a report that the user may change. Raises Http404, or PermissionDenied."""
    report = get_report_or_404(user, report_id, to_change=True)
    return found_or_404(report.parts.select_related("report").filter(pk=part_id), "part", part_id)


def get_report_link_or_404(user: Actor, report_id: int, link_id: int) -> ReportLink:
    """A link to a report that the user may withdraw. Raises Http404, or PermissionDenied."""
    report = get_report_or_404(user, report_id, to_change=True)
    return found_or_404(report.links.filter(pk=link_id), "link", link_id)
