r"""Whether two numbers that math-verify calls equal are, however small they are.

In: two sympy expressions that its numeric comparison takes for equal. Out: whether they are so in proportion to their
size. The library compares exact numbers by whether their difference vanishes next to 1, and decimals after rounding to
six places: so \frac{1}{2^{99}} equals \frac{1}{2^{98}} for it, and 0.0000001 equals 0.0000002. Its comparison inside
sets, tuples, intervals and equations is the same function, which `compare_by_size` puts this check behind.
"""

from __future__ import annotations

from typing import Any

DIGITS = 50
"""To which exact numbers are worked out."""
EXACT_SHARE = 1e-40
"""Exact numbers that differ by less, as a share of the larger one, are equal."""
DECIMAL_SHARE = 1e-5
"""The same where one is a decimal, as people round them: 0.333333 is 1/3."""


def compare_by_size() -> None:
    """From here on math-verify in this process compares numbers in proportion to their size, too."""
    from math_verify import grader

    library = grader.sympy_numeric_eq

    def is_equal(a: Any, b: Any, float_rounding: int, numeric_precision: int) -> bool:
        return bool(library(a, b, float_rounding, numeric_precision)) and are_near(a, b)

    grader.sympy_numeric_eq = is_equal


def are_near(a: Any, b: Any) -> bool:
    """Whether two expressions are equal in proportion to their size; True where that cannot be told."""
    from sympy import Float, MatrixBase

    if isinstance(a, MatrixBase) or isinstance(b, MatrixBase) or _are_percentages(a, b):
        return True  # compared element by element, and as whole numbers
    allowed = DECIMAL_SHARE if a.has(Float) or b.has(Float) else EXACT_SHARE
    try:
        pairs = [(_value(a, point), _value(b, point)) for point in _points(a, b)]
        return all(abs(x - y) <= allowed * max(abs(x), abs(y)) for x, y in pairs)
    except (TypeError, ValueError, AttributeError, ArithmeticError):
        return True


def _are_percentages(a: Any, b: Any) -> bool:
    """Whether both are whole numbers or percentages of one: the library lets 9 stand for 9 %."""
    from math_verify.grader import get_pct_val
    from sympy import Integer

    return all(isinstance(get_pct_val(value, value), Integer) for value in (a, b))


def _points(a: Any, b: Any) -> list[dict[Any, Any]]:
    """Values for the variables: none where there are none, else two points without a pattern."""
    from sympy import Rational

    names = sorted(a.free_symbols | b.free_symbols, key=str)
    if not names:
        return [{}]
    return [{name: Rational(start + 37 * n, 101 + n) for n, name in enumerate(names)} for start in (53, 131)]


def _value(expression: Any, point: dict[Any, Any]) -> Any:
    """A number to DIGITS digits; 0 for what cancels to nothing."""
    value = expression.subs(point).evalf(DIGITS)
    # Of a sum that cancels sympy can work out no digit; it says so by a precision of one bit.
    return value * 0 if getattr(value, "_prec", DIGITS) == 1 else value
