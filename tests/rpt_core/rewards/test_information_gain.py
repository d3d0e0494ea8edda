"""The information-gain reward: what it reads, what is learnt from it, its moving average through a resume."""

import copy
import json
import math
import random

import pytest
import torch
from tokenizers import AddedToken

from rpt_core.config import GrpoConfig, OptimiserConfig, RewardConfig, SamplingConfig
from rpt_core.inference.rollout import Rollout
from rpt_core.rewards.information import opened_box
from rpt_core.rewards.kinds import make_reward
from rpt_core.run.folder import RunDir
from rpt_core.run.rollout_files import read_rollouts
from rpt_core.text.tokens import encode, token_bytes
from rpt_core.train.batch import make_batch
from rpt_core.train.loop import make_optimiser
from rpt_core.train.policy_update import PolicyUpdate, policy_rows
from rpt_core.train.reward_policy import KEPT, LoopPolicy
from rpt_core.train.supervised import Example, accumulate_loss
from tests.rpt_core import stages
from tests.rpt_core.conftest import byte_level_tokenizer
from tests.rpt_core.rewards.reward_cases import FLOPS_PER_TOKEN, TablePolicy, answer, earned_by, judged, make_problem
from tests.rpt_core.train import updates

SAMPLING = SamplingConfig(temperature=0.8, max_response_tokens=16)


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
    assert earned_by(reward, digits, group) == pytest.approx(
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
            earned.append(reward.rewards(problems, groups, judged(problems, groups)))
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
