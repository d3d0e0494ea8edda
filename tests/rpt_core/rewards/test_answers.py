"""Answers: as texts, as mathematics, and hostile ones."""

import os
import signal
import subprocess
import sys

import pytest

from rpt_core.rewards.answers import MAX_CHARACTERS, AnswerJudge


def response(answer):
    return f"so</think>The answer is \\boxed{{{answer}}}.".encode()


@pytest.fixture(scope="module")
def mathematics():
    # The longest answer here takes 1.9 to 2.0 s by itself; that the limit ends a comparison is tested below.
    with AnswerJudge("math_verify", cpu_seconds=20.0) as judge:
        yield judge


@pytest.fixture
def exact():
    with AnswerJudge("exact") as judge:
        yield judge


@pytest.mark.parametrize(
    ("answer", "reference"),
    [
        ("0.5", r"\frac{1}{2}"),
        (r"\dfrac{2}{4}", "1/2"),
        ("0.5", r"50\%"),
        ("50%", r"50\%"),
        ("3, 2, 1", r"\{1,2,3\}"),
        ("(3,2),(2,3)", "(2,3),(3,2)"),
        ("[0, 1)", "[0,1)"),
        (r"(-\infty, 2] \cup [3, \infty)", r"(-\infty,2]\cup[3,\infty)"),
        ("(x+1)^2", "x^2+2x+1"),
        ("x=3", "3"),
        ("1,000", "1000"),
        (r"5\text{ cm}", "5"),
        ("2*sqrt(3)", r"2\sqrt{3}"),
        (r"\text{(B)}", "B"),
        (r"\begin{bmatrix}1\\2\end{bmatrix}", r"\begin{pmatrix}1\\2\end{pmatrix}"),
        ("7.", "7"),
        ("  7 ", "7"),
        ("no solution", "No solution"),
    ],
)
def test_equal_answers_match_as_mathematics(mathematics, answer, reference):
    verdict = mathematics.judge(response(answer), [reference])
    assert (verdict.reward, verdict.reason) == (1.0, "match")
    assert verdict.prediction == answer.encode()


@pytest.mark.parametrize(
    ("answer", "reference"),
    [
        ("0.49", r"\frac{1}{2}"),
        ("[0,1]", "[0,1)"),
        ("(2,1)", "(1,2)"),
        ("1,2", r"\{1,2,3\}"),
        ("1, 2, 3, 4, 5, 6, 7", "7"),
        ("1 or 7", "7"),
        ("8 or so, not 7", "7"),
        ("the answer is 7", "7"),
        ("A", "B"),
        ("0.333", "1/3"),
        ("17", "7"),
        ("7%", "7x"),
    ],
)
def test_other_answers_do_not(mathematics, answer, reference):
    verdict = mathematics.judge(response(answer), [reference])
    assert (verdict.reward, verdict.reason) == (0.0, "mismatch")


@pytest.mark.parametrize(
    ("answer", "reference"),
    [
        (r"\frac{2}{2^{100}}", r"\frac{1}{2^{99}}"),
        ("0.0000001", "10^{-7}"),
        (r"1.5 \times 10^{-10}", "0.00000000015"),
        (r"\sqrt{10^{-20}}", "10^{-10}"),
        (r"\frac{2x}{2^{99}}", r"\frac{x}{2^{98}}"),
        (r"\sqrt{2}\sqrt{3}-\sqrt{6}", "0"),
        (r"\sqrt{2}+\sqrt{3}", r"\sqrt{5+2\sqrt{6}}"),
        ("0.00333333", r"\frac{1}{300}"),
        ("3.141593", r"\pi"),
        (r"9\%", "9"),
    ],
)
def test_tiny_numbers_that_are_equal_match(mathematics, answer, reference):
    assert mathematics.judge(response(answer), [reference]).reason == "match"


@pytest.mark.parametrize(
    ("answer", "reference"),
    [
        (r"\frac{1}{2^{98}}", r"\frac{1}{2^{99}}"),
        (r"\frac{1}{2006!}", r"\frac{1}{2004!}"),
        ("10^{-20}", "10^{-21}"),
        ("e^{-50}", "e^{-51}"),
        (r"\frac{1}{10^{10}+1}", r"\frac{1}{10^{10}}"),
        ("0.0000001", "0.0000002"),
        ("0.003333", r"\frac{1}{300}"),
        ("0", r"\frac{1}{2^{99}}"),
        (r"\left(\frac{1}{2^{99}},3\right)", r"\left(\frac{1}{2^{98}},3\right)"),
        (r"\{\frac{1}{2^{99}},3\}", r"\{\frac{1}{2^{98}},3\}"),
        ("[0,2^{-99}]", "[0,2^{-98}]"),
        (r"x=\frac{1}{2^{99}}", r"x=\frac{1}{2^{98}}"),
        (r"\begin{pmatrix}2^{-99}\\1\end{pmatrix}", r"\begin{pmatrix}2^{-98}\\1\end{pmatrix}"),
    ],
)
def test_tiny_numbers_that_differ_do_not_match(mathematics, answer, reference):
    assert mathematics.judge(response(answer), [reference]).reason == "mismatch"


def test_any_of_several_references_counts(mathematics, exact):
    assert mathematics.judge(response("0.5"), ["7", "1/2"]).reward == 1
    assert exact.judge(response("b"), ["a", "b"]).reward == 1


