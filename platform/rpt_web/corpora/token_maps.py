"""Which positions of a document, and how many of its split, a rule would choose: what the token map shows.

In: a filter run's config, what it stored of a split, a document's map, and a rule from the address. Out: the chosen
tokens, the same that a run with this rule and the run's seed would choose (but for its cap on a document), and counts
by difficulty. Thresholds and shares are whole hundredths, so that counts of the split follow from what is stored.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings
from django.db.models import QuerySet

from rpt_core.arrays import Floats, Indices
from rpt_core.config import PAPER_NATS
from rpt_core.positions.choice import Cutoff, random_share
from rpt_core.positions.maps import DocumentLine, DocumentMap, PositionsFile
from rpt_core.run.folder import RunDir
from rpt_core.run.folder import positions_file as positions_path
from rpt_web.corpora.models import ScoredSplit
from rpt_web.runs.models import Run

SPLITS = ("train", "validation")
RULES = {
    "run": "as this run chose",
    "threshold": "threshold",
    "top_share": "top share of the split",
    "random": "random share of each document",
}
DEFAULT_HUNDREDTHS = {"threshold": 100, "top_share": 20, "random": 20}
LARGEST_CONFIG_BYTES = 1_000_000
DOCUMENTS_KEPT = 4
"""Of those that were read last, in each process: a reader who scrolls asks for one document many times."""


@dataclass(frozen=True)
class Rule:
    """How positions are chosen."""

    keep: str
    """run, threshold, top_share or random."""
    hundredths: int
    """Of a nat, or of the positions; 0 for the run's own choice."""

    @property
    def value(self) -> float:
        """Nats, or the share of the positions."""
        return self.hundredths / 100

    def query(self) -> dict[str, str]:
        """The same as a part of an address."""
        return {"keep": self.keep} | ({} if self.keep == "run" else {"at": f"{self.value:.2f}"})


@dataclass(frozen=True)
class ChosenCounts:
    """Chosen positions: all of them, and of each difficulty; None where that is not known."""

    kept: int | None
    by_difficulty: Mapping[str, int | None]
    is_about: bool = False
    """Whether those of a difficulty are what is to be expected of a random choice."""


def rule_of(config: Mapping[str, Any], query: Mapping[str, str]) -> Rule:
    """The rule that the address asks for, or else the run's own."""
    own = _own_rule(config)
    keep = query.get("keep", own.keep)
    if keep not in RULES or keep == "run":
        return Rule("run", 0) if keep == "run" else own
    usual = own.hundredths if own.keep == keep else DEFAULT_HUNDREDTHS[keep]
    most = 100 if keep != "threshold" else 10_000
    return Rule(keep, min(_hundredths(query.get("at", "")) or usual, most))


def _own_rule(config: Mapping[str, Any]) -> Rule:
    keep = config.get("keep", "")
    value = config.get("min_entropy_nats" if keep == "threshold" else "keep_share")
    if keep not in DEFAULT_HUNDREDTHS or value is None or config.get("max_positions_per_document"):
        return Rule("run", 0)
    hundredths = round(100 * value)
    return Rule(keep, hundredths) if hundredths / 100 == value and hundredths else Rule("run", 0)


def _hundredths(text: str) -> int | None:
    try:
        value = round(float(text) * 100) if len(text) < 12 else 0
    except (ValueError, OverflowError):
        return None
    return value if value > 0 else None


def splits_of(run: Run) -> dict[str, ScoredSplit]:
    """What the run told of its splits (1 query)."""
    rows: QuerySet[ScoredSplit] = ScoredSplit.objects.filter(run=run)
    found = {row.split: row for row in rows}
    return {name: found[name] for name in SPLITS if name in found}


def vocabulary_of(run: Run) -> int | None:
    """How many tokens the proxy model of a filter run tells apart; None where its config is not at hand."""
    path = settings.ROOT / str((run.config.get("proxy") or {}).get("path", "")) / "config.json"
    try:
        values = json.loads(path.read_bytes()) if path.stat().st_size < LARGEST_CONFIG_BYTES else {}
    except (OSError, ValueError, RecursionError):
        return None
    values = values if isinstance(values, dict) else {}
    text = values.get("text_config")
    size = (text if isinstance(text, dict) else values).get("vocab_size")
    return size if isinstance(size, int) and size > 1 else None


