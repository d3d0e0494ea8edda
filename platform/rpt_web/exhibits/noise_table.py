"""The noise floor as a table: how far repeated evaluations lie apart, and what a difference must beat.

In: a floor for each difficulty. Out: a `PlainTable`.
"""

from __future__ import annotations

from collections.abc import Mapping

from rpt_web.compare.noise import NoiseFloor
from rpt_web.exports import PlainColumn, PlainTable
from rpt_web.exports.tables import PlainValue

NOISE = "noise"
"""What the exhibit is called in refs."""
WORDS = (
    "Evaluations of one model at the same positions, repeated with other sampling seeds. By sampling alone, a "
    "difference of two evaluations exceeds the floor in 5 % of all cases. It does not cover the noise of training, nor "
    "that of the choice of positions."
)


def noise_table(floors: Mapping[str, NoiseFloor], mode: str) -> PlainTable:
    """The floors of one mode."""
    columns = (
        PlainColumn("difficulty", "Difficulty"),
        PlainColumn("models", "Models", "count"),
        PlainColumn("evaluations", "Evaluations", "count"),
        PlainColumn("deviation", "Standard deviation of one", "share"),
        PlainColumn("floor", "Noise floor of a difference", "share"),
    )
    rows: list[Mapping[str, PlainValue]] = [
        {
            **{"difficulty": level, "models": floor.models, "evaluations": floor.repeats},
            **{"deviation": floor.deviation, "floor": floor.floor},
        }
        for level, floor in floors.items()
    ]
    return PlainTable(f"noise-floor-{mode}", "Noise floor", columns, rows, f"Mode {mode}. {WORDS}")
