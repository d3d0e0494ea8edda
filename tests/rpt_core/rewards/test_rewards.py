"""Each reward on numbers worked out by hand, and what they ask of the policy."""

import pytest

from rpt_core.config import RewardConfig
from rpt_core.errors import UserError
from rpt_core.rewards.first_token import first_token
from rpt_core.rewards.kinds import make_reward
from rpt_core.text.tokens import encode, token_bytes
from tests.rpt_core import stages
from tests.rpt_core.rewards.reward_cases import (
    FLOPS_PER_TOKEN,
    TablePolicy,
    answer,
    earned_by,
    judged,
    make_problem,
    true_token,
)


@pytest.fixture(scope="module")
def tokenizer():
    """A byte-level tokenizer with merges such as ` the`."""
    return stages.taught()[1]


@pytest.fixture(scope="module")
def digits(tokenizer):
    """The problem of the second digit in `Digits: 1 2 3`; the true token is ` 2` or ` ` by the tokenizer's merges."""
    text = "Digits: 1 2 3"
    ids = encode(tokenizer, text)
    position = next(n for n, piece in enumerate(token_bytes(tokenizer, ids)) if piece.strip() == b"1") + 1
    return make_problem(tokenizer, text, position)


def test_prefix_is_the_reward_of_the_verdict(tokenizer, digits):
    whole = digits.completion.decode()
    group = [answer(tokenizer, box) for box in (true_token(digits), whole, "x", None)]
    assert earned_by(make_reward(RewardConfig(), TablePolicy(tokenizer, {})), digits, group) == [1, 1, 0, 0]


def test_the_first_token_counts_alone(tokenizer, digits):
    right = true_token(digits)
    boxes = (right, f"{right} nonsense", digits.completion.decode(), "x", "", None)
    group = [answer(tokenizer, box) for box in boxes]
    assert [verdict.reward for verdict in judged([digits], [group])[0]] == [1, 0, 1, 0, 0, 0]
    assert earned_by(make_reward(RewardConfig(kind="first_token"), TablePolicy(tokenizer, {})), digits, group) == [
        *[1, 1, 1],
        *[0, 0, 0],
    ]


def test_a_cut_response_has_no_first_token(tokenizer, digits):
    group = [answer(tokenizer, true_token(digits), finish_reason=reason) for reason in ("stop", "length")]
    assert earned_by(make_reward(RewardConfig(kind="first_token"), TablePolicy(tokenizer, {})), digits, group) == [1, 0]


def test_how_bytes_become_a_first_token(byte_level):
    problem = make_problem(byte_level, "We add 12 and 30 to get 42.", 1)
    assert true_token(problem) == " add"
    ids = encode(byte_level, " add 12")
    assert first_token(byte_level, b" add 12", problem) == ids[0] == problem.next_token_id
    assert first_token(byte_level, b" adder", problem) == encode(byte_level, " adder")[0]
    assert first_token(byte_level, b"add", problem) == encode(byte_level, "add")[0] != problem.next_token_id
    # The model wrote the name of a special token: that is text.
    assert first_token(byte_level, b"<|end|>", problem) == encode(byte_level, "<|end|>", parse_special=False)[0]
    assert first_token(byte_level, b"", problem) is None
    assert first_token(byte_level, None, problem) is None


def test_a_longer_token_that_begins_with_the_true_one_is_another_token(byte_level):
    # The first of two spaces is a token of its own, and ` the` is one token too.
    problem = make_problem(byte_level, "  the", 0)
    the = encode(byte_level, " the")
    assert token_bytes(byte_level, the) == [b" the"]
    assert true_token(problem) == " "
    assert first_token(byte_level, b" ", problem) == first_token(byte_level, b"  the", problem) == problem.next_token_id
    assert first_token(byte_level, b" the", problem) == the[0] != problem.next_token_id


def test_predictions_broken_inside_a_character(byte_level):
    # Half of a character is a token of its own here.
    text = "a\U0001f40d"
    ids = encode(byte_level, text)
    pieces = token_bytes(byte_level, ids)
    position = next(n for n, piece in enumerate(pieces) if b"\xf0" in piece)
    problem = make_problem(byte_level, text, position)
    assert problem.boundaries[0] < 4
    broken = problem.completion[: problem.boundaries[0]]
    assert first_token(byte_level, broken, problem) == problem.next_token_id
    assert first_token(byte_level, b"\xff", problem) is None
    assert first_token(byte_level, b"a\xff", problem) == encode(byte_level, "a")[0]
    assert first_token(byte_level, "\U0001f40d!".encode(), problem) == problem.next_token_id


def test_a_metaspace_tokenizer_puts_no_space_before_a_prediction(metaspace):
    problem = make_problem(metaspace, "The cat sat", len(encode(metaspace, "The cat", parse_special=False)))
    assert first_token(metaspace, problem.completion, problem) == problem.next_token_id
    token = first_token(metaspace, b"cat", problem)
    assert b"cat".startswith(token_bytes(metaspace, [token], at_start=False)[0])


