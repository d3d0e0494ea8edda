"""The document of a suite's results: `python -m rpt_core results FOLDER [--reading FILE] [--out FILE]`.

In: the folder in which a suite was played by `python -m rpt_core preset tiny-paper FOLDER`, and a text that reads the
numbers. Out: Markdown with the paper's tables and figures in small, each with seeds, n and intervals. Every number
comes from what the runs have stored; the reading is written by people and put in front as it is.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from rpt_core.errors import UserError
from rpt_core.files import write_whole
from rpt_core.results_document import sections
from rpt_core.results_document.stored import Suite
from rpt_core.words import counted

_SECTIONS: tuple[tuple[str, str, Callable[[Suite], str]], ...] = (
    (
        "Next-token accuracy: a small twin of Table 1",
        "The same held-out positions with and without thinking. The paper: 14B models on OmniMATH, one response each.",
        sections.next_token_accuracy,
    ),
    ("Average accuracy: a small twin of Figure 4", "The mean of the three columns above.", sections.average_accuracy),
    ("Each seed", "Wilson intervals, one for each model.", sections.each_seed),
    ("Paired comparisons", "Position by position; intervals over seeds.", sections.comparisons),
    (
        "Learning from answers afterwards: a small twin of Table 2",
        "Reinforcement learning on questions from the synthetic corpus, epoch by epoch. The paper: Skywork-OR1, one "
        "number for each model before and after the training.",
        sections.answers,
    ),
    (
        "Multiple choice: a small twin of Table 3",
        "Questions made from held-out problems of the same corpus. The paper: MMLU-Pro and SuperGPQA, other fields.",
        sections.multiple_choice,
    ),
    (
        "Prompt templates: a small twin of Table 8",
        "Every template gets the same positions. The templates are not the paper's; the model was taught one of them.",
        sections.templates,
    ),
    (
        "Accuracy over training compute: a small twin of Figure 5",
        "P(C) = A / C^alpha + P*; 95 % bootstrap over documents. The paper: a 14B model, steps 100 to 1200.",
        sections.scaling,
    ),
    (
        "Patterns of reasoning: a small twin of Figure 6",
        "Shares of sampled responses, by patterns of this corpus. The paper counts keywords of other patterns in the "
        "thoughts of a 14B model on OmniMATH, against problem solving.",
        sections.patterns,
    ),
    ("Hybrid thinking", "Think only where the policy's own standard entropy is above tau.", sections.hybrid),
    ("What it cost", "Wall-clock seconds from a run's first event to its last.", sections.costs),
)


def main(arguments: list[str]) -> int:
    """Write the document; returns 0, or 2 when there is nothing to write it from."""
    parser = argparse.ArgumentParser(prog="python -m rpt_core results", description=__doc__)
    parser.add_argument("folder", type=Path, help="folder in which a suite was played, with runs such as s0-rpt")
    parser.add_argument("--reading", type=Path, help="text to put in front: what the numbers say, and what not")
    parser.add_argument("--out", type=Path, help="file to write (default: the terminal)")
    options = parser.parse_args(arguments)
    try:
        text = document(options.folder, options.reading)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if options.out is None:
        print(text)
    else:
        write_whole(options.out, text.encode())
    return 0


def document(folder: Path, reading: Path | None = None) -> str:
    """The whole text. Raises UserError when the folder holds no finished run, or the reading is not there."""
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder. Name the one in which the command `preset` has played a suite.")
    if reading is not None and not reading.is_file():
        raise UserError(f"{reading} does not exist. Name a text file, or leave --reading out.")
    suite = Suite(folder)
    parts = ["# Results of the suite", _provenance(suite)]
    if reading is not None:
        parts.append(reading.read_text(encoding="utf-8").strip())
    for title, words, make in _SECTIONS:
        if text := make(suite):
            parts += [f"## {title}", *filter(None, (words, text))]
    return "\n\n".join(parts) + "\n"


def _provenance(suite: Suite) -> str:
    ended = datetime.fromtimestamp(max(run.ended for run in suite.runs), UTC)
    seeds = f"seed{'s' if len(suite.seeds) > 1 else ''} {', '.join(map(str, suite.seeds))}"
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers"))
    return (
        f"Made by `python -m rpt_core results` from {counted(len(suite.runs), 'stored run')}, {seeds}; the last run "
        f"ended on {ended:%d %B %Y}. {versions}. Cells are means over the seeds with a 95 % interval (Student's t: "
        "the seeds are the independent repetitions, and with few of them the interval is wide). The interval covers "
        "what differs between the seeds: the training, and the positions if each seed draws its own. One seed alone, "
        "or seeds with equal values, have no interval. An interval stops where its number cannot go further: a share "
        "at 0 and 100 %, a relative change at -100 %."
    )
