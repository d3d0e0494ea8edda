"""How long it takes to find the training documents that nearly equal a held-out one.

    python benchmarks/near_duplicate_speed.py [--json FILE] [--documents N]

Documents of 300 words drawn from 20,000, of which 5 % are held out: once with no training document near a held-out one,
once with all of them near. Processor time of one process, so that others on the machine count little.
"""

from __future__ import annotations

import random
import time

from _common import finish, parser, show

from rpt_core.text.near_duplicates import near_duplicates

WORDS, VOCABULARY, HELD_OUT_SHARE, THRESHOLD = 300, 20_000, 0.05, 0.8


def measured(texts: list[str], held_out: list[str]) -> dict[str, float]:
    """Documents of both sides, those found, and the rate."""
    start = time.process_time()
    found = near_duplicates(texts, held_out, THRESHOLD)
    seconds = time.process_time() - start
    documents = len(texts) + len(held_out)
    return {"documents": documents, "found": len(found), "documents_per_cpu_second": documents / seconds}


def main() -> int:
    """Measure and show."""
    options = parser(__doc__)
    options.add_argument("--documents", type=int, default=20_000)
    asked = options.parse_args()
    rng, words = random.Random(0), [f"w{number}" for number in range(VOCABULARY)]
    documents = [" ".join(rng.choices(words, k=WORDS)) for _ in range(asked.documents)]
    count = round(HELD_OUT_SHARE * len(documents))
    held_out, texts = documents[:count], documents[count:]
    near_duplicates(held_out[:1], held_out[:1], THRESHOLD)  # loads the library
    near = [f"{held_out[number % count]} and more" for number in range(len(texts))]
    found = {"none near": measured(texts, held_out), "all near": measured(near, held_out)}
    rows = [[name, *(f"{value:,.0f}" for value in row.values())] for name, row in found.items()]
    show("Near-duplicates", ["training documents", "documents", "found", "documents a second"], rows)
    finish("near_duplicate_speed", {"words": WORDS, "rows": found}, asked.json)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
