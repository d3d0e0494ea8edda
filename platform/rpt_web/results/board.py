"""The leaderboard: rows of one position set, those that may be compared ranked, the others with the reason in words.

In: stored `Standing`s that a user may see, and which way to look at them. Out: `BoardRow`s. Nothing is computed but
ranks: values and intervals were stored when evaluations arrived. Rows of different position sets or modes are never
ranked together, and within one set only rows that were asked in the same way; docs/leaderboard.md says why.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, NamedTuple

from django.db.models import QuerySet

from rpt_core.config import DIFFICULTIES
from rpt_web.numbers import points
from rpt_web.results.caveats import FEW_POSITIONS, FORMAT_WORDS, LOST_FORMAT
from rpt_web.results.models import EvaluatedSet, Standing
from rpt_web.results.queries import mode_label, mode_order
from rpt_web.results.standings import SEVERAL

UNKNOWN = ""
"""The group of rows whose positions are not known."""


class Light(NamedTuple):
    """What ranks and flags of a row follow from, under the names of its fields: a group may have thousands of rows."""

    pk: int
    group: str
    mode: str
    stage: str
    experiment_id: int
    template: str
    sampling: str
    tokenizer: str
    no_box: float | None
    n: int
    seeds: Sequence[int]
    is_finished: bool
    easy: float | None
    medium: float | None
    hard: float | None


@dataclass(frozen=True)
class Flag:
    """What is to be said of a row before it is compared."""

    key: str
    words: str
    reason: str
    excludes: bool = True
    """Whether the row is not ranked for it."""


@dataclass(frozen=True)
class Usual:
    """How most rows of a group were asked; rows asked in another way are not ranked with them."""

    template: str = ""
    sampling: str = ""
    tokenizer: str = ""

    @classmethod
    def of(cls, rows: Sequence[Light], baseline: Light | None = None) -> Usual:
        """By the baseline where there is one that thinks, else by most rows; among equals the first row decides."""
        thinking = [row for row in rows if row.mode != "standard"]
        chosen = [baseline] if baseline is not None and baseline.mode != "standard" else thinking
        known = [baseline] if baseline is not None and baseline.tokenizer else rows
        # Greedy responses have a temperature of their own, so that the limit alone is compared across modes.
        return cls(
            template=_most(row.template for row in chosen),
            sampling=_most(limits_of(row.sampling) for row in chosen),
            tokenizer=_most(row.tokenizer for row in known if row.tokenizer != SEVERAL),
        )


@dataclass(frozen=True)
class BoardPlace:
    """Where a row stands in its group; `rank` is None for one that is not ranked."""

    pk: int
    rank: int | None
    """Among the rows of its mode."""
    flags: Sequence[Flag]
    mode: str


@dataclass(frozen=True)
class BoardRow:
    """A row with its place, read whole."""

    standing: Standing
    rank: int | None
    flags: Sequence[Flag]

    @property
    def reasons(self) -> list[Flag]:
        """Why it is not ranked."""
        return [flag for flag in self.flags if flag.excludes]

    @property
    def mode_words(self) -> str:
        """The mode, in words."""
        return mode_label(self.standing.mode)


@dataclass(frozen=True)
class BoardFilters:
    """Which rows are looked at, and by which difficulty they are ranked."""

    difficulty: str = "hard"
    mode: str = ""
    stage: str = ""
    experiment: int | None = None
    corpus: str = ""

    def __post_init__(self) -> None:
        if self.difficulty not in DIFFICULTIES:
            raise ValueError(f"a difficulty is one of {', '.join(DIFFICULTIES)}")

    def narrowed(self, rows: QuerySet[Standing]) -> QuerySet[Standing]:
        """The rows that fit, whatever their positions."""
        if self.experiment is not None:
            rows = rows.filter(experiment=self.experiment)
        if self.stage:
            rows = rows.filter(stage=self.stage)
        if self.corpus:
            hashes = EvaluatedSet.objects.filter(corpora__contains=[self.corpus]).values_list("hash", flat=True)
            rows = rows.filter(sets__overlap=list(hashes))
        return rows.filter(mode=self.mode) if self.mode else rows

    def fit(self, row: Light) -> bool:
        """The same for a row of a group, all of which are of one corpus."""
        return (
            (self.experiment is None or row.experiment_id == self.experiment)
            and (not self.stage or row.stage == self.stage)
            and (not self.mode or row.mode == self.mode)
            and getattr(row, self.difficulty) is not None
        )


@dataclass(frozen=True)
class SetWords:
    """What a group of rows was measured on, in words."""

    group: str
    sets: Sequence[EvaluatedSet]

    @property
    def name(self) -> str:
        """Corpora and size."""
        if not self.sets:
            return "Unknown positions"
        corpora = sorted({name for found in self.sets for name in found.corpora})
        first = self.sets[0]
        stored = f", “{first.name}”" if first.name else ""
        return f"{', '.join(corpora) or 'corpus not known'}{stored}"

    @property
    def levels(self) -> str:
        """The thresholds."""
        if not self.sets:
            return "The runs did not store at which positions they were evaluated, so nothing here can be compared."
        known = self.sets[0].above_nats
        parts = [f"{name} above {known[name]:g}" for name in DIFFICULTIES if name in known]
        return f"{', '.join(parts)} nats of the proxy model's entropy" if parts else "thresholds not known"

    @property
    def size(self) -> str:
        """How many positions of how many documents; of each seed where they differ."""
        if not self.sets:
            return ""
        counts = sorted({found.positions for found in self.sets})
        documents = sorted({found.documents for found in self.sets})
        each = f" for each of {len(self.sets)} sets, one a seed" if len(self.sets) > 1 else ""
        return f"{_span(counts)} positions of {_span(documents)} documents{each}"


@dataclass(frozen=True)
class Board:
    """The rows of one group, ranked by a difficulty."""

    words: SetWords
    rows: Sequence[BoardRow]
    difficulty: str
    total: int
    """Rows in all, where `rows` are a page of them."""
    baseline: Standing | None = None


def places(whole: Sequence[Light], filters: BoardFilters, baseline: int | None = None) -> list[BoardPlace]:
    """The rows of a group that fit the filters, in their order: those that are ranked, mode by mode, then the others.

    A rank is that among the rows of its mode. What rows are held against (`Usual`) is taken from the row whose id is
    `baseline`, else from the whole group.
    """
    usual = Usual.of(whole, next((row for row in whole if row.pk == baseline), None))
    rows = [row for row in whole if filters.fit(row)]
    flagged = _flagged(rows, usual)
    value_of: Callable[[Light], float] = attrgetter(filters.difficulty)
    in_order = sorted(rows, key=lambda row: (-value_of(row), row.pk))
    orders = {mode: board_order(mode) for mode in {row.mode for row in rows}}
    out = {row.pk for row in rows if any(flag.excludes for flag in flagged[row.pk])}
    ranked = sorted((row for row in in_order if row.pk not in out), key=lambda row: orders[row.mode])
    others = [row for row in in_order if row.pk in out]
    ranks = _ranks([(row.mode, value_of(row)) for row in ranked])
    return [
        *(BoardPlace(row.pk, rank, flagged[row.pk], row.mode) for row, rank in zip(ranked, ranks, strict=True)),
        *(BoardPlace(row.pk, None, flagged[row.pk], row.mode) for row in others),
    ]


def board_order(mode: str) -> tuple[bool, tuple[int, int, str]]:
    """Reasoning first, which RPT trains; then as elsewhere."""
    return mode != "sampled", mode_order(mode)


def first_places(listed: Sequence[BoardPlace], most: int) -> list[BoardPlace]:
    """At most so many in their order: the best of each mode, then the second ones, and so on; those that are not ranked
    where there is room."""
    number = {place.pk: position for position, place in enumerate(listed)}
    of_mode: Counter[str] = Counter()
    keys: dict[int, tuple[bool, int, int]] = {}
    for place in listed:
        of_mode[place.mode] += 1
        keys[place.pk] = place.rank is None, of_mode[place.mode], number[place.pk]
    chosen = sorted(listed, key=lambda place: keys[place.pk])[:most]
    return sorted(chosen, key=lambda place: number[place.pk])


def _ranks(values: Sequence[tuple[str, float]]) -> list[int]:
    """Places of falling values of each mode, in their order; equal ones share the better place."""
    first: dict[tuple[str, float], int] = {}
    before: Counter[str] = Counter()
    for mode, value in values:
        before[mode] += 1
        first.setdefault((mode, value), before[mode])
    return [first[value] for value in values]


def _flagged(rows: Sequence[Light], usual: Usual) -> dict[int, list[Flag]]:
    """The flags of each row; most of a group's rows are alike in what they follow from."""
    known: dict[tuple[Any, ...], list[Flag]] = {}
    found = {}
    for row in rows:
        alike = (row.group, row.mode, row.template, row.sampling, row.tokenizer, row.no_box, row.n, row.is_finished)
        key = (*alike, len(row.seeds))
        if key not in known:
            known[key] = flags_of(row, usual)
        found[row.pk] = known[key]
    return found


