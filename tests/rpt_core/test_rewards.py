"""Each reward on numbers worked out by hand; what they ask of the policy; the moving average through a resume."""

import copy
import json
import math
import random

import pytest
import torch
from tokenizers import AddedToken

from rpt_core.config import GrpoConfig, OptimiserConfig, RewardConfig, SamplingConfig
from rpt_core.errors import UserError
from rpt_core.problems import Problem
from rpt_core.reward import judge_response
from rpt_core.rewards import make_reward
from rpt_core.rewards.first_token import first_token
from rpt_core.rewards.information import opened_box
from rpt_core.rollouts import Rollout
from rpt_core.run_dir import RunDir
from rpt_core.shards import read_rollouts
from rpt_core.tokens import boundaries, encode, token_bytes, tokenise
from rpt_core.train.batch import make_batch
from rpt_core.train.loop import make_optimiser
from rpt_core.train.policy_update import PolicyUpdate, policy_rows
from rpt_core.train.reward_policy import KEPT, LoopPolicy
from rpt_core.train.supervised import Example, accumulate_loss
from tests.rpt_core import stages, updates
from tests.rpt_core.conftest import byte_level_tokenizer

SAMPLING = SamplingConfig(temperature=0.8, max_response_tokens=16)
FLOPS_PER_TOKEN = 1000.0


class TablePolicy:
    """A language model that is a table: {context: {token: probability}}. Its moving average is a table too."""

    def __init__(self, tokenizer, table, average=None):
        self.tokenizer, self.table, self.average, self.asked, self.updates = tokenizer, table, average, [], 0

    def next_token_log_probs(self, contexts, candidates):
        self.asked += [tuple(context) for context in contexts]
        pairs = zip(contexts, candidates, strict=True)
        return [[math.log(self.table[tuple(context)][token]) for token in tokens] for context, tokens in pairs]

    def forward_flops(self, tokens):
        return FLOPS_PER_TOKEN * tokens

    def moving_average(self, decay):
        self.decay = decay
        return self.average

    def update(self):
        self.updates += 1


@pytest.fixture(scope="module")
def tokenizer():
    """A byte-level tokenizer with merges such as ` the`."""
    return stages.taught()[1]


def make_problem(tokenizer, text, position, prompt=(1, 2, 3)):
    """The problem at a token of a text."""
    tokenised = tokenise(tokenizer, text)
    ids = tokenised.token_ids
    pieces = token_bytes(tokenizer, ids)[position:]
    return Problem(
        id=f"d:{position}",
        document="d",
        position=position,
        prompt_ids=list(prompt),
        context_ids=ids[:position],
        prompt="",
        completion=b"".join(pieces),
        boundaries=boundaries(pieces),
        next_token_id=ids[position],
        entropy_nats=1.0,
        domain="",
        byte_offset=tokenised.byte_offsets[position],
    )


def answer(tokenizer, box, thought="hm", finish_reason="stop"):
    """A response that boxes something; without a box for None."""
    text = f"{thought}</think>" + ("" if box is None else f"\\boxed{{{box}}}")
    ids = encode(tokenizer, text)
    end = [tokenizer.eos_token_id] if finish_reason == "stop" else []
    return Rollout([*ids, *end], text.encode(), [-1.0] * len(ids + end), finish_reason)


def judged(problems, groups):
    """Verdicts of Eq. 3."""
    return [
        [judge_response(r.data, problem.completion, problem.boundaries, r.finish_reason == "stop") for r in group]
        for problem, group in zip(problems, groups, strict=True)
    ]


@pytest.fixture(scope="module")
def digits(tokenizer):
    """The problem of the second digit in `Digits: 1 2 3`; the true token is ` 2` or ` ` by the tokenizer's merges."""
    text = "Digits: 1 2 3"
    ids = encode(tokenizer, text)
    position = next(n for n, piece in enumerate(token_bytes(tokenizer, ids)) if piece.strip() == b"1") + 1
    return make_problem(tokenizer, text, position)


def true_token(problem):
    return problem.completion[: problem.boundaries[0]].decode()


def score(reward, problem, group):
    (values,) = reward.score([problem], [group], judged([problem], [group]))
    return values


def test_prefix_is_the_reward_of_the_verdict(tokenizer, digits):
    whole = digits.completion.decode()
    group = [answer(tokenizer, box) for box in (true_token(digits), whole, "x", None)]
    assert score(make_reward(RewardConfig(), TablePolicy(tokenizer, {})), digits, group) == [1, 1, 0, 0]


