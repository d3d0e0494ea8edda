"""Means of the steps' values since the last `metrics` event, and the speed.

In: each step's values, tokens and seconds. Out: the means, and plain JSON values to continue with after a break: a stop
between two events must not move the steps that the next event stands for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Meter:
    """Collects until the values are taken."""

    def __init__(self) -> None:
        self._values: dict[str, list[float]] = {}
        self._tokens, self._seconds = 0, 0.0

    def add(self, values: Mapping[str, float], tokens: int, seconds: float) -> None:
        """A step; values that it has not are left out of their means."""
        for name, value in values.items():
            self._values.setdefault(name, []).append(value)
        self._tokens += tokens
        self._seconds += seconds

    def take(self) -> dict[str, float]:
        """The means, and a fresh start; empty when nothing was added."""
        if not self._seconds:
            return {}
        means = {name: sum(values) / len(values) for name, values in self._values.items()}
        means["tokens_per_second"] = self._tokens / self._seconds
        self._values, self._tokens, self._seconds = {}, 0, 0.0
        return means

    def state(self) -> dict[str, Any] | None:
        """What was added and not taken; None when nothing was."""
        if not self._seconds:
            return None
        return {"values": self._values, "tokens": self._tokens, "seconds": self._seconds}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue with what `state` gave."""
        self._values = {name: list(values) for name, values in state["values"].items()}
        self._tokens, self._seconds = state["tokens"], state["seconds"]
