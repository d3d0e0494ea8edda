"""Answers compared as mathematics, in a process of its own: `python -m rpt_core.rewards.math_answers`.

In: lines of JSON {"prediction", "references", "seconds"} on standard input. Out: first the line `null` when the library
is loaded, then a line `true` or `false` for each request. The end of the input ends the process.

The library is math-verify, a parser of LaTeX on top of sympy. Answers are what a model wrote, and some keep sympy busy
for ever inside one operation on huge numbers, where no exception reaches it: 5^{5^{5^{5}}} does. Hence the process: the
kernel ends it when a request takes more CPU time (not wall-clock time, which depends on what else runs) or the process
more memory than allowed, and `rewards.answers` starts another. Only LaTeX is read, as the content of one box; the
library's search for a last number in prose stays off, since "8 or so, not 7" is no 7. Numbers must be equal in
proportion to their size, too (`rewards.nearness`).
"""

from __future__ import annotations

import json
import logging
import os
import resource
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rpt_core.rewards.nearness import compare_by_size

MEMORY_BYTES = 2 << 30
"""Address space; an answer that needs more raises MemoryError inside and is not equal."""


def is_equal(prediction: str, references: Sequence[str]) -> bool:
    """Whether the prediction equals one of the references. Never raises; may take for ever."""
    from math_verify import LatexExtractionConfig, parse, verify

    def read(answer: str) -> list[object]:
        # A full stop after an answer is the sentence's.
        text = answer.strip().removesuffix(".")
        return list(parse(f"\\boxed{{{text}}}", [LatexExtractionConfig(boxed_match_priority=0)], parsing_timeout=None))

    try:
        given = read(prediction)
        return any(verify(read(reference), given, timeout_seconds=None) for reference in references)
    except Exception:  # whatever a parser does with hostile text: no equality was found
        return False


def serve() -> None:
    """Answer requests until the input ends."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    # Whatever the libraries print must not stand among the answers.
    with os.fdopen(os.dup(1), "w", buffering=1) as output:
        os.dup2(2, 1)
        logging.disable(logging.WARNING)
        compare_by_size()
        is_equal("1", ["1"])  # loads the library
        print("null", file=output)
        for line in sys.stdin:
            request = json.loads(line)
            with _limited(request["seconds"]):
                equal = is_equal(request["prediction"], request["references"])
            print(json.dumps(equal), file=output)


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """The kernel ends the process (SIGPROF) when the block takes more CPU time."""
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


if __name__ == "__main__":
    serve()
