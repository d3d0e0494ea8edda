"""Reasoning patterns of models as finished tables: shares, changes between models, by difficulty and success (Fig. 6).

In: a PatternsConfig that names each model's rollout shards. Out: ResultTables. Of each model's responses as many as the
config says are drawn by the seed, without replacement; a share is that of the drawn responses with a keyword of the
pattern. Easy, medium and hard are the paper's nested levels; solved means that the verdict's reward is above 0.

The paper gives no intervals. Shares have Wilson's. A relative change has the central 95 % of the changes that follow
when both shares are drawn from their posteriors under Jeffreys' prior: a bootstrap of the responses would claim to be
certain wherever a model never, or always, shows a pattern.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from rpt_core.analysis.patterns import KeywordList, load_keywords
from rpt_core.config import PAPER_NATS, PatternsConfig
from rpt_core.errors import UserError, said
from rpt_core.run.rollout_files import RolloutRow, read_rollouts_at
from rpt_core.run.tables import Cell, Chart, Column, Estimate, ResultTable
from rpt_core.seeds import derive_seed
from rpt_core.statistics.intervals import wilson_interval

DRAWS = 100_000
"""Of each pair of shares, for the interval of their relative change."""


@dataclass(frozen=True)
class DrawnResponse:
    """One drawn response."""

    groups: frozenset[str]
    """Patterns that it shows."""
    entropy_nats: float | None
    is_solved: bool


Drawn = Mapping[str, Sequence[DrawnResponse]]
"""Name of a model -> its drawn responses."""


def pattern_tables(config: PatternsConfig, seed: int) -> list[ResultTable]:
    """Shares, changes against the first model (with several models), by difficulty, by solved or not.

    Raises UserError when a shard or the keyword list is missing or no good.
    """
    keywords = load_keywords(config.keywords)
    drawn = {
        of.model: [_response(row, keywords) for row in draw_responses(of.model, of.shards, config.max_responses, seed)]
        for of in config.responses
    }
    if len(drawn) < len(config.responses):
        raise UserError("Two models of the patterns have the same name. Give each a name of its own.")
    tables = [_shares(keywords, drawn)]
    if len(drawn) > 1:
        tables.append(_changes(keywords, drawn, seed))
    return [*tables, _by_difficulty(keywords, drawn), _by_success(keywords, drawn)]


def draw_responses(model: str, shards: Sequence[str], limit: int, seed: int) -> list[RolloutRow]:
    """At most `limit` rows of a model's shards, drawn without replacement; all rows when there are no more."""
    counts = [rows_in(Path(shard)) for shard in shards]
    total = sum(counts)
    if not total:
        raise UserError(f"The shards of {model!r} have no responses. Name Parquet files in a run's `rollouts` folder.")
    random = np.random.default_rng(derive_seed(seed, "patterns", model))
    chosen = np.sort(random.choice(total, min(limit, total), replace=False))
    rows: list[RolloutRow] = []
    start = 0
    for shard, count in zip(shards, counts, strict=True):
        inside = chosen[(chosen >= start) & (chosen < start + count)] - start
        rows += read_rollouts_at(Path(shard), inside.tolist())
        start += count
    return rows


def relative_change(before: int, n_before: int, after: int, n_after: int, seed: int) -> Estimate | None:
    """(after - before) / before of two shares, given as counts, with its interval; None when `before` is 0.

    n of the estimate is the smaller of the two.
    """
    if not (before and n_after):
        return None
    random = np.random.default_rng(seed)
    a, b = (random.beta(count + 0.5, n - count + 0.5, DRAWS) for count, n in ((before, n_before), (after, n_after)))
    low, high = np.quantile(b / a - 1, [0.025, 0.975])
    value = (after / n_after) / (before / n_before) - 1
    # A share at 0 or 1 lies at the edge of its posterior, outside the central part.
    return Estimate(value, min(float(low), value), max(float(high), value), min(n_before, n_after))


def rows_in(path: Path) -> int:
    """How many responses a shard has. Raises UserError when it cannot be read."""
    try:
        return int(pq.ParquetFile(path).metadata.num_rows)
    except FileNotFoundError:
        raise UserError(f"{path} does not exist. Name Parquet files in a run's `rollouts` folder.") from None
    except (pa.ArrowInvalid, OSError) as error:
        raise UserError(f"{path} cannot be read as a Parquet file of rollouts: {said(error)}.") from None


def _response(row: RolloutRow, keywords: KeywordList) -> DrawnResponse:
    return DrawnResponse(frozenset(keywords.found_in(row.response)), row.entropy_nats, row.reward > 0)


