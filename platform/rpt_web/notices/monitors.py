"""Collapse monitors: which of a run's metrics are watched, from which value on they are an alarm, and watching them.

In: a training run's metrics, step by step. Out: crossings, each once. A metric that stays beyond its limit for so many
steps in a row is one crossing; what a run was like from its start is none, unless the rule says so: a policy that does
not know the format yet has not lost it. The limits are choices of this platform (docs/alarms.md), not the paper's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

from rpt_web.notices.models import AlarmKind

Values = Mapping[str, float | None]
MOST_STEPS = 200
"""The longest stretch that a team may ask for."""
START_STEPS = 10
"""The mean of a metric over the first steps of a run is what later ones are compared with."""


@dataclass(frozen=True)
class MonitorRule:
    """A metric and the value that it must not pass."""

    metric: str
    title: str
    words: str
    """What it means and what to look at."""
    above: float | None = None
    below_start: float | None = None
    """A fraction of the metric's mean over the first steps."""
    steps: int = 3
    """So many in a row."""
    from_start: bool = False
    """Whether it is an alarm, too, when it was never otherwise."""
    kind: AlarmKind = AlarmKind.MONITOR
    responses: str = ""
    """The query of the list of responses that shows examples."""

    @property
    def default(self) -> float:
        """The number of the limit: a value, or a fraction of the start."""
        return cast(float, self.below_start if self.above is None else self.above)

    def with_limit(self, limit: float, steps: int) -> MonitorRule:
        """The same rule with a team's own numbers."""
        if self.above is None:
            return replace(self, steps=steps, below_start=limit)
        return replace(self, steps=steps, above=limit)

    def limit(self, start: float | None) -> float | None:
        """The value that must not be passed; None while it is not known. start: the mean over the first steps."""
        if self.above is not None:
            return self.above
        return None if start is None or self.below_start is None else self.below_start * start

    def is_beyond(self, value: float, start: float | None) -> bool:
        """Whether a value is past the limit."""
        limit = self.limit(start)
        return limit is not None and (value > limit if self.above is not None else value < limit)

    @property
    def limit_words(self) -> str:
        """The limit in words, for the table of all rules."""
        beyond = f"above {self.above:g}" if self.above is not None else f"below {self.below_start:g} of its start"
        return f"{beyond} for {self.steps} steps"


RULES = (
    MonitorRule("share_no_box", "No box", "The policy forgets the format.", above=0.5, responses="reason=no_box"),
    MonitorRule(
        "share_several_boxes",
        "Several boxes",
        "The policy bets on more than one answer.",
        above=0.5,
        responses="boxes=2",
    ),
    MonitorRule(
        "share_blank_prediction",
        "White space only",
        "Predictions shrink to white space, which is cheap to get right.",
        above=0.3,
    ),
    MonitorRule(
        "share_right_but_blanks",
        "Right except for white space",
        "Groups are lost to white space at the ends. Look at the template.",
        above=0.3,
        responses="white_space=1",
    ),
    MonitorRule(
        "share_cut",
        "Cut by the limit",
        "Responses no longer end. Look at them, and at the limit of tokens.",
        above=0.8,
        responses="finish=length",
    ),
    MonitorRule(
        "share_all_zero",
        "Nothing earned",
        "Nearly no group earns anything, so nothing is learnt.",
        above=0.95,
        steps=10,
        from_start=True,
        responses="solved=none",
    ),
    MonitorRule(
        "share_all_one",
        "All the same",
        "Nearly all groups earn the same, so nothing is learnt: the positions are too easy, or the reward is gamed.",
        above=0.95,
        steps=10,
        from_start=True,
        responses="solved=all",
    ),
    MonitorRule(
        "response_tokens_mean",
        "Short responses",
        "Responses have shrunk to a fraction of their length. Read some: they may have become formulas.",
        below_start=0.25,
        responses="order=length",
    ),
    MonitorRule(
        "predicted_bytes_mean",
        "Short predictions",
        "Predictions drift towards one cheap token.",
        below_start=0.4,
    ),
    MonitorRule(
        "mean_negative_log_prob",
        "No surprise",
        "The policy is almost certain of every token, and no longer explores.",
        below_start=0.1,
    ),
    MonitorRule("entropy_nats", "No entropy", "The policy no longer explores.", below_start=0.1),
    MonitorRule(
        "sampler_log_prob_gap",
        "Sampler and trainer apart",
        "The policy learns from responses that it would not have written. Look at the sampler's weights and precision.",
        above=0.25,
        from_start=True,
        kind=AlarmKind.SAMPLER_GAP,
    ),
    MonitorRule(
        "rollout_probability_gap_mean",
        "Rollout and trainer apart",
        "verl's trainer and its sampler disagree on the same tokens. Look at the sampler's weights and precision.",
        above=0.1,
        from_start=True,
        kind=AlarmKind.SAMPLER_GAP,
    ),
)
WATCHED = frozenset(rule.metric for rule in RULES)


