"""Hybrid thinking as finished tables: the frontier, and what a tau gains by difficulty.

In: a FrontierConfig that names an outcome file. Out: two ResultTables.
"""

from __future__ import annotations

import numpy as np

from rpt_core.analysis.frontier import Choices, CrossFitted, Frontier, cross_fitted, frontier, tokens_to_match
from rpt_core.analysis.names import slug
from rpt_core.config import FrontierConfig, Mode
from rpt_core.errors import UserError
from rpt_core.evaluation.outcomes import Outcomes, read_outcomes
from rpt_core.run.tables import Cell, Chart, Column, ResultTable

MAX_POINTS = 66
"""Points of each difficulty's curve; three curves make about 200."""
_COST = (
    "Tokens per position: response tokens where the policy thinks, 1 where it does not; reading the context is "
    "not counted."
)


def frontier_tables(config: FrontierConfig, seed: int, resamples: int) -> list[ResultTable]:
    """The curve and the summary. Raises UserError when the file lacks a mode or the standard entropies."""
    outcomes = read_outcomes(config.outcomes)
    choices = {
        name: choices_of(outcomes.at(flags), config.mode) for name, flags in outcomes.members.items() if flags.any()
    }
    return [_curve(config, choices), _summary(config, choices, seed, resamples)]


def choices_of(outcomes: Outcomes, mode: Mode) -> Choices:
    """What the policy could do at each of the positions, thinking in a mode. Raises UserError as `frontier_tables`."""
    if outcomes.standard_entropy_nats is None:
        raise UserError(f"{outcomes.path} has no standard mode, so tau has nothing to go by. Evaluate `standard` too.")
    return Choices(
        entropies=outcomes.standard_entropy_nats,
        standard=outcomes.correctness("standard"),
        thinking=outcomes.correctness(mode),
        tokens=outcomes.response_tokens(mode),
        documents=outcomes.document.tolist(),
        samples=(outcomes.samples or 1) if mode == "sampled" else 1,
    )


def _curve(config: FrontierConfig, choices: dict[str, Choices]) -> ResultTable:
    return ResultTable(
        f"frontier_{slug(config.name)}",
        f"Hybrid thinking: {config.name}",
        f"Think where the policy's own standard entropy is above tau ({config.mode} responses). {_COST} No tau: never "
        "or always. At random: what thinking at random positions for the same tokens would reach. Intervals are 95 %, "
        "Wilson's, over positions. Positions are those of the evaluation, which all have high entropy for the proxy "
        f"model. At most {MAX_POINTS} points of each difficulty are shown.",
        [
            Column("difficulty", "Difficulty"),
            Column("tokens", "Tokens per position", "tokens"),
            Column("accuracy", "Accuracy", "share"),
            Column("at_random", "At random", "share"),
            Column("share", "Thinks at", "share"),
            Column("tau", "tau (nats)", "number"),
        ],
        [row for name, part in choices.items() for row in _curve_rows(name, part)],
        Chart("line", "tokens", ("accuracy",), "difficulty", "Tokens per position", "Accuracy"),
    )


def _curve_rows(difficulty: str, choices: Choices) -> list[dict[str, Cell]]:
    points = frontier(choices)
    return [
        {
            "difficulty": difficulty,
            "tokens": float(points.tokens[index]),
            "accuracy": choices.accuracy(choices.entropies > points.taus[index]),
            "at_random": _at_random(points, float(points.tokens[index])),
            "share": float(points.shares[index]),
            "tau": _finite(float(points.taus[index])),
        }
        for index in _shown(points)
    ]


def _shown(points: Frontier) -> list[int]:
    """Evenly spaced points with both ends, and the best one."""
    spaced = np.linspace(0, len(points.taus) - 1, MAX_POINTS - 1).round().astype(int)
    return sorted({*spaced.tolist(), points.best()})


def _at_random(points: Frontier, tokens: float) -> float | None:
    """Accuracy on the straight line from never to always thinking."""
    span = float(points.tokens[-1] - points.tokens[0])
    if span <= 0:
        return None
    return float(points.accuracy[0] + (points.accuracy[-1] - points.accuracy[0]) * (tokens - points.tokens[0]) / span)


def _summary(config: FrontierConfig, choices: dict[str, Choices], seed: int, resamples: int) -> ResultTable:
    return ResultTable(
        f"hybrid_{slug(config.name)}",
        f"Gains of hybrid thinking: {config.name}",
        "Best point: the tau with the highest accuracy on all positions, an optimistic number, since tau was chosen on "
        "the positions it is judged on. Held out: each half of the documents with the tau chosen on the other half; "
        "gains are of these, with 95 % paired bootstrap intervals over documents, both taus held fixed. As good as "
        f"always: fewest tokens whose accuracy on all positions is that of always thinking. {_COST}",
        [
            Column("difficulty", "Difficulty"),
            Column("never", "Never thinking", "share"),
            Column("always", "Always thinking", "share"),
            Column("always_tokens", "Tokens, always", "tokens"),
            Column("best", "Best point", "share"),
            Column("best_tau", "tau (nats)", "number"),
            Column("best_tokens", "Tokens, best", "tokens"),
            Column("matching_tokens", "Tokens, as good as always", "tokens"),
            Column("held_out", "Held out", "share"),
            Column("held_out_tokens", "Tokens, held out", "tokens"),
            Column("over_always", "Gain over always", "difference"),
            Column("over_never", "Gain over never", "difference"),
        ],
        [_summary_row(name, part, cross_fitted(part, seed, resamples)) for name, part in choices.items()],
    )


def _summary_row(difficulty: str, choices: Choices, fair: CrossFitted | None) -> dict[str, Cell]:
    points = frontier(choices)
    best = points.best()
    never, always = np.zeros(len(choices), np.bool_), np.ones(len(choices), np.bool_)
    return {
        "difficulty": difficulty,
        "never": choices.accuracy(never),
        "always": choices.accuracy(always),
        "always_tokens": float(points.tokens[-1]),
        "best": choices.accuracy(choices.entropies > points.taus[best]),
        "best_tau": _finite(float(points.taus[best])),
        "best_tokens": float(points.tokens[best]),
        "matching_tokens": tokens_to_match(points, float(points.accuracy[-1])),
        "held_out": fair.accuracy if fair else None,
        "held_out_tokens": fair.tokens if fair else None,
        "over_always": fair.over_always if fair else None,
        "over_never": fair.over_never if fair else None,
    }


def _finite(tau: float) -> float | None:
    return tau if np.isfinite(tau) else None
