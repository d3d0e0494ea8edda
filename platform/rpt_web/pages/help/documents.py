"""The files of docs/ as pages: Markdown without HTML, headings with anchors, links between the documents as addresses.

In: a name. Out: a title, HTML and the headings. The files belong to the code, and no HTML in them is passed on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path, PurePosixPath

from django.conf import settings
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import slugify
from markdown_it import MarkdownIt
from markdown_it.token import Token

FIRST = (
    "tutorial-team",
    "howto",
    "glossary",
    "configuring",
    "runs",
    "table",
    "compare",
    "traces",
    "leaderboard",
    "corpora",
    "alarms",
    "comments",
    "ab",
    "review",
    "results",
    "reports",
    "method",
    "api",
    "administrator",
)
"""What most people read, in this order; the rest follows by name."""
_OPENED = '<div class="table-wrap" tabindex="0" role="region" aria-label="Table {}"><table class="data">'
MOST_SECTIONS = 4
"""Of a document that a search finds."""
_NAME = re.compile(r"[a-z0-9_-]+")


@dataclass(frozen=True)
class HelpHeading:
    """A heading of the second level."""

    anchor: str
    text: str
    words: str
    """All that stands in its section, the heading too, in small letters."""


@dataclass(frozen=True)
class HelpDocument:
    """A document as its page shows it."""

    name: str
    title: str
    summary: str
    """Its first paragraph, as plain text."""
    html: SafeString
    headings: tuple[HelpHeading, ...]
    words: str
    """All that stands in it, in small letters."""

    def sections_with(self, sought: Sequence[str]) -> list[HelpHeading]:
        """The sections in which all words stand, the first few."""
        return [heading for heading in self.headings if has_all(heading.words, sought)][:MOST_SECTIONS]


def has_all(text: str, sought: Sequence[str]) -> bool:
    """Whether all words stand in a text of small letters."""
    return all(word in text for word in sought)


def names() -> list[str]:
    """All documents: those that most people read first. What has no title is a part of another one."""
    files = (path for path in _folder().glob("*.md") if _NAME.fullmatch(path.stem))
    found = sorted(path.stem for path in files if path.read_text(encoding="utf-8").startswith("# "))
    return [*(name for name in FIRST if name in found), *(name for name in found if name not in FIRST)]


@cache
def document(name: str) -> HelpDocument | None:
    """A document by its name; None where there is none."""
    if name not in names():
        return None
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse((_folder() / f"{name}.md").read_text(encoding="utf-8"))
    title = next((inline.content for mark, inline in _pairs(tokens, "heading_open") if mark.tag == "h1"), "")
    summary = next((_plain(inline) for mark, inline in _pairs(tokens, "paragraph_open") if not mark.level), "")
    opening, *sections = _sections(tokens)
    headings = tuple(HelpHeading(*named, words) for named, words in zip(_anchored(tokens), sections, strict=True))
    for inline in (token for token in tokens if token.type == "inline"):
        _link(inline)
    body = tokens[3:] if tokens and tokens[0].tag == "h1" else tokens
    html = markdown.renderer.render(body, markdown.options, {})
    words = "\n".join([opening, *sections])
    return HelpDocument(name, title, summary, mark_safe(_scrollable(html)), headings, words)


def _folder() -> Path:
    return Path(settings.ROOT) / "docs"


def _scrollable(html: str) -> str:
    """Wide tables and code scroll by themselves, by keyboard too."""
    numbers = count(1)
    opened = re.sub("<table>", lambda _: _OPENED.format(next(numbers)), html)
    closed = opened.replace("</table>", "</table></div>").replace("<th></th>", "<td></td>")
    return closed.replace("<pre>", '<pre tabindex="0">')


def _pairs(tokens: Sequence[Token], kind: str) -> Iterator[tuple[Token, Token]]:
    """The opening of each block of a kind, with what it holds."""
    return ((token, tokens[n + 1]) for n, token in enumerate(tokens) if token.type == kind)


def _plain(inline: Token) -> str:
    breaks = ("softbreak", "hardbreak")
    return "".join(" " if child.type in breaks else child.content for child in inline.children or ()).strip()


def _sections(tokens: Sequence[Token]) -> Iterator[str]:
    """All words of what stands before the first heading of the second level, and then of each such section."""
    found = list[str]()
    for token in tokens:
        if token.type == "heading_open" and token.tag == "h2":
            yield "\n".join(found)
            found = []
        if token.type == "inline":
            found.append(_plain(token).casefold())
        elif token.type in ("fence", "code_block"):
            found.append(token.content.casefold())
    yield "\n".join(found)


def _anchored(tokens: Sequence[Token]) -> Iterator[tuple[str, str]]:
    """Give each heading an anchor as GitHub does, and tell those of the second level."""
    seen: dict[str, int] = {}
    for mark, inline in _pairs(tokens, "heading_open"):
        text = _plain(inline)
        anchor = slugify(text) or "section"
        seen[anchor] = seen.get(anchor, 0) + 1
        anchor = anchor if seen[anchor] == 1 else f"{anchor}-{seen[anchor] - 1}"
        mark.attrSet("id", anchor)
        if mark.tag == "h2":
            yield anchor, text


def _link(inline: Token) -> None:
    """Links to documents lead to their pages; those to other files of the code stay words."""
    opened: list[bool] = []
    kept: list[Token] = []
    for child in inline.children or ():
        if child.type == "link_open":
            place = _place(str(child.attrGet("href") or ""))
            opened.append(place is not None)
            if place is not None:
                child.attrSet("href", place)
                kept.append(child)
        elif child.type != "link_close" or opened.pop():
            kept.append(child)
    inline.children = kept


def _place(href: str) -> str | None:
    """Where a link of a document leads on the platform; None for nowhere."""
    if href.startswith(("https://", "http://", "#")):
        return href
    file, _, anchor = href.partition("#")
    path = PurePosixPath(file)
    if path.suffix != ".md" or path.parent != PurePosixPath(".") or path.stem not in names():
        return None
    return reverse("help:document", args=[path.stem]) + (f"#{anchor}" if anchor else "")
