"""The tables and figures of the document, each from what the suite's runs have stored.

In: a Suite. Out: Markdown. Every number is the mean over the seeds with its 95 % interval (Student's t over seeds); the
number of positions, questions or responses behind one seed's number stands beside it. A run that is not there leaves
its rows out; a section without rows is "" and is left out too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rpt_core.analysis.scaling import WIDE, fit_power_law
from rpt_core.config import DIFFICULTIES
from rpt_core.results_document.markdown import change, each, number, percent, points, table
from rpt_core.results_document.stored import StoredRun, Suite
from rpt_core.statistics.seeds import CHANGES, DIFFERENCES, SHARES, across_seeds
from rpt_core.words import counted

GUESSES = 8
"""As many as the responses of the rows "best of 8"."""
Form = Callable[[Any], str]


@dataclass(frozen=True)
class AccuracyRow:
    """A row of Table 1: which evaluation of which run. Modes that begin with `by_chance` are columns of its pass@k."""

    label: str
    run: str
    mode: str
    step: int | None = None


TABLE_1 = (
    AccuracyRow("before RPT, standard (argmax)", "rpt", "standard", 0),
    AccuracyRow("before RPT, reasoning", "rpt", "sampled", 0),
    AccuracyRow("before RPT, reasoning, greedy", "rpt", "greedy", 0),
    AccuracyRow("before RPT, best of 8", "cold-eval", "pass@8"),
    AccuracyRow("by chance, best of 8 guesses", "cold-eval", "by_chance"),
    AccuracyRow("by chance, best of 8 different guesses", "cold-eval", "by_chance_different"),
    AccuracyRow("before RPT, majority of 8", "cold-eval", "majority"),
    AccuracyRow("**after RPT, reasoning**", "rpt", "sampled"),
    AccuracyRow("after RPT, reasoning, greedy", "rpt", "greedy"),
    AccuracyRow("after RPT, best of 8", "rpt-eval", "pass@8"),
    AccuracyRow("after RPT, majority of 8", "rpt-eval", "majority"),
    AccuracyRow("after RPT, standard (argmax)", "rpt", "standard"),
    AccuracyRow("more NTP, same FLOPs, standard", "ntp-eval", "standard"),
    AccuracyRow("more NTP, same FLOPs, reasoning", "ntp-eval", "sampled"),
    AccuracyRow("more SFT, same FLOPs, standard", "sft-eval", "standard"),
    AccuracyRow("more SFT, same FLOPs, reasoning", "sft-eval", "sampled"),
    AccuracyRow("expert iteration, same number of responses, reasoning", "expert-responses-eval", "sampled"),
    AccuracyRow("expert iteration, same number of responses, greedy", "expert-responses-eval", "greedy"),
    AccuracyRow("expert iteration, same number of responses, standard", "expert-responses-eval", "standard"),
    AccuracyRow("expert iteration, same FLOPs, reasoning", "expert-flops-eval", "sampled"),
    AccuracyRow("expert iteration, same FLOPs, greedy", "expert-flops-eval", "greedy"),
    AccuracyRow("expert iteration, same FLOPs, standard", "expert-flops-eval", "standard"),
    AccuracyRow("RPT on random positions, reasoning", "rpt-random", "sampled"),
    AccuracyRow("RPT on random positions, standard", "rpt-random", "standard"),
)


def next_token_accuracy(suite: Suite) -> str:
    """Table 1, with the controls beside it."""
    measured = [row for row in TABLE_1 if _cells(suite, row)]
    if not measured:
        return ""
    n = {cell["n"] for row in measured for cell in _cells(suite, row)}
    caption = f"n = {_span(n)} held-out positions for each seed and difficulty; the same positions in every row."
    rows = [_accuracy_row(suite, row) for row in measured]
    lost = [sentence for row in measured if (sentence := _lost_format(suite, row))]
    return "\n\n".join([table(["accuracy in %", *DIFFICULTIES], rows), caption, *lost])


def _lost_format(suite: Suite, row: AccuracyRow) -> str:
    """That most responses on hard positions have no box, in how many seeds; "" where that is so in none."""
    found = [run.cell(row.mode, "hard", row.step) for run in suite[row.run]]
    lost = [cell for cell in found if cell and (cell.get("no_box") or 0.0) > 0.5]
    if not lost:
        return ""
    return (
        f"{row.label}: in {len(lost)} of {counted(len(found), 'seed')} most responses on hard positions have no box. "
        "The response format is lost there, a missing answer counts as wrong, and the standard row is the fair one."
    )


def average_accuracy(suite: Suite) -> str:
    """Figure 4: one number for each model, the mean of the three difficulties."""
    chosen = [row for row in TABLE_1 if row.mode in ("standard", "sampled")]
    rows = []
    for row in chosen:
        means = [_mean(run, row) for run in suite[row.run]]
        if any(mean is not None for mean in means):
            rows.append([row.label, percent(across_seeds(means, SHARES)), each(means, percent)])
    return table(["mean of easy, medium and hard, in %", "mean [95 %]", "each seed"], rows)


def each_seed(suite: Suite) -> str:
    """Hard positions seed by seed with Wilson's interval, so that the means above can be judged."""
    rows = [
        [row.label, *(percent(_cell(run, row, "hard")) for run in suite[row.run])]
        for row in TABLE_1
        if len(suite[row.run]) == len(suite.seeds) and any(_cell(run, row, "hard") for run in suite[row.run])
    ]
    return table(["hard positions, % [95 % Wilson]", *(f"seed {seed}" for seed in suite.seeds)], rows)


