"""Tables as files, opened again: by csv, pyarrow, and for LaTeX by its lines."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.http import Http404

from rpt_web.exports import (
    FILE_TYPES,
    PlainColumn,
    PlainTable,
    as_file,
    estimate_cells,
    estimate_columns,
    file_answer,
    named_file,
)

AT = datetime(2026, 11, 29, 8, 30, tzinfo=UTC)
TABLE = PlainTable(
    name="hard-positions",
    title="Accuracy on hard positions",
    columns=(
        PlainColumn("run", "Run"),
        *estimate_columns("hard", "Hard"),
        PlainColumn("steps", "Steps", "count"),
        PlainColumn("flops", "Training compute", "flops"),
        PlainColumn("ended", "Ended", "time"),
        PlainColumn("is_done", "Done", "yes_or_no"),
    ),
    rows=(
        {
            **{"run": "rpt", "steps": 40, "flops": 4.95e11, "ended": AT, "is_done": True},
            **estimate_cells("hard", 0.926, 0.904, 0.943, 700),
        },
        {"run": '=HYPERLINK("http://example.org")', "steps": None, "hard": 0.0, "is_done": False},
        {"run": "[50 %_of {it} \\input{x}\nand\x00 more--", "hard": None},
    ),
    caption="Held-out positions.",
    came_from=(("run", "12, rpt"), ("code version", "a1b2c3")),
)


def read_csv(content):
    return list(csv.reader(io.StringIO(content.decode(), newline="")))


def test_csv_has_every_cell_and_an_empty_one_for_what_is_missing():
    content = as_file(TABLE, "csv")
    head, first, second, third = read_csv(content)
    assert head == ["run", "hard", "hard_low", "hard_high", "hard_n", "steps", "flops", "ended", "is_done"]
    assert first == [
        "rpt",
        "0.926",
        "0.904",
        "0.943",
        "700",
        "40",
        "495000000000.0",
        "2026-11-29T08:30:00+00:00",
        "true",
    ]
    assert second[1:3] == ["0.0", ""], "zero is a value, and no value is none"
    assert third[0] == TABLE.rows[2]["run"], "a line break within quotes stays"
    assert content.count(b"\r\n") == 4


@pytest.mark.parametrize("beginning", ["=", "+", "-", "@", "\t", "\r", "\n", " =", "＝"])
def test_csv_holds_no_formula(beginning):
    text = f"{beginning}cmd|' /C calc'!A0"
    table = PlainTable("t", "T", (PlainColumn("a", "A"), PlainColumn("b", "B", "number")), ({"a": text, "b": -1.5},))
    assert read_csv(as_file(table, "csv"))[1] == [f"'{text}", "-1.5"], "a negative number is no formula"


def test_parquet_has_types_and_says_what_its_columns_mean_and_where_it_came_from():
    read = pq.read_table(io.BytesIO(as_file(TABLE, "parquet")))
    types = {field.name: field.type for field in read.schema}
    assert types["hard"] == pa.float64()
    assert types["steps"] == types["hard_n"] == pa.int64()
    assert types["ended"] == pa.timestamp("us", tz="UTC")
    assert types["is_done"] == pa.bool_()
    assert read["hard"].to_pylist() == [0.926, 0.0, None]
    assert read["ended"].to_pylist() == [AT, None, None]
    assert read["run"].to_pylist() == [row["run"] for row in TABLE.rows]
    assert read.schema.metadata[b"title"].decode() == TABLE.title
    assert json.loads(read.schema.metadata[b"came_from"]) == [["run", "12, rpt"], ["code version", "a1b2c3"]]
    low = read.schema.field("hard_low").metadata
    assert (low[b"of"], low[b"part"], low[b"kind"]) == (b"hard", b"low", b"share")


def test_parquet_loses_no_value_of_another_kind_than_its_column():
    column = PlainColumn("x", "X", "count")
    mixed = PlainTable("t", "T", (column,), ({"x": 1}, {"x": "many"}, {"x": None}))
    assert pq.read_table(io.BytesIO(as_file(mixed, "parquet")))["x"].to_pylist() == ["1", "many", None]
    halves = PlainTable("t", "T", (column,), ({"x": 1}, {"x": 2.5}))
    assert pq.read_table(io.BytesIO(as_file(halves, "parquet")))["x"].to_pylist() == [1.0, 2.5]
    empty = PlainTable("t", "T", (column,), ())
    assert pq.read_table(io.BytesIO(as_file(empty, "parquet"))).num_rows == 0


def test_latex_writes_numbers_as_pages_do_with_intervals_and_a_dash():
    lines = as_file(TABLE, "tex").decode().splitlines()
    assert lines[0] == r"% Needs \usepackage{booktabs}."
    assert r"% run: 12, rpt" in lines
    assert r"    Run & Hard (\%) & Steps & Training compute (FLOPs) & Ended & Done \\" in lines
    assert r"    rpt & 92.6 [90.4, 94.3], n 700 & 40 & 5.0 $\times$ 10$^{11}$ & 2026-11-29 08:30 & yes \\" in lines
    assert [line.strip() for line in lines if "rule" in line] == [r"\toprule", r"\midrule", r"\bottomrule"]
    assert r"  \caption{Accuracy on hard positions. Held-out positions.}" in lines
    assert r"  \begin{tabular}{lrrrrr}" in lines


def test_latex_escapes_whatever_a_text_holds():
    lines = as_file(TABLE, "tex").decode().splitlines()
    hostile = next(line for line in lines if "input" in line)
    assert hostile.strip().startswith(r"{}[50 \%\_of \{it\} \textbackslash{}input\{x\} and  more-{}- & \textendash{} &")
    assert "\x00" not in hostile
    assert all(line.count("&") == 5 for line in lines if line.endswith(r"\\"))


def test_an_answer_has_the_name_and_type_of_its_file():
    answer = file_answer(TABLE, "parquet")
    assert answer["Content-Type"] == FILE_TYPES["parquet"]
    assert answer["Content-Disposition"] == 'attachment; filename="hard-positions.parquet"'
    odd = named_file(b"", 'a"\r\nSet-Cookie: x/../é.csv', "text/csv")
    assert odd["Content-Disposition"] == 'attachment; filename="a-Set-Cookie-x-..-.csv"'
    with pytest.raises(Http404, match="csv, parquet and tex"):
        file_answer(TABLE, "xlsx")
