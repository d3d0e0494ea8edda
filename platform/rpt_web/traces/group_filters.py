"""Which groups a list of traces shows: what the address asks for, as conditions on rows of groups.

In: the query of an address. Out: SQL conditions on the row `g` with their values, the same query with changes, and how
the list is ordered. A value that is none of the choices, or no number, is left out, as if it had not been given.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any
from urllib.parse import urlencode

from django.http import QueryDict

from rpt_core.config import DIFFICULTIES
from rpt_web.traces.models import KINDS, PATTERNS

Condition = tuple[str, list[Any]]
SOLVED = {
    "none": ("no response rewarded", "g.rewarded = 0"),
    "some": ("some rewarded, some not", "g.rewarded > 0 AND g.pass_rate < 1"),
    "all": ("all rewarded", "g.pass_rate = 1"),
    "any": ("at least one rewarded", "g.rewarded > 0"),
    "not_all": ("at least one not rewarded", "g.pass_rate < 1"),
}
SOLVED_PARTS = ("none", "some", "all")
"""Every group is one of these."""
MARKS = {
    "first_solved": "first solved here",
    "forgotten": "solved before, not here",
    "forgotten_now": "solved before, forgotten now",
    "greedy_alone": "sampled wrong, greedy right",
}
COUNTED_MARKS = ("first_solved", "forgotten", "greedy_alone")
REASON_WORDS = {
    "match": "a match",
    "mismatch": "a mismatch",
    "not_on_boundary": "an end within a token",
    "empty": "an empty box",
    "no_box": "no box",
}
PATTERN_WORDS = {name: name.replace("_", " ") for name in PATTERNS}
HAS_PATTERN = {name: f"g.patterns & {1 << bit} > 0" for bit, name in enumerate(PATTERNS)}
FINISH_WORDS = {"length": "some cut by the limit", "stop": "none cut"}
DISPUTE = "dispute"
"""What lists by the disputes of reviewers are ordered by: no column of a group, but of what is joined to it."""
ORDERS = {
    "newest": "id",
    "step": "step",
    "entropy": "entropy_nats",
    "length": "tokens_mean",
    "pass_rate": "pass_rate",
    "disagreement": "disagreement",
    "disputed": DISPUTE,
}
ORDER_WORDS = {
    "-newest": "newest first",
    "-step": "latest step first",
    "step": "earliest step first",
    "-entropy": "most entropy first",
    "entropy": "least entropy first",
    "-length": "longest first",
    "length": "shortest first",
    "pass_rate": "lowest pass rate first",
    "-pass_rate": "highest pass rate first",
    "-disagreement": "most disagreement first",
    "-disputed": "most disputed by reviewers first",
}
ALL = "order=-newest"
"""The query of the list that leaves nothing out, where an empty one says that there is no list."""
RANGES = {
    "step": ("step", "Step"),
    "entropy": ("entropy_nats", "Entropy, nats"),
    "pass": ("pass_rate", "Pass rate, 0 to 1"),
    "tokens": ("tokens_mean", "Mean length, tokens"),
    "samples": ("samples", "Responses in the group"),
}
WHOLE = ("id", "step", "samples")
"""Columns of whole numbers: compared with any other kind of number, their indexes would not serve."""
LABEL = r"[a-z][a-z0-9_]{0,39}:[a-z0-9_]{1,40}"
"""`question:value`."""
COMPARED = r"[0-9]{1,15}(:[^\x00]{0,1000})?"
"""A comparison's number, and which of its positions: `12:a=0&b=1&difficulty=hard&cell=gained`."""
FLAGS = ("white_space", "disputed", "alarm")
MOST_NAMED = 50
"""Runs or experiments that an address may name."""
LARGEST = 2**31 - 1


