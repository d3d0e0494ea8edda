"""A seeded generator of worked mathematics on rows of cards, and the drills that a small model needs to learn it.

In: a part, a number of documents, a seed. Out: records with OmniMATH's fields and an id.

A problem shows labelled cards ("A4 B7 C2 D9") and asks for the last digit of their sum, or for the remainder modulo 7
or 3 of the number that they spell. A solution is worked ("0 A4+4 B7+1 C2+3 D9+2;": state, then label, digit, operation
and new state for each card) or terse (the result at once). In a terse solution the result cannot be guessed without
the work, which is what makes the position hard. Two skills carry the work: looking a card's digit up, and one step of
the operation; two kinds of drill practise them in exactly the form that worked solutions use.

The parts never share a problem, whatever their sizes and seeds: a hash of a problem's id says to which part it belongs.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Literal

from rpt_core.errors import UserError

Part = Literal["pretrain", "cold", "problems"]
PARTS: tuple[Part, ...] = ("pretrain", "cold", "problems")

LABELS = "ABCDEF"
CARD_COUNTS = (4, 5, 6)
MAX_DOCUMENTS = 100_000
"""Of one part: a third of the problems that the smallest part has."""
DRILL_SHARE = 0.6
"""Of the documents for pre-training."""
LOOK_UP_SHARE = 0.55
"""Of the drills."""
DRILL_ENTRIES = 24
"""Cards read in a look-up drill."""
DRILL_ROWS = 3
"""Chains in a step drill."""
_PART_OF_TENTH: tuple[Part, ...] = ("pretrain",) * 8 + ("cold", "problems")
_WORKED_SHARE: dict[Part, float] = {"pretrain": 0.75, "cold": 0.2, "problems": 0.2}


@dataclass(frozen=True)
class Operation:
    """An operation on digits that is worked from left to right, starting at 0."""

    name: str
    sign: str
    carry: int
    """The new state is (carry x state + digit) modulo `modulus`."""
    modulus: int
    question: str
    result: str
    drill: str
    domain: str

    def step(self, state: int, digit: int) -> int:
        """The state after one more card."""
        return (self.carry * state + digit) % self.modulus


_REMAINDERS = "Number theory -> Remainders"
KINDS = (
    Operation(
        "sum", "+", 1, 10, "What is the last digit of the sum?", "The sum ends in", "Add single digits.",
        "Arithmetic -> Last digits",
    ),
    Operation(
        "mod7", "%", 10, 7, "What does the number leave modulo 7?", "The remainder is", "Reduce modulo 7.",
        _REMAINDERS,
    ),
    Operation(
        "mod3", "@", 10, 3, "What does the number leave modulo 3?", "The remainder is", "Reduce modulo 3.",
        _REMAINDERS,
    ),
)  # fmt: skip
_NAMES = ("Ada", "Boris", "Cleo", "Dario", "Elif", "Farid", "Greta", "Hugo")
_PLACES = ("on the table", "in a row", "on the wall", "in a box")
_CLOSINGS = ("So", "Thus")
WORKED_OPENING = "We go card by card:"
TERSE_OPENING = "Done in the head:"


def records(part: Part, documents: int, seed: int) -> list[dict[str, Any]]:
    """That many different records of one part. The same arguments give the same records."""
    if part not in PARTS:
        raise UserError(f"The built-in corpus has no part {part!r}. Its parts are: {', '.join(PARTS)}.")
    if documents > MAX_DOCUMENTS:
        raise UserError(f"The built-in corpus has at most {MAX_DOCUMENTS} documents in a part, not {documents}.")
    found: dict[str, dict[str, Any]] = {}
    for record in _stream(part, random.Random(f"{part} {seed}")):
        if len(found) == documents:
            break
        found.setdefault(record["id"], record)
    return list(found.values())


def part_of(problem_id: str) -> Part:
    """The part to which a problem belongs, decided by its id alone."""
    digest = hashlib.blake2b(f"part of {problem_id}".encode(), digest_size=8).digest()
    return _PART_OF_TENTH[int.from_bytes(digest, "big") % len(_PART_OF_TENTH)]


def work(kind: Operation, digits: Sequence[int], states: Sequence[int], start: int = 0) -> str:
    """The worked chain that passes through the given states, one after each of the first digits; "0 A4+4 B7+1"."""
    cards = zip(LABELS, digits, states, strict=False)
    return str(start) + "".join(f" {label}{digit}{kind.sign}{state}" for label, digit, state in cards)


def states(kind: Operation, digits: Sequence[int], start: int = 0) -> list[int]:
    """The true state after each card."""
    return list(accumulate(digits, kind.step, initial=start))[1:]


def _stream(part: Part, rng: random.Random) -> Iterator[dict[str, Any]]:
    while True:
        if part == "pretrain" and rng.random() < DRILL_SHARE:
            yield _look_up_drill(rng) if rng.random() < LOOK_UP_SHARE else _step_drill(rng)
            continue
        kind, digits = rng.choice(KINDS), _digits(rng, rng.choice(CARD_COUNTS))
        name = f"{kind.name}-{_joined(digits)}"
        if part_of(name) == part:
            yield _problem(rng, name, kind, digits, is_worked=rng.random() < _WORKED_SHARE[part])


def _problem(rng: random.Random, name: str, kind: Operation, digits: list[int], is_worked: bool) -> dict[str, Any]:
    answer = states(kind, digits)[-1]
    opening = f"{WORKED_OPENING} {work(kind, digits, states(kind, digits))};" if is_worked else TERSE_OPENING
    return _record(
        name,
        f"{_scene(rng, digits)} {kind.question}",
        f"{opening} {kind.result} {answer}. {rng.choice(_CLOSINGS)} the answer is {answer}.",
        str(answer),
        kind.domain,
        str(len(digits)),
    )


def _look_up_drill(rng: random.Random) -> dict[str, Any]:
    """Cards read out in random order, some of them again. In-order rows matter: a shuffled row was never learnt."""
    digits = _digits(rng, rng.randint(2, len(LABELS)))
    order = [rng.randrange(len(digits)) for _ in range(DRILL_ENTRIES)]
    read = " ".join(f"{LABELS[index]}{digits[index]}" for index in order)
    name = f"look-up-{_joined(digits)}-{''.join(LABELS[index] for index in order)}"
    return _record(
        name, f"{_scene(rng, digits)} Read them again.", f"{read};", "", "Drill -> Look-ups", str(len(digits))
    )


def _step_drill(rng: random.Random) -> dict[str, Any]:
    """Rows of steps of one operation, each from a state of its own: chains without a problem, dense in steps."""
    kind = rng.choice(KINDS)
    rows = [(rng.randrange(kind.modulus), _digits(rng, len(LABELS))) for _ in range(DRILL_ROWS)]
    worked = " ".join(f"{work(kind, digits, states(kind, digits, start), start)};" for start, digits in rows)
    name = f"steps-{kind.name}-{'-'.join(f'{start}.{_joined(digits)}' for start, digits in rows)}"
    return _record(name, kind.drill, worked, "", "Drill -> Steps", str(len(LABELS)))


def _scene(rng: random.Random, digits: list[int]) -> str:
    row = " ".join(f"{label}{digit}" for label, digit in zip(LABELS, digits, strict=False))
    scenes = (
        f"{rng.choice(_NAMES)} lays the cards {row} {rng.choice(_PLACES)}.",
        f"Here are the cards {row}.",
        f"Take the cards {row}.",
    )
    return rng.choice(scenes)


def _record(id_: str, problem: str, solution: str, answer: str, domain: str, difficulty: str) -> dict[str, Any]:
    return {
        "id": id_,
        "problem": problem,
        "solution": solution,
        "answer": answer,
        "domain": domain,
        "difficulty": difficulty,
    }


def _digits(rng: random.Random, count: int) -> list[int]:
    return [rng.randrange(10) for _ in range(count)]


def _joined(digits: Sequence[int]) -> str:
    return "".join(map(str, digits))
