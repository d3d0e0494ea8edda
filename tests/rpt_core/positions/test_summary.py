"""What a filter run stores of a split gives the very counts and choices that a run with another rule would make."""

from __future__ import annotations

import json

import numpy as np
import pytest

from rpt_core.config import CorpusConfig, FilterConfig, ModelConfig
from rpt_core.positions.choice import Cutoff, choose_positions, random_share, top_share_cutoffs
from rpt_core.positions.summary import POINTS, SHARES, bin_counts, summarise

SEED = 5


def corpus(count=40, kind="smooth"):
    """Entropies of documents: all different; or with many equal ones and some that are no position."""
    rng = np.random.default_rng(1)
    sizes = [*rng.integers(0, 60, count).tolist(), 0]
    found = [rng.gamma(1.0, 0.6, size).astype(np.float32) for size in sizes]
    if kind == "equal":
        found = [np.round(values, 1) for values in found]
        found = [np.where(np.arange(len(values)) % 7 == 3, np.float32(np.nan), values) for values in found]
    return [f"d{number}" for number in range(len(found))], found


def run_choice(ids, entropies, **options):
    config = FilterConfig(
        corpus=CorpusConfig(source="tiny"), proxy=ModelConfig(path="x"), seed=SEED, entropy="full", **options
    )
    return choose_positions(config, ids, entropies)


@pytest.mark.parametrize("kind", ["smooth", "equal"])
def test_counts_at_every_threshold_are_those_of_a_run(kind):
    ids, entropies = corpus(kind=kind)
    counts = bin_counts(np.concatenate(entropies))
    for hundredths in range(1, len(counts) + 5):
        chosen = run_choice(ids, entropies, min_entropy_nats=hundredths / 100)
        assert sum(counts[hundredths:]) == sum(map(len, chosen))


def test_an_entropy_just_below_a_threshold_is_counted_below_it():
    edges = np.array([0.7, 0.29, 1.0, 0.3], np.float32)  # the float32 next to 0.7 lies below it, that of 0.3 above
    counts = bin_counts(edges)
    for hundredths in (29, 30, 70, 100):
        assert sum(counts[hundredths:]) == int((edges.astype(np.float64) >= hundredths / 100).sum())
    assert bin_counts(np.array([np.nan], np.float32)) == []
    assert bin_counts(np.zeros(3, np.float32)) == [3]


@pytest.mark.parametrize("kind", ["smooth", "equal"])
def test_a_documents_part_of_a_top_share_is_that_of_a_run(kind):
    ids, entropies = corpus(kind=kind)
    stored = json.loads(json.dumps(summarise(SEED, ids, entropies, entropies)["shares"]))
    assert len(stored) == 100
    for share, told in zip(SHARES, stored, strict=True):
        cutoff = Cutoff(np.inf if told["nats"] is None else told["nats"], told["key"])
        chosen = run_choice(ids, entropies, keep="top_share", keep_share=share)
        alone = [cutoff.chosen(SEED, id_, values) for id_, values in zip(ids, entropies, strict=True)]
        assert [at.tolist() for at in alone] == [at.tolist() for at in chosen]


@pytest.mark.parametrize("kind", ["smooth", "equal"])
def test_a_documents_random_share_and_their_number_are_those_of_a_run(kind):
    ids, entropies = corpus(kind=kind)
    stored = summarise(SEED, ids, entropies, entropies)["shares"]
    for share, told in zip(SHARES, stored, strict=True):
        chosen = run_choice(ids, entropies, keep="random", keep_share=share)
        alone = [random_share(SEED, id_, values, share) for id_, values in zip(ids, entropies, strict=True)]
        assert [at.tolist() for at in alone] == [at.tolist() for at in chosen]
        assert told["random"] == sum(map(len, chosen))


@pytest.mark.parametrize("kind", ["smooth", "equal"])
def test_a_larger_random_share_has_all_of_a_smaller_one_and_its_size_is_the_share_rounded(kind):
    for id_, values in zip(*corpus(kind=kind), strict=True):
        there = int(np.isfinite(values).sum())
        smaller: set[int] = set()
        for share in SHARES:
            chosen = random_share(SEED, id_, values, share)
            assert np.isfinite(values[chosen]).all()
            assert (np.diff(chosen) > 0).all()
            assert smaller <= set(chosen.tolist())
            assert abs(len(chosen) - share * there) < 1
            smaller = set(chosen.tolist())
        assert len(smaller) == there


def test_a_share_too_small_for_one_position_chooses_none():
    (cutoff,) = top_share_cutoffs(0, ["a"], [np.ones(3, np.float32)], [0.01])
    assert cutoff.chosen(0, "a", np.ones(3, np.float32)).tolist() == []
    assert summarise(0, ["a"], [np.ones(3, np.float32)], [np.ones(3, np.float32)])["shares"][0]["nats"] is None


def test_an_empty_split_has_a_summary():
    summary = summarise(0, [], [], [])
    assert (summary["counts"], summary["points"]) == ([], [])
    assert {share["random"] for share in summary["shares"]} == {0}


def test_points_are_few_and_leave_out_what_is_not_known():
    ids, entropies = corpus(200)
    probabilities = [np.exp(-values) for values in entropies]
    probabilities[0] = np.full_like(probabilities[0], np.nan)
    points = summarise(SEED, ids, entropies, probabilities)["points"]
    assert POINTS / 2 < len(points) <= POINTS
    assert all(abs(p - np.exp(-e)) < 2e-4 for e, p in points)
    assert summarise(SEED, ids, entropies, [np.full_like(e, np.nan) for e in entropies])["points"] == []
