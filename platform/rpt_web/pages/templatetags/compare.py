"""What the pages of comparisons write: places in the basket, lines of a text difference."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from django.template import Library
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from rpt_core.words import counted
from rpt_web.traces.inspector import readable

register = Library()
_KINDS = {"+": "added", "-": "removed", "@": "hunk"}


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
