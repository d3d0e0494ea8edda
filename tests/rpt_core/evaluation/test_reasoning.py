"""Several responses at a position, on numbers computed by hand."""

import math

import numpy as np
import pytest

from rpt_core.evaluation.findings import accuracies, by_mode, domain_table, pass_table, standard_against_reasoning
from rpt_core.evaluation.outcome_table import Answers, StandardAnswers
from rpt_core.evaluation.reasoning import Responses, estimate, judge_groups, majority
from rpt_core.inference.rollout import Rollout
from rpt_core.positions.sets import PositionSample
from rpt_core.problems.problem import Problem
from rpt_core.verdict import judge

CAT = [3, 7]
"""Boundaries of the completion `cat sat`."""


def verdict(prediction):
    return judge(prediction, b"cat sat", CAT)


def responses(*groups, tokens=5):
    """One list of predictions for each position, all of the completion `cat sat`."""
    rollout = Rollout([1] * tokens, b"", [0.0] * tokens, "stop")
    return Responses([[rollout] * len(group) for group in groups], [[verdict(p) for p in group] for group in groups])


def sample(n, **members):
    flags = {name: members.get(name, [True] * n) for name in ("easy", "medium", "hard")}
    return PositionSample(list(range(n)), {name: np.array(value, bool) for name, value in flags.items()})


def standard(*correct):
    return StandardAnswers(list(correct), [1.0] * len(correct), [b"x"] * len(correct))


FOUR = responses(
    [b"cat", b"cat sat", b"cat", b"dog"],
    [b"dog", None, b"cat", None],
    [b"dog", b"cat", b"dog", b"cat"],
    [None, None, b"do", None],
)


@pytest.mark.parametrize(
    ("predictions", "winner"),
    [
        ([b"dog", b"cat", b"cat"], b"cat"),
        ([b"dog", b"cat"], b"dog"),
        ([b"cat", b"dog", b"dog", b"cat"], b"cat"),
        ([b"cat", None, None], None),
        ([None, b"cat"], None),
        ([b"", b"", b"cat"], b""),
        ([b"cat", b"cat ", b"cat "], b"cat "),
    ],
)
def test_the_majority_is_of_bytes_with_the_first_seen_winning_a_tie(predictions, winner):
    assert majority([verdict(p) for p in predictions]).prediction == winner


def test_responses_are_counted_averaged_and_voted_on():
    assert FOUR.samples == 4
    assert FOUR.right == [3, 1, 2, 0]
    assert FOUR.means == [0.75, 0.25, 0.5, 0.0]
    assert [vote.prediction for vote in FOUR.votes] == [b"cat", None, b"dog", None]
    assert FOUR.majority == [True, False, False, False]
    assert FOUR.pass_at(1) == FOUR.means
    assert FOUR.pass_at(2) == pytest.approx([1, 1 / 2, 5 / 6, 0])
    assert FOUR.pass_at(4) == [1, 1, 1, 0]


def test_tokens_are_means_over_the_responses_of_a_position():
    short, long = Rollout([1], b"", [0.0], "stop"), Rollout([1] * 4, b"", [0.0] * 4, "length")
    found = Responses([[short, long], [short, short]], [[verdict(None)] * 2] * 2)
    assert found.tokens == [2.5, 1.0]


def test_a_response_cut_by_the_limit_has_no_answer():
    problem = Problem("d:1", "d", 1, [1], [1], "", b"cat sat", CAT, 7, 1.0, "", 4)
    ended, cut = (Rollout([1], b"</think>\\boxed{cat}", [0.0], reason) for reason in ("stop", "length"))
    (group,) = judge_groups([problem], [[ended, cut]])
    assert [(v.reward, v.reason) for v in group] == [(1.0, "match"), (0.0, "no_box")]


def test_an_estimate_has_its_n_and_nothing_has_none():
    found = estimate([1.0, 0.0, 0.5], samples=2)
    assert (found.value, found.n) == (0.5, 3)
    assert found.low < 0.5 < found.high
    assert estimate([]) is None


def test_an_evaluation_with_several_samples_has_two_more_accuracies():
    answers = Answers(standard(True, True, False, False), FOUR, responses([b"cat"], [b"cat"], [None], [b"ca"]))
    found = accuracies(answers, sample(4, hard=[False, True, False, True]))
    assert list(found) == ["standard", "sampled", "pass@4", "majority", "greedy"]
    values = {mode: [cells[level]["value"] for level in ("easy", "hard")] for mode, cells in found.items()}
    assert values == {
        "standard": [2 / 4, 1 / 2],
        "sampled": [1.5 / 4, 0.25 / 2],
        "pass@4": [3 / 4, 1 / 2],
        "majority": [1 / 4, 0],
        "greedy": [2 / 4, 1 / 2],
    }
    assert {mode: cells["easy"]["correct"] for mode, cells in found.items()} == {
        "standard": 2,
        "sampled": None,  # a mean of several responses is no count
        "pass@4": 3,
        "majority": 1,
        "greedy": 2,
    }
    assert all(cell["n"] == 4 and cell["low"] <= cell["value"] <= cell["high"] for cell in map(_easy, found.values()))


