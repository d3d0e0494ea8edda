"""Reference answers: what records hold, and the texts that a response can match."""

from decimal import Decimal

import pytest

from rpt_core.problems.reference_answers import answers_in
from rpt_core.text.records import Unusable


@pytest.mark.parametrize(
    ("value", "answers"),
    [
        (7.0, ("7",)),
        (-0.0, ("0",)),
        (0.5, ("0.5",)),
        (1e22, ("1" + "0" * 22,)),
        (1.5e300, ("15" + "0" * 299,)),
        (1e-7, ("0.0000001",)),
        (10**30, ("1" + "0" * 30,)),
        (Decimal("7.00"), ("7",)),
        (Decimal("2.50"), ("2.5",)),
        ("1e22", ("1" + "0" * 22,)),
        ("-2.5E-3", ("-0.0025",)),
        ("7.0", ("7.0",)),
        ("1e", ("1e",)),
        ("2e^3", ("2e^3",)),
        ("infinity", ("infinity",)),
        (r"\infty", (r"\infty",)),
        ("none of them", ("none of them",)),
        (["5", float("nan"), None], ("5",)),
        (r"We add, and get $\boxed{\frac{1}{2}}$.", (r"\frac{1}{2}",)),
        ("She has 3 + 4 = <<3+4=7>>7 eggs.\n#### 7", ("7",)),
        ([{"role": "user", "content": "What is 1+1?"}, {"role": "assistant", "content": "2"}], ("2",)),
    ],
)
def test_an_answer_is_written_as_what_it_means(value, answers):
    assert answers_in({"answer": value}, "answer") == answers


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (None, "no field `answer`"),
        (float("nan"), "nan, which stands for a missing answer"),
        (Decimal("NaN"), "stands for a missing answer"),
        (float("inf"), "too large, or infinity"),
        (float("-inf"), "too large, or infinity"),
        ("nan", "missing answer"),
        ("NaN", "missing answer"),
        ("<NA>", "missing answer"),
        ("n/a", "missing answer"),
        ("-", "missing answer"),
        ("?", "missing answer"),
        ("#DIV/0!", "missing answer"),
        ("#REF!", "missing answer"),
        ("None", "missing answer"),
        ("null", "missing answer"),
        ("[null]", "missing answer"),
        ("inf", r"write infinity as \\infty"),
        ("-Infinity", r"write infinity as \\infty"),
        ("", "is empty"),
        ("   ", "is empty"),
        ('[""]', "is empty"),
        ("[]", "is not an answer"),
        ([], "is not an answer"),
        ([None, float("nan")], "missing answer"),
        (True, "is not an answer"),
        (r"It is \boxed{}.", "empty or broken"),
        (r"It is \boxed{7", "empty or broken"),
    ],
)
def test_an_answer_that_no_response_can_match_is_refused(value, why):
    with pytest.raises(Unusable, match=why):
        answers_in({"answer": value}, "answer")
