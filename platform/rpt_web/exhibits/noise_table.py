"""The noise floor as a table: how far repeated evaluations lie apart, and what a difference must beat.

In: a floor for each mode and difficulty. Out: a `PlainTable`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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


def noise_table(floors: Sequence[tuple[str, str, NoiseFloor]]) -> PlainTable:
    """The floors, each with its mode in words and its difficulty."""
    modes = list(dict.fromkeys(mode for mode, _, _ in floors))
    columns = (
        *([PlainColumn("mode", "Mode")] if len(modes) > 1 else []),
        PlainColumn("difficulty", "Difficulty"),
        PlainColumn("models", "Models", "count"),
        PlainColumn("evaluations", "Evaluations", "count"),
        PlainColumn("deviation", "Standard deviation of one", "share"),
        PlainColumn("floor", "Noise floor of a difference", "share"),
    )
    rows: list[Mapping[str, PlainValue]] = [
        {
            **{"mode": mode, "difficulty": level, "models": floor.models, "evaluations": floor.repeats},
            **{"deviation": floor.deviation, "floor": floor.floor},
        }
        for mode, level, floor in floors
    ]
    caption = f"Mode: {modes[0]}. {WORDS}" if len(modes) == 1 else f"Each floor is that of one mode. {WORDS}"
    return PlainTable("noise-floor", "Noise floor", columns, rows, caption)
