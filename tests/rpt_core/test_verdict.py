"""The reward: what counts as a prediction, and Equation 3 on bytes."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rpt_core.verdict import Verdict, extract_prediction, judge, judge_response

PIECES = st.lists(st.binary(min_size=1, max_size=4), min_size=1, max_size=6)


@pytest.mark.parametrize(
    ("response", "prediction"),
    [
        (r"so it is 7</think>\boxed{7}", "7"),
        (r"</think>The answer is \boxed{7}. Done.", "7"),
        # Nothing is stripped or unescaped.
        (r"</think>\boxed{ }", " "),
        (r"</think>\boxed{ Paris }", " Paris "),
        ("</think>\\boxed{\n\n}", "\n\n"),
        (r"</think>\boxed{\text{a}\{}", r"\text{a}\{"),
        (r"</think>\boxed{&lt;}", "&lt;"),
        (r"</think>\boxed{}", ""),
        # The last box after the last </think>.
        (r"\boxed{1}</think>\boxed{2} or \boxed{3}", "3"),
        (r"a</think>\boxed{1}</think>\boxed{2}", "2"),
        (r"a</think>\boxed{1}</think>", None),
        # Balanced braces.
        (r"</think>\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        (r"</think>\boxed{\frac{1}{2}} and {more}", r"\frac{1}{2}"),
        (r"</think>$\boxed{x}$", "x"),
        # Only closing braces and blanks follow: the box reaches to the last of them.
        (r"</think>\boxed{}}", "}"),
        (r"</think>\boxed{}}}", "}}"),
        ("</think>\\boxed{x}} \n", "x}"),
        ("</think>\\boxed{x}\n}\t", "x}\n"),
        (r"</think>\boxed{x} ", "x"),
        (r"</think>\boxed{}}.", ""),
        # Never balanced, but something closes.
        (r"</think>\boxed{{}", "{"),
        (r"</think>\boxed{{{} and so on", "{{"),
        (r"</think>\boxed{a{b} c} d{", "a{b} c"),
        # No closed box, no </think>.
        (r"</think>\boxed{7", None),
        (r"</think>\boxed{1} \boxed{2", None),
        (r"</think>7}", None),
        (r"</think>\boxed 7}", None),
        (r"\boxed{7}", None),
        ("", None),
        (r"</think>\boxed{漢😀}", "漢😀"),
    ],
)
def test_the_prediction_is_the_content_of_the_last_box_after_the_thought(response, prediction):
    assert extract_prediction(response) == prediction


def read_box_slowly(response):
    """The definition, clause by clause, with no regard for speed."""
    ends = [i for i in range(len(response)) if response[:i].endswith("</think>")] + (
        [len(response)] if response.endswith("</think>") else []
    )
    if not ends:
        return None
    after = response[ends[-1] :]
    boxes = [i for i in range(len(after)) if after[:i].endswith("\\boxed{")]
    boxes += [len(after)] if after.endswith("\\boxed{") else []
    if not boxes:
        return None
    rest = after[boxes[-1] :]
    closing = [i for i, character in enumerate(rest) if character == "}"]
    if not closing:
        return None
    balanced = [i for i in closing if rest[: i + 1].count("}") == rest[:i].count("{") + 1]
    if not balanced:
        return rest[: closing[-1]]
    behind = rest[balanced[0] + 1 :]
    if all(character == "}" or character.isspace() for character in behind):
        return rest[: closing[-1]]
    return rest[: balanced[0]]


PARTS = st.sampled_from(["</think>", "\\boxed{", "{", "}", " ", "\n", "x", "\\", "\\boxed", "漢", "}}", "</think"])


@given(st.lists(PARTS, max_size=14).map("".join))
@example("</think>\\boxed{}}")
def test_extraction_agrees_with_a_slow_reading_of_the_definition(response):
    assert extract_prediction(response) == read_box_slowly(response)


@given(
    st.lists(PARTS, max_size=8).map("".join),
    st.text(st.characters(codec="utf-8", exclude_characters="{}\\"), min_size=1),
)
def test_whatever_has_no_brace_can_be_predicted(thought, prediction):
    assert extract_prediction(f"{thought}</think>\\boxed{{{prediction}}}") == prediction


@pytest.mark.parametrize("prediction", ["}", "{", "{}", "}}", "{{", " }", "a}\n", "\\}", "\\{"])
def test_braces_can_be_predicted(prediction):
    assert extract_prediction(f"a</think>\\boxed{{{prediction}}}") == prediction


# " the" "\n" "ca" "t": boundaries 4, 5, 7, 8.
COMPLETION, BOUNDARIES = b" the\ncat", [4, 5, 7, 8]


@pytest.mark.parametrize(
    ("prediction", "verdict"),
    [
        (b" the", Verdict(1.0, "match", b" the")),
        (b" the\n", Verdict(1.0, "match", b" the\n")),
        (b" the\ncat", Verdict(1.0, "match", b" the\ncat")),
        (b" th", Verdict(0.0, "not_on_boundary", b" th")),
        (b" the\nc", Verdict(0.0, "not_on_boundary", b" the\nc")),
        (b"the", Verdict(0.0, "mismatch", b"the", 0)),
        (b" tha", Verdict(0.0, "mismatch", b" tha", 3)),
        (b" the ", Verdict(0.0, "mismatch", b" the ", 4)),
        (b" the\ncats", Verdict(0.0, "mismatch", b" the\ncats", 8)),
        (b"", Verdict(0.0, "empty", b"")),
        (None, Verdict(0.0, "no_box", None)),
    ],
)
def test_a_prediction_is_right_when_it_is_a_beginning_that_ends_with_a_token(prediction, verdict):
    assert judge(prediction, COMPLETION, BOUNDARIES) == verdict


def test_half_a_character_is_right_when_a_token_ends_there():
    # U+1F600 is f0 9f 98 80, split by the tokenizer after two bytes.
    assert judge(b"\xf0\x9f", b"\xf0\x9f\x98\x80", [2, 4]).reason == "match"
    assert judge(b"\xf0", b"\xf0\x9f\x98\x80", [2, 4]).reason == "not_on_boundary"


def test_the_empty_prediction_earns_nothing_even_when_a_token_has_no_bytes():
    assert judge(b"", b"a", [0, 1]).reward == 0.0


@given(pieces=PIECES, data=st.data())
def test_the_reward_agrees_with_a_brute_force_reading_of_equation_3(pieces, data):
    completion = b"".join(pieces)
    lengths = [len(b"".join(pieces[: n + 1])) for n in range(len(pieces))]
    prefixes = st.integers(0, len(completion)).map(lambda n: completion[:n])
    prediction = data.draw(prefixes | st.binary(max_size=8) | st.tuples(prefixes, st.binary(max_size=3)).map(b"".join))
    is_right = any(prediction == b"".join(pieces[:n]) for n in range(1, len(pieces) + 1))
    verdict = judge(prediction, completion, lengths)
    assert verdict.reward == (1.0 if is_right else 0.0)
    assert (verdict.reason == "match") == is_right
    assert verdict.prediction == prediction
    if verdict.reason == "mismatch":
        at = verdict.mismatch_byte
        assert prediction[:at] == completion[:at]
        assert prediction[at : at + 1] != completion[at : at + 1]
    else:
        assert verdict.mismatch_byte is None


@given(st.binary(max_size=40), st.binary(max_size=12), PIECES)
def test_bytes_that_are_no_text_pass_through_a_response_unchanged(thought, prediction, pieces):
    # Braces, backslashes and the end of the thought are what the box is found by.
    prediction = prediction.translate(None, b"{}\\<")
    verdict = judge_response(
        thought + b"</think>\\boxed{" + prediction + b"}", b"".join(pieces), [len(pieces[0])], True
    )
    assert verdict.prediction == prediction


def test_a_whole_response_is_judged():
    response = b"after the comes a noun</think>\\boxed{ the}"
    assert judge_response(response, COMPLETION, BOUNDARIES, True) == Verdict(1.0, "match", b" the")


def test_a_response_cut_by_the_limit_counts_as_without_a_box():
    response = b"thought</think>\\boxed{ the}"
    assert judge_response(response, COMPLETION, BOUNDARIES, False) == Verdict(0.0, "no_box", None)


def test_a_predicted_character_may_be_cut():
    verdict = judge_response(b"</think>\\boxed{\xf0\x9f}", b"\xf0\x9f\x98\x80", [2, 4], True)
    assert verdict == Verdict(1.0, "match", b"\xf0\x9f")
