"""Label sets and queues by the API: lists, new ones, the labels of a queue out and in. Items are in `review_items`.

Whoever has yet to submit an item sees here, too, nothing that others said of it.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Literal

from django.http import HttpRequest, QueryDict
from ninja import NinjaAPI
from ninja import Status as Answer
from pydantic import Field

from rpt_core.errors import UserError
from rpt_web import access
from rpt_web.api.bodies import Body
from rpt_web.api.errors import conflicts, refusals_at
from rpt_web.api.paging import After, Limit, page_of, user_of
from rpt_web.api.plain import PlainSchema
from rpt_web.api.schemas import Page, Refused
from rpt_web.compare.positions import ComparedSet
from rpt_web.review import exports, group_queues, imports, label_sets, managing, progress, queues, reviews
from rpt_web.review.compared_queues import create_from_comparison
from rpt_web.review.models import ItemKind, LabelSet, LabelSetVersion, Review, ReviewQueue
from rpt_web.teams.membership import home_of
from rpt_web.teams.models import Team, User
from rpt_web.traces.group_filters import GroupFilters
from rpt_web.traces.queries import Filters

TEAM = "Id of the team it belongs to; empty takes the first where the token's user may change things."


class LabelSetOut(PlainSchema):
    """A label set."""

    id: int
    team_id: int
    name: str
    created_at: datetime


class LabelSetVersionOut(PlainSchema):
    """Questions that never change."""

    id: int
    label_set_id: int
    number: int
    text: str = Field(description="YAML.")
    questions: list[dict[str, Any]] = Field(description="The same as data.")
    created_at: datetime


class LabelSetVersionIn(Body):
    """The text of a version."""

    text: str = Field(description="YAML with `questions`, each with name, kind and, where it has some, labels.")


class LabelSetIn(LabelSetVersionIn):
    """A new label set."""

    name: str
    team: int | None = Field(default=None, ge=1, lt=2**63, description=TEAM)


class QueueOut(PlainSchema):
    """A queue, and how far it is."""

    id: int
    team_id: int
    name: str
    instructions: str
    kind: str
    label_set_version: int = Field(alias="version_id")
    reviewers_per_item: int
    overlap: float
    is_open_to_all: bool
    is_blind: bool
    hides_truth: bool
    due_at: datetime | None
    closed_at: datetime | None
    created_at: datetime
    items: int
    wanted: int = Field(description="Reviews in all.")
    submitted: int
    own_submitted: int = Field(description="By the token's user.")
    own_open: int


class QueueIn(Body):
    """A queue of responses of a run, or of what a list of traces shows."""

    run: int | None = Field(default=None, ge=1, lt=2**63, description="Whose responses; null with `traces`.")
    traces: str | None = Field(
        default=None,
        max_length=4000,
        description="In place of a run: groups, as the address of a list of traces has it: `solved=none`.",
    )
    comparison: int | None = Field(default=None, ge=1, lt=2**63, description="In place of a run: its positions.")
    positions: str = Field(
        default="",
        max_length=4000,
        description="With `comparison`: which, as the address of its page of positions has it: `a=0&b=1&cell=gained`.",
    )
    side: Literal["a", "b"] = Field(default="b", description="With `comparison`: which of the two wrote it.")
    unit: Literal["response", "group", "position"] = Field(
        default="response",
        description="Not with `run`: an item is one response of each group, the group, or its position.",
    )
    team: int | None = Field(default=None, ge=1, lt=2**63, description=f"Not with `run`. {TEAM}")
    filter: str = Field(default="", description="As the address of a list of responses has it: `kind=train&reward=0`.")
    name: str
    label_set: int | None = Field(
        default=None, ge=1, lt=2**63, description="Its newest version is asked; null takes the built-in set."
    )
    sample: int | None = Field(default=None, ge=1, le=queues.MOST_ITEMS, description="How many; null for all.")
    seed: int = Field(default=0, ge=0, lt=2**31)
    reviewers: list[str] = Field(default=[], description="Names of users; empty for a queue that is open to all.")
    reviewers_per_item: int = Field(default=1, ge=1, le=queues.MOST_REVIEWERS)
    overlap: float = Field(default=1.0, ge=0, le=1)
    instructions: str = Field(default="", max_length=queues.LONGEST_INSTRUCTIONS)
    is_blind: bool = True
    hides_truth: bool = True
    due_at: datetime | None = None


class LabelOut(PlainSchema):
    """A submitted review, with what joins it to the rollouts."""

    id: int
    queue: int
    item: int = Field(description="Its number in the queue.")
    run: int | None
    step: int | None
    kind: str
    row: int | None
    rollout: int | None
    group: int | None
    document: str
    position: int | None
    text_hash: str | None = Field(description="Of an item that is a position: the hash of the document's text.")
    byte_offset: int | None = Field(description="Where its completion begins.")
    reward: float | None
    other_run: int | None = Field(description="Of a pair: `a` is the response of `run`, `b` that of `other_run`.")
    other_rollout: int | None
    swapped: bool = Field(description="Of a pair: whether `b` stood on the left.")
    label_set: str
    label_set_version: int
    reviewer: str
    answers: dict[str, Any]
    decision: dict[str, Any] | None = Field(description="What was decided about the item; null for nothing.")
    note: str
    flagged: bool
    seconds: float
    submitted_at: str | None
    imported: bool


class LabelsIn(Body):
    """Labels to import: all, or none."""

    labels: list[dict[str, Any]] = Field(
        min_length=1,
        max_length=imports.MOST_LINES,
        description="Each with `item`, or `run` and `rollout`, or what else an export names it by; `answers`; and "
        "`reviewer`, `note`, `flagged`.",
    )


class ReassignIn(Body):
    """Whose open items go to whom."""

    leaver: str = Field(description="Name of the user whose items they are; what was submitted stays.")
    takers: list[str] = Field(min_length=1, description="Names of who takes them, in turn.")


class ReassignedOut(PlainSchema):
    """What went to others."""

    items: int


class DeletedQueueOut(PlainSchema):
    """What went with a queue."""

    items: int
    submitted: int
    drafts: int
    decisions: int


class ImportedOut(PlainSchema):
    """What came in."""

    labels: int


def add_operations(api: NinjaAPI) -> None:
    """Register what is below."""
    tags, sets, one = ["review"], "/label-sets", "/queues/{int:queue_id}"
    api.get(sets, response=Page[LabelSetOut], tags=tags)(list_label_sets)
    api.post(sets, response={201: LabelSetVersionOut}, tags=tags)(create_label_set)
    api.get(f"{sets}/{{int:label_set_id}}/versions", response=Page[LabelSetVersionOut], tags=tags)(label_set_versions)
    api.post(f"{sets}/{{int:label_set_id}}/versions", response={201: LabelSetVersionOut}, tags=tags)(save_label_set)
    api.get("/queues", response=Page[QueueOut], tags=tags)(list_queues)
    api.post("/queues", response={201: QueueOut}, tags=tags)(create_queue)
    api.get(one, response=QueueOut, tags=tags)(queue_detail)
    api.post(f"{one}/close", response=QueueOut, tags=tags)(close_queue)
    api.delete(one, response={200: DeletedQueueOut, 409: Refused}, tags=tags)(delete_queue)
    api.post(f"{one}/reassign", response=ReassignedOut, tags=tags)(reassign_items)
    api.get(f"{one}/labels", response=Page[LabelOut], tags=tags)(queue_labels)
    api.post(f"{one}/labels", response={201: ImportedOut, 409: Refused}, tags=tags)(import_labels)


def list_label_sets(request: HttpRequest, after: After = None, limit: Limit = 50) -> dict[str, Any]:
    """Label sets of the user's teams, newest first."""
    return page_of(access.label_sets_for(user_of(request)), "-id", after, limit)


