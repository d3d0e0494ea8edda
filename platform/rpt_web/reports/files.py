"""A report as files: one HTML file that needs nothing else, and a zip of that with the data of each part.

In: a title and parts, perhaps those of an anonymous copy. Out: bytes. The HTML holds its styles, its scripts and its
data; its own policy lets it fetch nothing. Nothing in the zip names whoever made it: no times, no accounts.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.http import Http404, HttpResponse
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from rpt_web.exports import FILE_TYPES, as_file, named_file
from rpt_web.reports import printing
from rpt_web.reports.anonymous import blind_parts
from rpt_web.reports.content import ShownPart, shown_parts
from rpt_web.reports.models import TeamReport
from rpt_web.reports.shown import shown_for_page

STYLES = ("css/tokens.css", "css/components.css", "css/results.css", "css/reports.css", "css/print.css")
PLOTLY, CHARTS = "vendor/plotly/plotly-cartesian.min.js", "js/charts.js"
_LONG_AGO = (1980, 1, 1, 0, 0, 0)


def html_file(title: str, parts: Sequence[ShownPart], frozen_at: datetime | None) -> bytes:
    """The report as one file."""
    shown = shown_for_page(parts)
    context = {
        "title": title,
        "shown": shown,
        "frozen_at": frozen_at,
        "figures_json": [one.figure.as_json() for one in shown if one.figure],
        "styles": SafeString("\n".join(_style(name) for name in STYLES)),  # files of our own
        "scripts": [_script(name) for name in (PLOTLY, CHARTS)] if any(one.figure for one in shown) else [],
    }
    return render_to_string("reports/file.html", context).encode()


def zip_file(title: str, parts: Sequence[ShownPart], frozen_at: datetime | None) -> bytes:
    """The HTML file, and the data of each figure, table and response."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for name, content in [("report.html", html_file(title, parts, frozen_at)), *_data(parts)]:
            archive.writestr(zipfile.ZipInfo(name, _LONG_AGO), content, zipfile.ZIP_DEFLATED)
    return sink.getvalue()


def report_as_file(report: TeamReport, ending: str, *, is_anonymous: bool) -> HttpResponse:
    """The answer with a file. Raises Http404 for an ending that is none of FILES."""
    if ending not in FILES:
        raise Http404(f"Reports are written as {' and '.join(FILES)}, not as {ending!r}.")
    title, parts = copy_of(report, is_anonymous=is_anonymous)
    media_type, write = FILES[ending]
    name = "report" if is_anonymous else f"report-{report.pk}"
    return named_file(write(title, parts, report.frozen_at), f"{name}.{ending}", media_type)


def pdf_answer(report: TeamReport, *, is_anonymous: bool) -> HttpResponse:
    """The answer with the PDF that was made last. Raises Http404 where none was."""
    pdf = printing.newest(report, is_anonymous=is_anonymous)
    if pdf is None:
        raise Http404("There is no PDF of this report yet. Have one made first.")
    name = "report" if is_anonymous else f"report-{report.pk}"
    return named_file(bytes(pdf.content), f"{name}.pdf", "application/pdf")


def copy_of(report: TeamReport, *, is_anonymous: bool) -> tuple[str, Sequence[ShownPart]]:
    """Title and parts, with names or without."""
    parts = shown_parts(report)
    return blind_parts(report, parts) if is_anonymous else (report.title, parts)


FILES = {"html": ("text/html; charset=utf-8", html_file), "zip": ("application/zip", zip_file)}
"""The ending of a file -> its type, and who writes it."""


def _data(parts: Sequence[ShownPart]) -> Iterator[tuple[str, bytes]]:
    for part in parts:
        if part.exhibit:
            table = part.exhibit.file_table
            for ending in FILE_TYPES:
                yield f"data/{part.number:02}-{table.name}.{ending}", as_file(table, ending)
        elif part.response:
            content = json.dumps(vars(part.response), ensure_ascii=False, indent=1).encode()
            yield f"data/{part.number:02}-response.json", content
        elif part.text:
            yield f"text/{part.number:02}.md", part.text.encode()


def _style(name: str) -> str:
    """A style sheet without what it would fetch; that of paper for paper alone."""
    text = re.sub(r"@font-face\s*{[^}]*}", "", (_static() / name).read_text())
    return f"@media print {{\n{text}\n}}" if name.endswith("print.css") else text


def _script(name: str) -> SafeString:
    """A script of our own that may stand within a page: it ends nowhere before its end."""
    return SafeString((_static() / name).read_text().replace("</script", "<\\/script"))


def _static() -> Path:
    return Path(settings.ROOT) / "static"