def pooled(
    runs: Sequence[StoredRun],
    prefix: str,
    keys: Sequence[str],
    columns: Mapping[str, tuple[str, Form]],
    exactly: bool = False,
) -> str:
    """Stored tables of one kind, the values of each row averaged over the seeds.

    prefix: of the tables' names, or the whole name when `exactly`. keys: columns that name a row. columns: which others
    are shown, with their headings and how they are written.
    """
    values: dict[tuple[str, ...], dict[str, list[float | None]]] = {}
    for row in _rows(runs, prefix, exactly):
        cells = values.setdefault(tuple(str(row[name]) for name in keys), {name: [] for name in columns})
        for name in columns:
            cells[name].append(_value(row.get(name)))
    header = [*keys, *(heading for heading, _ in columns.values())]
    rows = [
        [*key, *(form(across_seeds(cells[name], _bounds(form))) for name, (_, form) in columns.items())]
        for key, cells in values.items()
    ]
    return table(header, rows)


def _bounds(form: Form) -> tuple[float, float] | None:
    """Where the numbers that are written in a form can lie: so far their intervals go."""
    bounds: dict[Form, tuple[float, float]] = {percent: SHARES, points: DIFFERENCES, change: CHANGES}
    return bounds.get(form)


def _rows(runs: Sequence[StoredRun], prefix: str, exactly: bool) -> Iterator[Mapping[str, Any]]:
    for run in runs:
        for stored in run.tables(prefix):
            if not exactly or stored["name"] == prefix:
                yield from stored["rows"]


def answers(suite: Suite) -> str:
    """Table 2: test questions before, on the way and after learning from answers, by starting point."""
    starts = (("rlvr-cold", "before RPT"), ("rlvr-ntp", "+ more NTP"), ("rlvr-rpt", "+ RPT"))
    found = {label: tests for name, label in starts if (tests := _newest_rows(suite[name], "rlvr_test"))}
    if not found:
        return ""
    rows = [[label, *(_answer_cell(tests, place) for place in range(len(tests[0])))] for label, tests in found.items()]
    first = next(iter(found.values()))
    header = ["accuracy in %", *(f"epoch {row['epoch']:g}" for row in first[0])]
    n = {row["accuracy"]["n"] for test in first for row in test}
    return f"{table(header, rows)}\n\nn = {_span(n)} test questions for each seed, one response to each."


def multiple_choice(suite: Suite) -> str:
    """Table 3: categories, standard and reasoning, before and after RPT."""
    found: dict[str, list[str]] = {}
    header = ["accuracy in %", "questions", "by chance"]
    for name, label in (("choice-cold", "before RPT"), ("choice-rpt", "after RPT")):
        tables = _newest_rows(suite[name], "benchmark")
        if not tables:
            continue
        header += [f"standard, {label}", f"reasoning, {label}"]
        for place, row in enumerate(tables[0]):
            n = _span({rows[place]["n"] for rows in tables})
            cells = found.setdefault(row["category"], [row["category"], n, percent(row["chance"])])
            for mode in ("standard", "reasoning"):
                cells.append(percent(across_seeds([_value(rows[place][mode]) for rows in tables], SHARES)))
    return table(header, list(found.values()))