@dataclass(frozen=True)
class GroupFilters:
    """What the address asks for."""

    runs: tuple[int, ...] = ()
    experiments: tuple[int, ...] = ()
    at: tuple[tuple[int, int], ...] = ()
    """Runs, each at a step of its own."""
    kind: str = ""
    difficulty: str = ""
    """That level or a harder one."""
    solved: str = ""
    reason: str = ""
    """Some response failed, or matched, for it."""
    finish: str = ""
    mark: str = ""
    pattern: str = ""
    """Some response's thought has a keyword of this group of the paper's."""
    document: str = ""
    token: int | None = None
    """The position in its document, in the policy's tokens."""
    domain: str = ""
    position: int | None = None
    """Id of the position in every run."""
    compared: str = ""
    """At one of the positions of a comparison that this names (COMPARED), in whichever run."""
    boxes: int | None = None
    """Some response has at least so many."""
    white_space: bool = False
    label: str = ""
    """`question:value` that a reviewer has given to a response, or to the group."""
    reviewer: str = ""
    """Name of somebody who has reviewed a response, or the group; with a label, who has given it."""
    disputed: bool = False
    """Its reviewers differ."""
    alarm: bool = False
    """An alarm of the run arose at the step."""
    ranges: tuple[tuple[str, float], ...] = ()
    """(`step_from`, 3.0), (`pass_to`, 0.5), ...; both ends belong to it."""
    order: str = "-newest"
    judged: Condition | None = field(default=None, compare=False, repr=False)
    """Groups by what people said of them, as far as the reader may see that (`access.resolved`): a SELECT of run, step,
    kind, group and dispute."""
    compared_ids: Sequence[int] | None = field(default=None, compare=False, repr=False)
    """Ids of the comparison's positions, none where the reader may not see it (`access.resolved`)."""

    @classmethod
    def from_query(cls, query: QueryDict) -> GroupFilters:
        """Read them from the address."""
        ends = [f"{name}_{end}" for name in RANGES for end in ("from", "to")]
        return cls(
            runs=_numbers(query, "run"),
            experiments=_numbers(query, "experiment"),
            at=read_steps(query.getlist("at")),
            kind=_choice(query.get("kind"), KINDS),
            difficulty=_choice(query.get("difficulty"), DIFFICULTIES),
            solved=_choice(query.get("solved"), SOLVED),
            reason=_choice(query.get("reason"), REASON_WORDS),
            finish=_choice(query.get("finish"), FINISH_WORDS),
            mark=_choice(query.get("mark"), MARKS),
            pattern=_choice(query.get("pattern"), PATTERN_WORDS),
            document=_text(query.get("document")),
            token=_whole(query.get("token")),
            domain=_text(query.get("domain")),
            position=_whole(query.get("position")),
            compared=_matching(COMPARED, query.get("compared")),
            boxes=_whole(query.get("boxes")),
            label=_matching(LABEL, query.get("label")),
            reviewer=_text(query.get("reviewer")),
            white_space=query.get("white_space") == "1",
            disputed=query.get("disputed") == "1",
            alarm=query.get("alarm") == "1",
            ranges=tuple((end, value) for end in ends if (value := _number(query.get(end))) is not None),
            order=_choice(query.get("order"), ORDER_WORDS) or "-newest",
        )

    @property
    def ends(self) -> dict[str, float]:
        """The ends of ranges by their names."""
        return dict(self.ranges)

    @property
    def named_runs(self) -> tuple[int, ...]:
        """The runs that the address names, with a step or without."""
        return (*self.runs, *(run for run, _ in self.at))

    @property
    def may_exceed_result(self) -> bool:
        """Whether the list may hold more positions than the n of a result that leads to it: an evaluation counts so
        many of each difficulty, and asks at those that it drew for a harder one, too."""
        return self.difficulty in DIFFICULTIES[:-1] and self.kind in ("sampled", "greedy") and bool(self.named_runs)

    @property
    def is_all(self) -> bool:
        """Whether nothing is left out."""
        return replace(self, order="-newest") == GroupFilters()

    @property
    def asks_for_reviews(self) -> bool:
        """Whether the list depends on what people said."""
        return bool(self.label or self.reviewer or self.disputed or self.column == DISPUTE)

    @property
    def depends_on_reader(self) -> bool:
        """Whether more than the runs that somebody may see decides what is in the list for them."""
        return self.asks_for_reviews or bool(self.compared)

    @property
    def column(self) -> str:
        """What the list is ordered by."""
        return ORDERS[self.order.removeprefix("-")]

    @property
    def expression(self) -> str:
        """The same in SQL."""
        return f"{'j' if self.column == DISPUTE else 'g'}.{self.column}"

    @property
    def falls(self) -> bool:
        """Whether the order is from large to small."""
        return self.order.startswith("-")

    def values(self) -> dict[str, Any]:
        """The query as names and values, without those that say nothing."""
        plain = {one.name: getattr(self, one.name) for one in fields(self) if one.name not in _NOT_PLAIN}
        plain["run"], plain["experiment"] = plain.pop("runs"), plain.pop("experiments")
        plain["at"] = write_steps(self.at)
        plain |= {name: "1" if plain[name] else "" for name in FLAGS}
        plain |= {name: f"{value:g}" if abs(value) < 1e6 else str(value) for name, value in self.ranges}
        plain["order"] = "" if self.order == "-newest" else self.order
        return {name: value for name, value in plain.items() if value not in ("", None, ())}

    def query(self, **changes: Any) -> str:
        """The same as part of an address, with changes; None takes a filter away."""
        values = self.values() | changes
        return urlencode({name: value for name, value in values.items() if value not in ("", None, ())}, doseq=True)

    def join(self) -> Condition:
        """What is joined to the rows `g`; empty where nobody asks what people said.

        Raises ValueError where that was not looked up for somebody.
        """
        if not self.asks_for_reviews:
            return "", []
        if self.judged is None:
            raise ValueError("What people said was not looked up: give the filters to access.resolved first.")
        sql, values = self.judged
        return f"JOIN ({sql}) j (run_id, step, kind, place, dispute) ON {_SAME_GROUP}", values

    def conditions(self) -> list[Condition]:
        """What a row must fulfil, apart from its run.

        Raises ValueError where a comparison was not looked up for somebody.
        """
        found = [
            *self._choices(),
            *self._amounts(),
            *[(f"g.{name} = %s", [value]) for name, value in self._equal().items()],
            *self._at_steps(),
            *self._at_compared(),
        ]
        if self.column == "entropy_nats":
            found.append(("g.entropy_nats IS NOT NULL", []))
        return found

    def _at_steps(self) -> list[Condition]:
        if not self.at:
            return []
        pairs = ", ".join(["(%s, %s)"] * len(self.at))
        return [(f"(g.run_id, g.step) IN ({pairs})", [number for pair in self.at for number in pair])]

    def _at_compared(self) -> list[Condition]:
        if not self.compared:
            return []
        if self.compared_ids is None:
            raise ValueError("The comparison was not looked up: give the filters to access.resolved first.")
        return [("g.position_id = ANY(%s::bigint[])", [list(self.compared_ids)])]

    def _equal(self) -> Mapping[str, Any]:
        asked: dict[str, Any] = {"kind": self.kind, "document": self.document, "domain": self.domain}
        asked |= {"token_position": self.token, "position_id": self.position}
        return {name: value for name, value in asked.items() if value not in ("", None)}

    def _choices(self) -> list[Condition]:
        sql = []
        if self.difficulty:
            level = DIFFICULTIES.index(self.difficulty) + 1
            sql.append(f"g.difficulty {'=' if level == len(DIFFICULTIES) else '>='} {level}")
        sql += [SOLVED[self.solved][1]] if self.solved else []
        sql += [f"g.{self.reason} > 0"] if self.reason else []
        sql += [f"g.cut {'>' if self.finish == 'length' else '='} 0"] if self.finish else []
        sql += [f"g.{self.mark}"] if self.mark else []
        sql += [HAS_PATTERN[self.pattern]] if self.pattern else []
        sql += ["g.white_space > 0"] if self.white_space else []
        sql += [_AT_AN_ALARM] if self.alarm else []
        return [(condition, []) for condition in sql]

    def _amounts(self) -> list[Condition]:
        found: list[Condition] = [] if self.boxes is None else [("g.boxes >= %s", [self.boxes])]
        for end, value in self.ranges:
            name, _, which = end.rpartition("_")
            column = RANGES[name][0]
            if column in WHOLE:
                value = math.ceil(value) if which == "from" else math.floor(value)
            found.append((f"g.{column} {'>=' if which == 'from' else '<='} %s", [value]))
        return found