def positions_file(run: Run, split: str) -> PositionsFile:
    """A split's file. Raises OSError, or ValueError for one that cannot be read."""
    return PositionsFile(RunDir(run.directory).positions, split)


def lines(run: Run, split: str, start: int, count: int) -> list[DocumentLine]:
    """Documents of a split from a row on; none where the run has scored none, or their file is gone."""
    try:
        return positions_file(run, split).lines(start, count)
    except (OSError, ValueError):
        return []


def document_map(run: Run, split: str, row: int) -> DocumentMap:
    """A document of the run. Raises IndexError without one, and as `positions_file` does."""
    folder = RunDir(run.directory).positions
    found = positions_path(folder, split).stat()
    return _document(folder, split, (found.st_mtime_ns, found.st_size), row)


def chosen_tokens(rule: Rule, found: DocumentMap, seed: int, split: ScoredSplit) -> Indices | None:
    """The document's tokens that the rule chooses; None where the run did not store what this takes."""
    cutoff = None
    if rule.keep == "top_share":
        shares = split.summary.get("shares")
        if not shares:
            return None
        cutoff = _cutoff(shares[rule.hundredths - 1])
    return _chosen(rule, found, seed, cutoff)


def document_counts(found: DocumentMap, chosen: Indices | None) -> ChosenCounts:
    """The chosen tokens of a document, by difficulty."""
    if chosen is None:
        return ChosenCounts(None, dict.fromkeys(PAPER_NATS))
    entropies = found.entropies[chosen]
    return ChosenCounts(len(chosen), levels_of(entropies))


def levels_of(entropies: Floats) -> dict[str, int | None]:
    """How many entropies belong to each difficulty."""
    return {level: int((entropies > nats).sum()) for level, nats in PAPER_NATS.items()}


def split_counts(rule: Rule, split: ScoredSplit) -> ChosenCounts:
    """How many positions of the split the rule chooses, from what the run stored."""
    levels = {name: split.by_difficulty.get(name) for name in PAPER_NATS}
    if rule.keep == "run":
        return ChosenCounts(split.kept, dict.fromkeys(PAPER_NATS))
    if not split.summary:
        return ChosenCounts(None, dict.fromkeys(PAPER_NATS))
    if rule.keep == "random":
        count = split.summary["shares"][rule.hundredths - 1]["random"]
        return ChosenCounts(count, {name: _share(level, rule.value) for name, level in levels.items()}, is_about=True)
    if rule.keep == "threshold":
        count = sum(split.summary["counts"][rule.hundredths :])
    else:
        count = round(rule.value * split.positions)
    # Whoever is chosen by entropy is among the most uncertain: of a difficulty's positions all, or all the chosen.
    return ChosenCounts(count, {name: None if level is None else min(level, count) for name, level in levels.items()})


def _share(count: int | None, share: float) -> int | None:
    return None if count is None else round(share * count)


def _cutoff(stored: Mapping[str, Any]) -> Cutoff:
    return Cutoff(np.inf if stored["nats"] is None else stored["nats"], stored["key"])


@lru_cache(DOCUMENTS_KEPT)
def _document(folder: Path, split: str, version: tuple[int, int], row: int) -> DocumentMap:
    """`version` changes when the file is replaced."""
    return PositionsFile(folder, split).document(row)


@lru_cache(DOCUMENTS_KEPT)
def _chosen(rule: Rule, found: DocumentMap, seed: int, cutoff: Cutoff | None) -> Indices:
    if rule.keep == "run":
        return found.kept
    candidates = found.entropies[found.candidates_from :]
    if rule.keep == "threshold":
        at = np.flatnonzero(candidates.astype(np.float64) >= rule.value)
    elif cutoff is not None:
        at = cutoff.chosen(seed, found.id, candidates)
    else:
        at = random_share(seed, found.id, candidates, rule.value)
    return at + found.candidates_from
