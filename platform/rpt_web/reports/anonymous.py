"""Anonymous copies for double-blind papers: no people, teams, hosts, paths, addresses, organisations, code or run names
of those who made them.

In: a report and its parts. Out: the same parts in which whatever the platform knows to be a name is left out, with what
the author has named beside. Numbers stay. Runs are counted from 1, code versions too, since a commit leads to a
repository. Names are searched as whole words, in any case; paths, e-mail addresses, IP addresses and web addresses by
their form (only arXiv and DOIs stay).
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any
from unicodedata import normalize
from urllib.parse import urlsplit

from django.conf import settings
from django.db.models import Q

from rpt_web.exhibits.exhibit import Exhibit
from rpt_web.exhibits.refs import RUNS, holds_settings, parsed
from rpt_web.exhibits.sources import RunSource
from rpt_web.exports import PlainTable
from rpt_web.reports.content import QuotedResponse, ShownPart
from rpt_web.reports.models import TeamReport
from rpt_web.runs.models import Experiment, Node, RunAttempt
from rpt_web.teams import trail
from rpt_web.teams.membership import FIRST_TEAM
from rpt_web.teams.models import Team, User

SHORTEST = 2
"""Shorter names are letters of formulas."""
_PAPERS = r"(?!(?:https?://)?(?:www\.|dx\.)?(?:arxiv|doi)\.org/)"
_DOMAIN = r"(?:[\w-]+\.)+[a-zA-Z]{2,24}"
_REST = r"[^\s)\]>\"']"
_HEX = "[0-9A-Fa-f]{1,4}"
_FORMS = (
    (r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", "[e-mail]"),
    (rf"{_PAPERS}\b[a-zA-Z][a-zA-Z0-9+.-]*://{_REST}+", "[address]"),
    # As people write them: github.com/somebody, //host/x, www.example.org
    (rf"(?<![\w./@:-]){_PAPERS}(?://)?(?:{_DOMAIN}(?::\d+)?/{_REST}*|www\.{_DOMAIN})", "[address]"),
    (r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?(?![\w.])", "[host]"),
    (
        rf"(?<![\w:])(?:{_HEX}(?::{_HEX}){{7}}|{_HEX}(?::{_HEX}){{0,6}}::(?:{_HEX}(?::{_HEX}){{0,6}})?)(?![\w:])",
        "[host]",
    ),
    (r"(?<![\w.:/~])(?:~|[A-Za-z]:)?(?:[/\\][\w.+@-]+){2,}[/\\]?", "[path]"),
)
_LEFT_OUT = "[left out]"
NEVER_TOLD = ("experiment", "position_sets")
"""Columns, by their keys, that anonymous copies do not have."""
NEVER_OF_RUNS = ("team", "by", "error", "title")
"""Beside these, those of the table of runs."""
_SLASHED = re.compile(r"\S*[/\\]\S*")
_OF_RUNS = ("run", "first", "second", "runs")
"""Columns whose texts name runs by their ids: `rpt (12), step 40, greedy` and `12@40, 13@40`."""
_RUN_IDS = re.compile(r"(?<=\()\d+(?=\), step \d+(?:, \w+)?$)|(?<!\d)\d+(?=@\d)")


@dataclass
class Blinder:
    """Takes names out of texts, and counts runs and code versions."""

    names: Iterable[str]
    runs: dict[int, int] = field(default_factory=dict)
    codes: dict[str, int] = field(default_factory=dict)
    _known: dict[str, str] = field(default_factory=dict)
    """Texts -> the same without names: tables and configs repeat theirs."""

    def __post_init__(self) -> None:
        spelt = {normalize(form, name) for name in self.names for form in ("NFC", "NFD")}
        found = sorted({name for name in spelt if len(name) >= SHORTEST}, key=len, reverse=True)
        words = "|".join(map(re.escape, found))
        self._names = re.compile(f"(?<![A-Za-z0-9])(?:{words})(?![A-Za-z0-9])", re.IGNORECASE) if words else None
        self._forms = [(re.compile(form), word) for form, word in _FORMS]

    def text(self, text: str) -> str:
        """A text without names."""
        found = self._known.get(text)
        if found is None:
            found = self._known[text] = self._without_names(text)
        return found

    def value(self, value: Any) -> Any:
        """Plain data, all its texts without names."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {key: self.value(item) for key, item in value.items()}
        return [self.value(item) for item in value] if isinstance(value, list | tuple) else value

    def run(self, run: int) -> int:
        """The number of a run in this report."""
        return self.runs.setdefault(run, len(self.runs) + 1)

    def code(self, code: str) -> str:
        """A code version by its number in this report."""
        return f"version {self.codes.setdefault(code, len(self.codes) + 1)}"

    def _without_names(self, text: str) -> str:
        for form, word in self._forms:
            text = form.sub(word, text)
        return self._names.sub(_LEFT_OUT, text) if self._names else text


def blind_parts(report: TeamReport, parts: Iterable[ShownPart]) -> tuple[str, list[ShownPart]]:
    """The title and the parts of an anonymous copy."""
    listed = list(parts)
    kept = {source.experiment for part in listed if part.exhibit for source in part.exhibit.sources}
    blinder = Blinder((names_of(report) | kept) - {""})
    return blinder.text(report.title), [_part(blinder, part) for part in listed]


