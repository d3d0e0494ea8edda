"""Why predictions are wrong, in words; votes of a group, aligned; pass@k by hand."""

from __future__ import annotations

import pytest

from rpt_core.verdict import judge
from rpt_web.traces import votes
from rpt_web.traces.differences import difference_words
from rpt_web.traces.models import Rollout

TEXT, ENDS = b" 5. So the sum\n", [2, 3, 6, 10, 14, 15]


def words(prediction, text=TEXT, ends=ENDS):
    return difference_words(text, ends, prediction, judge(prediction, text, ends).reason)


@pytest.mark.parametrize(
    ("prediction", "said"),
    [
        (b" 5", "right: 1 token"),
        (b" 5. So", "right: 3 tokens"),
        (b" 5. S", "stops within a token, 1 byte before its end"),
        (b"  5", "one space too many before “5”"),
        (b"   5.", "two spaces too many before “5.”"),
        (b"5", "one space is missing before “5”"),
        (b" 5.\nSo", "other blanks before “So”"),
        (b" 5.  So", "one space too many before “So”"),
        (b" 5. so", "lower instead of upper case in “so”"),
        (b" 7", "“7” instead of “5”, after 1 byte"),
        (b"x", "“x” instead of a space, from the start"),
        (b" 5\n", "one newline too many at the end"),
        (b"", "the box is empty"),
        (None, "no closed box"),
        (TEXT + b"!", "longer than the 15 bytes kept of the text"),
        ("\u202e".encode(), "instead of a space, from the start"),
    ],
)
def test_why_a_prediction_is_wrong_is_said_in_words(prediction, said):
    assert said in words(prediction)
    assert words(prediction).isprintable()


def test_an_answer_that_counts_as_right_is_not_called_wrong():
    assert difference_words(b"0.5", [3], b"1/2", "match") == "counts as right, though it is written otherwise"
    assert difference_words(b"5", [1], None, "length") == "cut by the length limit"


def member(key, prediction):
    verdict = judge(prediction, TEXT, ENDS)
    return Rollout(
        id=key, prediction=prediction, completion=TEXT, reward=verdict.reward, reason=verdict.reason,
        finish_reason="stop",
    )  # fmt: skip


def test_votes_count_each_prediction_once_the_most_frequent_first():
    group = [member(key, said) for key, said in enumerate([b" 7", b" 5", b" 7", None, b" 5.", b" 7"])]
    found = votes.tally(group, ENDS)
    assert [(vote.prediction, vote.times, vote.reward) for vote in found.votes] == [
        (b" 7", 3, 0.0), (b" 5", 1, 1.0), (b" 5.", 1, 1.0), (None, 1, 0.0)
    ]  # fmt: skip
    assert (found.majority.is_rewarded, found.rewarded, found.responses) == (False, 2, 6)
    assert [(k, round(chance, 4)) for k, chance in found.pass_at] == [
        (1, 0.3333), (2, round(1 - 6 / 15, 4)), (4, round(1 - 1 / 15, 4)), (6, 1.0)
    ]  # fmt: skip
    assert [(cell.sign, cell.kind) for cell in found.votes[0].cells] == [("␠", "same"), ("7", "wrong")]
    assert found.votes[0].cells[1].title == "byte 1: “7”, the text has “5”"
    row = votes.text_row(TEXT, ENDS, found.votes, 0)
    assert [cell.sign for cell in row.cells][:3] == ["␠", "5", "."]
    assert [cell.ends for cell in row.cells][:3] == [False, True, True]


def test_predictions_that_go_wrong_far_behind_are_shown_there():
    text = b"a" * 200
    late = Rollout(id=1, prediction=b"a" * 150 + b"b", completion=text, reward=0.0, reason="mismatch", finish_reason="")
    start = votes.window_start([late])
    assert start == 150 - votes.BEFORE_WRONG
    found = votes.tally([late], [200])
    assert [cell.kind for cell in found.votes[0].cells].index("wrong") == votes.BEFORE_WRONG
    long = Rollout(id=2, prediction=b"b" * 100_000, completion=text, reward=0.0, reason="mismatch", finish_reason="")
    assert len(votes.tally([long], [200]).votes[0].cells) == votes.ALIGNED_BYTES


def test_a_group_of_one_and_of_none():
    assert votes.tally([member(0, b" 5")], ENDS).pass_at == ((1, 1.0),)
    assert votes.tally([], ENDS).pass_rate == 0.0
