"""Accuracies of multiple choice as a table: each category, all questions, the mean of the categories.

In: questions with their outcomes. Out: a ResultTable and totals. Shares have Wilson's interval; differences between the
modes, question by question, a paired bootstrap interval. The mean of the categories (each counts the same, however
many questions it has) combines their Wilson limits by Zou and Donner's method (MOVER, Statistics in Medicine 2008): the
limits' distances from the shares are added as squares. Its difference is bootstrapped within categories.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

from rpt_core.evaluation.choice_answers import Answer
from rpt_core.evaluation.choice_questions import ChoiceQuestion
from rpt_core.run.tables import Cell, Chart, Column, Estimate, ResultTable
from rpt_core.seeds import derive_seed
from rpt_core.statistics.intervals import wilson_interval
from rpt_core.statistics.paired import RESAMPLES, mean_difference

ALL, MEAN = "All questions", "Mean of the categories"
COLUMNS = (
    Column("category", "Category"),
    Column("n", "Questions", "count"),
    Column("chance", "By chance", "share"),
    Column("standard", "Standard", "share"),
    Column("reasoning", "Reasoning", "share"),
    Column("difference", "Reasoning − standard", "difference"),
    Column("no_box", "Without box", "count"),
    Column("cut", "Cut", "count"),
    Column("unreadable", "No option in the box", "count"),
    Column("tokens", "Tokens each", "tokens"),
)


@dataclass(frozen=True)
class ChoiceOutcome:
    """What became of a question; None for a mode that was not asked."""

    question: ChoiceQuestion
    standard: int | None = None
    """Index of the most probable option."""
    answer: Answer | None = None
    """What the response answers."""
    tokens: int | None = None
    """Of the response."""

    @property
    def standard_right(self) -> bool | None:
        """Whether the standard mode was right."""
        return None if self.standard is None else self.question.is_right(self.standard)

    @property
    def reasoning_right(self) -> bool | None:
        """Whether the response was right."""
        return None if self.answer is None else self.question.is_right(self.answer.choice)


Row = Mapping[str, Cell]


def accuracy_rows(outcomes: Sequence[ChoiceOutcome], seed: int) -> list[Row]:
    """A row for each category in alphabetical order, one for all questions, one for the mean of the categories."""
    categories = sorted({outcome.question.category for outcome in outcomes})
    groups = [[outcome for outcome in outcomes if outcome.question.category == name] for name in categories]
    rows = [_row(name, group, seed) for name, group in zip(categories, groups, strict=True)]
    return [*rows, _row(ALL, outcomes, seed), {**_row(MEAN, outcomes, seed), **_means(rows, groups, seed)}]


def choice_table(rows: Sequence[Row], title: str, caption: str, step: int) -> ResultTable:
    """The rows as a table with a chart of the modes that were asked."""
    modes = tuple(mode for mode in ("standard", "reasoning") if rows[0][mode] is not None)
    chart = Chart("bars", "category", modes, y_title="Accuracy")
    return ResultTable("benchmark", title, caption, COLUMNS, rows, chart, step)


def share(right: Sequence[bool]) -> Estimate:
    """The share of right answers, of at least one, with Wilson's interval."""
    low, high = wilson_interval(sum(right), len(right))
    return Estimate(sum(right) / len(right), low, high, len(right))


def mean_of_shares(shares: Sequence[Estimate]) -> Estimate:
    """The unweighted mean of independent shares, with its interval by MOVER."""
    value = sum(found.value for found in shares) / len(shares)
    below, above = (
        sqrt(sum((found.value - (limit or 0.0)) ** 2 for found, limit in zip(shares, limits, strict=True)))
        for limits in ([found.low for found in shares], [found.high for found in shares])
    )
    low, high = max(0.0, value - below / len(shares)), min(1.0, value + above / len(shares))
    return Estimate(value, low, high, sum(found.n or 0 for found in shares))


def _row(name: str, outcomes: Sequence[ChoiceOutcome], seed: int) -> dict[str, Cell]:
    standard = _known([outcome.standard_right for outcome in outcomes])
    reasoning = _known([outcome.reasoning_right for outcome in outcomes])
    row: dict[str, Cell] = dict.fromkeys((column.key for column in COLUMNS), None)
    row |= {"category": name, "n": len(outcomes)}
    row["chance"] = sum(1 / len(outcome.question.options) for outcome in outcomes) / len(outcomes)
    row["standard"] = share(standard) if standard else None
    if reasoning:
        row["reasoning"] = share(reasoning)
        row |= _responses(outcomes)
    if standard and reasoning:
        row["difference"] = mean_difference(standard, reasoning, seed)
    return row


def _responses(outcomes: Sequence[ChoiceOutcome]) -> dict[str, Cell]:
    """What the responses look like."""
    problems = [outcome.answer.problem for outcome in outcomes if outcome.answer is not None]
    counts = {name: problems.count(name) for name in ("no_box", "cut", "unreadable")}
    return {**counts, "tokens": sum(outcome.tokens or 0 for outcome in outcomes) / len(outcomes)}


def _means(rows: Sequence[Row], groups: Sequence[Sequence[ChoiceOutcome]], seed: int) -> dict[str, Cell]:
    """The cells of the mean of the categories that are not those of all questions."""
    found: dict[str, Cell] = {"chance": float(np.mean([row["chance"] for row in rows]))}
    for mode in ("standard", "reasoning"):
        shares = [cell for row in rows if isinstance(cell := row[mode], Estimate)]
        found[mode] = mean_of_shares(shares) if shares else None
    if found["standard"] and found["reasoning"]:
        found["difference"] = _mean_difference(groups, seed)
    return found


def _mean_difference(groups: Sequence[Sequence[ChoiceOutcome]], seed: int) -> Estimate:
    """The unweighted mean of the categories' differences; each category is resampled by itself."""
    random = np.random.default_rng(derive_seed(seed, "mean of the categories"))
    changes = np.array([-1, 0, 1])
    value, drawn = 0.0, np.zeros(RESAMPLES)
    for group in groups:
        found = np.array([int(bool(o.reasoning_right)) - int(bool(o.standard_right)) for o in group])
        value += found.mean() / len(groups)
        shares = (found == changes[:, None]).mean(1)
        drawn += random.multinomial(len(group), shares, RESAMPLES) @ changes / len(group) / len(groups)
    low, high = map(float, np.quantile(drawn, [0.025, 0.975])) if np.ptp(drawn) > 0 else (None, None)
    return Estimate(float(value), low, high, sum(map(len, groups)))


def _known(flags: Sequence[bool | None]) -> list[bool]:
    return [flag for flag in flags if flag is not None]
