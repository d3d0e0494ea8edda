"""The order in which training positions are drawn."""

import numpy as np

from rpt_core.train.problem_order import ProblemOrder

KEPT = np.array([10, 11, 12, 13, 14])


def test_positions_are_drawn_without_replacement_until_all_were_used():
    order = ProblemOrder(KEPT, seed=0)
    drawn = [index for start in range(0, 15, 3) for index in order.draw(start, 3)]
    assert [sorted(drawn[start : start + 5]) for start in (0, 5, 10)] == [[10, 11, 12, 13, 14]] * 3
    assert drawn[:5] != drawn[5:10]


def test_a_stretch_of_draws_is_the_same_whoever_asks_for_it():
    drawn = ProblemOrder(KEPT, seed=0).draw(0, 20)
    assert ProblemOrder(KEPT, seed=0).draw(8, 7) == drawn[8:15]
    jumping = ProblemOrder(KEPT, seed=0)
    assert [jumping.draw(12, 1), jumping.draw(3, 4)] == [drawn[12:13], drawn[3:7]]
    assert ProblemOrder(KEPT, seed=1).draw(0, 20) != drawn


def test_from_easy_to_hard_entropies_rise_within_each_pass_and_the_seed_settles_ties():
    kept = np.arange(100, 160)
    entropies = np.repeat(np.array([2.0, 0.5, 1.0], np.float32), 20)
    drawn = ProblemOrder(kept, 0, entropies).draw(0, 120)
    for start in (0, 60):
        levels = [entropies[index - 100] for index in drawn[start : start + 60]]
        assert levels == [0.5] * 20 + [1.0] * 20 + [2.0] * 20
        assert sorted(drawn[start : start + 60]) == list(kept)
    assert drawn[:20] != sorted(drawn[:20])
    assert drawn[:60] != drawn[60:]
    assert ProblemOrder(kept, 1, entropies).draw(0, 60) != drawn[:60]
    assert ProblemOrder(kept, 0, entropies).draw(0, 120) == drawn
