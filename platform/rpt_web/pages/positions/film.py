"""The filmstrip of a position, and the runs that run it again: asked for every two seconds while one is under way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from rpt_web import access
from rpt_web.pages.addresses import number_asked
from rpt_web.pages.group_addresses import run_page
from rpt_web.pages.position_addresses import place_of, query_of
from rpt_web.pages.traces.detail import ANYWAY, yet_to_review
from rpt_web.runs import places, queues, waiting
from rpt_web.runs.models import UNFINISHED, Run, Status
from rpt_web.runs.same_names import marks
from rpt_web.traces import queries
from rpt_web.traces.filmstrip import FilmCell, Filmstrip, filmstrip
from rpt_web.traces.models import CorpusPosition
from rpt_web.traces.reruns import samples_of

MOST_GROUPS = 4000
"""Of one position: the newest runs' come first."""
MOST_RERUNS = 5


@dataclass(frozen=True)
class ShownRerun:
    """A run that runs the position again."""

    run: Run
    query: str
    """Of its group; empty while it has none."""
    waits: str
    """Why it waits, in words; empty where it does not."""

    @property
    def samples(self) -> int:
        """Responses that it asks for."""
        return samples_of(self.run.config)


@dataclass(frozen=True)
class Film:
    """What was thought at a position, by run and step."""

    groups: list[FilmCell]
    names: dict[int, str]
    """Of its runs, the newest first."""
    strip: Filmstrip
    chosen: FilmCell


@require_safe
def film(request: HttpRequest, text_hash: str, byte_offset: int) -> HttpResponse:
    """The filmstrip alone."""
    found = access.get_place_or_404(request.user, text_hash, byte_offset)
    if must_not_know(request, found):
        return yet_to_review(request, "position")
    strip = film_of(request, found)
    return render(request, "positions/_film.html", context_of(request, found, strip) | {"group": strip.chosen})


def must_not_know(request: HttpRequest, position: CorpusPosition) -> bool:
    """Whether the reader has yet to review something here without its run and reward, and does not look anyway."""
    return ANYWAY not in request.GET and access.should_not_know(request.user, position)


def query_for(request: HttpRequest, group: FilmCell) -> str:
    """What names a group in the address, and that the reader looks at it anyway."""
    return query_of(group) + (f"&{ANYWAY}=1" if ANYWAY in request.GET else "")


def film_of(request: HttpRequest, position: CorpusPosition) -> Film:
    """The groups at a position that the reader may see, and the one that the address names (2 queries)."""
    rows = access.groups_at(request.user, position).order_by("-run_id", "step", "id")
    groups = [FilmCell(*row) for row in rows.values_list(*FilmCell._fields)[:MOST_GROUPS]]
    runs = access.runs_for(request.user).filter(pk__in={group.run_id for group in groups}).order_by("-id")
    names = dict(runs.values_list("pk", "name"))
    return Film(groups, names, filmstrip(groups, list(names)), _chosen(request, groups))


def context_of(request: HttpRequest, position: CorpusPosition, found: Film) -> dict[str, Any]:
    """For the template of the filmstrip."""
    reruns = _reruns(request, position, found.groups)
    numbers = marks(found.names)
    return {
        "strip": found.strip,
        "film_rows": [
            (
                run_page(row.run_id),
                found.names[row.run_id],
                numbers[row.run_id],
                queries.KIND_LABELS[row.kind],
                row.cells,
            )
            for row in found.strip.rows
        ],
        "place": place_of(position),
        "film_query": query_for(request, found.chosen),
        "reruns": reruns,
        "is_under_way": any(rerun.run.status in UNFINISHED for rerun in reruns),
    }


def _chosen(request: HttpRequest, groups: list[FilmCell]) -> FilmCell:
    """The group that the address names; or the newest of the newest run, sampled ones first."""
    asked = tuple(number_asked(request, name) for name in ("run", "step", "group"))
    kind = request.GET.get("kind", "")
    for group in groups:
        if (group.run_id, group.step, group.group) == asked and group.kind == kind:
            return group
    newest = [group for group in groups if group.run_id == groups[0].run_id]
    return max(newest, key=lambda group: (group.kind != "greedy", group.step))


def _reruns(request: HttpRequest, position: CorpusPosition, groups: list[FilmCell]) -> list[ShownRerun]:
    """The newest of them, with why those that are queued wait."""
    keys = list(access.reruns_at(request.user, position).values_list("run", flat=True)[:MOST_RERUNS])
    runs = list(access.runs_for(request.user).filter(pk__in=keys).order_by("-id")) if keys else []
    waits = _waits([run for run in runs if run.status == Status.QUEUED])
    by_run = {group.run_id: group for group in groups}
    return [
        ShownRerun(run, query_of(by_run[run.pk]) if run.pk in by_run else "", waits.get(run.pk, "")) for run in runs
    ]


def _waits(queued: list[Run]) -> dict[int, str]:
    if not queued:
        return {}
    ranks, heard = places.ranks({run.queue for run in queued}), queues.heard_queues()
    why = waiting.reasons(queued)
    return {run.pk: _waits_for(run, ranks.get(run.pk), why.get(run.pk, ""), run.queue in heard) for run in queued}


def _waits_for(run: Run, rank: int | None, why: str, is_heard: bool) -> str:
    if not is_heard:
        return f"No worker listens to the queue “{run.queue}”."
    if why:
        return f"{why[:1].upper()}{why[1:]}."
    return "It is the next that a worker takes." if rank == 1 else f"Number {rank} in its queue."
