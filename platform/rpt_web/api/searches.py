"""Searches in responses by the API: start one, read its hits while they come in, stop it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, cast

from django.http import HttpRequest
from ninja import NinjaAPI
from ninja import Status as Answer
from pydantic import ConfigDict, Field

from rpt_core.run.rollout_search import LONGEST, SoughtText
from rpt_web import access
from rpt_web.api.bodies import Body
from rpt_web.api.errors import WrongField, conflicts, refusals_at
from rpt_web.api.groups import GroupQuery
from rpt_web.api.paging import After, Limit, page_of, user_of
from rpt_web.api.plain import PlainSchema
from rpt_web.api.schemas import Page, Refused
from rpt_web.runs.models import Run
from rpt_web.searches import services
from rpt_web.searches.models import Search
from rpt_web.teams.models import Team, User
from rpt_web.traces.group_filters import ALL


class SearchedGroups(GroupQuery):
    """Filters of a list of traces, as `GET /groups` takes them. What does not exist is refused."""

    model_config = ConfigDict(extra="forbid")


class SearchIn(Body):
    """What to look for, and where."""

    text: str = Field(max_length=LONGEST)
    mode: Literal["words", "phrase", "expression"] = Field(
        default="words", description="All words, in any order; a phrase as it is written; an expression of RE2."
    )
    place: Literal["response", "prompt"] = Field(
        default="response", description="Responses; or prompts, each group's once."
    )
    ignore_case: bool = True
    runs: list[int] = Field(
        default=[], max_length=services.MOST_RUNS, description="Ids of the runs; those of `traces` where you give that."
    )
    traces: SearchedGroups | None = Field(
        default=None, description="Search in the groups of this list, in all runs that you may see, in place of `runs`."
    )
    kind: Literal["train", "sampled", "greedy"] | None = None
    first_step: int | None = Field(default=None, ge=0, lt=2**31)
    last_step: int | None = Field(default=None, ge=0, lt=2**31)
    rewarded: bool | None = Field(default=None, description="Only what earned a reward, or only what did not.")
    reason: Literal["match", "mismatch", "not_on_boundary", "empty", "no_box"] | None = None
    finish: Literal["stop", "length"] | None = None
    team: int | None = Field(
        default=None, ge=1, lt=2**63, description="Id of the team that sees it; empty takes that of the first run."
    )


class SearchOut(PlainSchema):
    """A search, and how far it is."""

    id: int
    team_id: int
    text: str
    mode: str
    place: str
    ignore_case: bool
    runs: list[int]
    filters: dict[str, Any]
    created_at: datetime
    state: str = Field(description="queued, running, succeeded, failed or cancelled.")
    error: str = Field(description="Why it failed, or why no worker has taken it yet.")
    read: int = Field(description="Responses that were read so far.")
    of: int | None = Field(description="Responses there are; null until it has begun.")
    matching: int = Field(description="Of those that were read, how many match, in runs that the user may see.")
    unreadable: int = Field(description="Files of responses that were left out.")


class HitOut(PlainSchema):
    """A response, or a group's prompt, that matches."""

    number: int
    run: int = Field(alias="run_id")
    rollout: int = Field(description="Its id within the run.")
    step: int
    kind: str
    group: int
    sample: int
    reward: float | None
    reason: str
    before: str
    match: str
    after: str
    times: int = Field(description="How often it matches there.")


HIT_FIELDS = [field.alias or name for name, field in HitOut.model_fields.items()]


def add_operations(api: NinjaAPI) -> None:
    """Register what is below."""
    of_search, tags = "/searches/{int:search_id}", ["searches"]
    api.get("/searches", response=Page[SearchOut], tags=tags)(searches)
    api.post("/searches", response={202: SearchOut}, tags=tags)(start_search)
    api.get(of_search, response=SearchOut, tags=tags)(search_detail)
    api.get(f"{of_search}/hits", response=Page[HitOut], tags=tags)(hits)
    api.post(f"{of_search}/stop", response={202: SearchOut, 409: Refused}, tags=tags)(stop_search)


