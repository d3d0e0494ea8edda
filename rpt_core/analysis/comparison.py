"""Two evaluations compared position by position, as finished tables.

In: a ComparisonConfig that names two outcome files and a mode of each. Out: a table of differences by difficulty, and
one of positions that were gained and forgotten. Positions are matched by document and byte offset; that a document has
one text in both is checked by its hash, and by the next token where a file of an earlier version holds no hash.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rpt_core.analysis.names import slug
from rpt_core.config import DIFFICULTIES, ComparisonConfig, Mode
from rpt_core.errors import UserError
from rpt_core.evaluation.outcomes import Outcomes, read_outcomes
from rpt_core.run.tables import Cell, Column, Estimate, ResultTable
from rpt_core.statistics.intervals import mean_interval
from rpt_core.statistics.paired import gained_and_forgotten, mean_difference, sign_flip_p, two_by_two
from rpt_core.words import counted

MAX_CHANGED = 200
"""Positions listed one by one."""
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Side:
    """One of the two: its outcomes at the common positions, and the mode that counts."""

    outcomes: Outcomes
    mode: Mode

    @property
    def samples(self) -> int:
        """Responses behind each value."""
        return (self.outcomes.samples or 1) if self.mode == "sampled" else 1


@dataclass(frozen=True)
class Pair:
    """Two sides with the same positions in the same order."""

    a: Side
    b: Side
    left_out: int
    """Positions that only one of the files has."""

    def members(self, difficulty: str) -> Flags:
        """Positions that are in both samples of a difficulty."""
        return self.a.outcomes.members[difficulty] & self.b.outcomes.members[difficulty]

    def levels(self) -> dict[str, Flags]:
        """The positions of each difficulty that has some; test questions have none and stand together as `all`."""
        found = {name: flags for name in DIFFICULTIES if (flags := self.members(name)).any()}
        return found or {"all": np.ones(len(self.a.outcomes), np.bool_)}


def comparison_tables(config: ComparisonConfig, seed: int, resamples: int) -> tuple[list[ResultTable], int]:
    """The two tables, and how many positions only one of the files has. Raises UserError when nothing is common."""
    pair = match(read_outcomes(config.a), read_outcomes(config.b), config)
    return [_differences(config, pair, seed, resamples), _changed(config, pair)], pair.left_out


def match(a: Outcomes, b: Outcomes, config: ComparisonConfig) -> Pair:
    """The positions that both files have, in a's order."""
    rows = {place: row for row, place in enumerate(b.places())}
    common = [(row, rows[place]) for row, place in enumerate(a.places()) if place in rows]
    if not common:
        raise UserError(
            f"{a.path} and {b.path} have no position in common. Evaluate both on one `position_set`, or with the same "
            "`positions`, thresholds and seed."
        )
    left_out = len(a) + len(b) - 2 * len(common)
    a, b = a.at([row for row, _ in common]), b.at([row for _, row in common])
    if _have_other_texts(a, b):
        raise UserError(
            f"{a.path} and {b.path} have different texts at the same positions, so they were made from different "
            "corpora. Evaluate both on the positions of one filter run."
        )
    return Pair(Side(a, config.mode_a), Side(b, config.mode_b), left_out)


def _have_other_texts(a: Outcomes, b: Outcomes) -> bool:
    """Whether the rows of both, which have the same names, differ in their texts."""
    tokens = zip(a.next_token, b.next_token, strict=True)
    texts = zip(a.text_hash, b.text_hash, strict=True)
    return any(not (one.startswith(other) or other.startswith(one)) for one, other in tokens) or any(
        None not in (one, other) and one != other for one, other in texts
    )


def _differences(config: ComparisonConfig, pair: Pair, seed: int, resamples: int) -> ResultTable:
    rows = [_difference_row(name, pair, flags, seed, resamples) for name, flags in pair.levels().items()]
    left_out = f" Left out: {counted(pair.left_out, 'position')} that only one of the two has." if pair.left_out else ""
    return ResultTable(
        f"comparison_{slug(config.name)}",
        config.name,
        f"a: {_named(config.a)}, {config.mode_a}; b: {_named(config.b)}, {config.mode_b}; the same positions for both."
        f"{left_out} Difference: b minus a, with 95 % paired bootstrap intervals ({resamples} resamplings) over "
        "positions, and over documents, whose positions are not independent. p, two-sided: McNemar's exact test, or "
        "sign flips of the differences where a value is the mean of several responses. Gained: b is right and a is "
        "not; forgotten: the other way round; several responses decide by majority. Difficulties are nested.",
        [
            Column("difficulty", "Difficulty"),
            Column("a", "a", "share"),
            Column("b", "b", "share"),
            Column("difference", "Difference", "difference"),
            Column("by_document", "Difference, documents resampled", "difference"),
            Column("p", "p", "number"),
            Column("test", "Test"),
            Column("gained", "Gained", "count"),
            Column("forgotten", "Forgotten", "count"),
        ],
        rows,
    )


