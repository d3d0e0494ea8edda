"""Judge one step of the paper's size: 2,048 responses of 16 KB. Goal: under 0.2 s.

    python benchmarks/judge_speed.py [--json FILE]

The responses are words, with boxes in the thought too, and end in a box: right, wrong, cut within a token, open, none.
The figures are printed as JSON as well. Run it from the repository's root.
"""

from __future__ import annotations

import json
import random
from collections import Counter

from _common import best_times, finish, parser, show

from rpt_core.verdict import judge_response

RESPONSES = 2048
RESPONSE_BYTES = 16 * 1024
GOAL_SECONDS = 0.2
COMPLETION, BOUNDARIES = " the answer is {42}.\n漢字".encode(), [4, 11, 14, 16, 17, 18, 19, 20, 21, 24, 27]
ENDINGS = [
    "</think>\\boxed{ the answer}",
    "</think>So I predict \\boxed{ the answer is {42}} here.",
    "</think>\\boxed{ the ans}",
    "</think>\\boxed{ a}",
    "</think>\\boxed{ the",
    "</think>\\boxed{}",
    " and so on",
]
WORDS = ["the", "next", "token", "perhaps", "\\boxed{x}", "wait,", "{", "}", "漢字", "é", "\n", "$x^2$"]


def responses(seed: int = 0) -> list[bytes]:
    """Responses of 16 KB whose thought is noise."""
    rng = random.Random(seed)
    made = []
    for number in range(RESPONSES):
        ending = ENDINGS[number % len(ENDINGS)].encode()
        thought = " ".join(rng.choices(WORDS, k=RESPONSE_BYTES // 4)).encode()
        made.append(thought[: RESPONSE_BYTES - len(ending)] + ending)
    return made


def main() -> None:
    """Measure, show, write."""
    options = parser(__doc__).parse_args()
    step = responses()
    verdicts = [judge_response(response, COMPLETION, BOUNDARIES, True) for response in step]
    seconds = best_times(
        {"judge": lambda: [judge_response(response, COMPLETION, BOUNDARIES, True) for response in step]}, repeats=5
    )["judge"].seconds
    figures = {
        "responses": RESPONSES,
        "response_bytes": RESPONSE_BYTES,
        "seconds": round(seconds, 5),
        "goal_seconds": GOAL_SECONDS,
        "met": seconds < GOAL_SECONDS,
        "reasons": dict(Counter(verdict.reason for verdict in verdicts)),
    }
    row = [f"{RESPONSES} responses of {RESPONSE_BYTES} bytes", f"{seconds:.4f}", f"{GOAL_SECONDS}"]
    show("Judging one step", ["what", "seconds", "goal"], [row])
    print("\n" + json.dumps(figures))
    finish("judge_speed", figures, options.json)


if __name__ == "__main__":
    main()
