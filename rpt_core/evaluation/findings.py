"""What an evaluation found, for its event and as finished tables: accuracies by difficulty and by domain, standard
against reasoning, pass@k.

In: the answers of each mode and the sample they were given on. Out: the event's results, ResultTables. Loads no model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rpt_core.config import DIFFICULTIES
from rpt_core.evaluation.chance import different_guesses, independent_guesses
from rpt_core.evaluation.outcome_table import Answers
from rpt_core.evaluation.reasoning import Responses, estimate
from rpt_core.positions.sets import PositionSample
from rpt_core.run.tables import Cell, Chart, Column, ResultTable
from rpt_core.statistics.intervals import mean_interval
from rpt_core.statistics.paired import mean_difference, two_by_two

MAX_DOMAINS = 40
"""Domains with the most positions; the others are joined."""
_INTERVALS = (
    "Intervals are 95 %, Wilson's, over positions; where a value is the mean of several responses, with the effective "
    "number of observations."
)


@dataclass(frozen=True)
class Accuracy:
    """One way to be right: a value in [0, 1] for each position, and how many responses each value rests on."""

    values: npt.NDArray[np.float64]
    samples: int = 1
    no_box: npt.NDArray[np.float64] | None = None
    """For each position the share of its responses that have no box; None where no response is counted."""


def by_mode(answers: Answers) -> dict[str, Accuracy]:
    """All accuracies of an evaluation: the modes, and pass@n and majority when there are several samples."""
    found = {}
    if answers.standard is not None:
        found["standard"] = _accuracy(answers.standard.correct)
    if answers.sampled is not None:
        samples = answers.sampled.samples
        found["sampled"] = _of_responses(answers.sampled)
        if samples > 1:
            found[f"pass@{samples}"] = _accuracy(answers.sampled.pass_at(samples))
            found["majority"] = _accuracy(answers.sampled.majority)
    if answers.greedy is not None:
        found["greedy"] = _of_responses(answers.greedy)
    return found


def accuracies(answers: Answers, sample: PositionSample) -> dict[str, dict[str, dict[str, Any]]]:
    """The event's results: {mode: {difficulty: {correct, n, value, low, high, no_box, above_nats}}}.

    `value` is None without positions; `correct` is None where the value is a mean of several responses, no count;
    `no_box` is the share of responses without a box, None in the modes that do not count responses.
    """
    above_nats = sample.above_nats or {}
    return {
        mode: {
            name: _cell(accuracy, flags) | {"above_nats": above_nats.get(name)}
            for name, flags in sample.members.items()
        }
        for mode, accuracy in by_mode(answers).items()
    }


def _cell(accuracy: Accuracy, flags: npt.NDArray[np.bool_]) -> dict[str, Any]:
    no_box = None if accuracy.no_box is None or not flags.any() else float(accuracy.no_box[flags].mean())
    return share(accuracy.values[flags], accuracy.samples) | {"no_box": no_box}


def share(values: npt.NDArray[np.float64], samples: int = 1) -> dict[str, Any]:
    """A cell of the event's results."""
    n, total = len(values), float(values.sum())
    low, high = mean_interval(values.tolist(), samples)
    correct = round(total) if samples == 1 else None
    return {"correct": correct, "n": n, "value": total / n if n else None, "low": low, "high": high}


def domain_table(answers: Answers, sample: PositionSample, domains: Sequence[str], step: int) -> ResultTable | None:
    """Accuracy by domain, or None when the corpus has none.

    On the easy sample, which is a random sample of all positions above the lowest threshold; all difficulties together
    would count hard positions more than once.
    """
    if not any(domains):
        return None
    inside = sample.members["easy"]
    labels = _joined_labels(np.array(domains, np.object_), inside)
    rows = [
        {"domain": domain, "mode": mode, "accuracy": estimate(accuracy.values[chosen].tolist(), accuracy.samples)}
        for domain in dict.fromkeys(label for label, _ in Counter(labels[inside].tolist()).most_common())
        if (chosen := inside & (labels == domain)).any()
        for mode, accuracy in by_mode(answers).items()
    ]
    return ResultTable(
        "by_domain",
        "Next-token accuracy by domain",
        f"Positions of the easy sample: a random sample of all positions above its threshold. {_INTERVALS}",
        [Column("domain", "Domain"), Column("mode", "Mode"), Column("accuracy", "Accuracy", "share")],
        rows,
        Chart("bars", "domain", ("accuracy",), group="mode", y_title="Accuracy"),
        step,
    )


