"""Multiple choice in the form of Tables 6 and 7: one row for each mode of a run, one column for each category.

In: the table that stage `benchmark` writes, which has a row for each category. Out: the same numbers the other way
round, each with its interval and n, so that the rows of several runs can stand under each other; and their chart.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rpt_web.results.figures import Json
from rpt_web.results.paper_seeds import OF_RUN
from rpt_web.results.tables import with_paths

BY_CATEGORY = "by_category"
"""What tables of this form are called."""
MODES = ("standard", "reasoning")
"""Columns of a stage's table."""
SUMMARIES = (("all_questions", "All questions"), ("mean_of_categories", "Mean of the categories"))
"""The last two rows of a stage's table."""
MOST_CATEGORIES = 60
"""In columns."""


def by_category(data: Json, run: int, step: int) -> Json:
    """A stage's table in this form; of one with too many categories its summaries alone, and its caption says so.

    Each row also has the id of its run and the step, which no column shows: its numbers lead there.
    """
    rows = [with_paths(row) for row in data["rows"]]
    count = len(rows) - len(SUMMARIES)
    are_too_many = count > MOST_CATEGORIES
    categories = [] if are_too_many else [row["category"] for row in rows[:count]]
    heads = [*zip(_keys(categories), categories, strict=True), *SUMMARIES]
    shown = rows[count:] if are_too_many else rows
    more = f" Its {count} categories are too many for columns: the table of each run has them." if are_too_many else ""
    return {
        "columns": [
            {"key": "mode", "label": "Mode", "kind": "text"},
            *({"key": key, "label": label, "kind": "share"} for key, label in heads),
        ],
        "rows": [
            {
                "of_run_id": run,
                "of_step": step,
                "mode": mode,
                **{key: row.get(mode) for (key, _), row in zip(heads, shown, strict=True)},
            }
            for mode in MODES
            if any(row.get(mode) is not None for row in rows)
        ],
        "caption": data["caption"] + more,
        "chart": None,
    }


def category_chart(columns: Sequence[Json], rows: Sequence[Json]) -> Json:
    """The data of a figure: bars for each category, one series for each row."""
    shares = [column for column in columns if column["kind"] == "share"]
    return {
        "columns": [
            {"key": "category", "label": "Category", "kind": "text"},
            {"key": "row", "label": "Model and mode", "kind": "text"},
            {"key": "accuracy", "label": "Accuracy", "kind": "share"},
        ],
        "rows": [
            {"category": column["label"], "row": f"{row[OF_RUN]}, {row['mode']}", "accuracy": row.get(column["key"])}
            for row in rows
            for column in shares
        ],
        "chart": {
            "kind": "bars",
            "x": "category",
            "y": ["accuracy"],
            "group": "row",
            "x_title": "",
            "y_title": "",
            "x_log": False,
        },
    }


def _keys(names: Sequence[str]) -> list[str]:
    """Keys of columns, each once."""
    slugs = ["category_" + re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") for name in names]
    return [
        slug if slugs.count(slug) == 1 else f"{slug}_{slugs[: place + 1].count(slug)}"
        for place, slug in enumerate(slugs)
    ]
