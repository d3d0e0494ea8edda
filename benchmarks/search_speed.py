"""Search responses of 4 kB each: words, a phrase, an expression, prompts. Goal: two million in a minute on two cores.

    python benchmarks/search_speed.py [--responses N] [--folder FOLDER] [--json FILE]

Makes shards of 2,048 responses in groups of eight, one in a hundred of which has what is looked for, and reads them
with as many threads as the quick lane's job does. Fewer than two million say how long all would take. What the job
itself adds, a row for each of the first thousand hits and a count each half second, is not in it. Run it from the
repository's root.
"""

from __future__ import annotations

import random
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from _common import best_times, finish, memory_mib, parser, show

from rpt_core.run.rollout_files import RolloutRow, write_rollouts
from rpt_core.run.rollout_search import RowFilter, SoughtText, search_shard

ALL, GOAL_SECONDS = 2_000_000, 60
ROWS, GROUP = 2048, 8
RESPONSE_BYTES = 4000
THREADS = 2
LOOKED_FOR = "However, the remainder"
SEARCHES = {
    "words": (SoughtText("remainder however"), RowFilter()),
    "phrase": (SoughtText(LOOKED_FOR, "phrase"), RowFilter()),
    "phrase, case told apart": (SoughtText(LOOKED_FOR, "phrase", ignore_case=False), RowFilter()),
    "expression": (SoughtText(r"however,?\s+the\s+re\w+", "expression"), RowFilter()),
    "words, only rewarded": (SoughtText("remainder however"), RowFilter(is_rewarded=True)),
    "words in prompts": (SoughtText("prompt 77", place="prompt"), RowFilter()),
}


def main() -> None:
    """Make the shards, search them, print."""
    options = parser(__doc__)
    options.add_argument("--responses", type=int, default=ALL // 20, help="so many (default: a twentieth)")
    options.add_argument("--folder", type=Path, help="where the shards are made (default: a temporary folder)")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        shards = _make(Path(folder), asked.responses // ROWS)
        stored = sum(path.stat().st_size for path in shards)
        functions = {name: _search(shards, *search) for name, search in SEARCHES.items()}
        found = {name: function() for name, function in functions.items()}
        times = best_times(functions, 3)
    responses = len(shards) * ROWS
    figures: dict[str, Any] = {
        "responses": responses,
        "response_bytes": RESPONSE_BYTES,
        "stored_bytes": stored,
        "threads": THREADS,
        "peak_memory_mib": round(memory_mib()[1]),
        "goal_seconds": GOAL_SECONDS,
        "searches": {
            name: {
                "matching": found[name],
                "seconds": round(time.seconds, 3),
                "cpu_seconds": round(time.cpu_seconds, 3),
                "seconds_for_two_million": round(time.seconds * ALL / responses, 1),
            }
            for name, time in times.items()
        },
    }
    rows = [
        (name, f"{line['matching']:,}", f"{line['seconds']:.2f} s", f"{line['seconds_for_two_million']:.1f} s")
        for name, line in figures["searches"].items()
    ]
    header = ("search", "hits", f"of {responses:,}", f"of {ALL:,} (goal {GOAL_SECONDS} s)")
    show(f"{THREADS} threads, {RESPONSE_BYTES:,} bytes each", header, rows)
    finish("search_speed", figures, asked.json)


def _make(folder: Path, count: int) -> list[Path]:
    """Shards of words of many lengths, as unlike one another as English is."""
    rng = random.Random(0)
    letters = "etaoinshrdlucmfwypvbgkjqxz"
    words = ["".join(rng.choices(letters, range(26, 0, -1), k=rng.randint(1, 10))) for _ in range(5000)]
    paths = []
    for number in range(count):
        paths.append(folder / f"train-{number:06d}.parquet")
        write_rollouts(paths[-1], [_row(rng, words, number, index) for index in range(ROWS)])
    return paths


def _row(rng: random.Random, words: list[str], step: int, index: int) -> RolloutRow:
    text = " ".join(rng.choices(words, k=RESPONSE_BYTES // 4))[:RESPONSE_BYTES]
    if index % 100 == 0:
        text = f"{text[:2000]} {LOOKED_FOR} {text[2000 + len(LOOKED_FOR) :]}"
    group, sample = divmod(index, GROUP)
    reward = float(rng.random() < 0.3)
    return RolloutRow(
        step=step, group=group, sample=sample, document=f"d{group}", position=9, entropy_nats=1.0,
        prompt=f"Prompt {group} {' '.join(words[group : group + 200])}", response=text, prediction=b" a",
        completion=b" a", boundaries=[2], reward=reward, reason="match" if reward else "mismatch", mismatch_byte=None,
        finish_reason="stop", prompt_tokens=250, response_tokens=1000, mean_log_prob=-0.5, advantage=0.0,
    )  # fmt: skip


def _search(shards: list[Path], wanted: SoughtText, counts: RowFilter) -> Any:
    def search() -> int:
        with ThreadPoolExecutor(THREADS) as pool:
            return sum(found.matching for found in pool.map(lambda path: search_shard(path, wanted, counts, 0), shards))

    return search


if __name__ == "__main__":
    main()