def create_label_set(request: HttpRequest, label_set: LabelSetIn) -> Answer[LabelSetVersion]:
    """Save the first version under a new name."""
    user = user_of(request)
    access.require_change_somewhere(user)
    with refusals_at("team"):
        team = _team(user, label_set.team)
    return Answer(201, label_sets.create(team, label_set.name, label_set.text, user))


def label_set_versions(
    request: HttpRequest, label_set_id: int, after: After = None, limit: Limit = 50
) -> dict[str, Any]:
    """Versions of a label set, newest first."""
    found = access.get_label_set_or_404(user_of(request), label_set_id)
    return page_of(found.versions.all(), "-id", after, limit)


def save_label_set(request: HttpRequest, label_set_id: int, version: LabelSetVersionIn) -> Answer[LabelSetVersion]:
    """Save the next version; queues keep theirs."""
    found = access.get_label_set_or_404(user_of(request), label_set_id, to_change=True)
    with refusals_at("text"):
        return Answer(201, label_sets.save(found, version.text, user_of(request)))


def list_queues(request: HttpRequest, after: After = None, limit: Limit = 50) -> dict[str, Any]:
    """Queues of the user's teams, newest first."""
    user = user_of(request)
    page = page_of(access.queues_for(user), "-id", after, limit)
    return page | {"items": _out(user, page["items"])}


