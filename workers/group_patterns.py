"""Which of the paper's reasoning patterns the thoughts of a group have keywords of.

In: responses with the numbers of their groups, batch by batch. Out: bits for each group, by
`rpt_web.traces.models.PATTERNS`. RE2 looks at all texts at once, so that Python looks only at those which may have a
keyword, and at none of a group that is known to have one.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from rpt_core.analysis.patterns import PAPER, load_keywords
from rpt_web.traces.models import PATTERNS

_END_OF_THOUGHT = "</think>"


class PatternsFound:
    """Takes batches of responses, and knows what was found so far."""

    def __init__(self) -> None:
        keywords = load_keywords(PAPER)
        screens = keywords.screens()
        self._looked_for = [(1 << bit, screens[name], keywords.groups[name]) for bit, name in enumerate(PATTERNS)]
        self._found: dict[int, int] = {}

    def add(self, groups: Sequence[int], responses: pa.StringArray) -> None:
        """Look at responses, each with the number of its group."""
        for bit, screen, patterns in self._looked_for:
            for index in pc.indices_nonzero(pc.match_substring_regex(responses, screen)).to_pylist():
                if self.of(groups[index]) & bit:
                    continue
                thought = _thought(responses[index].as_py())
                if any(pattern.search(thought) for pattern in patterns):
                    self._found[groups[index]] = self.of(groups[index]) | bit

    def of(self, group: int) -> int:
        """The bits of a group."""
        return self._found.get(group, 0)


def _thought(response: str) -> str:
    """What stands before the answer; all of it where the thought has no end."""
    return response.rpartition(_END_OF_THOUGHT)[0] or response
