"""Operations of the API on groups of responses in all runs: the lists of Traces, by the same filters.

In: the query, whose names and values are those of the page's address. Out: groups, page by page.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from django.http import HttpRequest
from ninja import NinjaAPI, Query
from pydantic import Field, field_validator

from rpt_web import access
from rpt_web.api.paging import Limit, user_of
from rpt_web.api.plain import PlainSchema
from rpt_web.text import clean_json
from rpt_web.traces import group_lists
from rpt_web.traces.group_filters import COMPARED, LABEL, MARKS, ORDER_WORDS, SOLVED, GroupFilters, read_steps
from rpt_web.traces.models import PATTERNS, ResponseGroup


class GroupOut(PlainSchema):
    """The responses to one problem in one step."""

    id: int
    run_id: int
    experiment_id: int
    step: int
    kind: str
    group: int
    first_rollout: int = Field(description="Id of its first response in the run.")
    position_id: int | None = Field(description="The position in every run; null where it is not known.")
    text_hash: str | None = Field(description="BLAKE2b of the document's text, hexadecimal.")
    byte_offset: int | None = Field(description="Where the completion begins in it; -1 for a question as a whole.")
    document: str
    token_position: int
    domain: str
    entropy_nats: float | None
    difficulty: Literal["easy", "medium", "hard"] | None = Field(description="The hardest level that it reaches.")
    completion: str = Field(description="How the text continues, cut; other bytes than UTF-8 are written as \\xNN.")
    samples: int
    rewarded: int
    pass_rate: float
    predictions: int = Field(description="Distinct ones.")
    majority: str | None = Field(description="The prediction given most often, cut; null where most have no box.")
    majority_rewarded: bool
    disagreement: float = Field(description="Share of the responses that do not give it.")
    tokens_mean: float
    tokens_min: int
    tokens_max: int
    match: int
    mismatch: int
    not_on_boundary: int
    empty: int
    no_box: int
    cut: int = Field(description="Responses that the limit cut.")
    white_space: int = Field(description="Responses that are wrong by white space at their ends alone.")
    boxes: int = Field(description="Most boxes in one response.")
    patterns: list[str] | None = Field(
        description="The paper's groups of keywords that some thought has one of; null where nobody has looked."
    )
    first_solved: bool
    forgotten: bool
    greedy_alone: bool

    @staticmethod
    def resolve_difficulty(group: ResponseGroup) -> str | None:
        """The level's name."""
        return (None, "easy", "medium", "hard")[group.difficulty or 0]

    @staticmethod
    def resolve_text_hash(group: ResponseGroup) -> str | None:
        """As text."""
        return bytes(group.position.text_hash).hex() if group.position else None

    @staticmethod
    def resolve_byte_offset(group: ResponseGroup) -> int | None:
        """Of its position."""
        return group.position.byte_offset if group.position else None

    @staticmethod
    def resolve_patterns(group: ResponseGroup) -> list[str] | None:
        """Their names."""
        bits = group.patterns
        return None if bits is None else [name for bit, name in enumerate(PATTERNS) if bits & 1 << bit]

    @field_validator("majority", "completion", mode="before")
    @classmethod
    def _as_text(cls, value: bytes | memoryview | None) -> str | None:
        return None if value is None else bytes(value).decode("utf-8", errors="backslashreplace")


class GroupsOut(PlainSchema):
    """A page of groups."""

    items: list[GroupOut]
    next: str | None = Field(description="Give this as `after` for the next page; null at the end.")


class GroupCountsOut(PlainSchema):
    """How many groups match."""

    total: int
    is_exact: bool = Field(description="False where it is an estimate from a sample, above 10,000.")
    is_more: bool = Field(description="There are more than `total`; how many cannot be said from a sample.")
    facets: dict[str, int] = Field(
        description="How many of them have a value: `kind:train`, `mark:forgotten`, ... What reviewers said of them"
        " has a call of its own, `/groups/counts/reviews`."
    )
    domains: dict[str, int] = Field(description="The most frequent ones.")
    runs: dict[int, int] = Field(description="Those with most of the groups, by their ids.")


class ReviewCountsOut(PlainSchema):
    """What reviewers said of groups that match, as far as you may see it."""

    labels: dict[str, int] = Field(description="Groups by label, `question:value`; the most frequent ones.")
    reviewers: dict[str, int] = Field(description="Groups by who reviewed something of them; the most frequent ones.")
    disputed: int = Field(description="Groups of which reviewers said different things.")


STEPS = r"^([0-9]{1,10}@[0-9]{1,10}(,[0-9]{1,10}@[0-9]{1,10})*)?$"
LABEL_OR_NONE = rf"^({LABEL})?$"
After = Annotated[str, Query(description="`next` from the page before.")]


