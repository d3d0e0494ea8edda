"""The job that searches the responses of runs, shard after shard, on a few threads.

In: a claimed job with the search's id. Out: its hits as rows while it goes, and counts by run in the job's result.
pyarrow reads and matches without Python's lock, so that threads use as many processors.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from rpt_core.errors import UserError
from rpt_core.run.rollout_search import Hit, RowFilter, ShardHits, SoughtText, search_shard
from rpt_core.words import counted
from rpt_web.jobs.models import Job
from rpt_web.searches import services
from rpt_web.searches.models import Search, SearchHit
from rpt_web.traces.models import RolloutShard, rollout_id
from workers.reports import JobReport, Stopping, Why
from workers.search_groups import ShardToRead, shards_to_read

THREADS = 2
AHEAD = 8
"""Shards that are read or wait before the first of them is stored: bounds what is in memory."""
logger = logging.getLogger(__name__)
Read = tuple[RolloutShard, ShardHits | None]


class _Ended(Exception):
    """The other threads are to end as well."""


def search(job: Job, report: JobReport) -> Mapping[str, Any]:
    """Read all shards, and store what was found."""
    found = Search.objects.filter(pk=job.arguments["search"]).first()
    if found is None:
        raise UserError("The search is forgotten.")
    services.begin(job, found)
    shards = shards_to_read(found)
    tally = _Tally(job, found, report, sum(shard.rows for shard, _ in shards))
    for shard, result in _read_all(shards, found.wanted, tally):
        tally.add(shard, result)
    return tally.result()


class _Tally:
    """What has been found so far."""

    def __init__(self, job: Job, search: Search, report: JobReport, rows: int) -> None:
        self.job, self.search, self.report, self.rows = job, search, report, rows
        self.read = self.kept = self.unreadable = 0
        self.by_run: dict[int, int] = {}
        self._under_way = 0
        self._lock = threading.Lock()
        self._is_over = threading.Event()

    @property
    def room(self) -> int:
        """How many more hits are kept."""
        return services.HITS_KEPT - self.kept

    def end(self) -> None:
        """No thread reads on."""
        self._is_over.set()

    def check(self, rows: int) -> None:
        """Called by the threads."""
        if self._is_over.is_set():
            raise _Ended
        with self._lock:
            self._under_way += rows

    def tell(self) -> None:
        """Say how far it is. Raises Stopping."""
        read = min(self._under_way, self.rows)
        hits = counted(sum(self.by_run.values()), "hit")
        self.report(read / max(self.rows, 1), f"{read:,} of {self.rows:,} responses read, {hits}", self.result())

    def add(self, shard: RolloutShard, found: ShardHits | None) -> None:
        """A shard is done; None for one that cannot be read."""
        if found is None:
            self.unreadable += 1
            return
        self.read += found.rows
        if found.matching:
            self.by_run[shard.run_id] = self.by_run.get(shard.run_id, 0) + found.matching
        hits = [self._row(shard, hit, self.kept + index + 1) for index, hit in enumerate(found.hits[: self.room])]
        if hits and not services.keep(self.job, hits):
            raise Stopping(Why.FENCED)
        self.kept += len(hits)

    def result(self) -> dict[str, Any]:
        """As `services.counts_of` reads it."""
        read = max(self.read, min(self._under_way, self.rows))
        by_run = sorted(self.by_run.items(), key=lambda pair: -pair[1])
        return {"read": read, "of": self.rows, "by_run": by_run, "unreadable": self.unreadable, "kept": self.kept}

    def _row(self, shard: RolloutShard, hit: Hit, number: int) -> SearchHit:
        place = rollout_id(shard.step, shard.kind, hit.row)
        values = {name: value for name, value in vars(hit).items() if name not in ("row", "step")}
        return SearchHit(
            search=self.search, number=number, run_id=shard.run_id, rollout=place, step=shard.step, kind=shard.kind,
            **values,
        )  # fmt: skip


def _read_all(shards: Sequence[ShardToRead], wanted: SoughtText, tally: _Tally) -> Iterator[Read]:
    """The shards in order with what was found in each, some of them read ahead."""
    waiting: deque[tuple[RolloutShard, Future[ShardHits | None]]] = deque()
    coming = iter(shards)
    with ThreadPoolExecutor(THREADS, thread_name_prefix="search") as pool:
        try:
            while True:
                while len(waiting) < AHEAD and (following := next(coming, None)) is not None:
                    shard, counts = following
                    waiting.append((shard, pool.submit(_read, shard, wanted, counts, tally)))
                if not waiting:
                    return
                shard, future = waiting.popleft()
                while not future.done():
                    tally.tell()
                    _wait(future)
                tally.tell()
                yield shard, future.result()
        finally:
            tally.end()
            pool.shutdown(cancel_futures=True)


def _wait(future: Future[ShardHits | None], seconds: float = 0.2) -> None:
    """Until it is done, or for a moment."""
    done = threading.Event()
    future.add_done_callback(lambda _: done.set())
    done.wait(seconds)


def _read(shard: RolloutShard, wanted: SoughtText, counts: RowFilter, tally: _Tally) -> ShardHits | None:
    path = shard.run.directory / shard.path
    try:
        return search_shard(path, wanted, counts, max(tally.room, 0), tally.check)
    except MemoryError:
        raise
    except (OSError, ValueError, KeyError) as error:  # pyarrow's errors are ValueErrors
        logger.warning("the shard %s is left out of search %s: %s", path, tally.search.pk, error)
        return None
