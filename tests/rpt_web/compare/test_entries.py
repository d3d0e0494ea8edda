"""What an address of a comparison names."""

from __future__ import annotations

import re

import pytest

from rpt_web.compare.entries import PATTERN, BasketEntry, added, read_entries, replaced, written

TEXT = "12,15@40,31"
ENTRIES = [BasketEntry(12), BasketEntry(15, 40), BasketEntry(31)]


def test_an_address_names_runs_and_checkpoints_in_their_order():
    assert read_entries(TEXT) == (ENTRIES, [])
    assert written(ENTRIES) == TEXT


def test_what_is_named_twice_is_there_once_and_what_is_no_run_is_told():
    assert read_entries("12,12, 15@40 ,x,15@,12@40,\x00") == ([*ENTRIES[:2], BasketEntry(12, 40)], ["x", "15@"])


def test_a_basket_changes_without_losing_its_order():
    assert written(added(ENTRIES, [BasketEntry(12), BasketEntry(7)])) == "12,15@40,31,7"


def test_a_run_may_have_a_mode_of_its_own():
    found, others = read_entries("12:standard,15@40:sampled,15@40,31:pass@8,31:,31:Standard")
    assert found == [BasketEntry(12, None, "standard"), BasketEntry(15, 40, "sampled"), BasketEntry(15, 40)]
    assert others == ["31:pass@8", "31:", "31:Standard"]
    assert written(found) == "12:standard,15@40:sampled,15@40"


def test_an_entry_that_is_replaced_by_one_that_is_there_stands_once():
    entries, _ = read_entries("12:standard,15,12")
    assert written(replaced(entries, entries[1], BasketEntry(15, None, "greedy"))) == "12:standard,15:greedy,12"
    assert written(replaced(entries, entries[0], BasketEntry(12))) == "12,15"


@pytest.mark.parametrize("text", ["12", "12@3", "12:greedy", "12@3:standard", "x", "12@", "12:", "12:x", "1" * 19])
def test_refs_and_the_api_take_what_an_address_takes(text):
    assert bool(re.fullmatch(PATTERN, text)) == bool(read_entries(text)[0])
