"""Which held-out positions a policy is asked at, and word of those that had to be left out.

In: a policy's problems of the validation split, a HeldOutConfig. Out: a PositionSample, drawn by the thresholds and the
seed or read from a stored set. Every measurement on held-out positions chooses them here.
"""

from __future__ import annotations

import numpy as np

from rpt_core.config import HeldOutConfig, PromptConfig
from rpt_core.errors import UserError
from rpt_core.positions.sets import PositionSample, draw, load_set
from rpt_core.problems.problem import ProblemSet
from rpt_core.run.context import StageContext
from rpt_core.run.events import EventType
from rpt_core.text.tokens import Tokenizer
from rpt_core.words import counted

_NAMED = 3
"""So many positions are named in an error."""


def held_out_problems(config: HeldOutConfig, tokenizer: Tokenizer, prompt: PromptConfig) -> ProblemSet:
    """The problems that `choose_sample` chooses from: the validation split, or the documents of listed positions."""
    if not config.listed_positions:
        return ProblemSet.load(config.positions, "validation", tokenizer, prompt)
    texts = {place_of(name)[0] for name in config.listed_positions}
    return ProblemSet.load_named(config.positions, texts, tokenizer, prompt)


def place_of(name: str) -> tuple[str, int]:
    """Text and byte of a listed position."""
    text, _, offset = name.rpartition(":")
    return text, int(offset)


def choose_sample(problems: ProblemSet, config: HeldOutConfig) -> PositionSample:
    """The named set's positions in its order, or a sample drawn here. Raises UserError when nothing is left."""
    if config.listed_positions:
        return _listed(problems, config)
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


def _listed(problems: ProblemSet, config: HeldOutConfig) -> PositionSample:
    """The listed positions in their order. Raises UserError for one that is not there."""
    at: dict[tuple[str, int], int] = {}
    for index in range(len(problems)):
        at |= {(name, problems.byte_offset(index)): index for name in problems.names(index)}
    places = [place_of(name) for name in config.listed_positions]
    if wrong := next((place for place in places if place not in at), None):
        raise _not_there(wrong, sorted(offset for name, offset in at if name == wrong[0]), config)
    indices = [at[place] for place in places]
    entropies = problems.entropies[indices]
    return PositionSample(
        indices, {name: entropies > nats for name, nats in config.above_nats.items()}, config.above_nats
    )


def _not_there(place: tuple[str, int], known: list[int], config: HeldOutConfig) -> UserError:
    text, offset = place
    if not known:
        return UserError(
            f"`listed_positions`: {config.positions} has no document {text!r}, neither by its id nor by the hash of "
            "its text. Name one that this filter run has scored, or choose the filter run that has it."
        )
    nearest = sorted(sorted(known, key=lambda other: abs(other - offset))[:_NAMED])
    return UserError(
        f"`listed_positions`: no position of the document {text!r} begins at byte {offset}: the policy's tokenizer has "
        "no token that begins there, the filter run has not scored it, or no box can hold what comes next. Near it are "
        f"{', '.join(map(str, nearest))}."
    )


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
