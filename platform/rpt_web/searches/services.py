"""Starting, stopping and forgetting searches, and what their job reads.

In: what is looked for, runs, filters. Out: rows, and a job of the quick lane (`workers.searches`) that fills them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import QueryDict

from rpt_core.errors import UserError
from rpt_core.run.rollout_search import RowFilter, SoughtText
from rpt_core.words import counted
from rpt_web.jobs import services as jobs
from rpt_web.jobs.models import UNENDED, Job
from rpt_web.runs.models import Run
from rpt_web.searches.models import Search, SearchHit
from rpt_web.teams.models import Team, User
from rpt_web.text import clean_text
from rpt_web.traces.group_filters import GroupFilters
from rpt_web.traces.models import KINDS, RolloutShard
from rpt_web.traces.queries import FINISHES, REASONS

KIND = "search"
KEPT_DAYS = 14
HITS_KEPT = 1000
"""Of a search; the rest is counted."""
MOST_RUNS = 1000
NO_LIST = "No group of responses is in this list. Take one of its filters away, on the page of traces."
MOST_AT_ONCE = 3
"""Searches of one person that have not ended."""


@dataclass(frozen=True)
class SearchFilters:
    """Which responses are looked at; empty for all."""

    kind: str = ""
    first_step: int | None = None
    last_step: int | None = None
    rewarded: bool | None = None
    reason: str = ""
    finish: str = ""
    traces: str = ""
    """The query of a list of traces, in whose groups responses are; empty for all."""

    @property
    def groups(self) -> GroupFilters | None:
        """The filters of that list."""
        return GroupFilters.from_query(QueryDict(self.traces)) if self.traces else None

    def shards(self, runs: Collection[int]) -> QuerySet[RolloutShard]:
        """The files that may have such responses."""
        found = RolloutShard.objects.filter(run__in=runs)
        if self.kind:
            found = found.filter(kind=self.kind)
        if self.first_step is not None:
            found = found.filter(step__gte=self.first_step)
        return found if self.last_step is None else found.filter(step__lte=self.last_step)

    def rows(self) -> RowFilter:
        """Which rows of a file count."""
        return RowFilter(self.rewarded, self.reason, self.finish)

    def check(self) -> None:
        """Raises UserError for values that are none."""
        for name, value, allowed in (("kind", self.kind, KINDS), ("reason", self.reason, REASONS)):
            if value and value not in allowed:
                raise UserError(f"There is no {name} {value!r}. There are: {', '.join(allowed)}.")
        if self.finish and self.finish not in FINISHES:
            raise UserError(f"Responses do not end with {self.finish!r}. There are: {', '.join(FINISHES)}.")
        first, last = self.first_step, self.last_step
        if first is not None and last is not None and first > last:
            raise UserError(f"The first step, {first}, comes after the last, {last}. Swap them.")


def start(team: Team, user: User, wanted: SoughtText, runs: Sequence[Run], filters: SearchFilters) -> Search:
    """Begin a search in runs that the user may see. Raises UserError, which says what to put right."""
    wanted.patterns()
    filters.check()
    if not runs:
        raise UserError(
            NO_LIST if filters.traces else "No run is chosen. Choose the runs in whose responses to search."
        )
    if len(runs) > MOST_RUNS:
        raise UserError(f"{len(runs)} runs are chosen; a search reads at most {MOST_RUNS}. Choose fewer.")
    _refuse_too_many(user)
    ids = [run.pk for run in runs]
    if not filters.shards(ids).exists():
        raise UserError("These runs have no responses of this kind and these steps. Choose others.")
    groups = filters.groups
    is_personal = groups is not None and groups.depends_on_reader
    with transaction.atomic():
        search = Search.objects.create(
            team=team, created_by=user, runs=ids, filters=asdict(filters), is_personal=is_personal, **_of_wanted(wanted)
        )
        search.job = jobs.submit(KIND, {"search": search.pk}, user)
        search.save(update_fields=["job"])
    return search


def filters_of(search: Search) -> SearchFilters:
    """Which responses it looks at."""
    known = SearchFilters.__dataclass_fields__
    return SearchFilters(**{name: value for name, value in search.filters.items() if name in known})


def stop(search: Search, user: User) -> None:
    """Have it end; its hits so far stay. Raises UserError when it has ended."""
    if search.job is None:
        raise UserError("The search has ended already.")
    jobs.request_cancel(search.job, user)


def shards_of(search: Search) -> list[RolloutShard]:
    """The files to read, run by run, the newest step first."""
    place = {run: index for index, run in enumerate(search.runs)}
    shards = filters_of(search).shards(search.runs).select_related("run__experiment")
    return sorted(shards, key=lambda shard: (place[shard.run_id], -shard.step, shard.kind))


def begin(job: Job, search: Search) -> None:
    """An attempt starts from nothing."""
    if jobs.owned(job).exists():
        search.hits.all().delete()


def keep(job: Job, hits: Iterable[SearchHit]) -> bool:
    """Store hits while the job is this attempt's; False when it is not."""
    with transaction.atomic():
        if not jobs.owned(job).select_for_update().exists():
            return False
        SearchHit.objects.bulk_create(_storable(hits))
    return True