def names_of(report: TeamReport) -> set[str]:
    """Whatever the platform knows to be a name of people, also of those who have left, of teams, machines and
    experiments, and the author's words."""
    ever = trail.people_of(report.team)
    people = User.objects.filter(Q(pk__in=ever) | Q(is_superuser=True) | Q(pk=report.created_by_id))
    names = trail.former_names(report.team) - {FIRST_TEAM}
    for user in people:
        full = f"{user.first_name} {user.last_name}".strip()
        names |= {user.username, user.first_name, user.last_name, full, user.email, user.email.partition("@")[0]}
    names |= set(Team.objects.values_list("name", flat=True))
    names |= set(Experiment.objects.filter(team=report.team_id).values_list("name", flat=True))
    names |= _hosts(report) | {line.strip() for line in report.hidden_words.splitlines()}
    return names - {""}


def _hosts(report: TeamReport) -> set[str]:
    names = {*Node.objects.values_list("name", flat=True), socket.gethostname(), socket.getfqdn()}
    names |= set(RunAttempt.objects.filter(run__experiment__team=report.team_id).values_list("worker", flat=True))
    names |= {part for name in names for part in name.split("@")}  # a worker is called celery@host
    names |= {
        host.lstrip(".") for host in settings.ALLOWED_HOSTS if host not in ("*", "localhost", "127.0.0.1", "[::1]")
    }
    public = urlsplit(settings.RPT_PUBLIC_URL or "").hostname or ""
    return (names | {public, str(settings.RPT_DATA_DIR)}) - {"localhost", "celery"}


def _part(blinder: Blinder, part: ShownPart) -> ShownPart:
    exhibit = _exhibit(blinder, part.number, part.exhibit) if part.exhibit else None
    response = _response(blinder, part.response) if part.response else None
    return replace(part, text=blinder.text(part.text), ref="", exhibit=exhibit, response=response)


def _exhibit(blinder: Blinder, number: int, exhibit: Exhibit) -> Exhibit:
    ref = parsed(exhibit.ref)
    is_of_runs = ref is not None and ref.kind == RUNS
    title, caption = blinder.text(exhibit.title), blinder.text(exhibit.caption)
    if is_of_runs:
        caption = _SLASHED.sub("[path]", caption)  # conditions on settings
    table = exhibit.table
    write = _setting_cell if holds_settings(exhibit.ref) else _table_cell if is_of_runs else _cell
    never = (*NEVER_TOLD, *NEVER_OF_RUNS) if is_of_runs else NEVER_TOLD
    told = [column for column in table.columns if column.key not in never]
    columns = [replace(one, key=_key(blinder, one.key), title=blinder.text(one.title)) for one in told]
    keys = [(new.key, one.key) for new, one in zip(columns, told, strict=True)]
    rows = [{new: write(blinder, key, row.get(key)) for new, key in keys} for row in table.rows]
    figure = exhibit.figure and replace(
        exhibit.figure,
        title=title,
        caption=caption,
        data=[blinder.value(trace) for trace in exhibit.figure.data],
        layout=blinder.value(exhibit.figure.layout),
        ref="",
        place="",
    )
    blind = PlainTable(f"part-{number}", title, columns, rows, caption)
    sources = [_source(blinder, source) for source in exhibit.sources]
    return Exhibit(f"part-{number}", title, caption, blind, figure, sources, exhibit.is_figure)


def _key(blinder: Blinder, key: str) -> str:
    """The key of a column; one of a run has its number in this report."""
    return re.sub(r"(?<=^run_)\d+(?=_step_\d+$|$)", lambda found: str(blinder.run(int(found[0]))), key)


def _setting_cell(blinder: Blinder, key: str, value: Any) -> Any:
    return _setting(blinder, value) if isinstance(value, str) else value


def _table_cell(blinder: Blinder, key: str, value: Any) -> Any:
    """A cell of the table of runs."""
    if key == "id" and isinstance(value, int):
        return blinder.run(value)
    if key == "run_ids" and isinstance(value, str):
        return " ".join(str(blinder.run(int(run))) for run in value.split())
    if key == "code_version" and isinstance(value, str):
        return blinder.code(value)
    return _setting_cell(blinder, key, value) if key.startswith("config.") else _cell(blinder, key, value)


def _cell(blinder: Blinder, key: str, value: Any) -> Any:
    if key == "run" and isinstance(value, int):
        return blinder.run(value)
    if key in _OF_RUNS and isinstance(value, str):
        value = _RUN_IDS.sub(lambda found: str(blinder.run(int(found[0]))), value)
    return blinder.value(value)


def _source(blinder: Blinder, source: RunSource) -> RunSource:
    number = blinder.run(source.run)
    positions, config = (
        [(key, _setting(blinder, value)) for key, value in own] for own in (source.positions, source.config)
    )
    return RunSource(number, f"run {number}", source.stage, blinder.code(source.code), positions, config)


def _setting(blinder: Blinder, value: str) -> str:
    """The value of a setting: what holds a slash is a path or a model of somebody."""
    return "[path]" if "/" in value or "\\" in value else blinder.text(value)


def _response(blinder: Blinder, response: QuotedResponse) -> QuotedResponse:
    number = blinder.run(response.run)
    prompt, text = blinder.text(response.prompt), blinder.text(response.response)
    return replace(response, run=number, run_name=f"run {number}", prompt=prompt, response=text)
