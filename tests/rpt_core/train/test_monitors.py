"""Collapse monitors on responses written by hand."""

import pytest

from rpt_core.inference.rollout import Rollout
from rpt_core.problems.problem import Problem
from rpt_core.train.monitors import (
    begins_with_first_token,
    has_several_boxes,
    is_all_one,
    is_all_zero,
    is_blank,
    is_right_but_blanks,
    prediction_metrics,
    quotes_target,
    response_metrics,
)
from rpt_core.verdict import judge, judge_response


def problem(*tokens):
    """A problem whose completion has these tokens."""
    pieces = [token.encode() for token in tokens]
    boundaries = [sum(map(len, pieces[: n + 1])) for n in range(len(pieces))]
    return Problem("d:3", "d", 3, [1, 2], [2], "So", b"".join(pieces), boundaries, 7, 1.2, "sums", 11)


def rollout(text, tokens=4, finish="stop"):
    return Rollout([5] * tokens, text.encode(), [-0.5] * tokens, finish)


def judged(prediction, of):
    return judge(prediction.encode(), of.completion, of.boundaries)


CATS = problem(" cats", " sat", "\n")


@pytest.mark.parametrize("prediction", ["cats", " cats ", "cats\n", "\tcats sat", " cats sat \n\n"])
def test_a_prediction_that_misses_by_the_blanks_at_its_ends_is_right_but_for_them(prediction):
    verdict = judged(prediction, CATS)
    assert verdict.reason != "match"
    assert is_right_but_blanks(verdict, CATS)


@pytest.mark.parametrize(
    "prediction",
    [" cats", " cats sat", " cats sat\n", "", " ", "cat", " dogs", "cats  sat", "ca ts", "cats sat mat"],
)
def test_what_is_right_or_wrong_anyhow_is_not_right_but_for_blanks(prediction):
    assert not is_right_but_blanks(judged(prediction, CATS), CATS)


def test_where_only_blanks_are_to_be_predicted_nothing_is_right_but_for_them():
    lines = problem("\n\n", "Then")
    assert not is_right_but_blanks(judged("\n", lines), lines)
    assert is_right_but_blanks(judged("Then", lines), lines)


def test_a_blank_prediction_has_blanks_and_nothing_else():
    assert [is_blank(judged(text, CATS)) for text in (" ", "\n\t", "", " a", "a")] == [True, True, False, False, False]
    assert not is_blank(judge(None, CATS.completion, CATS.boundaries))


def test_the_first_token_is_right_however_the_prediction_goes_on():
    found = [begins_with_first_token(judged(text, CATS), CATS) for text in (" cats", " cats ate", " cat", "cats", "")]
    assert found == [True, True, False, False, False]
    assert not begins_with_first_token(judge(None, CATS.completion, CATS.boundaries), CATS)


@pytest.mark.parametrize(
    ("response", "tokens", "expected"),
    [
        (r"maybe cats?</think>\boxed{ dogs}", [" cats"], True),
        (r"maybe wildcats</think>\boxed{ dogs}", [" cats"], True),  # by chance: the docstring says so
        (r"maybe dogs</think> cats \boxed{ cats}", [" cats"], False),
        (r"maybe cats</think>\boxed{ dogs}</think>\boxed{ a}", [" cats"], True),
        ("maybe cats, cats, cats", [" cats"], False),
        (r"is it 2?</think>\boxed{2}", ["2"], True),
        (r"is it 12 or x2 or 2_?</think>\boxed{2}", ["2"], False),
        (r"say `,` here</think>\boxed{,}", [","], True),
        (r"a, b</think>\boxed{,}", [","], False),
        (r"a </think>\boxed{ }", [" "], False),
        ("\n\n</think>\\boxed{\n}", ["\n", "x"], False),
    ],
)
def test_the_target_is_looked_for_in_the_thought_alone(response, tokens, expected):
    assert quotes_target(response.encode(), problem(*tokens)) is expected


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (r"\boxed{1}</think>\boxed{2}", False),
        (r"</think>\boxed{1} \boxed{2}", True),
        (r"</think>\boxed{1} \boxed{2} \boxed{", True),
        (r"</think>\boxed{1}</think>\boxed{2}", False),
        (r"\boxed{1} \boxed{2}", False),
    ],
)
def test_several_boxes_are_counted_behind_the_last_thought(response, expected):
    assert has_several_boxes(response.encode()) is expected


@pytest.mark.parametrize(
    ("rewards", "zero", "one"),
    [
        ([0.0, 0.0], True, False),
        ([1.0, 1.0], False, True),
        ([0.0, 1.0], False, False),
        ([-0.1, -0.1], True, False),
        ([0.3, 0.3], False, True),
        ([-0.2, -0.1], False, False),
    ],
)
def test_groups_are_all_zero_or_all_one_only_when_their_rewards_are_equal(rewards, zero, one):
    assert (is_all_zero(rewards), is_all_one(rewards)) == (zero, one)


# Two groups of four: what each response is, is written beside it.
DOGS = problem("2", " dogs")
GROUPS = [
    [
        rollout(r"hm cats</think>\boxed{ cats}", tokens=2),  # right; quotes the target
        rollout(r"hm</think>\boxed{cats}", tokens=6),  # right but for a blank
        rollout(r"hm</think>\boxed{ cats ate}", tokens=4),  # only the first token is right
        rollout("hm hm hm", tokens=8, finish="length"),  # cut
    ],
    [
        rollout(r"1 or 2</think>\boxed{3} \boxed{ }"),  # two boxes, the last one blank; quotes the target
        rollout(r"12</think>\boxed{}"),  # empty
        rollout(r"hm</think>dogs"),  # no box
        rollout(r"hm</think>\boxed{7}"),  # wrong
    ],
]
PROBLEMS = [CATS, DOGS]
VERDICTS = [
    [judge_response(r.data, p.completion, p.boundaries, r.finish_reason == "stop") for r in group]
    for p, group in zip(PROBLEMS, GROUPS, strict=True)
]
REWARDS = [[verdict.reward for verdict in group] for group in VERDICTS]


def test_the_metrics_of_a_step_counted_by_hand():
    values = response_metrics(GROUPS, VERDICTS, REWARDS)
    assert values == pytest.approx(
        {
            "reward_mean": 1 / 8,
            "share_boxed": 6 / 8,
            "share_no_box": 2 / 8,
            "share_matched": 1 / 8,
            "share_cut": 1 / 8,
            "share_several_boxes": 1 / 8,
            "share_all_zero": 1 / 2,
            "share_all_one": 0,
            "response_tokens_mean": (2 + 6 + 4 + 8 + 16) / 8,
            "mean_negative_log_prob": 0.5,
            "predicted_bytes_mean": (5 + 4 + 9 + 1 + 0 + 1) / 6,
        }
    )
    assert prediction_metrics(PROBLEMS, GROUPS, VERDICTS) == pytest.approx(
        {
            "share_blank_prediction": 1 / 8,
            "share_right_but_blanks": 1 / 8,
            "first_token_gap": 2 / 8 - 1 / 8,
            "share_target_quoted": 2 / 8,
        }
    )


def test_the_mean_of_no_prediction_is_left_out():
    cut = [[rollout("hm", finish="length")] * 2]
    values = response_metrics(cut, [[judge_response(b"hm", b"a", [1], False)] * 2], [[0.0, 0.0]])
    assert "predicted_bytes_mean" not in values
    assert values["share_no_box"] == 1