def test_exact_answers_are_compared_without_the_blanks_around_them(exact):
    assert exact.judge(response(" 7\n"), ["7 "]).reason == "match"
    assert exact.judge(response("7.0"), ["7"]).reason == "mismatch"
    assert exact.judge(response("0.5"), ["1/2"]).reason == "mismatch"


@pytest.mark.parametrize(
    ("text", "finished", "reason", "prediction"),
    [
        (b"x</think>\\boxed{7}", True, "match", b"7"),
        (b"\\boxed{7}</think>\\boxed{8}\\boxed{7}", True, "match", b"7"),
        (b"\\boxed{7}", True, "no_box", None),
        (b"\\boxed{7}</think> seven", True, "no_box", None),
        (b"x</think>\\boxed{7}", False, "no_box", None),
        (b"x</think>\\boxed{}", True, "empty", b""),
        (b"x</think>\\boxed{ \n}", True, "empty", b" \n"),
        (b"x</think>\\boxed{\xff7}", True, "mismatch", b"\xff7"),
    ],
)
def test_the_last_box_behind_the_thought_counts(exact, text, finished, reason, prediction):
    verdict = exact.judge(text, ["7"], finished)
    assert (verdict.reason, verdict.prediction) == (reason, prediction)


def test_a_verdict_names_the_first_byte_that_is_not_as_in_the_reference(exact, mathematics):
    assert mathematics.judge(response("12.0"), ["12"]).mismatch_byte == 2
    assert exact.judge(response("129"), ["123"]).mismatch_byte == 2
    assert exact.judge(response("12"), ["123"]).mismatch_byte == 2
    assert exact.judge(response("123"), ["123"]).mismatch_byte is None


@pytest.mark.parametrize(
    "answer",
    [
        "\\",
        "\\\n{",
        "\x00",
        "\udc80",
        "{}" * 300,
        "\\frac{" * 150,
        "+".join("1" * 300),
        "x" * 900,
        "9" * 900,
        "__import__('os').system('true')",
        "\\begin{matrix}" * 40,
        "$" * 500,
    ],
)
def test_odd_answers_are_mismatches(mathematics, answer):
    given_up = mathematics.given_up
    data = b"</think>\\boxed{" + answer.encode(errors="surrogateescape") + b" }"
    assert mathematics.judge(data, ["7"]).reason == "mismatch"
    assert mathematics.given_up == given_up


@pytest.mark.slow
@pytest.mark.parametrize("answer", ["5^{5^{5^{5^5}}}", "10^{10^{10}}", "1000000!", r"\int_0^1 e^{-x^2} \sin x dx"])
def test_an_answer_that_takes_for_ever_is_given_up_and_the_next_one_judged(answer):
    with AnswerJudge("math_verify", cpu_seconds=0.5) as judge:
        assert judge.judge(response(answer), ["7"]).reason == "mismatch"
        assert judge.given_up == 1
        # Remembered, but counted for each response.
        assert judge.judge(response(answer), ["7"]).reason == "mismatch"
        assert judge.given_up == 2
        assert judge.judge(response("14/2"), ["7"]).reason == "match"
        assert judge.given_up == 2


def test_an_answer_that_is_too_long_is_not_tried(mathematics):
    assert mathematics.judge(response("0" * MAX_CHARACTERS + "7"), ["7"]).reason == "mismatch"
    assert mathematics.judge(response("0" * (MAX_CHARACTERS - 1) + "7"), ["7"]).reason == "match"
    long = "x" * 2 * MAX_CHARACTERS
    assert mathematics.judge(response(long), [long]).reason == "match"


def test_the_process_that_compares_survives_a_signal_to_the_group_of_the_stage():
    program = """
import os, signal
from rpt_core.rewards.answers import AnswerJudge
signal.signal(signal.SIGTERM, lambda *_: None)
with AnswerJudge("math_verify") as judge:
    first = judge.judge(b"</think>\\\\boxed{4/2}", ["2"]).reason
    os.killpg(os.getpgrp(), signal.SIGTERM)
    print(first, judge.judge(b"</think>\\\\boxed{6/2}", ["3"]).reason, judge.given_up)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, start_new_session=True, check=True
    )
    assert done.stdout.split() == ["match", "match", "0"]


def test_the_process_that_compares_ends_with_its_input():
    process = subprocess.Popen(
        [sys.executable, "-m", "rpt_core.rewards.math_answers"], stdin=subprocess.PIPE, stdout=-1
    )
    assert process.stdout.readline() == b"null\n"
    out, _ = process.communicate(b'{"prediction": "4/2", "references": ["3", "2"], "seconds": 5}\n', timeout=60)
    assert out == b"true\n"
    assert process.returncode == 0


def test_a_judge_without_comparisons_starts_no_process():
    with AnswerJudge("math_verify") as judge:
        judge.judge(response("7"), ["7"])
        assert judge._library._process is None


def test_a_closed_judge_leaves_no_process():
    with AnswerJudge("math_verify") as judge:
        judge.judge(response("4/2"), ["2"])
        pid = judge._library._process.pid
        os.kill(pid, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def test_judging_needs_neither_torch_nor_numpy():
    code = "import sys, rpt_core.rewards.answers; sys.exit(bool({'torch', 'numpy', 'math_verify'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
