"""How numbers are written wherever people read them: with separators, units and signs; a dash for what is missing."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any, Literal

from typing_extensions import TypeIs

from rpt_core import words

DASH = "–"
_SCALES = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"))
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def is_missing(value: object) -> TypeIs[Literal[""] | None]:
    """None, or what a template makes of an attribute of None. Zero is a value."""
    return value is None or value == ""


def dash(value: Any) -> Any:
    """The value, or a dash when there is none. Zero is a value."""
    return DASH if is_missing(value) else value


def duration(value: timedelta | float | None) -> str:
    """Seconds in the two largest units: "2 h 05 min", "3 min 12 s", "8.4 s"."""
    if is_missing(value):
        return DASH
    return words.duration(value.total_seconds() if isinstance(value, timedelta) else value)


def points(fraction: float | None, digits: int = 1) -> str:
    """A fraction of 1 in per cent without the sign, for tables whose head says the unit."""
    return DASH if is_missing(fraction) else f"{100 * fraction:.{digits}f}"


def signed_points(fraction: float | None) -> str:
    """A difference of two fractions in percentage points, with its sign."""
    return DASH if is_missing(fraction) else f"{100 * fraction:+.1f}".replace("-", "−")


def whole(value: int | None) -> str:
    """A count with separators: 2,048,000."""
    return DASH if is_missing(value) else f"{value:,}"


def size(count: int | None) -> str:
    """Bytes in the largest fitting unit."""
    if is_missing(count):
        return DASH
    value, units = float(count), ["B", "kB", "MB", "GB", "TB"]
    while value >= 1000 and len(units) > 1:
        value, units = value / 1000, units[1:]
    return f"{value:.0f} {units[0]}" if units[0] == "B" or value >= 100 else f"{value:.1f} {units[0]}"


def power(value: float | None) -> str:
    """A number, as a multiple of a power of ten when it is large or small."""
    if is_missing(value) or not math.isfinite(value):
        return DASH
    if value == 0 or 0.01 <= abs(value) < 10_000:
        return (f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}").replace("-", "−")
    exponent = math.floor(math.log10(abs(value)))
    mantissa = f"{value / 10**exponent:.1f}"
    if mantissa in ("10.0", "-10.0"):  # rounding went over the edge
        mantissa, exponent = f"{value / 10 ** (exponent + 1):.1f}", exponent + 1
    return f"{mantissa} × 10{str(exponent).translate(_SUPERSCRIPTS)}".replace("-", "−", 1)


def short(value: Any) -> str:
    """A number of a stage's result with four figures at most after it; anything else as it is."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(dash(value))
    if isinstance(value, int):
        return whole(value)
    if value and not 1e-4 <= abs(value) < 1e7:
        return power(value)
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def write_number(value: float, kind: str) -> str:
    """A number in the unit of its kind, as columns of tables have them: 92.6 for a share, +1.2 for a difference."""
    if kind == "share":
        return points(value)
    if kind == "difference":
        return signed_points(value)
    if kind == "count":
        return whole(value) if isinstance(value, int) else short(value)
    if kind == "seconds":
        return f"{value:.3g} s" if 0 < value < 10 else duration(value)
    if kind == "tokens":
        return scaled(value)
    return power(value) if kind == "flops" else short(value).replace("-", "−")


def scaled(value: float) -> str:
    """Three figures and k, M, B or T: 12300 is 12.3 k."""
    size = abs(value)
    for scale, letter in _SCALES:
        if size >= 0.9995 * scale:
            return f"{_three_figures(value / scale)} {letter}"
    return _three_figures(value)


def _three_figures(value: float) -> str:
    digits = 0 if value == 0 else max(2 - math.floor(math.log10(abs(value))), 0)
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
