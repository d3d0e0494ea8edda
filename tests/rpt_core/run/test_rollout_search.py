"""Searching shards: words, phrases and expressions, only in rows that count, prompts once for each group."""

from __future__ import annotations

import pytest

from rpt_core.errors import UserError
from rpt_core.run import rollout_search
from rpt_core.run.rollout_files import RolloutRow, write_rollouts
from rpt_core.run.rollout_search import RowFilter, SoughtText, marked, search_shard

TEXTS = [
    "The sum is 12. However, check it again.",
    "however\n  check: nothing",
    "Überschuß und 漢字, checked.",
    "no such thing here",
]


def row(sample, text, group=0, **more):
    values = {
        "step": 3, "document": "d", "position": 4, "entropy_nats": 1.0, "prompt": f"Prompt of group {group}",
        "prediction": b"x", "completion": b"x", "boundaries": [1], "reason": "match", "mismatch_byte": None,
        "finish_reason": "stop", "prompt_tokens": 1, "response_tokens": 1, "mean_log_prob": None, "advantage": None,
        "reward": 1.0,
    }  # fmt: skip
    return RolloutRow(**(values | {"group": group, "sample": sample, "response": text} | more))


@pytest.fixture(scope="module")
def shard(tmp_path_factory):
    """Three groups of four: the first in the order of TEXTS, the others with words of their own."""
    path = tmp_path_factory.mktemp("shards") / "train-000003.parquet"
    first = [row(sample, text) for sample, text in enumerate(TEXTS)]
    wrong = {"reward": 0.0, "reason": "mismatch"}
    second = [row(sample, f"aside {sample} however", group=1, **wrong) for sample in range(4)]
    cut = [row(sample, "x" * 3000, group=2, finish_reason="length", **wrong) for sample in range(4)]
    write_rollouts(path, [*first, *second, *cut])
    return path


def found(shard, text, *counts, limit=100, **wanted):
    result = search_shard(shard, SoughtText(text, **wanted), RowFilter(*counts), limit)
    assert result.matching >= len(result.hits)
    return [hit.row for hit in result.hits]


def test_words_may_stand_anywhere_but_are_whole(shard):
    assert found(shard, "check however") == [0, 1]
    assert found(shard, "However", ignore_case=False) == [0]
    assert found(shard, "ever") == []
    assert found(shard, "漢字") == [2]
    assert found(shard, "überschuß") == [2]


def test_a_phrase_stands_as_it_is_written_whatever_blanks_are_between(shard):
    assert found(shard, "however check", mode="phrase") == [1]
    assert found(shard, "(12", mode="phrase") == []


def test_an_expression_is_one_of_re2(shard):
    assert found(shard, r"how\w+,?\s+check", mode="expression") == [0, 1]
    assert found(shard, r"\b\d+\.", mode="expression") == [0]


def test_only_rows_that_count_are_found(shard):
    assert found(shard, "however", True) == [0, 1]
    assert found(shard, "however", False) == [4, 5, 6, 7]
    assert found(shard, "however", None, "mismatch") == [4, 5, 6, 7]
    assert found(shard, "x+", None, "", "length", mode="expression") == [8, 9, 10, 11]


def test_a_prompt_is_looked_at_once_for_each_group(shard):
    assert found(shard, "prompt", place="prompt") == [0, 4, 8]
    assert found(shard, "prompt", False, place="prompt") == [4, 8]
    assert found(shard, "group 2", place="prompt", mode="phrase") == [8]


def test_a_hit_has_the_text_around_it_and_its_facts(shard):
    hit = search_shard(shard, SoughtText("check", "phrase"), RowFilter(), 1).hits[0]
    assert (hit.before, hit.match, hit.after, hit.times) == ("The sum is 12. However, ", "check", " it again.", 1)
    assert (hit.step, hit.group, hit.sample, hit.reward, hit.reason) == (3, 0, 0, 1.0, "match")
    assert search_shard(shard, SoughtText("e", "phrase"), RowFilter(), 1).hits[0].times == 4
    cut = search_shard(shard, SoughtText("x+", "expression"), RowFilter(None, "", "length"), 1).hits[0]
    assert (len(cut.match), cut.reason) == (rollout_search.LONGEST_MATCH, "length")


def test_more_hits_than_are_kept_are_counted(shard):
    result = search_shard(shard, SoughtText("however"), RowFilter(), 3)
    assert (result.rows, result.matching, [hit.row for hit in result.hits]) == (12, 6, [0, 1, 4])


def test_long_shards_are_read_in_parts_with_the_same_hits(shard, monkeypatch):
    whole = [search_shard(shard, SoughtText(text), RowFilter(), 9).hits for text in ("however", "漢字")]
    monkeypatch.setattr(rollout_search, "PART_BYTES", 100)
    assert [search_shard(shard, SoughtText(text), RowFilter(), 9).hits for text in ("however", "漢字")] == whole
    heard = []
    search_shard(shard, SoughtText("however"), RowFilter(), 9, heard.append)
    assert sum(heard) == 12


@pytest.mark.parametrize(
    ("text", "mode", "words"),
    [
        (" ", "words", "Nothing is looked for"),
        ("(", "expression", "not one of RE2: missing ): ("),
        (r"(?=a)b", "expression", "not one of RE2"),
        ("a*", "expression", "matches the empty text"),
        ("(a{1000}){1000}", "expression", "not one of RE2"),
        ("a" * 501, "phrase", "501 characters; at most 500"),
        ("a\0", "phrase", "NUL"),
    ],
)
def test_what_is_no_search_is_refused_in_words(text, mode, words):
    with pytest.raises(UserError) as error:
        SoughtText(text, mode).patterns()
    assert words in str(error.value)


def test_all_matches_in_a_text_are_marked_and_nothing_is_lost():
    text = "a cat\ue000 and a CAT"
    pieces = marked(text, SoughtText("cat a"))
    assert "".join(piece for piece, _ in pieces) == text
    assert [piece for piece, is_match in pieces if is_match] == ["a", "cat", "a", "CAT"]
