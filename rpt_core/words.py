"""Counts as people write them. Loads without anything else."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """A number with its noun: 1 position, 2 positions, 12,000 positions. For nouns whose plural ends in s."""
    return f"{number:,} {noun if number == 1 else noun + 's'}"