def flags_of(row: Light, usual: Usual) -> list[Flag]:
    """What is to be said of a row within its group."""
    found = [
        _of_positions(row),
        _of_template(row, usual),
        _of_sampling(row, usual),
        _of_tokenizer(row, usual),
        _of_format(row),
        _of_size(row),
        _of_state(row),
        _of_seeds(row),
    ]
    return [flag for flag in found if flag is not None]


def of_other_set(own: SetWords, other: SetWords) -> Flag:
    """Why a row of another group on the same corpus is not ranked here."""
    mine, theirs = _levels(own), _levels(other)
    if mine != theirs:
        return Flag(
            "thresholds",
            "other thresholds",
            f"Its difficulties are drawn elsewhere: {other.levels}; here: {own.levels}. The same word means other "
            "positions.",
        )
    return Flag(
        "positions",
        "other positions",
        f"It was measured at {other.size}, which are not the positions here, so a difference may be one of the "
        "positions alone.",
    )


def limits_of(sampling: str) -> str:
    """The part of how a policy was sampled that the greedy mode shares."""
    return sampling.rpartition(", ")[2]


def _of_positions(row: Light) -> Flag | None:
    return _UNKNOWN_POSITIONS if row.group == UNKNOWN else None


def _of_template(row: Light, usual: Usual) -> Flag | None:
    if row.mode == "standard" or row.template == usual.template:
        return None
    return Flag(
        "template",
        "other template",
        f"It was asked with the prompt template “{row.template}”, the others with “{usual.template}”. A wording alone "
        "can move an accuracy by many points.",
    )


