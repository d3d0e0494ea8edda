"""Outcome files made by hand, for the tests of what reads them."""

import pyarrow as pa

from rpt_core.evaluation.outcomes import ADDED, SCHEMA
from rpt_core.run.rollout_files import write_table


def row(document, byte_offset, **columns):
    """One position that is in all samples; what is not given is null."""
    base = dict.fromkeys(SCHEMA.names)
    place = {"document": document, "byte_offset": byte_offset, "position": byte_offset, "domain": ""}
    levels = {"easy": True, "medium": True, "hard": True, "entropy_nats": 2.0}
    return {**base, **place, **levels, "next_token": b"x", **columns}


def write_outcomes(path, rows):
    """Write rows as an evaluation does; returns the path as text."""
    write_table(path, pa.Table.from_pylist(rows, SCHEMA))
    return str(path)


def write_old_outcomes(path, rows):
    """Write rows as earlier versions did, without the columns that were added later; returns the path as text."""
    write_table(path, pa.Table.from_pylist(rows, SCHEMA).drop_columns(list(ADDED)))
    return str(path)