class GroupQuery(PlainSchema):
    """The filters of the page Traces, under the same names; see docs/traces.md."""

    run: list[int] = []
    experiment: list[int] = []
    at: str = Field("", pattern=STEPS, description="Runs, each at a step of its own: `5@40,7@60`.")
    kind: Literal["", "train", "sampled", "greedy"] = ""
    difficulty: Literal["", "easy", "medium", "hard"] = Field("", description="That level or a harder one.")
    solved: Literal["", *SOLVED] = Field("", description="How many of the responses are rewarded.")  # type: ignore[valid-type]  # the choices of the page
    mark: Literal["", *MARKS] = ""  # type: ignore[valid-type]  # the marks that the recorder sets
    pattern: Literal["", *PATTERNS] = Field("", description="Some thought has a keyword of this group.")  # type: ignore[valid-type]  # the paper's groups
    reason: Literal["", "match", "mismatch", "not_on_boundary", "empty", "no_box"] = ""
    finish: Literal["", "stop", "length"] = ""
    document: str = ""
    token: int | None = Field(None, ge=0, description="The position in its document, in the policy's tokens.")
    domain: str = ""
    position: int | None = None
    compared: str = Field(
        "",
        pattern=rf"^({COMPARED})?$",
        description="At the positions of a comparison: its number, a colon and the query of its page of positions, as "
        "in `12:a=0&b=1&difficulty=hard&cell=gained`. There are none where you may not see it.",
    )
    label: str = Field(
        "",
        pattern=LABEL_OR_NONE,
        description="`question:value` that a reviewer has given to a response, or to the group.",
    )
    reviewer: str = Field("", description="Name of somebody who has reviewed it; with a label, who has given it.")
    disputed: bool = Field(False, description="Reviewers answered differently.")
    boxes: int | None = Field(None, ge=0, description="Some response has at least so many.")
    white_space: bool = False
    alarm: bool = Field(False, description="An alarm of the run arose at the step.")
    step_from: int | None = None
    step_to: int | None = None
    entropy_from: float | None = None
    entropy_to: float | None = None
    pass_from: float | None = None
    pass_to: float | None = None
    tokens_from: float | None = None
    tokens_to: float | None = None
    samples_from: int | None = Field(None, description="The group has at least so many responses.")
    samples_to: int | None = None
    order: Literal[*ORDER_WORDS] = "-newest"  # type: ignore[valid-type]  # the choices of the page

    def filters(self) -> GroupFilters:
        """As the page has them."""
        given = clean_json(self.model_dump())
        runs, experiments = tuple(given.pop("run")), tuple(given.pop("experiment"))
        at = read_steps([given.pop("at")])
        ends = {name: given.pop(name) for name in list(given) if name.endswith(("_from", "_to"))}
        ranges = tuple((name, value) for name, value in ends.items() if value is not None)
        return GroupFilters(runs=runs, experiments=experiments, at=at, ranges=ranges, **given)


def add_operations(api: NinjaAPI) -> None:
    """Put them into the API."""
    api.get("/groups", response=GroupsOut, tags=["what a run wrote"])(groups)
    api.get("/groups/counts", response=GroupCountsOut, tags=["what a run wrote"])(group_counts)
    api.get("/groups/counts/reviews", response=ReviewCountsOut, tags=["what a run wrote"])(review_counts)


def groups(request: HttpRequest, wanted: Query[GroupQuery], after: After = "", limit: Limit = 50) -> dict[str, Any]:
    """Groups of responses in all runs that you may see, newest first or in the order that you ask for."""
    runs = access.runs_for(user_of(request))
    page = group_lists.group_page(runs, access.resolved(user_of(request), wanted.filters()), after=after, limit=limit)
    return {"items": page.rows, "next": page.next or None}


def group_counts(request: HttpRequest, wanted: Query[GroupQuery]) -> group_lists.GroupCounts:
    """How many groups match, and what they are."""
    user = user_of(request)
    return group_lists.group_counts(access.runs_for(user), access.resolved(user, wanted.filters()))


def review_counts(request: HttpRequest, wanted: Query[GroupQuery]) -> dict[str, Any]:
    """How many of the groups that match have each label and each reviewer, and how many are disputed. The numbers are
    exact. Only what you may see of reviews counts."""
    user = user_of(request)
    said = access.judged_counts(user, access.resolved(user, wanted.filters()))
    disputed = said.get("disputed", {}).get("1", 0)
    return {"labels": said.get("label", {}), "reviewers": said.get("reviewer", {}), "disputed": disputed}
