"""Groups of runs that were recorded before there were rows of groups, or all that these say, from their shards.

In: a run with shards. Out: its rows of groups, the oldest step first, one transaction for each shard. What a shard does
not say of its positions is looked for (`workers.old_positions`). A shard whose groups are all there, and whole, is
passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow.parquet as pq
from django.db import transaction
from django.db.models import Q, QuerySet, Sum

from rpt_core.run.folder import RunDir
from rpt_core.run.rollout_files import ROW_GROUP_ROWS
from rpt_web.runs.models import Run
from rpt_web.traces.groups import Place, replace_groups
from rpt_web.traces.models import LARGEST_SHARD_ROWS, ResponseGroup, RolloutShard
from workers.group_rows import Columns, thresholds
from workers.old_positions import OldPositions
from workers.rollout_rows import Shard, UnreadableShard, summed_up

SHARDS_BETWEEN_WORDS = 50
_OF_A_PLACE = ["document", "position", "completion", "entropy_nats", "prompt", "context_start", "context_end"]
_LACKS_SOMETHING = Q(position=None) | Q(patterns=None)


@dataclass
class Filled:
    """What came of a run."""

    groups: int = 0
    unplaced: int = 0
    unread: int = 0
    """Shards that are not there, or damaged."""


def runs_to_fill() -> QuerySet[Run]:
    """Runs that have responses on record and lack groups, or something of them."""
    incomplete = set(ResponseGroup.objects.filter(_LACKS_SOMETHING).values_list("run", flat=True).distinct())
    lacking = {run for run, rows in _rows_without_group().items() if rows}
    return Run.objects.filter(pk__in=incomplete | lacking)


def fill_in(run: Run, say: Callable[[str], object] = lambda _: None) -> Filled:
    """Write a run's groups that are not there yet."""
    filled, finder = Filled(), OldPositions(run.config, RunDir(run.directory))
    shards = list(run.shards.order_by("step", "kind"))
    for number, row in enumerate(shards, start=1):
        if not _is_there(row):
            _fill(run, row, finder, filled)
        if number % SHARDS_BETWEEN_WORDS == 0:
            say(f"run {run.pk}: {number} of {len(shards)} shards")
    return filled


def _rows_without_group() -> dict[int, int]:
    """Of each run: recorded responses less those that are in groups."""
    recorded = dict(RolloutShard.objects.values_list("run").annotate(Sum("rows")))
    grouped = dict(ResponseGroup.objects.values_list("run").annotate(Sum("samples")))
    return {run: rows - grouped.get(run, 0) for run, rows in recorded.items()}


def _is_there(row: RolloutShard) -> bool:
    groups = ResponseGroup.objects.filter(run_id=row.run_id, step=row.step, kind=row.kind)
    has_all = groups.aggregate(rows=Sum("samples"))["rows"] == row.rows
    return has_all and not groups.filter(_LACKS_SOMETHING).exists()


def _fill(run: Run, row: RolloutShard, finder: OldPositions, filled: Filled) -> None:
    path = run.directory / row.path
    shard = Shard(run.pk, run.experiment_id, row.attempt, row.step, row.kind, path, thresholds(run.config))
    try:
        columns, places = summed_up(shard).columns()
        if None in places:
            places = list(_found(shard, columns, places, finder))
    except UnreadableShard:
        filled.unread += 1
        return
    with transaction.atomic():
        now = Run.objects.select_for_update(no_key=True).filter(pk=run.pk)
        if now.exists() and run.shards.filter(pk=row.pk).exists():  # it may have been recorded again meanwhile
            replace_groups((run.pk, run.experiment_id), row.step, row.kind, columns, places)
    filled.groups += len(places)
    filled.unplaced += places.count(None)


def _found(shard: Shard, columns: Columns, places: list[Place | None], finder: OldPositions) -> Iterator[Place | None]:
    """The places, with those looked for that the shard does not say."""
    read: dict[int, list[dict[str, Any]]] = {}
    with pq.ParquetFile(shard.path) as file:
        for place, rollout in zip(places, columns["first_rollout"], strict=True):
            group, index = divmod(rollout % LARGEST_SHARD_ROWS, ROW_GROUP_ROWS)
            if group not in read:
                read = {group: file.read_row_group(group, columns=_OF_A_PLACE).to_pylist()}
            yield place or _look_for(read[group][index], finder)


def _look_for(row: dict[str, Any], finder: OldPositions) -> Place | None:
    if row["entropy_nats"] is None:
        return finder.question(row["prompt"], row.get("context_start"), row.get("context_end"))
    return finder.find(row["document"], row["position"], row["completion"])