def _of_sampling(row: Light, usual: Usual) -> Flag | None:
    if row.mode == "standard" or limits_of(row.sampling) == usual.sampling:
        return None
    return Flag(
        "sampling",
        "other limit",
        f"Its responses were sampled with {row.sampling}; the others with {usual.sampling}. A response that is cut "
        "counts as wrong.",
    )


def _of_tokenizer(row: Light, usual: Usual) -> Flag | None:
    if not row.tokenizer or not usual.tokenizer or row.tokenizer == usual.tokenizer:
        return None
    return _OTHER_TOKENIZER


def _of_format(row: Light) -> Flag | None:
    if row.no_box is None or row.no_box <= LOST_FORMAT:
        return None
    return Flag(
        "format",
        FORMAT_WORDS,
        f"{points(row.no_box)}\u00a0% of its responses have no box, and a missing answer counts as wrong. That says "
        "nothing about how well it reasons; its standard accuracy is the fair comparison.",
    )


def _of_size(row: Light) -> Flag | None:
    if row.n >= FEW_POSITIONS:
        return None
    return Flag(
        "few",
        "too few positions",
        f"It was measured at {row.n} positions in a difficulty. With fewer than {FEW_POSITIONS} an interval is up to "
        "20 points wide or wider.",
    )


def _of_state(row: Light) -> Flag | None:
    return None if row.is_finished else _UNFINISHED


def _of_seeds(row: Light) -> Flag | None:
    return _ONE_SEED if len(row.seeds) <= 1 else None


def _levels(words: SetWords) -> dict[str, Any]:
    return words.sets[0].above_nats if words.sets else {}


def _most(values: Iterable[str]) -> str:
    """The most frequent one, the first among equals; "" is not counted."""
    counted = Counter(value for value in values if value)
    return counted.most_common(1)[0][0] if counted else ""


def _span(values: Sequence[int]) -> str:
    return f"{values[0]:,}" if len(values) == 1 else f"{values[0]:,} to {values[-1]:,}"


_UNKNOWN_POSITIONS = Flag(
    "unknown",
    "unknown positions",
    "Its outcomes are no longer on disk and its run did not store at which positions it was evaluated. Evaluate the "
    "checkpoint again to have it ranked.",
)
_OTHER_TOKENIZER = Flag(
    "tokenizer",
    "tokenizer differs",
    "Its tokenizer is not that of the others. What counts as the next token, and where a prediction may end, follows "
    "from it, so the same text is not the same question.",
)
_UNFINISHED = Flag(
    "unfinished",
    "not finished",
    "Its run is under way, or has ended before its last step: this is not what it was to become.",
)
_ONE_SEED = Flag(
    "one-seed",
    "one seed only",
    "One trained model: its interval covers the positions only. Another seed, or another processor, gives another "
    "model, and how far apart they are is not known.",
    excludes=False,
)
