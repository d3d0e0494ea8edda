"""Tables as files: whatever a page shows as a table or draws from one leaves the platform through here.

In: a `PlainTable`, frozen, of plain values. Out: CSV, Parquet or LaTeX as bytes, or the answer to a request for one:

    table = PlainTable("runs", "Runs", (PlainColumn("run", "Run"), *estimate_columns("hard", "Hard")), rows)
    return file_answer(table, "csv")

A row is a mapping by the columns' keys; a key that it lacks, or None, is missing: an empty cell, a null, a dash. Shares
are fractions of 1 in CSV and Parquet, and per cent in LaTeX, as on pages.
"""

from rpt_web.exports.answers import FILE_TYPES, as_file, file_answer, named_file
from rpt_web.exports.csv_files import csv_of
from rpt_web.exports.tables import PlainColumn, PlainTable, estimate_cells, estimate_columns

__all__ = [
    "FILE_TYPES",
    "PlainColumn",
    "PlainTable",
    "as_file",
    "csv_of",
    "estimate_cells",
    "estimate_columns",
    "file_answer",
    "named_file",
]