def templates(suite: Suite) -> str:
    """Table 8: prompt templates at the same positions, before RPT."""
    return pooled(
        suite["templates"],
        "templates",
        ["template"],
        {
            "random_at_1": ("Random@1, %", percent),
            "pass_at_k": ("Pass@8, %", percent),
            "by_chance": ("8 guesses, %", percent),
            "by_chance_different": ("8 different guesses, %", percent),
            "no_box": ("no box, %", percent),
            "response_tokens": ("response tokens", lambda value: number(value, ".1f")),
            "prompt_tokens": ("prompt tokens", lambda value: number(value and value.value, ".1f")),
        },
        exactly=True,
    )


def scaling(suite: Suite) -> str:
    """Figure 5: the fits of each seed."""
    rows = []
    for run in suite["analysis"]:
        for stored in run.tables("scaling_"):
            if "r2" not in {column["key"] for column in stored["columns"]}:
                continue
            points = run.tables(stored["name"].replace("scaling_", "scaling_points_", 1))
            rows += [_fit_row(run.seed, row, points[0]["rows"] if points else []) for row in stored["rows"]]
    header = ["seed", "difficulty", "points", "positions", "alpha", "P*, %", "R2", "error at the last point", "remarks"]
    return table(header, rows)


def patterns(suite: Suite) -> str:
    """Figure 6: shares of responses with each pattern, and by how much they change."""
    columns = {"model_1": ("before RPT, %", percent), "model_2": ("after RPT, %", percent)}
    changes = {"model_2": ("relative change, %", change)}
    shares = pooled(suite["analysis"], "patterns", ["pattern"], columns, exactly=True)
    return "\n\n".join(filter(None, (shares, pooled(suite["analysis"], "pattern_changes", ["pattern"], changes))))


def hybrid(suite: Suite) -> str:
    """Thinking only where the policy itself is unsure."""
    return pooled(
        suite["analysis"],
        "hybrid_",
        ["difficulty"],
        {
            "never": ("never thinking, %", percent),
            "always": ("always thinking, %", percent),
            "always_tokens": ("tokens, always", lambda value: number(value and value.value, ".1f")),
            "held_out": ("hybrid, held out, %", percent),
            "held_out_tokens": ("tokens, hybrid", lambda value: number(value and value.value, ".1f")),
            "over_always": ("gain over always, points", points),
            "over_never": ("gain over never, points", points),
        },
    )


def comparisons(suite: Suite) -> str:
    """Paired differences of the analysis, each seed with its own interval and p."""
    rows = []
    for name, stored in _by_title(suite["analysis"], "comparison_").items():
        for level in DIFFICULTIES:
            found = [row for data in stored for row in data["rows"] if row["difficulty"] == level]
            if not found:
                continue
            differences = [_value(row["difference"]) for row in found]
            largest = max((row["p"] for row in found if row["p"] is not None), default=None)
            changed = each(found, lambda row: f"{row['gained']} / {row['forgotten']}")
            rows.append([name, level, points(across_seeds(differences, DIFFERENCES)), number(largest, ".2g"), changed])
    header = ["b against a", "difficulty", "difference in points", "largest p", "gained / forgotten, each seed"]
    return table(header, rows)


def costs(suite: Suite) -> str:
    """Seconds and FLOPs of each run."""
    rows = []
    for name in dict.fromkeys(run.name for run in suite.runs):
        seconds = [run.seconds for run in suite[name]]
        flops = across_seeds([run.flops for run in suite[name]])
        rows.append([name, each(seconds, lambda s: f"{s:.0f}"), number(flops and flops.value)])
    return table(["run", "seconds, each seed", "training FLOPs, mean"], rows)


def _newest_rows(runs: Sequence[StoredRun], prefix: str) -> list[Sequence[Mapping[str, Any]]]:
    """The rows of each run's newest table of a kind, of the runs that have one."""
    return [found[-1]["rows"] for run in runs if (found := run.tables(prefix))]


