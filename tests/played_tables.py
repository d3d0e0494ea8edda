"""Result tables as the stages of measurement write them, with plausible numbers: estimates with intervals from counts.

In: a stage. Out: the tables that a run of it would emit. Everything a page must cope with is in them: gaps, many rows,
long names, each kind of column and of chart.
"""

from __future__ import annotations

import math

from rpt_core.evaluation.choice_tables import ALL, COLUMNS, MEAN, choice_table, mean_of_shares
from rpt_core.run.tables import Cell, Chart, Column, Estimate, ResultTable
from rpt_core.statistics.intervals import wilson_interval
from tests.factories import HOSTILE

CATEGORIES = (
    "biology", "business", "chemistry", "computer science", "economics", "engineering", "health", "history", "law",
    "math", "other", "philosophy", "physics", "psychology",
)  # fmt: skip


def share(value: float, n: int = 700) -> Estimate:
    """A share with its Wilson interval."""
    correct = round(value * n)
    return Estimate(correct / n, *wilson_interval(correct, n), n)


def played_tables(stage: str) -> list[ResultTable]:
    """The tables of a stage; none for one that writes none."""
    return {"rlvr": _rlvr, "templates": _templates, "benchmark": _benchmark, "analyse": _analyse}.get(stage, list)()


def _rlvr() -> list[ResultTable]:
    columns = (
        Column("when", "when"),
        Column("accuracy", "accuracy", "share"),
        Column("cut", "cut by the limit", "share"),
    )
    rows = [
        {"when": "before RLVR", "accuracy": share(0.512, 200), "cut": share(0.07, 200)},
        {"when": "after RLVR", "accuracy": share(0.561, 200), "cut": None},
    ]
    caption = "200 test questions, one response each at temperature 0.6; Wilson intervals of 95 %."
    return [ResultTable("rlvr", "Questions answered right, before and after RLVR", caption, columns, rows)]


def _templates() -> list[ResultTable]:
    columns = (
        Column("template", "template"),
        Column("random", "Random@1", "share"),
        Column("passed", "Pass@8", "share"),
        Column("by_chance", "Guessing", "share"),
        Column("no_box", "no box", "share"),
        Column("difference", "Random@1 against v0", "difference"),
        Column("tokens", "tokens for each response", "tokens"),
    )
    rows = [
        {
            "template": name,
            "random": share(0.2 + shift, 400),
            "passed": share(0.42 + 2 * shift, 400),
            "by_chance": 0.31,
            "no_box": share(0.05, 3200),
            "difference": None if name == "v0" else Estimate(shift, shift - 0.02, shift + 0.02, 400),
            "tokens": 28.4 + 1400 * shift,
        }
        for name, shift in (("v0", 0.0), ("v1", 0.013), ("v2", 0.021), ("v3", -0.017), ("v6", 0.034))
    ]
    chart = Chart("bars", x="template", y=("random", "passed"), y_title="share of positions")
    caption = "400 positions, 8 responses each; differences are paired, with bootstrap intervals of 95 %."
    return [ResultTable("templates", "Prompt templates on one position set", caption, columns, rows, chart)]


def _benchmark() -> list[ResultTable]:
    """The categories with 200 questions each, and the two rows below them."""
    standard = [share(0.3 + index / 90, 200) for index in range(len(CATEGORIES))]
    reasoning = [share(0.42 + index / 60, 200) for index in range(len(CATEGORIES))]
    rows = [_choice_row(*found) for found in zip(CATEGORIES, standard, reasoning, strict=True)]
    every = [share(sum(one.value for one in mode) / len(mode), 200 * len(mode)) for mode in (standard, reasoning)]
    rows += [_choice_row(ALL, *every), _choice_row(MEAN, mean_of_shares(standard), mean_of_shares(reasoning))]
    caption = "Zero-shot, 200 questions of each category drawn by seed 0; Wilson intervals of 95 %."
    return [choice_table(rows, "Multiple choice: cards", caption, 0)]


