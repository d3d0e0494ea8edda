"""The collapse monitors: what crosses a limit, and when that is news."""

from __future__ import annotations

import pytest

from rpt_core.run.metrics import METRICS
from rpt_web.notices.models import AlarmKind
from rpt_web.notices.monitors import RULES, START_STEPS, RunMonitors, rule_of

NO_BOX = "share_no_box"


def crossings(metric, values):
    monitors = RunMonitors()
    steps = [monitors.feed(step, {metric: value}) for step, value in enumerate(values)]
    return [(found.step, found.first_step) for step in steps for found in step]


def test_every_rule_watches_a_metric_that_stages_report_and_only_one_does():
    assert {rule.metric for rule in RULES} <= {*METRICS}
    assert len({rule.metric for rule in RULES}) == len(RULES)
    assert all((rule.above is None) != (rule.below_start is None) for rule in RULES)
    assert rule_of("loss") is None
    assert rule_of("sampler_log_prob_gap").kind == AlarmKind.SAMPLER_GAP


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.1, 0.6, 0.6, 0.6, 0.6, 0.6], [(3, 1)]),  # once, after three steps
        ([0.1, 0.6, 0.6, 0.1, 0.6, 0.6], []),  # not in a row
        ([0.1, 0.6, 0.6, None, 0.6], [(4, 1)]),  # what is missing interrupts nothing
        ([0.1, 0.6, 0.6, 0.6, 0.4, 0.6, 0.6, 0.6], [(3, 1), (7, 5)]),  # again after it was fine
        ([0.9] * 9, []),  # a policy that does not know the format yet has not lost it
        ([0.5] * 9, []),  # the limit itself is allowed
    ],
)
def test_a_share_that_rises_above_its_limit_and_stays_there_is_an_alarm(values, expected):
    assert crossings(NO_BOX, values) == expected


def test_some_metrics_must_not_be_like_that_from_the_start_either():
    assert crossings("sampler_log_prob_gap", [0.5] * 5) == [(2, 0)]
    assert crossings("share_all_zero", [1.0] * 20) == [(9, 0)]


def test_a_metric_that_falls_far_below_its_first_steps_is_an_alarm():
    start = [100.0] * START_STEPS
    assert crossings("response_tokens_mean", [*start, 30, 30, 30]) == []
    (found,) = crossings("response_tokens_mean", [*start, 30, 20, 20, 20])
    assert found == (START_STEPS + 3, START_STEPS + 1)
    assert crossings("response_tokens_mean", [1.0] * (START_STEPS + 9)) == []


def test_whoever_begins_in_the_middle_finds_what_was_missed_and_repeats_nothing():
    fine, bad = [(n, {NO_BOX: 0.0}) for n in range(4)], [(n, {NO_BOX: 1.0}) for n in range(4, 40)]
    watch = RunMonitors()
    (missed,) = watch.catch_up(fine[:2], [*fine[2:], *bad[:5]])
    assert (missed.step, missed.key) == (6, f"{NO_BOX}:4")
    assert "share_no_box is 1, above 0.5 since step 4" in missed.text
    assert watch.feed(9, {NO_BOX: 1.0}) == []
    assert RunMonitors().catch_up(fine, bad[-20:]) == [], "the stretch is older than what was looked at"