def _cell(run: StoredRun, row: AccuracyRow, level: str) -> Mapping[str, Any] | None:
    """What a run has found for a row at a difficulty."""
    if not row.mode.startswith("by_chance"):
        return run.cell(row.mode, level, row.step)
    found = (stored for table in run.tables("pass_at_k") for stored in table["rows"])
    of_eight = next((stored for stored in found if (stored["difficulty"], stored["k"]) == (level, GUESSES)), None)
    if of_eight is None or of_eight.get(row.mode) is None:  # older runs do not tell it
        return None
    return {"value": of_eight[row.mode], "n": of_eight["accuracy"]["n"]}


def _cells(suite: Suite, row: AccuracyRow) -> list[Mapping[str, Any]]:
    """What was measured for a row of Table 1, of all seeds and difficulties."""
    cells = (_cell(run, row, level) for run in suite[row.run] for level in DIFFICULTIES)
    return [cell for cell in cells if cell]


def _accuracy_row(suite: Suite, row: AccuracyRow) -> list[str]:
    cells = [[_value(_cell(run, row, level)) for run in suite[row.run]] for level in DIFFICULTIES]
    return [row.label, *(percent(across_seeds(values, SHARES)) for values in cells)]


def _answer_cell(tests: Sequence[Sequence[Mapping[str, Any]]], place: int) -> str:
    return percent(across_seeds([_value(rows[place]["accuracy"]) for rows in tests], SHARES))


def _fit_row(seed: int, row: Mapping[str, Any], measured: Sequence[Mapping[str, Any]]) -> list[str]:
    return [
        str(seed),
        row["difficulty"],
        str(row["points"]),
        str(row["positions"]),
        number(row["alpha"], ".2f"),
        percent(row["p_star"]),
        number(row["r2"], ".3f"),
        points(row["error"]),
        _undetermined(row, measured) or _fit_remark(row),
    ]


def _undetermined(row: Mapping[str, Any], measured: Sequence[Mapping[str, Any]]) -> str:
    """Where P* could lie, of a curve that its points or its documents leave open; "" of another one."""
    interval = row["p_star"] if isinstance(row["p_star"], Mapping) else {}
    ranges = [(interval.get("low"), interval.get("high"))]
    points_of = [point for point in measured if point["difficulty"] == row["difficulty"]]
    if points_of:
        fit = fit_power_law([at["cost"] for at in points_of], [at["accuracy"]["value"] for at in points_of])
        ranges.append((fit.p_star_low, fit.p_star_high))
    known = [(low, high) for low, high in ranges if low is not None and high is not None]
    low, high = min((low for low, _ in known), default=0.0), max((high for _, high in known), default=0.0)
    return f"not determined: P* from {100 * low:.0f} to {100 * high:.0f} %" if high - low > WIDE else ""


def _fit_remark(row: Mapping[str, Any]) -> str:
    """How far the points determine a curve; the stage notes what it refuses to extrapolate."""
    if row["ahead"] is None:
        return "not determined, no extrapolation"
    if row["error"] is None:
        return "not determined without the last point"
    share = row["at_bound"]
    if not share:
        return ""
    return f"{'under 1' if share < 0.01 else format(100 * share, '.0f')} % of the resamplings at a bound"


def _mean(run: StoredRun, row: AccuracyRow) -> float | None:
    values = [_value(_cell(run, row, level)) for level in DIFFICULTIES]
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if len(known) == len(DIFFICULTIES) else None


def _by_title(runs: Sequence[StoredRun], prefix: str) -> dict[str, list[Mapping[str, Any]]]:
    """Stored tables by their titles, those of all seeds together."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for run in runs:
        for stored in run.tables(prefix):
            found.setdefault(stored["title"], []).append(stored)
    return found


def _value(cell: Any) -> float | None:
    """The number in a cell, with or without an interval."""
    value = cell.get("value") if isinstance(cell, Mapping) else cell
    return value if isinstance(value, int | float) else None


def _span(values: set[int]) -> str:
    return "–" if not values else str(min(values)) if len(values) == 1 else f"{min(values)} to {max(values)}"