def test_responses_without_a_box_are_counted_by_difficulty():
    answers = Answers(standard(True, True), responses([b"cat", None, None], [None] * 3), responses([b"cat"], [None]))
    found = accuracies(answers, sample(2, hard=[False, True]))
    shares = {mode: [cells[level]["no_box"] for level in ("easy", "hard")] for mode, cells in found.items()}
    assert shares["sampled"] == [pytest.approx(5 / 6), 1.0]
    assert shares["greedy"] == [1 / 2, 1.0]
    assert shares["standard"] == shares["pass@3"] == shares["majority"] == [None, None]


def _easy(cells):
    return cells["easy"]


def test_one_sample_has_neither_pass_at_k_nor_a_majority():
    answers = Answers(sampled=responses([b"cat"], [None]))
    assert list(by_mode(answers)) == ["sampled"]
    assert accuracies(answers, sample(2))["sampled"]["easy"]["correct"] == 1
    assert pass_table(answers, sample(2), [1.0, 1.0], 0) is None


def test_pass_at_k_is_told_for_powers_of_two_and_all():
    answers = Answers(sampled=responses([b"cat", None, None, None, None, None], [None] * 6))
    table = pass_table(answers, sample(2), [1.0, 1.0], step=7)
    assert table.step == 7
    easy = [(row["k"], row["accuracy"].value) for row in table.rows if row["difficulty"] == "easy"]
    assert easy == [(1, pytest.approx(1 / 12)), (2, pytest.approx(1 / 6)), (4, pytest.approx(1 / 3)), (6, 0.5)]


def test_what_k_guesses_would_reach_stands_beside_pass_at_k():
    answers = Answers(sampled=responses([b"cat"] * 8, [None] * 8, [None] * 8))
    entropies = [math.log(10), math.log(7), 0.0]  # ten answers, seven, and one
    members = sample(3, hard=[True, True, False], medium=[False] * 3)
    table = pass_table(answers, members, entropies, step=0)
    of = {(row["difficulty"], row["k"]): (row["by_chance"], row["by_chance_different"]) for row in table.rows}
    assert of["hard", 1] == pytest.approx((0.1 / 2 + 1 / 14, 0.1 / 2 + 1 / 14))
    assert of["hard", 8] == pytest.approx(((1 - 0.9**8 + 1 - (6 / 7) ** 8) / 2, (0.8 + 1) / 2))
    assert of["easy", 8] == pytest.approx(((1 - 0.9**8 + 1 - (6 / 7) ** 8 + 1) / 3, (0.8 + 1 + 1) / 3))
    assert of["medium", 8] == (None, None)


def test_two_by_two_counts_both_one_and_neither_by_difficulty():
    greedy = responses([b"cat"], [None], [b"cat"], [b"cat"], [None])
    answers = Answers(standard(True, True, False, False, False), greedy=greedy)
    table = standard_against_reasoning(answers, sample(5, hard=[False] * 2 + [True] * 3, medium=[False] * 5), 3, seed=0)
    rows = {row["difficulty"]: row for row in table.rows}
    assert list(rows) == ["easy", "hard"]  # no medium positions: no row
    names = ("both", "only_standard", "only_reasoning", "neither")
    assert [rows["easy"][name] for name in names] == [1, 1, 2, 1]
    assert [rows["hard"][name] for name in names] == [0, 0, 2, 1]
    assert rows["easy"]["difference"].value == pytest.approx(1 / 5)
    assert rows["easy"]["p"] == 1.0
    assert rows["hard"]["p"] == 0.5
    assert {row["mode"] for row in table.rows} == {"greedy"}


def test_several_samples_stand_against_standard_by_their_majority():
    table = standard_against_reasoning(Answers(standard(False, True, True, True), FOUR), sample(4), 0, seed=0)
    row = table.rows[0]
    assert row["mode"] == "majority"
    assert (row["both"], row["only_standard"], row["only_reasoning"], row["neither"]) == (0, 3, 1, 0)


def test_two_by_two_needs_both_kinds_of_answer():
    assert standard_against_reasoning(Answers(standard(True)), sample(1), 0, seed=0) is None
    assert standard_against_reasoning(Answers(greedy=responses([b"cat"])), sample(1), 0, seed=0) is None


def test_accuracy_by_domain_is_that_of_the_easy_sample():
    answers = Answers(standard(True, False, True, True))
    table = domain_table(answers, sample(4, easy=[True, True, True, False]), ["algebra", "algebra", "", "logic"], 0)
    found = {row["domain"]: (row["mode"], row["accuracy"].value, row["accuracy"].n) for row in table.rows}
    assert found == {"algebra": ("standard", 0.5, 2), "(none)": ("standard", 1.0, 1)}


def test_a_corpus_without_domains_has_no_such_table():
    assert domain_table(Answers(standard(True)), sample(1), [""], 0) is None


def test_rare_domains_are_joined():
    domains = [f"d{n:02}" for n in range(45) for _ in range(2 if n < 5 else 1)]
    n = len(domains)
    table = domain_table(Answers(standard(*[True] * n)), sample(n), domains, 0)
    counts = {row["domain"]: row["accuracy"].n for row in table.rows}
    assert len(counts) == 41
    assert counts["(others)"] == 5
    assert sum(counts.values()) == n