def test_the_first_token_counts_alone(tokenizer, digits):
    right = true_token(digits)
    boxes = (right, f"{right} nonsense", digits.completion.decode(), "x", "", None)
    group = [answer(tokenizer, box) for box in boxes]
    assert [verdict.reward for verdict in judged([digits], [group])[0]] == [1, 0, 1, 0, 0, 0]
    assert score(make_reward(RewardConfig(kind="first_token"), TablePolicy(tokenizer, {})), digits, group) == [
        *[1, 1, 1],
        *[0, 0, 0],
    ]


def test_a_cut_response_has_no_first_token(tokenizer, digits):
    group = [answer(tokenizer, true_token(digits), finish_reason=reason) for reason in ("stop", "length")]
    assert score(make_reward(RewardConfig(kind="first_token"), TablePolicy(tokenizer, {})), digits, group) == [1, 0]


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
    assert score(reward, digits, group) == pytest.approx([1, 0.25, 0.25, 0.0625, 0, 0])
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
    assert reward.score(problems, groups, judged(problems, groups)) == [[1, 0], [pytest.approx(0.5), 0]]
    assert policy.asked == [tuple(other.context_ids)]
    assert score(reward, digits, [right, right]) == [1, 1]
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
    values = reward.score(problems, groups, judged(problems, groups))
    assert values == [[pytest.approx(0.25), 1, 0], [expected] * 3]
    assert reward.flops == FLOPS_PER_TOKEN * len(digits.context_ids)


def test_information_gain_is_the_log_likelihood_with_the_thought_minus_without(tokenizer, digits):
    context, token = tuple(digits.context_ids), digits.next_token_id
    thoughts = {text: (*digits.prompt_ids, *encode(tokenizer, f"{text}</think>\\boxed{{")) for text in ("good", "bad")}
    average = TablePolicy(tokenizer, {context: {token: 0.2}})
    policy = TablePolicy(
        tokenizer, {thoughts["good"]: {token: 0.8}, thoughts["bad"]: {token: 0.1}, context: {token: 0.9}}, average
    )
    reward = make_reward(RewardConfig(kind="information_gain", ema_decay=0.9), policy)
    unthought = Rollout([5, 6], b"no end", [-1.0] * 2, "length")
    group = [answer(tokenizer, "x", "good"), answer(tokenizer, None, "bad"), unthought, answer(tokenizer, "y", "good")]
    blind = 1 / len(tokenizer)
    assert score(reward, digits, group) == pytest.approx(
        [math.log(0.8 / 0.2), math.log(0.1 / 0.2), math.log(blind / 0.2), math.log(0.8 / 0.2)]
    )
    assert policy.asked == list(thoughts.values())  # equal thoughts are read once
    assert policy.decay == 0.9
    assert average.asked == [context]
    assert reward.flops == FLOPS_PER_TOKEN * sum(map(len, [context, *thoughts.values()]))
    reward.after_update()
    assert average.updates == 1


def test_the_box_opens_behind_the_last_end_of_a_thought(tokenizer):
    text = "a</think> b</think>"
    thought = encode(tokenizer, text)
    response = Rollout(
        [*thought, *encode(tokenizer, "\n\nSo \\boxed{3}")], f"{text}\n\nSo \\boxed{{3}}".encode(), [], "stop"
    )
    assert opened_box(tokenizer, response) == [*thought, *encode(tokenizer, "\\boxed{")]
    assert opened_box(tokenizer, Rollout(thought[:1], b"a", [], "length")) is None


@pytest.fixture
def merging():
    """A tokenizer with the token `>.`, and a response whose thought ends inside it."""
    tokenizer = byte_level_tokenizer()
    tokenizer.add_tokens([AddedToken(">.", normalized=False)])
    ids = [*encode(tokenizer, "a</think"), *encode(tokenizer, ">."), *encode(tokenizer, " x")]
    assert b"".join(token_bytes(tokenizer, ids[-2:])) == b">. x"
    return tokenizer, Rollout(ids, b"a</think>. x", [-1.0] * len(ids), "stop")


def test_a_token_that_reaches_over_the_end_of_the_thought_is_tokenised_anew(merging):
    tokenizer, response = merging
    assert opened_box(tokenizer, response) == [*response.token_ids[:-2], *encode(tokenizer, ">\\boxed{")]


