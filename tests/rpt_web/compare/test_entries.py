"""What an address of a comparison names."""

from __future__ import annotations

from rpt_web.compare.entries import BasketEntry, added, first, read_entries, without, written

TEXT = "12,15@40,31"
ENTRIES = [BasketEntry(12), BasketEntry(15, 40), BasketEntry(31)]


def test_an_address_names_runs_and_checkpoints_in_their_order():
    assert read_entries(TEXT) == (ENTRIES, [])
    assert written(ENTRIES) == TEXT


def test_what_is_named_twice_is_there_once_and_what_is_no_run_is_told():
    assert read_entries("12,12, 15@40 ,x,15@,12@40,\x00") == ([*ENTRIES[:2], BasketEntry(12, 40)], ["x", "15@"])


def test_a_basket_changes_without_losing_its_order():
    assert written(first(ENTRIES, ENTRIES[2])) == "31,12,15@40"
    assert written(without(ENTRIES, ENTRIES[0])) == "15@40,31"
    assert written(added(ENTRIES, [BasketEntry(12), BasketEntry(7)])) == "12,15@40,31,7"
