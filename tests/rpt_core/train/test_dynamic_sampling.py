"""Dynamic sampling on rewards written by hand."""

import pytest
from pydantic import ValidationError

from rpt_core.config import DynamicSamplingConfig
from rpt_core.train.dynamic_sampling import select_groups

ZERO, ONE, HALF, QUARTER = [0.0] * 4, [1.0] * 4, [1.0, 0.0, 1.0, 0.0], [0.0, 0.0, 1.0, 0.0]


def select(*batches, step=5, size=2, **options):
    """The selection from these batches, and how many of them were sampled."""
    asked = []

    def sample(number):
        asked.append(number)
        return batches[number]

    selection = select_groups(sample, DynamicSamplingConfig(**{"from_step": 5, **options}), step, size)
    assert asked == list(range(len(asked)))
    return selection, len(asked)


@pytest.mark.parametrize(("from_step", "step"), [(None, 1000), (5, 4)])
def test_before_its_first_step_all_groups_make_the_batch(from_step, step):
    selection, sampled = select([ZERO, HALF, ONE], step=step, size=3, from_step=from_step, min_pass_rate=0.9)
    assert sampled == 1
    assert selection.outcomes == ["all_zero", "used", "all_one"]
    assert selection.batch() == [0, 1, 2]
    assert selection.dropped() == []
    assert selection.metrics() == {}


def test_a_full_batch_needs_no_extra_one():
    selection, sampled = select([HALF, QUARTER])
    assert sampled == 1
    assert selection.batch() == [0, 1]
    assert selection.metrics() == {
        "groups_sampled": 2,
        "dropped_all_zero": 0,
        "dropped_all_one": 0,
        "dropped_band": 0,
        "share_dropped": 0,
        "groups_surplus": 0,
        "extra_batches": 0,
    }


def test_equal_groups_are_replaced_from_further_batches_and_the_rest_is_surplus():
    selection, sampled = select([ZERO, HALF, ONE], [ZERO, ONE, ZERO], [QUARTER, HALF, HALF], [HALF] * 3, size=3)
    assert sampled == 3
    expected = ["all_zero", "used", "all_one", "all_zero", "all_one", "all_zero", "used", "used", "surplus"]
    assert selection.outcomes == expected
    assert selection.batch() == [1, 6, 7]
    assert selection.dropped() == [0, 2, 3, 4, 5]
    assert selection.metrics() == pytest.approx(
        {
            "groups_sampled": 9,
            "dropped_all_zero": 3,
            "dropped_all_one": 2,
            "dropped_band": 0,
            "share_dropped": 5 / 9,
            "groups_surplus": 1,
            "extra_batches": 2,
        }
    )


def test_the_band_of_pass_rates_includes_its_ends():
    three_quarters = [1.0, 1.0, 1.0, 0.0]
    groups = [QUARTER, HALF, three_quarters]
    selection, _ = select(groups, size=3, max_extra_batches=1, min_pass_rate=0.25, max_pass_rate=0.75)
    assert selection.outcomes == ["used"] * 3
    selection, _ = select(groups, groups, size=3, max_extra_batches=1, min_pass_rate=0.3, max_pass_rate=0.7)
    assert selection.outcomes == ["outside_band", "used", "outside_band"] * 2
    assert selection.batch() == [1, 4]
    assert selection.metrics()["dropped_band"] == 4


def test_at_the_cap_the_step_goes_on_with_what_it_has():
    selection, sampled = select([ZERO, ONE], [ZERO, HALF], [ZERO] * 2, [HALF] * 2, max_extra_batches=2)
    assert sampled == 3
    assert selection.batch() == [3]
    nothing, _ = select([ZERO, ONE], [ONE] * 2, max_extra_batches=1)
    assert nothing.batch() == []
    assert nothing.metrics()["share_dropped"] == 1


def test_rewards_that_are_not_0_or_1_pass_when_above_0():
    dense, penalty, gains = [0.2, 0.1, 0.3, 1.0], [-0.1] * 4, [-0.2, 0.4, -0.1, -0.3]
    selection, _ = select([dense, penalty], [gains, gains], min_pass_rate=0.25, max_pass_rate=0.9)
    assert selection.outcomes == ["outside_band", "all_zero", "used", "used"]


def test_a_band_without_width_is_refused():
    with pytest.raises(ValidationError, match="min_pass_rate"):
        DynamicSamplingConfig(min_pass_rate=0.5, max_pass_rate=0.5)
