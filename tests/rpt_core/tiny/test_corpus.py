"""The built-in corpus: true arithmetic, disjoint parts, the same records for the same seed."""

import re

import pytest

from rpt_core.config import CorpusConfig
from rpt_core.errors import UserError
from rpt_core.text.corpus import load_corpus
from rpt_core.tiny.corpus import KINDS, PARTS, part_of, records, states, work

KIND = {kind.name: kind for kind in KINDS}


def test_the_last_digit_of_a_sum_is_worked_card_by_card():
    assert states(KIND["sum"], [4, 7, 2, 9]) == [4, 1, 3, 2]
    assert work(KIND["sum"], [4, 7, 2, 9], [4, 1, 3, 2]) == "0 A4+4 B7+1 C2+3 D9+2"


def test_remainders_are_those_of_the_number_that_the_cards_spell():
    assert states(KIND["mod7"], [4, 7, 2, 9])[-1] == 4729 % 7 == 4
    assert states(KIND["mod3"], [4, 7, 2, 9])[-1] == 4729 % 3 == 1


def test_a_chain_may_stop_half_way_and_may_be_wrong():
    assert work(KIND["sum"], [4, 7, 2, 9], [5, 2]) == "0 A4+5 B7+2"


@pytest.mark.parametrize("part", ["cold", "problems"])
def test_every_answer_agrees_with_the_digits_in_its_id(part):
    for record in records(part, 200, seed=3):
        name, digits = record["id"].split("-")
        number = int(digits)
        expected = {"sum": sum(map(int, digits)) % 10, "mod7": number % 7, "mod3": number % 3}[name]
        assert record["answer"] == str(expected)
        assert record["solution"].endswith(f"the answer is {expected}.")
        assert "".join(re.findall(r"[A-F](\d)", record["problem"])) == digits


def test_every_step_of_a_drill_is_right():
    drills = [r for r in records("pretrain", 400, seed=1) if r["id"].startswith("steps-")]
    assert drills
    for record in drills:
        kind = KIND[record["id"].split("-")[1]]
        for row in re.findall(r"(\d(?: [A-F]\d.\d)+);", record["solution"]):
            state = int(row[0])
            for digit, new in re.findall(r" [A-F](\d).(\d)", row):
                assert int(new) == kind.step(state, int(digit))
                state = int(new)


def test_every_look_up_of_a_drill_names_the_digit_on_the_card():
    drills = [r for r in records("pretrain", 400, seed=1) if r["id"].startswith("look-up-")]
    assert drills
    for record in drills:
        cards = dict(re.findall(r"([A-F])(\d)", record["problem"]))
        assert all(cards[label] == digit for label, digit in re.findall(r"([A-F])(\d)", record["solution"]))


def test_no_problem_is_in_two_parts_even_under_other_seeds_and_sizes():
    ids = {part: {r["id"] for seed in (0, 1) for r in records(part, 1500 + seed, seed)} for part in PARTS}
    assert not ids["pretrain"] & ids["cold"]
    assert not ids["pretrain"] & ids["problems"]
    assert not ids["cold"] & ids["problems"]


def test_problems_and_cold_start_hold_no_drills():
    assert all(part_of(r["id"]) == part for part in ("cold", "problems") for r in records(part, 300, seed=0))


def test_the_same_seed_gives_the_same_records_and_another_one_others():
    assert records("problems", 50, seed=5) == records("problems", 50, seed=5)
    assert records("problems", 50, seed=5) != records("problems", 50, seed=6)


def test_a_larger_request_starts_with_the_smaller_one():
    assert records("pretrain", 80, seed=0)[:30] == records("pretrain", 30, seed=0)


def test_ids_are_unique():
    assert len({r["id"] for r in records("problems", 3000, seed=0)}) == 3000


def test_an_unknown_part_is_refused_with_the_known_ones():
    with pytest.raises(UserError, match="pretrain, cold, problems"):
        records("test", 10, seed=0)


def test_more_documents_than_there_are_problems_are_refused():
    with pytest.raises(UserError, match="at most"):
        records("cold", 100_001, seed=0)


def test_held_out_problems_of_the_corpus_are_never_trained_on():
    config = CorpusConfig(source="tiny", tiny_part="problems", tiny_documents=400, validation_share=0.35)
    corpus = load_corpus(config)
    assert len(corpus.train) + len(corpus.validation) == 400
    assert not {d.id for d in corpus.train} & {d.id for d in corpus.validation}
    assert corpus.train[0].text[: corpus.train[0].solution_start].endswith("\nSolution:")