def counts_of(search: Search, seen: Collection[int]) -> dict[str, Any]:
    """How far it is, and how many hits each run has that may be seen."""
    result: Mapping[str, Any] = search.job.result if search.job else {}
    by_run = {int(run): count for run, count in result.get("by_run", []) if int(run) in seen}
    return {
        "read": result.get("read", 0),
        "of": result.get("of"),
        "matching": sum(by_run.values()),
        "by_run": by_run,
        "unreadable": result.get("unreadable", 0),
    }


def in_words(search: Search) -> str:
    """Where it looks, in a part of a sentence: `2 runs, training, rewarded`. A list of traces is left out."""
    filters = filters_of(search)
    steps = {
        (False, False): "",
        (True, False): f"from step {filters.first_step}",
        (False, True): f"to step {filters.last_step}",
        (True, True): f"steps {filters.first_step} to {filters.last_step}",
    }[filters.first_step is not None, filters.last_step is not None]
    reward = {None: "", True: "rewarded", False: "not rewarded"}[filters.rewarded]
    kinds = {"train": "training", "sampled": "evaluation, sampled", "greedy": "evaluation, greedy"}
    parts = (
        "" if filters.traces else counted(len(search.runs), "run"),
        kinds.get(filters.kind, ""),
        steps,
        reward,
        REASONS.get(filters.reason, ""),
        FINISHES.get(filters.finish, ""),
        "" if search.ignore_case else "upper and lower case told apart",
    )
    return ", ".join(part for part in parts if part)


def forget_old(days: int = KEPT_DAYS, limit: int = 100) -> int:
    """For the reaper: searches from so long ago are gone, with their hits. Returns how many."""
    old = Search.objects.filter(created_at__lt=Now() - timedelta(days=days)).exclude(job__state__in=UNENDED)
    ids = list(old.values_list("pk", flat=True)[:limit])
    Search.objects.filter(pk__in=ids).delete()
    return len(ids)


def _refuse_too_many(user: User) -> None:
    under_way = Search.objects.filter(created_by=user, job__state__in=UNENDED).count()
    if under_way >= MOST_AT_ONCE:
        raise UserError(
            f"{under_way} of your searches are still reading, all that one person may have at once. Wait for one, or "
            "stop it."
        )


def _of_wanted(wanted: SoughtText) -> dict[str, Any]:
    text = clean_text(wanted.text if wanted.mode == "expression" else wanted.text.strip())
    return {"text": text, "mode": wanted.mode, "place": wanted.place, "ignore_case": wanted.ignore_case}


def _storable(hits: Iterable[SearchHit]) -> list[SearchHit]:
    found = list(hits)
    for hit in found:
        hit.before, hit.match, hit.after = map(clean_text, (hit.before, hit.match, hit.after))
    return found
