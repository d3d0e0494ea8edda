"""Labels from JSON lines: all of them, or none and what is wrong with each line.

In: a file of JSON objects, one a line: the item by its number, by `run` and `rollout`, by `run`, `step`, `kind` and
`row`, or `group` for a whole one, or, if it is a position, by `text_hash` and `byte_offset`; `answers`; and where you
like `reviewer`, `note`, `flagged`. Out: submitted reviews, marked as imported.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Count, Q
from django.db.models.functions import Now

from rpt_core.errors import UserError
from rpt_core.words import counted
from rpt_web.review import disputes, sides
from rpt_web.review.models import ItemKind, Review, ReviewItem, ReviewQueue
from rpt_web.review.questions import ReviewQuestion, checked_answers
from rpt_web.review.queues import reviewers_of
from rpt_web.review.reviews import CLOSED, LONGEST_NOTE, questions_of
from rpt_web.teams.models import User
from rpt_web.text import clean_text

LARGEST_FILE_BYTES = 20_000_000
MOST_LINES = 50_000
MOST_TOLD = 20
"""Wrong lines that are told."""
_NAMES = ("item", "run", "rollout", "step", "kind", "row", "group", "text_hash", "byte_offset")
_FIELDS = (*_NAMES, "reviewer", "answers", "note", "flagged")
_OF_EXPORT = (
    *("id", "queue", "document", "position", "reward", "label_set", "label_set_version", "seconds"),
    *("submitted_at", "imported", "decision", "other_run", "other_rollout", "swapped"),
)
"""What an export has besides; a file that was exported may be imported elsewhere."""


class WrongLines(UserError):
    """Lines that cannot be imported, each with its sentence."""

    def __init__(self, lines: Sequence[str]) -> None:
        shown = lines[:MOST_TOLD]
        rest = f"\nand {counted(len(lines) - len(shown), 'line')} more" if len(lines) > len(shown) else ""
        super().__init__("Nothing was imported.\n" + "\n".join(shown) + rest)
        self.lines = shown


@dataclass(frozen=True)
class _Known:
    """What lines are looked up in."""

    questions: Sequence[ReviewQuestion]
    people: Mapping[str, User]
    user: User
    by_number: Mapping[int, ReviewItem]
    by_name: Mapping[tuple[Any, ...], ReviewItem]
    """By all that an export names an item by; see `_names_of`."""
    submitted: set[tuple[int, int]]


def import_labels(queue: ReviewQueue, content: bytes, user: User) -> int:
    """How many reviews were submitted by it. Raises UserError, WrongLines for lines that do not fit."""
    if queue.closed_at is not None:
        raise UserError(CLOSED)
    if len(content) > LARGEST_FILE_BYTES:
        raise UserError(f"The file is larger than {LARGEST_FILE_BYTES // 1_000_000} MB. Split it.")
    lines = [(number, line) for number, line in enumerate(content.splitlines(), 1) if line.strip()]
    if not 0 < len(lines) <= MOST_LINES:
        raise UserError(f"Give 1 to {MOST_LINES:,} lines, each a JSON object.")
    known, reviews, wrong = _known(queue, user), [], []
    for number, line in lines:
        try:
            reviews.append(_review(known, line))
        except UserError as error:
            wrong.append(f"Line {number}: {error}")
    if wrong:
        raise WrongLines(wrong)
    return _store(queue, reviews)


def _known(queue: ReviewQueue, user: User) -> _Known:
    items = list(queue.items.select_related("place"))
    done = Review.objects.filter(item__queue=queue).exclude(submitted_at=None)
    return _Known(
        questions=questions_of(queue),
        people={person.username: person for person in [*reviewers_of(queue.team), user]},
        user=user,
        by_number={item.number: item for item in items},
        by_name={name: item for item in items for name in _names_of(item)},
        submitted=set(done.values_list("item", "reviewer")),
    )


def _review(known: _Known, line: bytes) -> Review:
    try:
        given = json.loads(line)
    except (ValueError, RecursionError):
        raise UserError("This is no JSON.") from None
    if not isinstance(given, dict):
        raise UserError("Give a JSON object.")
    if other := [str(name) for name in given if name not in (*_FIELDS, *_OF_EXPORT)]:
        raise UserError(f"There is no field `{clean_text(other[0])}`. The fields are {', '.join(_FIELDS)}.")
    item, person = _item(known, given), _person(known, given.get("reviewer"))
    answers = checked_answers(known.questions, given.get("answers"), whole=True)
    if (item.pk, person.pk) in known.submitted:
        raise UserError(f"{person.username} has submitted item {item.number} already.")
    known.submitted.add((item.pk, person.pk))
    note, flagged = given.get("note") or "", given.get("flagged") or False
    if not isinstance(note, str) or len(note) > LONGEST_NOTE or not isinstance(flagged, bool):
        raise UserError(f"`note` is a text of at most {LONGEST_NOTE:,} characters, `flagged` true or false.")
    swapped = sides.is_swapped(item, person.pk)
    more = {"note": clean_text(note), "is_flagged": flagged, "is_swapped": swapped}
    return Review(item=item, reviewer=person, answers=answers, **more)


def _names_of(item: ReviewItem) -> Iterator[tuple[Any, ...]]:
    if item.place is not None:
        yield "position", bytes(item.place.text_hash).hex(), item.place.byte_offset
    elif item.kind == ItemKind.GROUP:
        yield "group", item.run_id, item.step, item.rollout_kind, item.group
    else:
        yield "rollout", item.run_id, item.rollout_id
        yield "row", item.run_id, item.step, item.rollout_kind, item.row


def _item(known: _Known, given: Mapping[str, Any]) -> ReviewItem:
    values = {name: given.get(name) for name in _NAMES}
    if any(isinstance(value, dict | list) for value in values.values()):
        raise UserError("What names an item are whole numbers, `kind` and `text_hash` are texts.")
    run, step, kind = values["run"], values["step"], values["kind"]
    names = (
        ("position", values["text_hash"], values["byte_offset"]),
        ("rollout", run, values["rollout"]),
        ("row", run, step, kind, values["row"]),
        ("group", run, step, kind, values["group"]),
    )
    found = next((known.by_name[name] for name in names if name in known.by_name), None)
    if run is None and values["text_hash"] is None and isinstance(values["item"], int):
        found = known.by_number.get(values["item"])
    if found is None:
        raise UserError(
            "The queue has no such item. Name it by `item`, its number, by `run` and `rollout`, by `run`, `step`, "
            "`kind` and `row`, or `group` for a group, or by `text_hash` and `byte_offset` for a position."
        )
    return found


def _person(known: _Known, name: Any) -> User:
    if name is None:
        return known.user
    found = known.people.get(name) if isinstance(name, str) else None
    if found is None:
        raise UserError(f"`reviewer`: no member of the team is called {clean_text(str(name))[:100]!r}.")
    return found


def _store(queue: ReviewQueue, reviews: Sequence[Review]) -> int:
    """Drafts and assignments of these reviewers are taken over. Raises UserError where somebody was faster."""
    with transaction.atomic():
        ReviewQueue.objects.select_for_update(no_key=True).get(pk=queue.pk)
        for review in reviews:
            review.version, review.is_imported = 1, True
        made = Review.objects.bulk_create(
            reviews,
            batch_size=1000,
            update_conflicts=True,
            unique_fields=["item", "reviewer"],
            update_fields=["answers", "note", "is_flagged", "version", "is_imported"],
        )
        keys = {(review.item_id, review.reviewer_id) for review in made}
        stored = Review.objects.filter(item__queue=queue, is_imported=True, submitted_at=None)
        stored.update(submitted_at=Now(), changed_at=Now(), taken_at=Now())
        _count(queue)
    return len(keys)


def _count(queue: ReviewQueue) -> None:
    """Let each item know how many have submitted it."""
    items = list(queue.items.annotate(done=Count("reviews", filter=Q(reviews__submitted_at__isnull=False))))
    changed = [item for item in items if item.submitted != item.done]
    for item in changed:
        item.submitted = item.done
    ReviewItem.objects.bulk_update(changed, ["submitted"], batch_size=1000)
    disputes.note([item.pk for item in items if item.done > 1])
