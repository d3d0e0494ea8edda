"""What keeps a row of the leaderboard from being ranked, flag by flag, and the ranks of the others."""

from __future__ import annotations

import pytest

from rpt_web.results.board import (
    BoardFilters,
    Light,
    SetWords,
    Usual,
    first_places,
    flags_of,
    of_other_set,
    places,
)
from rpt_web.results.models import EvaluatedSet

SAMPLING = "temperature 0.8, at most 56 tokens"
USUAL = Usual("plain", "at most 56 tokens", "t1")
NATS = {"easy": 0.5, "medium": 1.0, "hard": 1.5}


def row(pk=1, **changes):
    """A row that nothing speaks against."""
    fields = {
        "pk": pk,
        "group": "g",
        "mode": "sampled",
        "template": "plain",
        "sampling": SAMPLING,
        "tokenizer": "t1",
        "n": 700,
        "no_box": 0.1,
        "seeds": [0, 1, 2],
        "is_finished": True,
        "stage": "rpt",
        "experiment_id": 1,
        "easy": None,
        "medium": None,
        "hard": 0.5,
    }
    return Light(**{**fields, **changes})


def keys(**changes):
    return [flag.key for flag in flags_of(row(**changes), USUAL)]


def test_nothing_is_said_of_a_row_like_the_others():
    assert keys() == []


@pytest.mark.parametrize(
    ("key", "changes", "harmless"),
    [
        ("unknown", {"group": ""}, {"group": "h"}),
        ("template", {"template": "v0"}, {"template": "", "mode": "standard", "sampling": ""}),
        (
            "sampling",
            {"sampling": "temperature 0.8, at most 57 tokens"},
            {"sampling": "temperature 0, at most 56 tokens"},
        ),
        ("tokenizer", {"tokenizer": "t2"}, {"tokenizer": ""}),
        ("format", {"no_box": 0.501}, {"no_box": 0.5}),
        ("few", {"n": 99}, {"n": 100}),
        ("unfinished", {"is_finished": False}, {"is_finished": True}),
    ],
)
def test_each_flag_has_what_sets_it_and_what_does_not_and_takes_the_row_out(key, changes, harmless):
    (flag,) = flags_of(row(**changes), USUAL)
    assert (flag.key, flag.excludes) == (key, True)
    assert flag.words
    assert flag.reason.endswith(".")
    assert keys(**harmless) == []


def test_one_seed_is_a_caution_that_leaves_the_row_ranked():
    (flag,) = flags_of(row(seeds=[0]), USUAL)
    assert (flag.key, flag.excludes) == ("one-seed", False)
    assert "covers the positions only" in flag.reason
    assert keys(seeds=[]) == ["one-seed"]  # a model from elsewhere
    assert keys(seeds=[0, 1]) == []


def words(hash_, above_nats=NATS, positions=700):
    return SetWords(hash_, [EvaluatedSet(hash=hash_, above_nats=above_nats, positions=positions, documents=90)])


def test_rows_of_another_set_have_other_thresholds_or_else_other_positions():
    here, there = words("a"), words("b", positions=400)
    flag = of_other_set(here, there)
    assert (flag.key, flag.excludes) == ("positions", True)
    assert "400 positions of 90 documents" in flag.reason
    assert of_other_set(here, words("c", {**NATS, "hard": 2.0})).key == "thresholds"


def test_what_is_usual_is_what_most_rows_have_or_the_baseline():
    rows = [row(1), row(2), row(3, template="v0", tokenizer="t2")]
    assert Usual.of(rows) == USUAL
    assert Usual.of(rows, rows[2]) == Usual("v0", "at most 56 tokens", "t2")
    standard = row(4, mode="standard", template="", sampling="", tokenizer="t1")
    assert Usual.of([*rows, standard], standard).template == "plain"


def ranked(rows, **filters):
    return [(place.pk, place.rank) for place in places(rows, BoardFilters(**filters))]


def test_ranks_fall_with_the_accuracy_and_rows_that_are_not_ranked_come_last():
    rows = [row(1, hard=0.4), row(2, hard=0.9), row(3, hard=0.99, template="v0"), row(4, hard=0.9), row(5, hard=0.1)]
    assert ranked(rows) == [(2, 1), (4, 1), (1, 3), (5, 4), (3, None)]


def test_a_row_without_the_difficulty_is_not_listed():
    assert ranked([row(1, easy=0.3), row(2)], difficulty="easy") == [(1, 1)]


def test_rows_of_several_modes_are_ranked_within_their_own_alone():
    rows = [
        row(1, mode="pass@8", hard=0.9),
        row(2, mode="standard", hard=0.8, template="", sampling=""),
        row(3, hard=0.5),
        row(4, mode="pass@8", hard=0.95),
        row(5, hard=0.5),
        row(6, hard=0.4),
        row(7, mode="standard", hard=0.99, template="", sampling="", tokenizer="t2"),
    ]
    in_order = [(3, 1), (5, 1), (6, 3), (2, 1), (4, 1), (1, 2), (7, None)]
    assert ranked(rows) == in_order
    assert ranked(rows, mode="pass@8") == [(4, 1), (1, 2)]
    listed = places(rows, BoardFilters())
    shown = [[place.pk for place in first_places(listed, most)] for most in (3, 4, 6, 9)]
    assert shown == [[3, 2, 4], [3, 5, 2, 4], [3, 5, 6, 2, 4, 1], [pk for pk, _ in in_order]]


def test_what_is_not_looked_at_still_says_what_is_usual():
    rows = [row(1, template="v0", stage="ntp"), row(2), row(3)]
    assert ranked(rows, stage="ntp") == [(1, None)]
    assert ranked(rows, experiment=2) == []
    assert [place.rank for place in places(rows, BoardFilters(), baseline=1)] == [1, None, None]


def test_the_words_of_a_group_say_corpora_thresholds_and_size():
    found = words("a")
    found.sets[0].corpora = ["Cards"]
    assert found.name == "Cards"
    assert found.levels == "easy above 0.5, medium above 1, hard above 1.5 nats of the proxy model's entropy"
    assert found.size == "700 positions of 90 documents"
    assert SetWords("", []).name == "Unknown positions"
    several = SetWords("g", [*words("a").sets, *words("b", positions=650).sets])
    assert several.size == "650 to 700 positions of 90 documents for each of 2 sets, one a seed"