def searches(request: HttpRequest, after: After = None, limit: Limit = 50) -> dict[str, Any]:
    """Searches of the user's teams that are still kept, newest first."""
    user = user_of(request)
    page = page_of(access.searches_for(user), "-id", after, limit)
    ids = {run for search in page["items"] for run in search.runs}
    seen = set(access.runs_for(user).filter(pk__in=ids).values_list("pk", flat=True))
    return page | {"items": [_out(search, seen) for search in page["items"]]}


def start_search(request: HttpRequest, asked: SearchIn) -> Answer[dict[str, Any]]:
    """Begin a search; read its hits while they come in."""
    user = user_of(request)
    wanted = SoughtText(asked.text, asked.mode, asked.ignore_case, asked.place)
    with refusals_at("text"):
        wanted.patterns()
    groups = asked.traces.filters() if asked.traces else None
    if groups and asked.runs:
        raise WrongField("runs", "Give `runs`, or `traces` with `run` in it, but not both.")
    runs = access.runs_to_search(user, groups) if groups else _runs(user, asked.runs)
    team = _team(user, asked.team, runs)
    own = ("first_step", "last_step", "rewarded")
    names = ("kind", "reason", "finish")
    values = {name: getattr(asked, name) for name in own} | {name: getattr(asked, name) or "" for name in names}
    values["traces"] = (groups.query() or ALL) if groups else ""
    with refusals_at("traces" if groups else "runs"):
        made = services.start(team, user, wanted, runs, services.SearchFilters(**values))
    return Answer(202, _out(made, {run.pk for run in runs}))


def search_detail(request: HttpRequest, search_id: int) -> dict[str, Any]:
    """One search."""
    user = user_of(request)
    return _seen(user, access.get_search_or_404(user, search_id))


def hits(request: HttpRequest, search_id: int, after: After = None, limit: Limit = 50) -> dict[str, Any]:
    """Its hits in the order in which they were found; the first thousand are kept."""
    user = user_of(request)
    found = access.hits_for(user, access.get_search_or_404(user, search_id)).select_related(None).defer(None)
    return page_of(found.values(*HIT_FIELDS), "number", after, limit)


def stop_search(request: HttpRequest, search_id: int) -> Answer[dict[str, Any]]:
    """Have it end; what it has found stays."""
    user = user_of(request)
    search = access.get_search_or_404(user, search_id, to_stop=True)
    with conflicts():
        services.stop(search, user)
    return Answer(202, _seen(user, access.get_search_or_404(user, search_id)))


def _runs(user: User, ids: list[int]) -> list[Run]:
    found = access.runs_for(user).in_bulk([one for one in ids if 0 < one < 2**63])
    missing = [one for one in ids if one not in found]
    if missing:
        raise WrongField("runs", f"There is no run {missing[0]} that you may see. Leave it out.")
    return [found[one] for one in dict.fromkeys(ids)]


def _team(user: User, asked: int | None, runs: list[Run]) -> Team:
    """The named one; or that of the first run, or the user's first where that only shares it."""
    if asked is not None:
        with refusals_at("team"):
            return access.get_team_or_404(user, asked)
    teams = list(access.roles_of(user))
    own = next((team for team in teams if runs and team.pk == runs[0].experiment.team_id), None)
    if own is None and not teams:
        raise WrongField("team", "You are in no team. Ask an administrator of one to invite you.")
    return own or teams[0]


def _seen(user: User, search: Search) -> dict[str, Any]:
    return _out(search, set(access.runs_for(user).filter(pk__in=search.runs).values_list("pk", flat=True)))


def _out(search: Search, seen: set[int]) -> dict[str, Any]:
    names = ("id", "team_id", "text", "mode", "place", "ignore_case", "runs", "filters", "created_at")
    job, counts = search.job, services.counts_of(search, seen)
    told = {name: counts[name] for name in ("read", "of", "matching", "unreadable")}
    state = {"state": str(job.state) if job else "succeeded", "error": job.error if job else ""}
    return cast(dict[str, Any], {name: getattr(search, name) for name in names} | state | told)
