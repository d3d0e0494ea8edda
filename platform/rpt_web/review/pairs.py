"""Blind A/B: queues of pairs, two responses at the same position by two runs, or by one at two steps.

In: two sources, how many pairs are drawn, who reviews. Out: a queue of the kind pair, whose items are drawn by a seed
alone. Positions are the same by their place in the text (`CorpusPosition`), so the runs may have other tokenizers. Of
each group one response is drawn. Pairs that are equal are left out, for nobody could tell them apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from secrets import token_hex
from typing import Any

from django.db import transaction
from django.db.models import Q

from rpt_core.errors import UserError
from rpt_core.statistics.preferences import Ballot, Choice, Preference, preference
from rpt_core.words import listed
from rpt_web.review import label_sets, queues
from rpt_web.review.models import ItemKind, LabelSet, LabelSetVersion, Review, ReviewItem, ReviewQueue
from rpt_web.review.questions import ReviewQuestion, from_stored
from rpt_web.review.queues import QueuePlan
from rpt_web.review.sides import QUESTION, SECRET
from rpt_web.runs.models import Run
from rpt_web.teams.models import Team, User
from rpt_web.traces.models import KINDS, ResponseGroup, Rollout

AT_ONCE = 200
MOST_GROUPS = 100_000
"""Groups of one source that are looked at."""
SET_NAME = "A or B (blind)"
SET_TEXT = """\
questions:
- name: better
  title: Which is better?
  kind: one
  labels:
  - {value: a, title: A, colour: blue, key: a}
  - {value: b, title: B, colour: violet, key: b}
  - {value: tie, title: Tie, colour: grey, key: t}
  - {value: both_bad, title: Both bad, colour: red, key: x}
- name: reasons
  title: Why?
  hint: What decided it.
  kind: several
  required: false
  labels:
  - {value: reasoning, title: Sounder reasoning}
  - {value: uses_text, title: Uses the text}
  - {value: prediction, title: Better prediction}
  - {value: clearer, title: Clearer}
  - {value: shorter, title: Shorter}
  - {value: format, title: Right format}
"""
CHOICES: dict[str, Choice] = {"a": "first", "b": "second", "tie": "tie", "both_bad": "both_bad"}
_GROUP = ("position_id", "document", "token_position", "group", "first_rollout", "samples")


@dataclass(frozen=True)
class Source:
    """Where one of the two responses comes from."""

    run: Run
    step: int
    kind: str

    @property
    def words(self) -> str:
        """What it is called."""
        return f"{self.run.name}, step {self.step}"

    @property
    def stored(self) -> dict[str, Any]:
        """For the queue's row."""
        return {"run": self.run.pk, "step": self.step, "kind": self.kind, "name": self.run.name}


@dataclass(frozen=True)
class _Candidate:
    """A position that both have: its place in the drawing, and one response of each."""

    order: bytes
    rollout: int
    other: int


def label_set_of(team: Team, user: User) -> LabelSetVersion:
    """The newest version of the team's set for pairs, which is made where there is none. Raises UserError where it no
    longer asks which one is better."""
    with transaction.atomic():
        label_set, is_new = LabelSet.objects.get_or_create(team=team, name=SET_NAME, defaults={"created_by": user})
        newest = None if is_new else label_set.versions.first()
        found = newest or label_sets.save(label_set, SET_TEXT, user)
    if not any(_asks_for_a_choice(question) for question in from_stored(found.questions)):
        raise UserError(
            f"Version {found.number} of the label set “{SET_NAME}” has no question `{QUESTION}` of the kind `one` with "
            f"the labels {listed([f'`{value}`' for value in CHOICES])}. Save a version that has it."
        )
    return found


def shared_positions(first: Source, second: Source) -> int:
    """How many positions both have responses at (2 queries)."""
    return len(_candidates(first, second, 0))


def create(first: Source, second: Source, plan: QueuePlan, user: User) -> ReviewQueue:
    """The queue of pairs. Raises UserError for sources that share nothing, and as `queues.check_plan`."""
    team = first.run.experiment.team
    _check(first, second)
    queues.check_plan(team, plan)
    found = _candidates(first, second, plan.seed)
    if not found:
        raise UserError(
            f"{first.words} and {second.words} share no position. Choose two evaluations of the same positions."
        )
    wanted = len(found) if plan.sample is None else plan.sample
    if min(wanted, len(found)) > queues.MOST_ITEMS:
        raise UserError(f"A queue has at most {queues.MOST_ITEMS:,} items, and {len(found):,} are shared. Draw fewer.")
    items, equal = _drawn(first, second, found, wanted)
    if not items:
        raise UserError("At every position that they share both wrote the same. There is nothing to compare.")
    source: dict[str, object] = {
        "seed": plan.seed,
        SECRET: token_hex(16),
        "sample": plan.sample,
        "found": len(found),
        "equal": equal,
        "first": first.stored,
        "second": second.stored,
    }
    return queues.create(team, plan, source, items, user)


def result_of(reviews: Sequence[Review]) -> Preference:
    """What came of submitted reviews of a queue of pairs. `first` and `second` are the queue's sources."""
    votes = [
        Ballot(review.item_id, CHOICES[review.answers[QUESTION]], "second" if review.is_swapped else "first")
        for review in reviews
        if review.answers.get(QUESTION) in CHOICES
    ]
    return preference(votes)


