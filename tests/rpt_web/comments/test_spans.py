"""Passages of a response: selected, kept, and found again in a text that may have changed."""

from __future__ import annotations

import pytest

from rpt_core.errors import UserError
from rpt_web.comments.spans import Span, Whereabouts, found_in, span_at, span_of
from rpt_web.pages.templatetags.comments import selectable, selectable_answer
from rpt_web.traces.inspector import split_response

TEXT = "One and 𝟚 and three and 𝟚."


def test_a_passage_is_kept_in_code_points_with_its_words():
    assert span_at(TEXT, 8, 9) == Span(8, 9, "𝟚")
    assert span_of(TEXT, "three and") == Span(14, 23, "three and")


@pytest.mark.parametrize(("start", "end"), [(3, 3), (5, 2), (0, 99)])
def test_a_place_that_is_not_in_the_text_is_refused(start, end):
    with pytest.raises(UserError, match=r"which has 26 characters\. Select it again\."):
        span_at(TEXT, start, end)


def test_words_that_are_not_there_and_long_passages_are_refused():
    with pytest.raises(UserError, match="does not have this passage"):
        span_of(TEXT, "four")
    with pytest.raises(UserError, match="has 2,001 characters, and 2,000 are allowed"):
        span_at("x" * 3000, 0, 2001)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (TEXT, Whereabouts("kept", 24, 25)),
        ("Now One and 𝟚 and three and 𝟚.", Whereabouts("moved", 28, 29)),
        ("𝟚", Whereabouts("moved", 0, 1)),
        ("nothing of it", Whereabouts("gone")),
        (None, Whereabouts("unread")),
    ],
)
def test_a_passage_is_found_again_nearest_to_where_it_was(text, found):
    assert found_in(text, Span(24, 25, "𝟚")) == found


def test_what_stands_written_out_is_listed_with_its_place():
    assert selectable("a\x1bb\u202ec\n") == 'data-passages="0" data-shown="14" data-signs="[[1,1,4],[3,1,6]]"'
    assert selectable("\nfirst", 7) == 'data-passages="7" data-shown="6" data-signs="[]"'


def test_the_box_is_one_piece():
    response = "so</think>it is \\boxed{a b} then"
    parts = split_response(response, b"a b")
    start = response.index("it is")
    expected = f'data-passages="{start}" data-shown="22" data-signs="[[{start + 13},3,3]]"'
    assert selectable_answer(parts, b"a b") == expected