def _shares(keywords: KeywordList, drawn: Drawn) -> ResultTable:
    columns = {model: Column(f"model_{number}", model, "share") for number, model in enumerate(drawn, 1)}
    return ResultTable(
        "patterns",
        "Reasoning patterns",
        f"Share of responses with a keyword of each pattern. {_basis(keywords, drawn)}",
        [Column("pattern", "Pattern"), *columns.values()],
        [
            {"pattern": _words(group), **{columns[model].key: _share(part, group) for model, part in drawn.items()}}
            for group in keywords.groups
        ],
        Chart("bars", "pattern", tuple(column.key for column in columns.values()), y_title="Share of responses"),
    )


def _changes(keywords: KeywordList, drawn: Drawn, seed: int) -> ResultTable:
    first, *others = drawn
    columns = {model: Column(f"model_{number}", model, "share") for number, model in enumerate(others, 2)}
    return ResultTable(
        "pattern_changes",
        f"Relative change of reasoning patterns against {first}",
        "100 % is twice as often; a dash stands where the first model never shows the pattern. Its intervals are 95 %, "
        f"from {DRAWS} draws of both shares from their posteriors under Jeffreys' prior. {_basis(keywords, drawn)}",
        [Column("pattern", "Pattern"), *columns.values()],
        [
            {
                "pattern": _words(group),
                **{columns[model].key: _change(drawn, first, model, group, seed) for model in others},
            }
            for group in keywords.groups
        ],
        Chart("bars", "pattern", tuple(column.key for column in columns.values()), y_title=f"Change against {first}"),
    )


def _change(drawn: Drawn, first: str, other: str, group: str, seed: int) -> Estimate | None:
    before, after = drawn[first], drawn[other]
    return relative_change(
        _count(before, group),
        len(before),
        _count(after, group),
        len(after),
        derive_seed(seed, "pattern changes", other, group),
    )


def _by_difficulty(keywords: KeywordList, drawn: Drawn) -> ResultTable:
    parts = {name: _above(nats) for name, nats in PAPER_NATS.items()}
    nats = ", ".join(f"{name} above {value:g}" for name, value in PAPER_NATS.items())
    return _by(
        "patterns_by_difficulty",
        "Reasoning patterns by difficulty",
        f"By the proxy model's entropy at the position, in nats: {nats}; the levels are nested.",
        keywords,
        drawn,
        parts,
    )


def _by_success(keywords: KeywordList, drawn: Drawn) -> ResultTable:
    parts: dict[str, Callable[[DrawnResponse], bool]] = {
        "solved": lambda response: response.is_solved,
        "unsolved": lambda response: not response.is_solved,
    }
    about = "Solved: the prediction earned the prefix-matching reward."
    return _by("patterns_by_success", "Reasoning patterns, solved or not", about, keywords, drawn, parts)


def _by(
    name: str,
    title: str,
    about: str,
    keywords: KeywordList,
    drawn: Drawn,
    parts: Mapping[str, Callable[[DrawnResponse], bool]],
) -> ResultTable:
    """One row for each model and part, one column for each pattern."""
    columns = [Column(f"share_{group}", _words(group), "share") for group in keywords.groups]
    return ResultTable(
        name,
        title,
        f"Share of responses with a keyword of each pattern. {about} {_basis(keywords, drawn)}",
        [
            Column("responses_of", "Responses"),
            Column("n", "n", "count"),
            *columns,
        ],
        list(_part_rows(keywords, drawn, parts)),
        Chart("bars", "responses_of", tuple(column.key for column in columns), y_title="Share of responses"),
    )


def _part_rows(
    keywords: KeywordList, drawn: Drawn, parts: Mapping[str, Callable[[DrawnResponse], bool]]
) -> Iterator[dict[str, Cell]]:
    for model, responses in drawn.items():
        for part, belongs in parts.items():
            members = [response for response in responses if belongs(response)]
            shares = {f"share_{group}": _share(members, group) for group in keywords.groups}
            yield {"responses_of": f"{model}, {part}", "n": len(members), **shares}


def _above(nats: float) -> Callable[[DrawnResponse], bool]:
    return lambda response: response.entropy_nats is not None and response.entropy_nats > nats


def _count(responses: Sequence[DrawnResponse], group: str) -> int:
    return sum(group in response.groups for response in responses)


def _share(responses: Sequence[DrawnResponse], group: str) -> Estimate | None:
    """None without responses."""
    if not responses:
        return None
    found, n = _count(responses, group), len(responses)
    return Estimate(found / n, *wilson_interval(found, n), n)


def _basis(keywords: KeywordList, drawn: Drawn) -> str:
    counts = ", ".join(f"{model} {len(responses)}" for model, responses in drawn.items())
    return (
        f"Responses, drawn by the seed: {counts}. Keywords: list {keywords.name!r}, version {keywords.version} "
        f"({keywords.source}). Intervals of shares are 95 %, Wilson's."
    )


def _words(group: str) -> str:
    return group.replace("_", " ")