def create_queue(request: HttpRequest, queue: QueueIn) -> Answer[dict[str, Any]]:
    """Put responses of a run, what a list of traces shows, or positions of a comparison into a new queue."""
    user = user_of(request)
    if queue.comparison is not None:
        return Answer(201, _out(user, [_of_comparison(user, queue, queue.comparison)])[0])
    if queue.traces is not None:
        return Answer(201, _out(user, [_of_traces(user, queue, queue.traces)])[0])
    with refusals_at("run"):
        if queue.run is None:
            raise UserError("Give `run`, `traces` or `comparison`.")
        run, rollouts = access.get_rollouts_or_404(user, queue.run)
    team = run.experiment.team
    access.require_change(user, team.pk)
    filters = Filters.from_query(_query(queue.filter))
    made = queues.create_from_run(run, filters.apply(rollouts), filters.query(), _plan(user, team, queue), user)
    return Answer(201, _out(user, [made])[0])


def _of_traces(user: User, queue: QueueIn, traces: str) -> ReviewQueue:
    access.require_change_somewhere(user)
    with refusals_at("team"):
        team = _team(user, queue.team)
    filters = access.resolved(user, GroupFilters.from_query(QueryDict(traces.lstrip("?"))))
    plan = _plan(user, team, queue)
    with refusals_at("traces"):
        runs, unit = access.runs_for(user), ItemKind(queue.unit)
        return group_queues.create_from_traces(team, runs, filters, unit, plan, user)


def _of_comparison(user: User, queue: QueueIn, comparison: int) -> ReviewQueue:
    access.require_change_somewhere(user)
    with refusals_at("team"):
        team = _team(user, queue.team)
    with refusals_at("comparison"):
        row = access.get_comparison_or_404(user, comparison)
    plan, unit, runs = _plan(user, team, queue), ItemKind(queue.unit), access.runs_for(user)
    with refusals_at("positions"):
        asked = ComparedSet.from_query(row, _query(queue.positions))
        return create_from_comparison(team, runs, asked, unit, queue.side == "a", plan, user)


def _plan(user: User, team: Team, queue: QueueIn) -> queues.QueuePlan:
    with refusals_at("label_set"):
        version = _version(user, team, queue.label_set)
    with refusals_at("reviewers"):
        people = members_named(team, queue.reviewers)
    names = ("name", "sample", "seed", "reviewers_per_item", "overlap", "instructions", "is_blind", "hides_truth")
    values = {name: getattr(queue, name) for name in (*names, "due_at")}
    return queues.QueuePlan(version=version, reviewers=people, **values)


def queue_detail(request: HttpRequest, queue_id: int) -> dict[str, Any]:
    """One queue, and how far it is."""
    user = user_of(request)
    return _out(user, [access.get_queue_or_404(user, queue_id)])[0]