def in_words(found: Preference, names: tuple[str, str]) -> str:
    """What the numbers say, in a sentence."""
    if found.share is None or found.p is None:
        return "Nobody has preferred one of the two yet." if found.votes else "Nothing has been submitted yet."
    ahead = names[1] if found.second_items > found.first_items else names[0]
    told = f"at {max(found.first_items, found.second_items)} of {found.first_items + found.second_items} positions"
    if found.p < 0.05:
        return f"“{ahead}” is preferred {told}: more than chance explains."
    if found.first_items == found.second_items:
        return f"Both are preferred at {found.first_items} positions each: nothing tells them apart."
    return f"“{ahead}” is preferred {told}, which chance alone may give: it is not settled which is better."


def names_of(queue: ReviewQueue) -> tuple[str, str]:
    """What its two sources are called."""
    first, second = queue.source["first"], queue.source["second"]
    return f"{first['name']}, step {first['step']}", f"{second['name']}, step {second['step']}"


def bias_in_words(found: Preference) -> str:
    """Whether the side on the left was chosen too often, or too seldom."""
    if found.bias.p is None:
        return "No vote is decided, so there is nothing to check."
    if found.bias.p >= 0.05:
        return "No sign that the order mattered."
    more = "more" if 2 * found.bias.left > found.bias.decided else "less"
    return f"The left side was chosen {more} often than chance explains: whoever reviewed looked at the order, too."


def _asks_for_a_choice(question: ReviewQuestion) -> bool:
    values = {label.value for label in question.labels}
    return question.name == QUESTION and question.kind == "one" and question.required and values == {*CHOICES}


def _check(first: Source, second: Source) -> None:
    if (first.run.pk, first.step, first.kind) == (second.run.pk, second.step, second.kind):
        raise UserError("Both are the same run at the same step. Choose another run, or another step.")
    for source in (first, second):
        if source.kind not in KINDS:
            raise UserError(f"There are no responses of the kind {source.kind!r}. There are: {', '.join(KINDS)}.")
    if first.run.experiment.team_id != second.run.experiment.team_id:
        raise UserError("The two runs belong to different teams. Choose two of one team.")


def _candidates(first: Source, second: Source, seed: int) -> list[_Candidate]:
    """Positions that both have, in an order that the seed decides."""
    ours, theirs = _groups(first), _groups(second)
    found = []
    for key, own in ours.items():
        if (other := theirs.get(key)) is None:
            continue
        order = blake2b(f"{seed}:{key}".encode(), digest_size=8).digest()
        picked, matched = (int.from_bytes(order[start : start + 4], "big") for start in (0, 4))
        pair = (own[4] + picked % own[5], other[4] + matched % other[5])
        found.append(_Candidate(order, *pair))
    return sorted(found, key=lambda candidate: candidate.order)


def _groups(source: Source) -> dict[Any, tuple[Any, ...]]:
    """By position, else by document and place in it: a group of the source."""
    rows = ResponseGroup.objects.filter(run_id=source.run.pk, step=source.step, kind=source.kind, samples__gt=0)
    found = rows.order_by("id").values_list(*_GROUP)[:MOST_GROUPS]
    return {row[0] if row[0] is not None else (row[1], row[2]): row for row in found}


def _drawn(first: Source, second: Source, found: Sequence[_Candidate], wanted: int) -> tuple[list[ReviewItem], int]:
    """So many pairs that differ, and how many equal ones were left out on the way."""
    items: list[ReviewItem] = []
    equal = 0
    for own, other in _responses(first, second, found):
        if len(items) == wanted:
            break
        if _are_equal(own, other):
            equal += 1
        else:
            items.append(_item(first, second, own, other))
    return items, equal


def _responses(first: Source, second: Source, found: Sequence[_Candidate]) -> Iterator[tuple[Rollout, Rollout]]:
    """The responses of both, some at a time; what is gone is left out."""
    for start in range(0, len(found), AT_ONCE):
        some = found[start : start + AT_ONCE]
        ours = _rows(first, [candidate.rollout for candidate in some])
        theirs = _rows(second, [candidate.other for candidate in some])
        for candidate in some:
            if candidate.rollout in ours and candidate.other in theirs:
                yield ours[candidate.rollout], theirs[candidate.other]


def _rows(source: Source, ids: list[int]) -> dict[int, Rollout]:
    return {row.id: row for row in Rollout.objects.filter(Q(id__in=ids), run_id=source.run.pk)}


def _are_equal(one: Rollout, other: Rollout) -> bool:
    """Whether nobody could tell them apart, by what the database has of them."""
    return _face(one) == _face(other)


def _face(row: Rollout) -> tuple[Any, ...]:
    prediction = None if row.prediction is None else bytes(row.prediction)
    return prediction, row.preview, row.response_tokens, row.finish_reason


def _item(first: Source, second: Source, own: Rollout, other: Rollout) -> ReviewItem:
    return ReviewItem(
        kind=ItemKind.PAIR,
        run_id=first.run.pk,
        rollout_id=own.id,
        other_run_id=second.run.pk,
        other_rollout_id=other.id,
        step=own.step,
        rollout_kind=own.kind,
        row=own.row,
        group=own.group,
        document=own.document,
        position=own.position,
        reward=own.reward,
    )
