"""The groups of filled responses, as the recorder would have written them, and the positions that they are at.

In: rows of responses in the order of ROLLOUT_COLUMNS, a shard's. Out: rows of groups in the order of GROUP_COLUMNS.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from operator import itemgetter
from typing import Any

from rpt_web.supervisor.filling.rows import ROLLOUT_COLUMNS, domain_of, place_of
from rpt_web.traces.groups import TYPES, Place
from rpt_web.traces.models import PATTERNS

REASONS = ("match", "mismatch", "not_on_boundary", "empty", "no_box")
GROUP_COLUMNS = (
    *("run_id", "experiment_id", "step", "kind", *TYPES, "position_id"),
    *("first_solved", "forgotten", "forgotten_now", "greedy_alone"),
)
ABOVE_NATS = (0.5, 1.0, 1.5)
_AT = {name: place for place, name in enumerate(ROLLOUT_COLUMNS)}


def groups_of(
    experiment: int, rollouts: Iterable[tuple[Any, ...]], ids: Mapping[Place, int]
) -> Iterator[tuple[Any, ...]]:
    """A row for each group of a shard. ids: of the positions."""
    for _, members in groupby(rollouts, key=itemgetter(_AT["group"])):
        rows = list(members)
        first = {name: rows[0][place] for name, place in _AT.items()}
        found = _summed_up(first, rows)
        position = ids[place_of(first["document"], first["position"])]
        names = [found[name] for name in TYPES]
        yield (first["run_id"], experiment, first["step"], first["kind"], *names, position, *[False] * 4)


def _summed_up(first: Mapping[str, Any], rows: list[tuple[Any, ...]]) -> dict[str, Any]:
    """The columns of a group."""
    rewards, lengths = _column(rows, "reward"), _column(rows, "response_tokens")
    predictions, reasons = _column(rows, "prediction"), Counter(_column(rows, "reason"))
    (most, times), rewarded = Counter(predictions).most_common(1)[0], sum(reward > 0 for reward in rewards)
    copied = ("group", "document", "entropy_nats", "completion")
    return {
        **{name: first[name] for name in copied},
        "first_rollout": first["id"],
        "token_position": first["position"],
        "domain": domain_of(first["document"]),
        "difficulty": sum(first["entropy_nats"] > nats for nats in ABOVE_NATS),
        "samples": len(rows),
        "rewarded": rewarded,
        "pass_rate": rewarded / len(rows),
        "predictions": len(set(predictions) - {None}),
        "majority": most,
        "majority_rewarded": rewards[predictions.index(most)] > 0,
        "disagreement": 1 - times / len(rows),
        "tokens_mean": sum(lengths) / len(rows),
        "tokens_min": min(lengths),
        "tokens_max": max(lengths),
        **{reason: reasons[reason] for reason in REASONS},
        "cut": _column(rows, "finish_reason").count("length"),
        "white_space": predictions.count(b"42 "),
        "boxes": int(any(prediction is not None for prediction in predictions)),
        "patterns": first["group"] % (1 << len(PATTERNS)),
    }


def _column(rows: list[tuple[Any, ...]], name: str) -> list[Any]:
    return [row[_AT[name]] for row in rows]
