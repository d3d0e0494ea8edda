"""Which positions are chosen: by threshold, top share or at random, and up to a document's cap."""

import numpy as np

from rpt_core.config import CorpusConfig, FilterConfig, ModelConfig
from rpt_core.positions.choice import choose_positions

ENTROPIES = [
    np.array([0.2, 1.0, 1.7, 0.99], np.float32),
    np.empty(0, np.float32),
    np.array([2.0, np.nan, 0.1], np.float32),
]


def choose(entropies=ENTROPIES, ids=("a", "b", "c"), **options):
    config = FilterConfig(corpus=CorpusConfig(source="tiny"), proxy=ModelConfig(path="x"), **options)
    return [at.tolist() for at in choose_positions(config, ids, entropies)]


def test_the_threshold_keeps_what_has_at_least_that_entropy():
    assert choose(min_entropy_nats=1.0) == [[1, 2], [], [0]]
    assert choose(min_entropy_nats=0.0) == [[0, 1, 2, 3], [], [0, 2]]


def test_the_top_share_is_taken_over_all_documents():
    assert choose(keep="top_share", keep_share=0.5) == [[1, 2], [], [0]]
    assert choose(keep="top_share", keep_share=1 / 3) == [[2], [], [0]]
    assert choose(keep="top_share", keep_share=1.0) == [[0, 1, 2, 3], [], [0, 2]]


def test_equal_entropies_at_the_edge_of_the_top_share_are_chosen_at_random_but_in_number():
    flat = [np.ones(1000, np.float32)]
    chosen = choose(flat, ["a"], keep="top_share", keep_share=0.25)[0]
    assert len(chosen) == 250
    assert chosen != list(range(250))


def test_a_document_keeps_the_same_random_positions_whatever_else_the_corpus_holds():
    sizes = [7, 40, 3, 0, 111, 1, 26] * 20
    entropies = [np.random.default_rng(n).random(size).astype(np.float32) for n, size in enumerate(sizes)]
    ids = [f"d{n}" for n in range(len(sizes))]
    options = {"keep": "random", "keep_share": 0.13, "seed": 3}
    whole = choose(entropies, ids, **options)
    assert choose(entropies[5:60], ids[5:60], **options) == whole[5:60]
    assert choose(entropies[17:18], ids[17:18], **options) == whole[17:18]
    # Each document keeps its share, rounded up or down at random: the sum has a standard deviation below sqrt(140) / 2.
    assert abs(sum(map(len, whole)) - 0.13 * sum(sizes)) < 20


def test_random_choice_keeps_the_share_and_hangs_on_the_seed_alone():
    entropies = [np.random.default_rng(n).random(400).astype(np.float32) for n in range(5)]
    ids = list("abcde")
    chosen = choose(entropies, ids, keep="random", keep_share=0.1, seed=3)
    assert sum(map(len, chosen)) == 200
    assert choose(entropies, ids, keep="random", keep_share=0.1, seed=3) == chosen
    assert choose(entropies, ids, keep="random", keep_share=0.1, seed=4) != chosen
    other_values = [values[::-1].copy() for values in entropies]
    assert choose(other_values, ids, keep="random", keep_share=0.1, seed=3) == chosen
    backwards = choose(entropies[::-1], ids[::-1], keep="random", keep_share=0.1, seed=3)
    assert backwards[::-1] == chosen


def test_a_document_keeps_no_more_positions_than_the_cap():
    entropies = [np.full(100, 2.0, np.float32), np.full(3, 2.0, np.float32)]
    chosen = choose(entropies, "ab", max_positions_per_document=10, seed=1)
    assert [len(at) for at in chosen] == [10, 3]
    assert chosen[0] == sorted(chosen[0])
    assert chosen[0] != list(range(10))
    assert choose(entropies, "ab", max_positions_per_document=10, seed=1) == chosen
    assert choose(entropies, "ab", max_positions_per_document=10, seed=2) != chosen
    smaller = choose(entropies, "ab", max_positions_per_document=4, seed=1)
    assert set(smaller[0]) < set(chosen[0])
