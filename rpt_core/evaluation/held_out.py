"""Which held-out positions a policy is asked at, and word of those that had to be left out.

In: a policy's problems of the validation split, a HeldOutConfig. Out: a PositionSample, drawn by the thresholds and the
seed or read from a stored set. Every measurement on held-out positions chooses them here.
"""

from __future__ import annotations

import numpy as np

from rpt_core.config import HeldOutConfig
from rpt_core.errors import UserError
from rpt_core.positions.sets import PositionSample, draw, load_set
from rpt_core.problems.problem import ProblemSet
from rpt_core.run.context import StageContext
from rpt_core.run.events import EventType
from rpt_core.words import counted


def choose_sample(problems: ProblemSet, config: HeldOutConfig) -> PositionSample:
    """The named set's positions in its order, or a sample drawn here. Raises UserError when nothing is left."""
    if config.position_set is None:
        return draw(config, problems.entropies, lambda i: (problems.document_id(i), int(problems.token_index[i])))
    stored = load_set(config.positions, config.position_set)
    wanted = set(stored.places)
    places = ((problems.document_id(i), int(position)) for i, position in enumerate(problems.filter_index))
    index = {place: i for i, place in enumerate(places) if place in wanted}
    found = np.array([place in index for place in stored.places], dtype=np.bool_)
    if not found.any():
        raise UserError(
            f"The policy's tokenizer has a token boundary at none of the {len(found)} positions of the set "
            f"{stored.name!r}. Run the filter with a proxy model whose tokenizer is the policy's."
        )
    indices = [index[place] for place in stored.places if place in index]
    members = {name: flags[found] for name, flags in stored.members.items()}
    return PositionSample(indices, members, stored.above_nats, int((~found).sum()))


def warn_of_lost_positions(context: StageContext, problems: ProblemSet) -> None:
    """Say so when positions of the filter run are left out: no boundary there, or no box for what comes next."""
    if problems.lost_positions:
        _warn(
            context,
            f"{counted(problems.lost_positions, 'position')} of the filter run left out: the policy's tokenizer has no "
            "token that begins there.",
        )
    if problems.unboxable_positions:
        _warn(
            context,
            f"{counted(problems.unboxable_positions, 'position')} of the filter run left out: what comes next there "
            "cannot be written in a box, so no answer could be right.",
        )


def warn_of_missing_positions(context: StageContext, sample: PositionSample, config: HeldOutConfig) -> None:
    """Say so when a stored set is not evaluated whole."""
    if sample.missing:
        _warn(
            context,
            f"{sample.missing} of {counted(sample.missing + len(sample.indices), 'position')} of the set "
            f"{config.position_set!r} left out: the policy's tokenizer has no token that begins there, or no box "
            "can hold what comes next.",
        )


def _warn(context: StageContext, message: str) -> None:
    context.log.emit(EventType.LOG, level="warning", message=message)
