"""The all-or-nothing ledger: counted by hand, written, made into tables and lists."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from rpt_core.config import PromptConfig
from rpt_core.positions.lists import read_position_list
from rpt_core.problems.problem import ProblemSet
from rpt_core.run.folder import RunDir
from rpt_core.train.ledger import GroupRecord, Ledger, Outcome, ledger_tables, write_ledger, write_lists
from tests.rpt_core import stages


def group(index, outcome, *, matched=0, rewarded=None, is_dropped=False, tokens=(10, 40)):
    rewarded = matched if rewarded is None else rewarded
    return GroupRecord(index, outcome, is_dropped, 4, rewarded, matched, *tokens)


def filled(kept):
    """Two steps over the first four of the kept positions."""
    ledger = Ledger(kept)
    a, b, c, d = (int(index) for index in kept[:4])
    ledger.add(
        1,
        [
            group(a, Outcome.ALL_ZERO, is_dropped=True),
            group(b, Outcome.ALL_ONE, matched=4, is_dropped=True, tokens=(11, 20)),
            group(c, Outcome.USED, matched=1, tokens=(12, 30)),
            group(d, Outcome.SURPLUS, matched=3),
        ],
    )
    ledger.add(
        2,
        [
            group(a, Outcome.OUTSIDE_BAND, rewarded=1, is_dropped=True),
            group(c, Outcome.ALL_ZERO, tokens=(12, 33)),
            group(c, Outcome.USED, matched=2, tokens=(12, 34)),
        ],
    )
    return ledger


KEPT = np.array([3, 5, 8, 13, 21])


def test_groups_are_counted_for_each_position():
    ledger = filled(KEPT)
    assert ledger.seen().tolist() == [True, True, True, True, False]
    counts = {
        "groups": [2, 1, 3, 1, 0],
        "all_zero": [1, 0, 1, 0, 0],
        "all_one": [0, 1, 0, 0, 0],
        "dropped": [2, 1, 0, 0, 0],
        "surplus": [0, 0, 0, 1, 0],
        "rollouts": [8, 4, 12, 4, 0],
        "rewarded": [1, 4, 3, 3, 0],
        "matched": [0, 4, 3, 3, 0],
        "last_step": [2, 1, 2, 1, 0],
    }
    assert {name: ledger.of(name).tolist() for name in counts} == counts


def test_a_position_is_solved_by_what_eq_3_rewards_and_not_by_another_reward():
    ledger = filled(KEPT)
    assert ledger.never_solved().tolist() == [True, False, False, False, False]
    assert ledger.sometimes_solved().tolist() == [False, False, True, True, False]
    assert ledger.always_solved().tolist() == [False, True, False, False, False]


def test_the_tables_say_what_each_outcome_cost():
    outcomes, solved = ledger_tables(filled(KEPT), parameters=100, step=2, seed=7)
    rows = {
        row["outcome"]: [row[key] for key in ("groups", "dropped", "rollouts", "tokens", "flops")]
        for row in outcomes.rows
    }
    assert rows == {
        "rewards differ, learnt from": [2, 0, 8, 42 + 46, 200 * 88],
        "all 0": [2, 1, 8, 50 + 45, 200 * 95],
        "all 1": [1, 1, 4, 31, 200 * 31],
        "pass rate outside the band": [1, 1, 4, 50, 200 * 50],
        "surplus, the batch was full": [1, 0, 4, 50, 200 * 50],
        "together": [7, 3, 28, 314, 200 * 314],
    }
    assert [list(row.values()) for row in solved.rows] == [
        ["no response", 1, 2, 8],
        ["some responses", 2, 4, 16],
        ["every response", 1, 1, 4],
    ]
    assert outcomes.caption.startswith("One run, seed 7, 2 steps, 7 groups.")
    assert outcomes.step == solved.step == 2


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    """A small filter run."""
    folder = tmp_path_factory.mktemp("ledger")
    model = stages.save_taught(folder / "model")
    corpus = stages.write_corpus(folder / "digits.jsonl")
    stages.run_stage(folder, {"stage": "filter", "corpus": corpus, "proxy": model, "min_entropy_nats": 0.3})
    return folder


@pytest.fixture(scope="module")
def problems(ground):
    """Its training positions for a policy with the proxy model's tokenizer."""
    return ProblemSet.load(ground / "positions", "train", stages.taught()[1], PromptConfig(template="plain"))


def test_the_file_has_a_row_for_each_position_that_was_tried(problems, tmp_path):
    kept, run = problems.kept(), RunDir(tmp_path)
    write_ledger(run, filled(kept), problems)
    rows = pq.read_table(run.ledger).to_pylist()
    tried = [problems.problem(int(index)) for index in kept[:4]]
    assert [(row["document"], row["position"]) for row in rows] == [(p.document, p.position) for p in tried]
    assert [row["entropy_nats"] for row in rows] == pytest.approx([p.entropy_nats for p in tried])
    assert [row["groups"] for row in rows] == [2, 1, 3, 1]
    assert [row["last_step"] for row in rows] == [2, 1, 2, 1]


def test_the_lists_name_what_was_never_and_always_solved(problems, tmp_path):
    kept, run = problems.kept(), RunDir(tmp_path)
    write_lists(run, filled(kept), problems)
    for name, index, matched, rollouts in (("never-solved", kept[0], 0, 8), ("always-solved", kept[1], 4, 4)):
        (line,) = (run.position_lists / f"{name}.jsonl").read_text().splitlines()
        problem = problems.problem(int(index))
        assert json.loads(line) == {
            "document": problem.document,
            "position": int(problems.filter_index[index]),
            "byte_offset": problem.byte_offset,
            "rollouts": rollouts,
            "matched": matched,
        }
        read = read_position_list(run.position_lists / f"{name}.jsonl")
        assert list(read.by_document) == [problem.document]
    assert len((run.position_lists / "sometimes-solved.jsonl").read_text().splitlines()) == 2


def test_the_lists_are_in_the_filters_tokens_whatever_the_policys_are(ground, byte_level, tmp_path):
    problems = ProblemSet.load(ground / "positions", "train", byte_level, PromptConfig(template="plain"))
    kept, run = problems.kept(), RunDir(tmp_path)
    ledger = Ledger(kept)
    ledger.add(1, [group(int(index), Outcome.ALL_ZERO) for index in kept])
    write_lists(run, ledger, problems)
    rows = pq.read_table(ground / "positions" / "train.parquet").to_pylist()
    offsets = {row["document"]: row["byte_offsets"] for row in rows}
    lines = [json.loads(line) for line in (run.position_lists / "never-solved.jsonl").read_text().splitlines()]
    assert len(lines) == len(kept) > 0
    assert all(offsets[line["document"]][line["position"]] == line["byte_offset"] for line in lines)
    assert [line["position"] for line in lines] != problems.token_index[kept].tolist()


def test_an_empty_ledger_writes_empty_files(problems, tmp_path):
    run = RunDir(tmp_path)
    write_ledger(run, Ledger(problems.kept()), problems)
    write_lists(run, Ledger(problems.kept()), problems)
    assert pq.read_table(run.ledger).num_rows == 0
    assert (run.position_lists / "never-solved.jsonl").read_text() == ""