_NOT_PLAIN = ("ranges", "order", "judged", "compared_ids")
_SAME_GROUP = 'j.run_id = g.run_id AND j.step = g.step AND j.kind = g.kind AND j.place = g."group"'
_AT_AN_ALARM = "EXISTS (SELECT FROM notices_alarm a WHERE a.run_id = g.run_id AND a.step = g.step)"


def write_steps(at: Iterable[tuple[int, int]]) -> str:
    """Runs, each at a step of its own, as an address has them: `5@40,7@60`."""
    return ",".join(f"{run}@{step}" for run, step in at)


def read_steps(values: Iterable[str]) -> tuple[tuple[int, int], ...]:
    """What `write_steps` has written, in one value or several, at most MOST_NAMED; what is none is left out."""
    found = (
        (_whole(run), _whole(step)) for part in ",".join(values).split(",") for run, _, step in [part.partition("@")]
    )
    return tuple(dict.fromkeys((run, step) for run, step in found if run is not None and step is not None))[:MOST_NAMED]


def _choice(value: str | None, allowed: Any) -> str:
    return value if value is not None and value in allowed else ""


def _matching(pattern: str, value: str | None) -> str:
    return value if value and re.fullmatch(pattern, value) else ""


def _text(value: str | None) -> str:
    return (value or "").replace("\x00", "").strip()[:300]


def _whole(value: str | None) -> int | None:
    return int(value) if value and value.isdecimal() and len(value) < 12 and int(value) <= LARGEST else None


def _number(value: str | None) -> float | None:
    try:
        found = float(value) if value and len(value) < 30 else math.nan
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def _numbers(query: QueryDict, name: str) -> tuple[int, ...]:
    """Numbers that may stand in one value, parted by commas, or in several."""
    texts = (text.strip() for value in query.getlist(name) for text in value.split(","))
    return tuple(dict.fromkeys(n for text in texts if (n := _whole(text)) is not None))[:MOST_NAMED]
