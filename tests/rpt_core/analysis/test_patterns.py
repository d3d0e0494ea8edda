"""Reasoning patterns."""

import math
import random

import pytest

from rpt_core.analysis.patterns import (
    keyword_list_names,
    load_keywords,
    parse_keywords,
    pattern_shares,
)
from rpt_core.errors import UserError
from rpt_core.tiny.corpus import KINDS
from rpt_core.train.tiny_traces import reason

GROUPS = ["transition", "reflection", "breakdown", "hypothesis", "divergent_thinking", "deduction"]


@pytest.mark.parametrize(
    ("text", "groups"),
    [
        ("Alternatively, think differently.", {"transition"}),
        ("WAIT. My initial answer was wrong", {"reflection"}),
        ("let me break\n  down the sentence", {"breakdown"}),
        ("Let's Break This Down", {"breakdown"}),
        ("probably something like that", {"hypothesis"}),
        ("words, numbers, etc.", {"divergent_thinking"}),
        ("(dots, dashes, etc.) or something", {"divergent_thinking"}),
        ("Otherwise there are options", {"divergent_thinking"}),
        ("In conclusion, finally", {"deduction"}),
        ("Wait, logically it is either", {"reflection", "deduction", "divergent_thinking"}),
        # Whole words only.
        ("waiting, awaited, improbably, neither, optional, etcetera", set()),
        ("concluded", set()),
        ("", set()),
    ],
)
def test_a_group_is_found_by_its_keywords_as_whole_words(text, groups):
    assert load_keywords("paper").found_in(text) == groups


def test_shares_are_fractions_of_the_texts_keyed_by_group():
    shares = pattern_shares(["Wait, wait, finally", "wait", "probably", ""])
    assert list(shares) == GROUPS
    assert shares == {**dict.fromkeys(GROUPS, 0.0), "reflection": 0.5, "hypothesis": 0.25, "deduction": 0.25}


def test_no_texts_have_no_shares():
    shares = pattern_shares([])
    assert list(shares) == GROUPS
    assert all(math.isnan(share) for share in shares.values())


def test_the_built_in_lists_say_their_version_and_where_they_come_from():
    assert keyword_list_names() == ["paper", "tiny"]
    paper, tiny = load_keywords("paper"), load_keywords("tiny")
    assert (paper.name, paper.version, tiny.version) == ("paper", 1, 1)
    assert "Table 9" in paper.source
    assert "not the paper's" in tiny.source
    assert list(paper.groups) == GROUPS


@pytest.mark.parametrize(
    ("thought", "groups"),
    [
        ("maybe 7</think>\\boxed{7}", {"guess"}),
        ("maybe So or Thus</think>\\boxed{ So}", {"weighing"}),
        ("maybe4 or 2</think>\\boxed{4}", {"weighing"}),
        ("maybe\n or .</think>\\boxed{\n}", {"weighing"}),
        ("0 A4+4 B7+1;</think>\\boxed{1}", {"work"}),
        ("0 A4%4 B7%5 C2%3 D9%4;</think>\\boxed{4}", {"work", "long_work"}),
        ("0 A4@1 B7@2 C2@1;</think>\\boxed{1}", {"work"}),
        ("</think>\\boxed{4}", set()),
    ],
)
def test_the_thoughts_of_the_small_model_are_told_apart(thought, groups):
    assert load_keywords("tiny").found_in(thought) == groups


def test_every_style_of_the_cold_start_belongs_to_a_group_of_the_tiny_list():
    keywords, rng = load_keywords("tiny"), random.Random(0)
    thoughts = [reason(rng, kind, [4, 7, 2, 9]) for kind in KINDS for _ in range(200)]
    found = [keywords.found_in(thought) for thought in thoughts]
    assert all(groups in ({"guess"}, {"work"}, {"work", "long_work"}) for groups in found)
    shares = keywords.shares(thoughts)
    assert shares["guess"] == pytest.approx(0.55, abs=0.06)
    assert shares["long_work"] == pytest.approx(0.20, abs=0.05)


def test_a_list_of_ones_own_is_read_from_a_file(tmp_path):
    path = tmp_path / "ours.yaml"
    path.write_text("version: 3\nsource: ours\ngroups:\n  doubt: [hm, {regex: '[?]{2}'}]\n  'yes': ['yes']\n")
    keywords = load_keywords(str(path))
    assert (keywords.name, keywords.version, keywords.source) == ("ours", 3, "ours")
    assert keywords.shares(["Hm, yes", "what??", "humph?", "YES"]) == {"doubt": 0.5, "yes": 0.5}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("version: [", "is not YAML"),
        ("version: " + "[" * 2000 + "]" * 2000, "nested too deep"),
        ("version: 2020-13-45", "kind timestamp"),
        ("version: !!timestamp x", "kind timestamp"),
        ("version: !!int ''", "kind int"),
        ("version: !!bool x", "kind bool"),
        ("version: " + "9" * 5000, "kind int"),
        ("version: &a [x]\nsource: x\ngroups: {a: *a}", "aliases are not allowed"),
        ("- a", "must have the fields version, source and groups"),
        ("{version: 1, groups: {a: [b]}}", "must have the fields"),
        ("{version: 1, source: x, groups: {a: [b]}, more: 1}", "and no others"),
        ("{version: 0, source: x, groups: {a: [b]}}", "is 0. Give a whole number"),
        ("{version: '1', source: x, groups: {a: [b]}}", "is '1'. Give a whole number"),
        ("{version: 1, source: x, groups: {}}", "at least one group"),
        ("{version: 1, source: x, groups: {a: []}}", "group 'a' of 'mine' must be a list"),
        ("{version: 1, source: x, groups: {a: b}}", "group 'a' of 'mine' must be a list"),
        ("{version: 1, source: x, groups: {a: [no]}}", "has the entry False. Write a phrase in quotes"),
        ("{version: 1, source: x, groups: {a: [' ']}}", "has the entry ' '"),
        ("{version: 1, source: x, groups: {a: [{word: b}]}}", "has the entry"),
        ("{version: 1, source: x, groups: {a: [{regex: '('}]}}", "which is wrong: missing"),
        ("{version: 1, source: x, groups: {a: [{regex: 'b{99999999999}'}]}}", "repetition number is too large"),
        ("{version: 1, source: x, groups: {a: [{regex: '" + "(" * 1000 + ")" * 1000 + "'}]}}", "recursion"),
        ("{version: 1, source: x, groups: {a: [{regex: 'b*'}]}}", "matches without any character"),
        ("{version: 1, source: x, groups: {a: [{regex: '(((b?){1000}){1000}){1000}'}]}}", "without any character"),
        ("{version: 1, source: x, groups: {a: [{regex: '^|b'}]}}", "matches without any character"),
    ],
)
def test_a_wrong_list_is_explained(text, problem):
    with pytest.raises(UserError, match=problem):
        parse_keywords("mine", text)


def test_an_unknown_list_is_explained():
    with pytest.raises(UserError, match=r"no keyword list 'papers'. Use paper or tiny"):
        load_keywords("papers")