def test_dense_gives_a_wrong_token_the_probability_of_that_wrong_token(tokenizer, digits):
    x, y = (encode(tokenizer, text)[0] for text in "xy")
    policy = TablePolicy(tokenizer, {tuple(digits.context_ids): {x: 0.25, y: 0.0625, digits.next_token_id: 0.6}})
    group = [answer(tokenizer, box) for box in (true_token(digits), "x", "xyz", "y", "", None)]
    reward = make_reward(RewardConfig(kind="dense"), policy)
    assert earned_by(reward, digits, group) == pytest.approx([1, 0.25, 0.25, 0.0625, 0, 0])
    assert policy.asked == [tuple(digits.context_ids)]
    assert reward.flops == FLOPS_PER_TOKEN * len(digits.context_ids)


def test_dense_reads_only_contexts_with_a_wrong_token(tokenizer, digits):
    x = encode(tokenizer, "x")[0]
    other = make_problem(tokenizer, "Digits: 1 2 3", digits.position + 1)
    policy = TablePolicy(tokenizer, {tuple(other.context_ids): {x: 0.5}})
    reward = make_reward(RewardConfig(kind="dense"), policy)
    right, wrong, none = (answer(tokenizer, box) for box in (true_token(digits), "x", None))
    groups = [[right, none], [wrong, none]]
    problems = [digits, other]
    assert reward.rewards(problems, groups, judged(problems, groups)) == [[1, 0], [pytest.approx(0.5), 0]]
    assert policy.asked == [tuple(other.context_ids)]
    assert earned_by(reward, digits, [right, right]) == [1, 1]
    assert reward.flops == 0


@pytest.mark.parametrize(
    ("all_wrong", "expected"), [({}, 0.0), ({"all_wrong": "penalty", "all_wrong_penalty": 0.3}, -0.3)]
)
def test_conditional_dense_is_dense_only_beside_a_right_response(tokenizer, digits, all_wrong, expected):
    x = encode(tokenizer, "x")[0]
    policy = TablePolicy(tokenizer, {tuple(digits.context_ids): {x: 0.25}})
    reward = make_reward(RewardConfig(kind="conditional_dense", **all_wrong), policy)
    right, wrong, none = (answer(tokenizer, box) for box in (f"{true_token(digits)} and more", "x", None))
    problems, groups = [digits, digits], [[wrong, right, none], [wrong, wrong, none]]
    values = reward.rewards(problems, groups, judged(problems, groups))
    assert values == [[pytest.approx(0.25), 1, 0], [expected] * 3]
    assert reward.flops == FLOPS_PER_TOKEN * len(digits.context_ids)


def custom(path, tokenizer):
    return make_reward(RewardConfig(kind="custom", custom=path), TablePolicy(tokenizer, {}))


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Writes a team's module and allows its rewards; returns the path of a function in it."""
    monkeypatch.setenv("RPT_ALLOW_CUSTOM_REWARDS", "1")
    monkeypatch.syspath_prepend(tmp_path)

    def write(name, source):
        (tmp_path / f"{name}.py").write_text(source)
        return f"{name}:reward"

    return write


def test_a_custom_reward_gets_prediction_completion_boundaries_and_response(tokenizer, digits, module):
    source = (
        "def reward(prediction, completion, boundaries, response):\n"
        "    if prediction is None:\n"
        "        return -1\n"
        "    return len(prediction) + 10 * len(completion) + 100 * boundaries[0] + 1000 * len(response)\n"
    )
    reward = custom(module("team_reward", source), tokenizer)
    group = [answer(tokenizer, "xyz"), answer(tokenizer, None)]
    sizes = 3 + 10 * len(digits.completion) + 100 * digits.boundaries[0] + 1000 * len(group[0].data)
    assert earned_by(reward, digits, group) == [sizes, -1]


@pytest.mark.parametrize("value", ["float('nan')", "float('inf')", "None", "'x'", "[1]"])
def test_a_custom_reward_that_is_no_finite_number_is_refused(tokenizer, digits, module, value):
    name = f"odd_reward_{abs(hash(value))}"
    reward = custom(module(name, f"def reward(*_):\n    return {value}\n"), tokenizer)
    with pytest.raises(UserError, match=rf"{name}:reward.*finite"):
        earned_by(reward, digits, [answer(tokenizer, "x")])


def test_an_error_in_a_custom_reward_is_reported_with_its_function_and_position(tokenizer, digits, module):
    reward = custom(module("broken_reward", "def reward(*_):\n    return {}['key']\n"), tokenizer)
    with pytest.raises(UserError, match=rf"broken_reward:reward.*{digits.id}: there is no 'key'") as caught:
        earned_by(reward, digits, [answer(tokenizer, "x")])
    assert isinstance(caught.value.__cause__, KeyError)


def test_custom_rewards_are_off_unless_an_administrator_allows_them(tokenizer, module, monkeypatch):
    path = module("fine_reward", "raise SystemExit('this code must not run')\n")
    for value in (None, "", "0", "true"):
        if value is None:
            monkeypatch.delenv("RPT_ALLOW_CUSTOM_REWARDS")
        else:
            monkeypatch.setenv("RPT_ALLOW_CUSTOM_REWARDS", value)
        with pytest.raises(UserError, match="RPT_ALLOW_CUSTOM_REWARDS=1"):
            custom(path, tokenizer)


@pytest.mark.parametrize("path", ["no_such_module:reward", "math:no_such_function", "math", ":reward", "math:pi"])
def test_a_custom_reward_that_is_not_there_is_named(tokenizer, module, path):
    with pytest.raises(UserError, match=path):
        custom(path, tokenizer)