def close_queue(request: HttpRequest, queue_id: int) -> dict[str, Any]:
    """Nothing more is submitted, and everybody in the team sees what was."""
    user = user_of(request)
    queues.close(access.get_queue_or_404(user, queue_id, to_manage=True))
    return queue_detail(request, queue_id)


def delete_queue(request: HttpRequest, queue_id: int) -> Any:
    """Delete a queue with its items, reviews and decisions. Others' reviews in it, only an administrator deletes."""
    user = user_of(request)
    queue = access.get_queue_or_404(user, queue_id, to_manage=True)
    with conflicts():
        return managing.delete(queue, user, is_administrator=access.can_administer(user, queue.team_id))


def reassign_items(request: HttpRequest, queue_id: int, asked: ReassignIn) -> dict[str, int]:
    """Give what somebody has yet to submit to others, in turn."""
    user = user_of(request)
    queue = access.get_queue_or_404(user, queue_id, to_manage=True)
    holders = {person.username: person for person, _, _ in managing.with_open_items(queue)}
    with refusals_at("takers"):
        takers = members_named(queue.team, asked.takers)
    with refusals_at("leaver"):
        if asked.leaver not in holders:
            raise UserError(f"{asked.leaver!r} has nothing to submit in this queue.")
        return {"items": managing.reassign(queue, holders[asked.leaver], takers, user)}


def queue_labels(request: HttpRequest, queue_id: int, after: After = None, limit: Limit = 200) -> dict[str, Any]:
    """What was submitted, in the order in which reviews were begun; not of items that the user has yet to submit."""
    user = user_of(request)
    queue = access.get_queue_or_404(user, queue_id)
    page = page_of(access.seen_reviews(user, queue).only("id").select_related(None), "id", after, limit)
    found = Review.objects.filter(pk__in=[review.pk for review in page["items"]]).exclude(submitted_at=None)
    reviews.note_seen(found, user)
    return page | {"items": list(exports.label_rows(queue, found, "id"))}


def import_labels(request: HttpRequest, queue_id: int, labels: LabelsIn) -> Answer[dict[str, int]]:
    """Submit reviews: all, or none and what is wrong with each, which are counted from 1."""
    user = user_of(request)
    queue = access.get_queue_or_404(user, queue_id, to_manage=True)
    if queue.closed_at is not None:
        with conflicts():
            raise UserError(reviews.CLOSED)
    content = "\n".join(json.dumps(label) for label in labels.labels).encode()
    with refusals_at("labels"):
        return Answer(201, {"labels": imports.import_labels(queue, content, user)})


def _out(user: User, found: list[ReviewQueue]) -> list[dict[str, Any]]:
    known = progress.of_queues(found, user)
    own = [name for name in QueueOut.model_fields if hasattr(ReviewQueue, name) and name != "items"]
    names = ("items", "wanted", "submitted", "own_submitted", "own_open")
    return [
        {name: getattr(queue, name) for name in own}
        | {"version_id": queue.version_id}
        | {name: getattr(known[queue.pk], name) for name in names}
        for queue in found
    ]


def _query(text: str) -> dict[str, str]:
    return QueryDict(text.lstrip("?")).dict()


def _team(user: User, asked: int | None) -> Team:
    return home_of(user) if asked is None else access.get_team_or_404(user, asked, to_change=True)


def _version(user: User, team: Team, asked: int | None) -> LabelSetVersion:
    if asked is None:
        return label_sets.built_in(team, user)
    found: LabelSet = access.get_label_set_or_404(user, asked)
    version = found.versions.first()
    if version is None or found.team_id != team.pk:
        raise UserError(f"This label set belongs to another team. Choose one of {team.name}.")
    return version


def members_named(team: Team, names: list[str]) -> list[User]:
    """Those who may review for the team, by their names. Raises UserError for a name of nobody among them."""
    able = {person.username: person for person in queues.reviewers_of(team)}
    if unknown := [name for name in names if name not in able]:
        raise UserError(f"{unknown[0]!r} is no member of {team.name}. Its page shows who is.")
    return [able[name] for name in dict.fromkeys(names)]
