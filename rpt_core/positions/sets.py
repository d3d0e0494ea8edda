"""Held-out positions to measure on: drawn from a filter run's validation split, and stored under a name.

In: a filter run's positions, thresholds and a seed. Out: a PositionSample, or `positions/sets/NAME.parquet` with one
row for each position (document, position in the filter's own tokens, entropy, and which difficulties' samples it
belongs to), so that every checkpoint is asked at the very same places. Loads without torch.

The paper evaluates 200 documents; here all positions above the lowest threshold stand in one random order (a hash of
seed, document and position), and each difficulty takes its first n: a simple random sample of its level.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from rpt_core.arrays import Floats
from rpt_core.config import DIFFICULTIES, DifficultyConfig, PositionSetConfig
from rpt_core.errors import UserError
from rpt_core.positions.documents import Flags, read_documents
from rpt_core.run.folder import position_set_file, position_set_names
from rpt_core.run.rollout_files import write_table

_ABOVE_NATS = b"above_nats"
"""Where a set's file keeps its thresholds, as JSON."""
Place = tuple[str, int]
"""Id of a document and index of a token in it."""


@dataclass(frozen=True)
class PositionSample:
    """The positions of an evaluation: indices into a problem set, and who belongs to which difficulty's sample."""

    indices: list[int]
    members: dict[str, Flags]
    """For each difficulty, one flag for each of the indices."""
    above_nats: dict[str, float] | None = None
    """Each difficulty's threshold; None where it is not known, or where there are no difficulties."""
    missing: int = 0
    """Positions of a stored set that the policy cannot be asked at."""


@dataclass(frozen=True)
class PositionSet:
    """A stored sample; places are in the tokens of the filter's tokenizer."""

    name: str
    places: list[Place]
    entropies: Floats
    members: dict[str, Flags]
    above_nats: dict[str, float] | None
    """Each difficulty's threshold; None in a set from before it was stored."""


def draw(config: DifficultyConfig, entropies: Floats, place: Callable[[int], Place]) -> PositionSample:
    """Each difficulty's first positions of one random order; `place` names the position at an index.

    Raises UserError when no position is uncertain enough.
    """
    candidates = np.flatnonzero(entropies > config.easy_nats)
    if not len(candidates):
        raise UserError(
            f"No held-out position has more than {config.easy_nats} nats of entropy. Lower `easy_nats`, hold out more "
            "documents, or check that the filter run had a validation split."
        )
    hashes = [_hash(config.seed, *place(int(i))) for i in candidates]
    order = candidates[np.argsort(np.array(hashes, dtype=np.uint64), kind="stable")]
    taken = {
        name: np.flatnonzero(entropies[order] > nats)[: config.positions_per_difficulty]
        for name, nats in config.above_nats.items()
    }
    union = np.unique(np.concatenate(list(taken.values())))
    return PositionSample(
        [int(i) for i in order[union]],
        {name: np.isin(union, places) for name, places in taken.items()},
        config.above_nats,
    )


def store_sets(positions_dir: Path | str, configs: Sequence[PositionSetConfig]) -> dict[str, int]:
    """Draw each set from the validation split and store it; returns {name: number of positions}.

    Each file is written whole or not at all. Raises UserError for a name given twice, and as `draw` does.
    """
    names = [config.name for config in configs]
    if twice := {name for name in names if names.count(name) > 1}:
        raise UserError(f"Several position sets are called {', '.join(sorted(twice))}. Give each a name of its own.")
    if not configs:
        return {}
    documents, _ = read_documents(positions_dir, "validation")
    documents = [document.where(document.boxable()) for document in documents]
    entropies = np.concatenate([np.empty(0, np.float32), *(document.entropies for document in documents)])
    places = [(document.id, int(position)) for document in documents for position in document.filter_positions]
    return {config.name: _store(Path(positions_dir), config, entropies, places) for config in configs}


def load_set(positions_dir: Path | str, name: str) -> PositionSet:
    """A stored set. Raises UserError, with the names there are, when there is none of this name."""
    path = position_set_file(positions_dir, name)
    if not path.is_file():
        stored = position_set_names(positions_dir)
        known = f"It has: {', '.join(stored)}" if stored else "It has none; name some in its `position_sets`"
        raise UserError(f"The filter run's {positions_dir} has no position set {name!r}. {known}.")
    table = pq.read_table(path)
    documents, positions = table.column("document").to_pylist(), table.column("position").to_pylist()
    return PositionSet(
        name,
        list(zip(documents, positions, strict=True)),
        table.column("entropy_nats").to_numpy(),
        {name: table.column(name).to_numpy() for name in DIFFICULTIES},
        json.loads((table.schema.metadata or {}).get(_ABOVE_NATS, b"null")),
    )


def _store(positions_dir: Path, config: PositionSetConfig, entropies: Floats, places: list[Place]) -> int:
    sample = draw(config, entropies, places.__getitem__)
    chosen = [places[index] for index in sample.indices]
    table = pa.table(
        {
            "document": pa.array([document for document, _ in chosen], pa.string()),
            "position": pa.array([position for _, position in chosen], pa.int32()),
            "entropy_nats": pa.array(entropies[sample.indices], pa.float32()),
            **{name: pa.array(sample.members[name], pa.bool_()) for name in DIFFICULTIES},
        },
        metadata={_ABOVE_NATS: json.dumps(config.above_nats)},
    )
    write_table(position_set_file(positions_dir, config.name), table)
    return len(chosen)


def _hash(seed: int, document: str, position: int) -> int:
    text = f"{seed}\x1f{document}\x1f{position}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")
