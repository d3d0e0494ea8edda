"""Tables on a terminal and in a pipe."""

from __future__ import annotations

import sys

import pytest

from rpt_core.client.words import lines_of

HEAD, ROWS = ["name", "words"], [["a" * 30, "b" * 30]]


@pytest.mark.parametrize(
    ("is_terminal", "last"), [(False, "a" * 30 + "  " + "b" * 30), (True, "a" * 30 + "  bbbbbbb…")]
)
def test_a_terminal_is_told_where_a_line_is_cut_and_a_pipe_gets_it_whole(monkeypatch, is_terminal, last):
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: is_terminal)
    assert lines_of(HEAD, ROWS)[-1] == last


@pytest.mark.parametrize(("is_terminal", "last"), [(False, "a" * 100), (True, "a" * 59 + "…")])
def test_a_long_cell_is_cut_on_a_terminal_alone(monkeypatch, is_terminal, last):
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: is_terminal)
    assert lines_of(["name"], [["a" * 100]])[-1] == last


def test_what_steers_a_terminal_is_a_dot():
    assert lines_of(["name"], [["\x1b[31mred"]])[-1] == "·[31mred"
