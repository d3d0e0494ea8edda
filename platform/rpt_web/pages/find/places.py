"""Pages and actions by the words that people use for them; and what an address of this platform leads to.

In: a request, words. Out: places that the user may open.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.http import Http404, HttpRequest
from django.urls import resolve, reverse

from rpt_web import access
from rpt_web.pages.rights import current_team
from rpt_web.pages.templatetags.terms import place_of, term_names
from rpt_web.results.paper import PAGES as PAPER_PAGES
from rpt_web.results.paper import PaperPage


@dataclass(frozen=True)
class FoundLine:
    """A line of what was found."""

    icon: str
    name: str
    place: str
    hint: str = ""


@dataclass(frozen=True)
class FoundPage:
    """A page that has no name of its own, by the words that it is found by."""

    icon: str
    name: str
    route: str
    words: str = ""
    query: str = ""
    args: tuple[str, ...] = ()


MOST_TERMS = 6


def _paper_name(page: PaperPage) -> str:
    return f"{page.paper}: {page.title}" if page.paper else page.title


PAGES = (
    FoundPage("list-details", "Home", "home:home", "start news what waits"),
    FoundPage("bell", "Inbox", "home:inbox", "notices alarms unread"),
    FoundPage("chart-line", "Results", "results:leaderboard", "leaderboard ranking ranks accuracy accuracies models"),
    FoundPage("table", "Compare", "compare:basket", "comparison basket differences paired runs side by side"),
    FoundPage("file-text", "Reports", "reports:report_list", "share figures anonymous export"),
    FoundPage("file-text", "The paper's tables and figures", "results:paper_index", "results paper's published"),
    *(
        FoundPage("file-text", _paper_name(page), "results:paper_page", "results paper's", args=(page.slug,))
        for page in PAPER_PAGES
    ),
    FoundPage("flask", "Experiments", "experiments:experiment_list"),
    FoundPage("list-details", "Runs", "runs:run_list", "queue"),
    FoundPage("table", "Table of runs", "runs:run_table", "columns views settings metrics seeds filter"),
    FoundPage("clock", "Runs that are queued", "runs:run_list", "queue waiting order", "?status=queued"),
    FoundPage("search", "Search in responses", "searches:search_list", "find text words expression traces rollouts"),
    FoundPage("x", "Runs that failed", "runs:run_list", "error broken", "?status=failed"),
    FoundPage("messages", "Review", "review:inbox", "queues labels items label agreement"),
    FoundPage("adjustments", "Label sets", "review:label_set_list", "review labels questions"),
    FoundPage("database", "Data", "corpora:corpus_list", "corpora corpus text upload documents"),
    FoundPage("brain", "Models", "models:model_list", "checkpoints"),
    FoundPage("file-text", "Prompt templates and pattern lists", "wordings:wording_list", "wordings keywords"),
    FoundPage("cpu", "Nodes", "nodes:node_list", "machines gpu workers doctor"),
    FoundPage("key", "Account", "teams:account", "password tokens api passkey e-mail mail me log out sessions"),
    FoundPage("messages", "Teams", "teams:team_list", "people members"),
    FoundPage("help", "Help", "help:help", "documents manual method api words"),
    FoundPage("help", "Glossary", "help:document", "words terms meaning", args=("glossary",)),
)
ACTIONS = (
    FoundPage("plus", "New run", "configure:run_new", "submit start train launch"),
    FoundPage("plus", "New suite", "configure:suite_new", "preset seeds experiment submit"),
    FoundPage("plus", "New corpus", "corpora:corpus_new", "upload text data jsonl"),
    FoundPage("plus", "New prompt template", "wordings:wording_new", "wording"),
    FoundPage("plus", "New pattern list", "wordings:wording_new", "keywords wording", "?kind=patterns"),
)
OF_TEAM = (
    FoundPage("messages", "Team: people and invitations", "teams:team", "members invite roles"),
    FoundPage("database", "Team: disk", "teams:team_disk", "quota space checkpoints"),
    FoundPage("bell", "Team: alarms", "teams:team_alarms", "webhook monitors thresholds limits"),
    FoundPage("history", "Team: audit trail", "teams:team_trail", "who did what log history"),
)


def pages(request: HttpRequest, words: Sequence[str]) -> list[FoundLine]:
    """The pages and actions that have all the words."""
    team = current_team(request)
    actions: Iterable[FoundPage] = ACTIONS if access.teams_to_change(request.user) else ()
    found = [(page, reverse(page.route, args=page.args)) for page in (*actions, *PAGES)]
    if team is not None:
        found += [(page, reverse(page.route, args=[team.pk])) for page in OF_TEAM]
    return [
        FoundLine(page.icon, page.name, place + page.query)
        for page, place in found
        if all(word in f"{page.name} {page.words}".lower() for word in words)
    ]


def terms(words: Sequence[str]) -> list[FoundLine]:
    """Terms of the glossary that have all the words, the one that is written exactly so first."""
    found = [name for name in term_names() if all(word in name.lower() for word in words)]
    found.sort(key=lambda name: name.lower() != " ".join(words))
    return [FoundLine("help", name, place_of(name), "what it means") for name in found[:MOST_TERMS]]


def by_address(request: HttpRequest, text: str) -> list[FoundLine]:
    """The page of an address that somebody pasted, of this platform; whether it is there the page says itself."""
    parts = urlsplit(text)
    if parts.netloc not in ("", request.get_host()) or not parts.path.startswith("/"):
        return []
    try:
        match = resolve(parts.path)
    except Http404:
        return []
    if match.url_name is None or "api" in match.namespaces:
        return []
    query = f"?{parts.query}" if parts.query else ""
    return [FoundLine("arrow-right", f"Go to {parts.path}", parts.path + query)]