def rule_of(metric: str) -> MonitorRule | None:
    """The rule that watches a metric."""
    return next((rule for rule in RULES if rule.metric == metric), None)


@dataclass(frozen=True)
class Crossing:
    """A metric that has been past its limit for long enough."""

    rule: MonitorRule
    step: int
    first_step: int
    """Since when it has been past the limit."""
    value: float
    limit: float

    @property
    def key(self) -> str:
        """The same for the same stretch of steps."""
        return f"{self.rule.metric}:{self.first_step}"

    @property
    def text(self) -> str:
        """What happened, in a sentence."""
        way = "above" if self.rule.above is not None else "below"
        since = f"since step {self.first_step}" if self.first_step < self.step else f"at step {self.step}"
        return (
            f"{self.rule.title}: {self.rule.metric} is {self.value:.3g}, {way} {self.limit:.3g} {since}. "
            f"{self.rule.words}"
        )


@dataclass
class RunMonitors:
    """The monitors of one run, fed with its steps in their order."""

    rules: Sequence[MonitorRule] = RULES
    """A team may have limits of its own (`notices.limits`)."""
    starts: dict[str, list[float]] = field(default_factory=dict)
    """Of each metric the values of the first steps."""
    stretches: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Of each metric past its limit: since which step, and for how many."""
    was_fine: set[str] = field(default_factory=set)
    """Metrics that have been within their limit."""

    def feed(self, step: int, values: Values) -> list[Crossing]:
        """What one more step brings."""
        found = (self._look(rule, step, values.get(rule.metric)) for rule in self.rules if rule.metric in values)
        return [crossing for crossing in found if crossing is not None]

    def catch_up(self, first: Iterable[tuple[int, Values]], last: Iterable[tuple[int, Values]]) -> list[Crossing]:
        """What the first steps of a run and the last ones before the next have brought, which may be known already.

        A stretch that the last ones begin with may be older than they are, and is taken for known.
        """
        rows = list(last)
        for step, values in first:
            self.feed(step, values)
        found = [crossing for step, values in rows for crossing in self.feed(step, values)]
        return [crossing for crossing in found if crossing.first_step > rows[0][0]]

    def _look(self, rule: MonitorRule, step: int, value: float | None) -> Crossing | None:
        if value is None:
            return None
        first = self.starts.setdefault(rule.metric, [])
        if len(first) < START_STEPS:
            first.append(value)
        start = sum(first) / len(first) if len(first) == START_STEPS else None
        if not rule.is_beyond(value, start):
            self.stretches.pop(rule.metric, None)
            if rule.limit(start) is not None:
                self.was_fine.add(rule.metric)
            return None
        since, count = self.stretches.get(rule.metric, (step, 0))
        self.stretches[rule.metric] = (since, count + 1)
        limit = rule.limit(start)
        if count + 1 != rule.steps or limit is None or not (rule.from_start or rule.metric in self.was_fine):
            return None
        return Crossing(rule, step, since, value, limit)
