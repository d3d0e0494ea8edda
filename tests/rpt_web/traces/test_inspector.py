"""The byte inspector: what is shown of bytes, responses and verdicts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpt_core.verdict import judge_response
from rpt_web.traces.inspector import columns, readable, split_response, verdict_words, visible


def text_of(data, limit=240):
    return "".join(piece.text for piece in visible(data, limit))


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"ab", "ab"),
        (b" a\n\tb", "·a↵⇥b"),
        (b"\x00\x7f\xff", "\\x00\\x7F\\xFF"),
        ("é中".encode(), "é中"),
        ("中".encode()[:2], "\\xE4\\xB8"),
        ("\u202e\u200b".encode(), "\\xE2\\x80\\xAE\\xE2\\x80\\x8B"),
        (b"", ""),
        (None, ""),
    ],
)
def test_nothing_in_bytes_is_invisible(data, shown):
    assert text_of(data) == shown


def test_a_written_sign_is_told_from_the_byte_it_stands_for():
    written, meant = visible("·".encode()), visible(b" ")
    assert (written[0].text, written[0].is_sign) == ("·", False)
    assert (meant[0].text, meant[0].is_sign) == ("·", True)


def test_long_bytes_are_cut_with_a_sign():
    assert text_of(b"a" * 50, 10) == "a" * 10 + "…"


@given(st.binary(max_size=60))
def test_every_byte_string_can_be_shown(data):
    assert all(character.isprintable() for character in text_of(data))


def test_control_and_direction_marks_in_text_are_written_out():
    assert readable("a\u202eb\x1b[0m\nc\td") == "a\\u202Eb\\x1B[0m\nc\td"


def test_columns_align_both_byte_strings_and_mark_token_ends():
    found = columns(b"7 So", [1, 4], b"7 x", 2)
    assert [column.truth for column in found] == ["7", "␠", "S", "o"]
    assert [column.predicted for column in found] == ["7", "␠", "x", ""]
    assert [column.ends_token for column in found] == [True, False, False, True]
    assert [column.kind for column in found] == ["same", "same", "wrong", "open"]
    assert found[2].title == "byte 2: text “S”, predicted “x”"


def test_columns_go_on_past_the_end_of_the_text():
    found = columns(b"7", [1], b"7 x", 1)
    assert [column.truth for column in found] == ["7", "", ""]
    assert [column.kind for column in found] == ["same", "wrong", "beyond"]


def test_columns_of_a_response_without_a_box_show_the_text():
    assert [column.kind for column in columns(b"ab", [2], None, None)] == ["open", "open"]


def test_columns_are_bounded():
    assert len(columns(b"a" * 40, [40], b"a" * 100_000, 40)) == 240


@pytest.mark.parametrize(
    ("response", "prediction", "parts"),
    [
        ("thought</think>so \\boxed{ 7} done", b" 7", ("thought", True, "so \\boxed{", " 7", "} done")),
        ("thought</think>\\boxed{}}", b"}", ("thought", True, "\\boxed{", "}", "}")),
        ("thought</think>\\boxed{}", b"", ("thought", True, "\\boxed{", "", "}")),
        ("thought</think>7", None, ("thought", True, "7", None, "")),
        ("no end \\boxed{7}", None, ("no end \\boxed{7}", False, "", None, "")),
        ("a</think>b</think>\\boxed{x}", b"x", ("a</think>b", True, "\\boxed{", "x", "}")),
    ],
)
def test_a_response_is_split_where_it_was_judged(response, prediction, parts):
    found = split_response(response, prediction)
    assert (found.thought, found.closed, found.before_box, found.box, found.after_box) == parts


@given(st.text(max_size=40), st.text(alphabet="\\boxed{} 7", max_size=30))
def test_the_parts_of_a_response_are_the_whole_of_it(thought, answer):
    response = f"{thought}</think>{answer}"
    verdict = judge_response(response.encode(errors="surrogatepass"), b"7", [1])
    found = split_response(response, verdict.prediction)
    assert f"{found.thought}</think>{found.before_box}{found.box or ''}{found.after_box}" == response


@pytest.mark.parametrize(
    ("answer", "finished", "words"),
    [
        ("\\boxed{7}", True, "The one byte agrees and ends where the first token ends."),
        ("\\boxed{7 So}", True, "All 4 bytes agree and end where token 2 ends."),
        (
            "\\boxed{7 S}",
            True,
            "All 3 bytes agree, but no token ends there. The nearest ends are at byte 1 and 4.",
        ),
        ("\\boxed{ 7}", True, "Byte 0 is the first that differs: predicted space, the text has “7”."),
        ("\\boxed{7 So\n!}", True, "Byte 5 is the first that differs: predicted “!”, the text has “.”."),
        ("\\boxed{7 So\n..}", True, "The prediction is longer than the 6 bytes kept of the continuation."),
        ("\\boxed{}", True, "The box is empty. An empty prediction earns nothing."),
        ("7", True, "There is no closed \\boxed{…} after </think>."),
        ("\\boxed{7}", False, "The response was cut by the length limit, so it counts as having no box."),
    ],
)
def test_the_verdict_is_said_in_words(answer, finished, words):
    completion, boundaries = b"7 So\n.", [1, 4, 5, 6]
    verdict = judge_response(f"x</think>{answer}".encode(), completion, boundaries, finished)
    finish = "stop" if finished else "length"
    found = verdict_words(verdict.reason, finish, completion, boundaries, verdict.prediction, verdict.mismatch_byte)
    assert found == words


@pytest.mark.parametrize(("prediction", "mismatch"), [(b"0.5", 1), (b"1", None), (b" 1/2", 0)])
def test_an_answer_that_counts_as_equal_is_not_said_to_agree_byte_for_byte(prediction, mismatch):
    found = verdict_words("match", "stop", b"1/2", [3], prediction, mismatch)
    assert found == "The answer is not written as the reference is, but counts as equal to it."
    assert verdict_words("match", "stop", b"1/2", [3], b"1/2", None).startswith("All 3 bytes agree")
