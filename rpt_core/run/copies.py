"""The copies of a plan that a suite plays with several seeds: each run has its seed before its name, as in `s0-rpt`.

Names are made and taken apart here only. Loads without torch and numpy.
"""

from __future__ import annotations

import re

_COPY = re.compile(r"s(-?\d{1,10})-(.+)", re.DOTALL)


def copy_prefix(seed: int) -> str:
    """What the names of a copy's runs begin with."""
    return f"s{seed}-"


def split_name(name: str) -> tuple[int | None, str]:
    """(seed, name in the plan) of a run: (0, "rpt") of `s0-rpt`; the seed is None for a run that is in no copy."""
    found = _COPY.fullmatch(name)
    if found is None or not name.startswith(copy_prefix(int(found[1]))) or not -(2**31) <= int(found[1]) < 2**31:
        return None, name
    return int(found[1]), found[2]
