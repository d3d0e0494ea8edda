"""Near-duplicates: overlaps counted by hand, and that MinHash loses nearly none of them."""

import random

import pytest

from rpt_core.text.near_duplicates import near_duplicates, overlap, runs_of

WORDS = [f"word{n}" for n in range(2000)]


def prose(rng, words=100):
    return rng.choices(WORDS, k=words)


def test_the_overlap_is_that_of_runs_of_five_words():
    # Runs: abcde, bcdef, cdefg and abcde, bcdef, cdefh: 2 of 4.
    assert overlap(runs_of("a b c d e f g"), runs_of("a b c d e f h")) == 0.5
    assert overlap(runs_of("A  b\nC d e f g"), runs_of("a b c d e f g")) == 1.0
    assert overlap(runs_of("a b c d e"), runs_of("a b c d f")) == 0.0


def test_a_text_of_fewer_than_five_words_is_one_run():
    assert len(runs_of("a b")) == 1
    assert near_duplicates(["a b", "a c"], ["A b"], 0.8) == [0]


def test_signs_and_scripts_without_spaces_have_words_of_their_own():
    assert len(runs_of("x+y=z")) == 1
    assert len(runs_of("これは短い文です")) == 4
    assert len(runs_of("ข้อความภาษาไทย")) > 1


def test_texts_that_share_less_than_the_threshold_stay():
    rng = random.Random(0)
    held_out = prose(rng)
    near, far = [*held_out[:92], *prose(rng, 8)], [*held_out[:80], *prose(rng, 20)]
    # 88 and 76 of 96 runs are shared: 88/104 and 76/116.
    texts = [" ".join(words) for words in (near, far, prose(rng))]
    assert near_duplicates(texts, [" ".join(held_out)], 0.8) == [0]
    assert near_duplicates(texts, [" ".join(held_out)], 0.6) == [0, 1]
    assert near_duplicates(texts, [" ".join(held_out)], 0.9) == []


def test_a_text_pieced_together_from_many_held_out_ones_is_none():
    rng = random.Random(0)
    held_out = [prose(rng) for _ in range(5)]
    patchwork = [word for words in held_out for word in words[:40]]
    assert near_duplicates([" ".join(patchwork)], [" ".join(words) for words in held_out], 0.8) == []


@pytest.mark.parametrize("threshold", [0.5, 0.8, 0.95])
def test_nearly_no_pair_at_the_threshold_is_missed(threshold):
    rng = random.Random(1)
    held_out = [prose(rng, 204) for _ in range(300)]
    # k of 200 runs from the start are shared: k / (400 - k) is the threshold or a little more.
    shared = int(400 * threshold / (1 + threshold)) + 1
    texts = [" ".join([*words[: shared + 4], *prose(rng, 200 - shared)]) for words in held_out]
    found = near_duplicates(texts, [" ".join(words) for words in held_out], threshold)
    assert len(found) >= 0.98 * len(texts)


def test_nothing_is_near_to_no_text():
    assert near_duplicates(["a"], [], 0.8) == []
    assert near_duplicates([], ["a"], 0.8) == []