def pass_table(
    answers: Answers, sample: PositionSample, entropies_nats: Sequence[float], step: int
) -> ResultTable | None:
    """pass@k for k = 1, 2, 4, ... n by difficulty, with its chance level; None with a single response.

    entropies_nats: the proxy model's at each position.
    """
    responses = answers.sampled
    if responses is None or responses.samples == 1:
        return None
    entropies = np.asarray(entropies_nats, np.float64)
    rows: list[Mapping[str, Cell]] = [
        {
            "difficulty": name,
            "k": k,
            "accuracy": estimate(values[sample.members[name]].tolist(), responses.samples),
            "by_chance": _mean(independent_guesses(entropies[sample.members[name]], k)),
            "by_chance_different": _mean(different_guesses(entropies[sample.members[name]], k)),
        }
        for name in DIFFICULTIES
        for k in _powers_of_two(responses.samples)
        for values in [np.array(responses.pass_at(k))]
    ]
    return ResultTable(
        "pass_at_k",
        "Chance that one of k responses is right",
        f"Unbiased estimator from {responses.samples} responses at each position. {_INTERVALS} Next to it: what k "
        "guesses among exp(H) equally likely answers would reach, H being the proxy model's entropy there; the guesses "
        "are independent, or all different, which is the best that guessing can do.",
        [
            Column("difficulty", "Difficulty"),
            Column("k", "k", "count"),
            Column("accuracy", "pass@k", "share"),
            Column("by_chance", "k guesses", "share"),
            Column("by_chance_different", "k different guesses", "share"),
        ],
        rows,
        Chart("line", "k", ("accuracy",), group="difficulty", x_title="k (responses)", y_title="pass@k"),
        step,
    )


def _mean(values: npt.NDArray[np.float64]) -> float | None:
    return float(values.mean()) if len(values) else None


def standard_against_reasoning(answers: Answers, sample: PositionSample, step: int, seed: int) -> ResultTable | None:
    """Both right, one of them, neither, at the same positions; None unless both were evaluated."""
    modes = reasoning_right(answers)
    if answers.standard is None or not modes:
        return None
    standard = np.array(answers.standard.correct, np.bool_)
    rows = [
        _two_by_two_row(mode, name, standard[flags], right[flags], seed)
        for mode, right in modes.items()
        for name, flags in sample.members.items()
        if flags.any()
    ]
    return ResultTable(
        "two_by_two",
        "Standard against reasoning at the same positions",
        "Difference: reasoning minus standard, with a 95 % paired bootstrap interval over positions. p: McNemar's "
        "exact test, two-sided. The difficulties are nested, so their rows are not independent.",
        [
            Column("mode", "Reasoning"),
            Column("difficulty", "Difficulty"),
            Column("both", "Both right", "count"),
            Column("only_standard", "Only standard", "count"),
            Column("only_reasoning", "Only reasoning", "count"),
            Column("neither", "Neither", "count"),
            Column("difference", "Difference", "difference"),
            Column("p", "p", "number"),
        ],
        rows,
        step=step,
    )


def reasoning_right(answers: Answers) -> dict[str, npt.NDArray[np.bool_]]:
    """For each reasoning mode whether each position is right; several sampled responses decide by majority."""

    def right(responses: Responses) -> npt.NDArray[np.bool_]:
        return np.array(responses.majority, np.bool_)

    found = {}
    if answers.sampled is not None:
        found["sampled" if answers.sampled.samples == 1 else "majority"] = right(answers.sampled)
    if answers.greedy is not None:
        found["greedy"] = right(answers.greedy)
    return found


def _two_by_two_row(
    mode: str, difficulty: str, standard: npt.NDArray[np.bool_], right: npt.NDArray[np.bool_], seed: int
) -> dict[str, Cell]:
    counts = two_by_two(standard, right)
    return {
        "mode": mode,
        "difficulty": difficulty,
        "both": counts.both,
        "only_standard": counts.only_a,
        "only_reasoning": counts.only_b,
        "neither": counts.neither,
        "difference": mean_difference(standard, right, seed),
        "p": counts.p,
    }


def _accuracy(values: Sequence[float], samples: int = 1) -> Accuracy:
    return Accuracy(np.array(values, np.float64), samples)


def _of_responses(responses: Responses) -> Accuracy:
    no_box = np.array(responses.no_box, np.float64)
    return Accuracy(np.array(responses.means, np.float64), responses.samples, no_box)


def _powers_of_two(largest: int) -> list[int]:
    """1, 2, 4, ... and the largest itself."""
    return sorted({largest, *(2**power for power in range(largest.bit_length()) if 2**power <= largest)})


def _joined_labels(domains: npt.NDArray[np.object_], inside: npt.NDArray[np.bool_]) -> npt.NDArray[np.object_]:
    """Each position's domain as the table calls it: `(none)` without one, `(others)` beyond the MAX_DOMAINS largest."""
    labels = np.array([domain or "(none)" for domain in domains], np.object_)
    largest = [label for label, _ in Counter(labels[inside].tolist()).most_common(MAX_DOMAINS)]
    return np.array([label if label in largest else "(others)" for label in labels], np.object_)