def test_the_policys_own_tokens_of_the_thought_are_kept(byte_level):
    # "</think>" is one token when read at once, but a policy may write it in others.
    ids = [token for piece in "a</think>." for token in encode(byte_level, piece)]
    opened = opened_box(byte_level, Rollout(ids, b"a</think>.", [-1.0] * len(ids), "stop"))
    assert opened == [*ids[:-1], *encode(byte_level, "\\boxed{")]


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
    assert score(reward, digits, group) == [sizes, -1]


@pytest.mark.parametrize("value", ["float('nan')", "float('inf')", "None", "'x'", "[1]"])
def test_a_custom_reward_that_is_no_finite_number_is_refused(tokenizer, digits, module, value):
    name = f"odd_reward_{abs(hash(value))}"
    reward = custom(module(name, f"def reward(*_):\n    return {value}\n"), tokenizer)
    with pytest.raises(UserError, match=rf"{name}:reward.*finite"):
        score(reward, digits, [answer(tokenizer, "x")])


def test_an_error_in_a_custom_reward_is_reported_with_its_function_and_position(tokenizer, digits, module):
    reward = custom(module("broken_reward", "def reward(*_):\n    return {}['key']\n"), tokenizer)
    with pytest.raises(UserError, match=rf"broken_reward:reward.*{digits.id}.*KeyError: 'key'") as caught:
        score(reward, digits, [answer(tokenizer, "x")])
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


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Folder of the taught model."""
    folder = tmp_path_factory.mktemp("taught")
    stages.save_taught(folder)
    return folder


def test_a_policy_in_training_is_read_with_its_present_weights(model, tmp_path):
    loop = updates.make_loop(tmp_path, updates.make_config(model))
    policy = LoopPolicy(loop)
    for _ in range(2):
        ((value,),) = policy.next_token_log_probs([[5, 6, 7]], [[8]])
        logits = loop.model(input_ids=torch.tensor([[5, 6, 7]])).logits[0, -1]
        assert value == pytest.approx(logits.log_softmax(-1)[8].item(), abs=1e-5)
        loop.model.get_input_embeddings().weight.data.mul_(1.1)
    assert policy.forward_flops(10) == 20 * loop.matrix_parameters
    assert all(parameter.grad is None for parameter in loop.model.parameters())


def test_the_moving_average_follows_the_policy_by_its_decay(model, tmp_path):
    loop = updates.make_loop(tmp_path, updates.make_config(model))
    average = LoopPolicy(loop).moving_average(0.75)
    before = updates.state(loop)
    for parameter in loop.model.parameters():
        parameter.data.add_(1.0)
    for done in (0.25, 0.25 + 0.75 * 0.25):
        average.update()
        assert all(torch.allclose(average.weights[name], before[name] + done, atol=1e-5) for name in before)
    assert not any(parameter.requires_grad for parameter in average.model.parameters())


def test_information_gain_is_learnt_from_the_thought_alone(tokenizer):
    reward = make_reward(RewardConfig(kind="information_gain"), TablePolicy(tokenizer, {}))
    thought = encode(tokenizer, "hm</think>")
    finished, unfinished = answer(tokenizer, "x"), Rollout(thought[:2], b"hm", [-1.0] * 2, "length")
    assert reward.credited_tokens(finished) == len(thought) < len(finished.token_ids)
    assert reward.credited_tokens(unfinished) == 2
    problems, groups = [make_problem(tokenizer, "Digits: 1 2", 2)], [[finished, unfinished]]
    batch = make_batch(problems, groups, judged(problems, groups), [[1.0, 0.0]], GrpoConfig(), SAMPLING)
    rows = policy_rows(batch, 0, reward=reward)
    assert [row.ids for row in rows] == [[1, 2, 3, *thought], [1, 2, 3, *thought[:2]]]
    assert [len(row.log_probs) for row in rows] == [len(thought), 2]


def test_the_token_that_ends_the_thought_is_learnt_from_even_when_it_goes_on(merging):
    tokenizer, response = merging
    reward = make_reward(RewardConfig(kind="information_gain"), TablePolicy(tokenizer, {}))
    assert reward.credited_tokens(response) == len(response.token_ids) - 1


@pytest.mark.parametrize("kind", ["prefix", "first_token", "dense", "conditional_dense"])
def test_every_other_reward_is_learnt_from_the_whole_response(tokenizer, kind):
    response = answer(tokenizer, "x")
    reward = make_reward(RewardConfig(kind=kind), TablePolicy(tokenizer, {}))
    assert reward.credited_tokens(response) == len(response.token_ids)


@pytest.mark.parametrize("kind", ["dense", "information_gain"])
def test_a_resumed_run_with_a_reward_that_asks_the_policy_gives_the_same_numbers(model, tmp_path, kind):
    _, tokenizer = stages.taught()
    problems = [make_problem(tokenizer, "Digits: 1 2 3 0", position) for position in range(2, 6)]
    boxes = ("1", " 2", "x", " 3")
    groups = [[answer(tokenizer, box, "hm" * (1 + n)) for n, box in enumerate(boxes)] for _ in problems]

    def start(name):
        config = updates.make_config(model, reward={"kind": kind, "ema_decay": 0.7})
        loop = updates.make_loop(tmp_path / name, config)
        reward = make_reward(config.reward, LoopPolicy(loop))
        updater, earned = PolicyUpdate(config.grpo, loop, SAMPLING, reward), []

        def do_step(step):
            earned.append(reward.score(problems, groups, judged(problems, groups)))
            updater.update(make_batch(problems, groups, [], earned[-1], config.grpo, SAMPLING))
            reward.after_update()

        return loop, do_step, earned

    whole, broken = start("whole"), start("broken")
    updates.train(*whole[:2])
    updates.train(*broken[:2], stop_after=3)
    resumed = start("broken")
    assert resumed[0].step == 3
    updates.train(*resumed[:2])
    assert broken[2] + resumed[2] == whole[2]
    assert whole[2][5] != whole[2][2]
    assert updates.same(updates.state(resumed[0]), updates.state(whole[0]))
    files = [
        RunDir(tmp_path / name).newest_checkpoint() / "training" / f"{KEPT}.safetensors" for name in ("whole", "broken")
    ]
    if kind == "information_gain":
        assert files[0].read_bytes() == files[1].read_bytes() != b""
    else:
        assert not any(file.exists() for file in files)


def write_copying_policy(folder):
    """A policy that thinks of a digit and boxes the one it thought of; returns its model config."""
    model, tokenizer = stages.taught()
    model, rng, end = copy.deepcopy(model), random.Random(0), tokenizer.eos_token_id
    optimiser = make_optimiser(list(model.parameters()), OptimiserConfig(learning_rate=1e-2, weight_decay=0))
    texts = [record["text"] for record in stages.digits_documents(60)]
    for _ in range(150):
        rows = [Example([*encode(tokenizer, rng.choice(texts)), end], 1) for _ in range(16)]
        for _ in range(16):
            prompt = encode(tokenizer, f"{rng.choice(texts)[: 9 + 2 * rng.randrange(3)]}<think>")
            thought = rng.randrange(4)
            response = encode(tokenizer, f"hm {thought}</think>\\boxed{{{thought}}}")
            rows.append(Example([*prompt, *response, end], len(prompt)))
        accumulate_loss(model, rows, 10000)
        optimiser.step()
        optimiser.zero_grad()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return {"path": str(folder), "device": "cpu"}


@pytest.mark.slow
def test_information_gain_teaches_thoughts_that_tell_the_next_token(tmp_path):
    # The policy thinks of any of four digits; in these documents the right one is always 2.
    model = write_copying_policy(tmp_path / "model")
    records = [{"id": str(n), "text": f"Digits: {' '.join('2' * (3 + n % 4))}"} for n in range(30)]
    (tmp_path / "twos.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    corpus = {"paths": [str(tmp_path / "twos.jsonl")]}
    stages.run_stage(tmp_path / "filter", {"stage": "filter", "corpus": corpus, "proxy": model, "min_entropy_nats": 1})
    positions, reward = str(tmp_path / "filter" / "positions"), {"kind": "information_gain"}
    base = {"stage": "rpt", "model": model, "positions": positions, "prompt": {"template": "plain"}, "reward": reward}
    sizes = {"steps": 20, "batch_problems": 8, "group_size": 8, "sampling": {"max_response_tokens": 16}}
    stages.run_stage(tmp_path / "rpt", {**base, **sizes, "optimiser": {"learning_rate": 1e-3, "max_grad_norm": 1.0}})

    def mean(value, steps):
        rows = [row for step in steps for row in read_rollouts(RunDir(tmp_path / "rpt").rollout_shard("train", step))]
        return sum(map(value, rows)) / len(rows)

    def names_it(row):
        return "2</think>" in row.response

    first, last = [1], [18, 19, 20]
    assert mean(lambda row: row.earned, last) > mean(lambda row: row.earned, first) + 0.5
    assert mean(names_it, last) > mean(names_it, first) + 0.2
