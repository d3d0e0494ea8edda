"""What the pages of comparisons write: places in the basket, lines of a text difference, p values, files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from django.template import Library
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from rpt_core.words import counted
from rpt_web.exports import FILE_TYPES
from rpt_web.numbers import DASH, points
from rpt_web.results.queries import mode_label
from rpt_web.traces.inspector import readable

register = Library()
_KINDS = {"+": "added", "-": "removed", "@": "hunk"}


register.filter("mode_label", mode_label)


@register.simple_tag
def places(found: Sequence[int]) -> str:
    """Places in the basket as people count, runs of them drawn together: `4 runs: 1, 3 to 5`."""
    parts = []
    for _, group in groupby(enumerate(found), lambda pair: pair[1] - pair[0]):
        numbers = [place + 1 for _, place in group]
        parts.append(f"{numbers[0]} to {numbers[-1]}" if len(numbers) > 2 else ", ".join(map(str, numbers)))
    return f"{counted(len(found), 'run')}: {', '.join(parts)}"


@register.simple_tag
def difference_lines(lines: Sequence[str]) -> SafeString:
    """Lines of a unified difference, each marked as what it is."""
    rows = ((_KINDS.get(line[:1], "kept"), readable(line)) for line in lines)
    return format_html_join("\n", '<span class="line {}">{}</span>', rows)


@register.filter
def p_value(value: float | None) -> str:
    """A p value with three decimals; one below 0.001 is written as that."""
    if value is None:
        return DASH
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


@register.simple_tag
def clustered(accuracy: Mapping[str, Any]) -> str:
    """An accuracy's interval that takes documents for the independent units, where several positions share one."""
    if accuracy["documents"] == accuracy["n"]:
        return "one position for each document"
    if accuracy["effect"] is None:
        return f"{counted(accuracy['documents'], 'document')}, no design effect"
    low, high = points(accuracy["document_low"]), points(accuracy["document_high"])
    return f"by document {low} to {high}, design effect {accuracy['effect']:.2f}"


@register.inclusion_tag("compare/_files.html")
def table_files(comparison: Any, table: str, level: str) -> dict[str, Any]:
    """Links to a table of a comparison at one difficulty as files."""
    return {"comparison": comparison, "table": table, "level": level, "endings": list(FILE_TYPES)}
