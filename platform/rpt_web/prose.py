"""What people write as Markdown, as HTML that is safe on a page: no raw HTML, no images, no addresses but the web's.

In: hostile text. Out: HTML of headings, lists, tables, code and links. markdown-it makes it, and nh3 lets through only
what is named here, so that a fault of the one is caught by the other.
"""

from __future__ import annotations

import nh3
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt

TAGS = {
    *("p", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "blockquote", "pre", "code", "em", "strong", "s", "a", "br"),
    *("hr", "table", "thead", "tbody", "tr", "th", "td"),
}
ATTRIBUTES = {"a": {"href"}, "ol": {"start"}}
HEADINGS_DOWN = 1
"""A page has its own first heading: what is written as one becomes a second."""
_TABLE = '<div class="table-wrap" tabindex="0" role="region" aria-label="Table"><table class="data">'


def rendered(text: str) -> SafeString:
    """The text as HTML; empty for no text."""
    markdown = MarkdownIt("commonmark", {"html": False, "linkify": False}).enable(["table", "strikethrough"])
    markdown.disable("image")
    tokens = markdown.parse(text)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1]) + HEADINGS_DOWN)}"
    html = markdown.renderer.render(tokens, markdown.options, {})
    cleaned = nh3.clean(
        html, tags=TAGS, attributes=ATTRIBUTES, url_schemes={"http", "https", "mailto"}, link_rel="noopener noreferrer"
    )
    wide = cleaned.replace("<table>", _TABLE).replace("</table>", "</table></div>")
    return mark_safe(wide.replace("<pre>", '<pre tabindex="0">'))