def _choice_row(category: str, standard: Estimate, reasoning: Estimate) -> dict[str, Cell]:
    row: dict[str, Cell] = dict.fromkeys((column.key for column in COLUMNS), None)
    return row | {"category": category, "n": standard.n, "chance": 0.1, "standard": standard, "reasoning": reasoning}


def _analyse() -> list[ResultTable]:
    return [_frontier(), _comparisons(), _scaling(), _keywords()]


def _frontier() -> ResultTable:
    columns = (
        Column("tau", "tau (nats)", "number"),
        Column("tokens", "tokens for each position", "tokens"),
        Column("accuracy", "accuracy", "share"),
        Column("thinking", "positions with thinking", "share"),
    )
    rows = []
    for index in range(60):
        thinking = 1 - index / 59
        accuracy = share(0.14 + 0.78 * thinking**0.5, 700)
        rows.append({"tau": index / 20, "tokens": 1 + 1450 * thinking, "accuracy": accuracy, "thinking": thinking})
    chart = Chart("line", x="tokens", y=("accuracy",), x_title="tokens for each position", y_title="accuracy")
    caption = "Thinking only where the standard entropy is above tau. 700 positions; Wilson intervals of 95 %."
    return ResultTable("frontier-rpt", "Hybrid thinking: after RPT", caption, columns, rows, chart)


def _comparisons() -> ResultTable:
    columns = (
        Column("comparison", "comparison"),
        Column("difficulty", "difficulty"),
        Column("a", "a", "share"),
        Column("b", "b", "share"),
        Column("difference", "b − a", "difference"),
        Column("p", "McNemar's p", "number"),
        Column("gained", "gained", "count"),
        Column("forgotten", "forgotten", "count"),
        Column("seconds", "seconds for each position", "seconds"),
        Column("flops", "compute", "flops"),
    )
    rows = [
        {
            "comparison": name,
            "difficulty": level,
            "a": share(0.2, 700),
            "b": share(0.2 + gain, 700),
            "difference": Estimate(gain, gain - 0.03, gain + 0.03, 700),
            "p": math.exp(-90 * abs(gain)),
            "gained": round(700 * max(gain, 0)) + 21,
            "forgotten": 21,
            "seconds": 0.0352,
            "flops": None if level == "easy" else 2.48e11,
        }
        for name, gain in (("after RPT against before, reasoning", 0.61), ("RPT against more SFT, reasoning", -0.012))
        for level in ("easy", "medium", "hard")
    ]
    chart = Chart("points", x="difficulty", y=("difference",), group="comparison", y_title="difference of accuracy")
    caption = "Paired on the same 700 positions of each difficulty, seed 0; bootstrap intervals of 95 %."
    return ResultTable("comparisons", "Paired comparisons", caption, columns, rows, chart)


def _scaling() -> ResultTable:
    columns = (
        Column("difficulty", "difficulty"),
        Column("flops", "training compute", "flops"),
        Column("accuracy", "accuracy", "share"),
    )
    rows = [
        {"difficulty": level, "flops": 3.1e9 * step, "accuracy": share(end - 0.5 / (1 + step / 5), 700)}
        for level, end in (("easy", 0.66), ("medium", 0.84), ("hard", 0.92))
        for step in (5, 10, 20, 40, 60, 80)
    ]
    chart = Chart(
        "line", x="flops", y=("accuracy",), group="difficulty", x_title="training compute (FLOPs)", x_log=True
    )
    return ResultTable("scaling", "Accuracy over compute", "R² 0.98; 6 points, seed 0.", columns, rows, chart)


def _keywords() -> ResultTable:
    """More rows than a page shows at first, and texts that would harm a careless one."""
    columns = (Column("group", HOSTILE), Column("keyword", "keyword"), Column("responses", "responses", "tokens"))
    rows = [
        {
            "group": HOSTILE if index == 0 else "hypothesis",
            "keyword": f"keyword number {index}",
            "responses": index * 977,
        }
        for index in range(120)
    ]
    return ResultTable("keywords", f"Keywords {HOSTILE}", f"Of 200 responses. {HOSTILE}", columns, rows)
