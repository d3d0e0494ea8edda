"""A table of an exhibit on a page: its cells, and what is left out of a long one."""

from __future__ import annotations

from django.http import HttpResponse
from django.template.loader import render_to_string

from rpt_web.exhibits.shown import in_parts, shown_table
from rpt_web.exports.tables import PlainColumn, PlainTable, estimate_columns
from tests.rpt_web.markup import flat


def rendered(table):
    return flat(HttpResponse(render_to_string("exhibits/_table.html", {"table": table, "title": "T"})))


def test_a_cell_has_its_interval_and_n_and_hostile_text_stays_text():
    columns = (PlainColumn("name", "Name"), *estimate_columns("right", "Right"))
    rows = ({"name": "<b>a\u202e", "right": 0.5, "right_low": 0.4, "right_high": 0.6, "right_n": 1200}, {"name": "b"})
    text = rendered(shown_table(PlainTable("t", "T", columns, rows)))
    assert "<td>&lt;b&gt;a\\u202E</td>" in text
    assert (
        '<td class="number">50.0 <span class="small muted">[40.0, 60.0]</span>'
        ' <span class="small faint">n 1,200</span></td>'
    ) in text
    assert '<td>b</td><td class="number"><span class="faint">–</span></td>' in text
    assert "rows; the files" not in text


def test_what_is_left_out_of_a_long_table_is_said_in_each_of_its_parts():
    columns = tuple(PlainColumn(f"c{number}", f"C{number}", "number") for number in range(5))
    long = PlainTable("t", "T", columns, tuple({"c0": step, "c4": 2.0} for step in range(70)))
    for part in in_parts(shown_table(long, 60), 3):
        text = rendered(part)
        assert text.count("<tr") == 1 + 60
        assert "The first 60 of 70 rows; the files with the data have them all." in text
        assert "Show 60 rows" in text
    assert "Show all 70 rows" in rendered(shown_table(long, 70))
