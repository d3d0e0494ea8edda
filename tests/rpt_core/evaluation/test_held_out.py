"""Positions that a config lists: found by text and byte in both splits, asked at in order, or refused in words."""

import pytest
from pydantic import ValidationError

from rpt_core.config import HeldOutConfig, PromptConfig
from rpt_core.config.messages import field_messages
from rpt_core.errors import UserError
from rpt_core.evaluation.held_out import choose_sample, held_out_problems
from rpt_core.evaluation.outcomes import read_outcomes
from rpt_core.problems.problem import ProblemSet
from rpt_core.run.folder import RunDir
from rpt_core.run.rollout_files import read_rollouts
from tests.rpt_core import stages

PLAIN = PromptConfig(template="plain")


def problem_of(filtered, split, index):
    return ProblemSet.load(filtered, split, stages.taught()[1], PLAIN).problem(index)


def listed(filtered, *names, **more):
    return HeldOutConfig(positions=filtered, listed_positions=names, **more)


def chosen(config):
    problems = held_out_problems(config, stages.taught()[1], PLAIN)
    sample = choose_sample(problems, config)
    return [problems.problem(index) for index in sample.indices], sample


def test_listed_positions_are_found_by_hash_or_id_in_both_splits_and_keep_their_order(filtered):
    trained, held_out = problem_of(filtered, "train", 9), problem_of(filtered, "validation", 4)
    names = [f"{trained.text_hash.hex()}:{trained.byte_offset}", f"{held_out.document}:{held_out.byte_offset}"]
    for order in (names, names[::-1]):
        found, sample = chosen(listed(filtered, *order))
        wanted = [trained, held_out] if order is names else [held_out, trained]
        assert found == wanted
        assert sample.missing == 0


def test_a_listed_position_belongs_to_the_levels_that_its_entropy_reaches(filtered):
    problem = problem_of(filtered, "validation", 4)
    name, nats = f"{problem.document}:{problem.byte_offset}", problem.entropy_nats
    levels = {"easy_nats": nats / 2, "medium_nats": nats / 2, "hard_nats": nats + 1}
    _, sample = chosen(listed(filtered, name, **levels))
    assert {level: flags.tolist() for level, flags in sample.members.items()} == {
        "easy": [nats > 0],
        "medium": [nats > 0],
        "hard": [False],
    }


def test_a_position_that_is_not_there_is_refused_with_what_is_near(filtered):
    problem = problem_of(filtered, "validation", 4)
    with pytest.raises(UserError, match="has no document 'nowhere', neither by its id nor by the hash"):
        chosen(listed(filtered, "nowhere:3"))
    with pytest.raises(UserError, match=r"no position of the document .* begins at byte 999999: .* Near it are \d"):
        chosen(listed(filtered, f"{problem.document}:999999"))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"position_set": "x", "listed_positions": ["a:1"]}, "Give these or `position_set`, not both."),
        ({"listed_positions": ["a:1", "a:1"]}, "'a:1' stands here twice."),
        ({"listed_positions": ["a"]}, ""),
    ],
)
def test_a_list_that_cannot_be_right_is_refused(values, words):
    with pytest.raises(ValidationError) as error:
        HeldOutConfig(positions="p", **values)
    (found,) = field_messages(error.value).items()
    assert found[0].startswith("listed_positions")
    assert words in found[1]


def test_an_evaluation_at_one_training_position_writes_its_responses_there(filtered, model, tmp_path):
    problem = problem_of(filtered, "train", 9)
    place = f"{problem.text_hash.hex()}:{problem.byte_offset}"
    config = {
        "stage": "evaluate",
        "model": model,
        "evaluation": {"positions": filtered, "listed_positions": [place], "modes": ["sampled"], "samples": 3},
        "prompt": {"template": "plain"},
        "sampling": {"max_response_tokens": 8},
    }
    stages.run_stage(tmp_path, config)
    rows = list(read_rollouts(RunDir(tmp_path).rollout_shard("sampled", 0)))
    assert [(row.text_hash, row.byte_offset) for row in rows] == [(problem.text_hash, problem.byte_offset)] * 3
    assert {row.prompt for row in rows} == {problem.prompt}
    outcomes = read_outcomes(RunDir(tmp_path).evaluation(0))
    assert outcomes.places() == [(problem.document, problem.byte_offset)]
    assert outcomes.text_hash.tolist() == [problem.text_hash]