def _difference_row(difficulty: str, pair: Pair, flags: Flags, seed: int, resamples: int) -> dict[str, Cell]:
    a, b = (side.outcomes.correctness(side.mode)[flags] for side in (pair.a, pair.b))
    right_a, right_b = (side.outcomes.right(side.mode)[flags] for side in (pair.a, pair.b))
    counts = two_by_two(right_a, right_b)
    documents = pair.a.outcomes.document[flags].tolist()
    is_count = pair.a.samples == pair.b.samples == 1
    return {
        "difficulty": difficulty,
        "a": _estimate(a, pair.a.samples),
        "b": _estimate(b, pair.b.samples),
        "difference": mean_difference(a, b, seed, resamples=resamples),
        "by_document": mean_difference(a, b, seed, documents, resamples),
        "p": counts.p if is_count else sign_flip_p(a, b, seed, resamples),
        "test": "McNemar" if is_count else "sign flips",
        "gained": counts.only_b,
        "forgotten": counts.only_a,
    }


def _changed(config: ComparisonConfig, pair: Pair) -> ResultTable:
    gained, forgotten = gained_and_forgotten(*(side.outcomes.right(side.mode) for side in (pair.a, pair.b)))
    shown_forgotten = forgotten[: max(MAX_CHANGED // 2, MAX_CHANGED - len(gained))]
    shown_gained = gained[: MAX_CHANGED - len(shown_forgotten)]
    shown, total = len(shown_gained) + len(shown_forgotten), len(gained) + len(forgotten)
    rows = [_changed_row("gained", pair, row) for row in shown_gained]
    rows += [_changed_row("forgotten", pair, row) for row in shown_forgotten]
    return ResultTable(
        f"changed_{slug(config.name)}",
        f"Gained and forgotten: {config.name}",
        f"{counted(len(gained), 'position')} gained and {len(forgotten)} forgotten from a to b; shown: {shown} of "
        f"{total}, in the random order of the evaluation. Predictions are those of the majority where there "
        "are several responses.",
        [
            Column("change", "Change"),
            Column("document", "Document"),
            Column("position", "Position", "count"),
            Column("difficulty", "Difficulty"),
            Column("domain", "Domain"),
            Column("entropy", "Entropy (nats)", "number"),
            Column("truth", "Next token"),
            Column("a", "a predicts"),
            Column("b", "b predicts"),
        ],
        rows,
    )


def _changed_row(change: str, pair: Pair, row: int) -> dict[str, Cell]:
    outcomes = pair.a.outcomes
    levels = [name for name in DIFFICULTIES if outcomes.members[name][row]]
    return {
        "change": change,
        "document": str(outcomes.document[row]),
        "position": int(outcomes.position[row]),
        "difficulty": levels[-1] if levels else None,
        "domain": str(outcomes.domain[row]) or None,
        "entropy": None if np.isnan(outcomes.entropy_nats[row]) else float(outcomes.entropy_nats[row]),
        "truth": _shown(outcomes.next_token[row]),
        "a": _shown(outcomes.predictions[pair.a.mode][row]),
        "b": _shown(pair.b.outcomes.predictions[pair.b.mode][row]),
    }


def _named(path: str) -> str:
    """A file by the name of its run's folder and its own."""
    return "/".join(Path(path).parts[-3:])


def _shown(data: bytes | None) -> str | None:
    """Bytes in quotation marks, so that blanks and line ends can be seen."""
    return None if data is None else json.dumps(data.decode(errors="backslashreplace"), ensure_ascii=False)


def _estimate(values: npt.NDArray[np.float64], samples: int) -> Estimate:
    low, high = mean_interval(values.tolist(), samples)
    return Estimate(float(values.mean()), low, high, len(values))
