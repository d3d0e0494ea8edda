"""Our Parquet data and our reward, read by verl's own code (run by `make test-verl`)."""

import numpy as np
import pytest

from rpt_core.config import PromptConfig, RewardConfig
from rpt_core.positions.scored import ScoredDocument, positions_writer, to_table
from rpt_core.problems.problem import ProblemSet
from rpt_core.problems.prompts import load_template
from rpt_core.text.corpus import Document
from rpt_core.text.new_tokenizer import train_tokenizer
from rpt_core.text.tokens import tokenise, tokenizer_hash
from rpt_core.verl_backend.dataset import problem_of, write_dataset

pytestmark = pytest.mark.verl
TEXT = "Problem: add 4 and 9 😀.\nSolution: The sum ends in 3. So the answer is 3."


@pytest.fixture
def problems(tmp_path):
    tokenizer = train_tokenizer([TEXT] * 20, 300)
    tokenised = tokenise(tokenizer, TEXT)
    entropies = np.full(len(tokenised.token_ids), 1.5, np.float32)
    document = Document("d0", tokenised.text, domain="arithmetic")
    scored = ScoredDocument(document, tokenised.token_ids, tokenised.byte_offsets, entropies, 1, [])
    with positions_writer(tmp_path / "train.parquet", tokenizer_hash(tokenizer)) as writer:
        writer.write_table(to_table([scored]))
    return ProblemSet.load(tmp_path, "train", tokenizer, PromptConfig(template="v0"))


DRAWS = np.array([3, 0, 3, 5, 1, 0])


@pytest.fixture
def path(problems, tmp_path):
    path = tmp_path / "verl.parquet"
    assert write_dataset(path, problems, DRAWS, load_template("v0")) == 4
    return path


@pytest.fixture
def rows(path):
    """The draws as verl's trainer gets them."""
    from omegaconf import OmegaConf
    from verl.trainer.ppo.utils import create_rl_dataset

    config = {"custom_cls": {"path": "pkg://rpt_core.verl_backend.rows", "name": "DrawnRows"}}
    return create_rl_dataset([str(path)], OmegaConf.create(config), tokenizer=None, processor=None)


@pytest.fixture
def score(problems, tmp_path):
    """Our reward, loaded by verl; score(row, response, finished, kind)."""
    from omegaconf import OmegaConf
    from verl.trainer.ppo.reward import get_custom_reward_fn

    train_tokenizer([TEXT] * 20, 300).save_pretrained(tmp_path / "model")

    def score(row, response, finished=True, kind="prefix"):
        arguments = {"reward": RewardConfig(kind=kind).model_dump_json(), "model": str(tmp_path / "model")}
        function = {"path": "pkg://rpt_core.verl_backend.reward", "name": "compute_score", "reward_kwargs": arguments}
        call = get_custom_reward_fn(OmegaConf.create({"reward": {"custom_reward_function": function}}))
        extra = {**row["extra_info"], "response_hex": response.hex(), "finished": finished, "num_turns": 2}
        truth = row["reward_model"]["ground_truth"]
        return call(data_source=row["data_source"], solution_str="?", ground_truth=truth, extra_info=extra)

    return score


def test_verl_gets_the_problems_in_the_order_of_the_draws(problems, rows):
    assert len(rows) == len(DRAWS)
    for draw, index in enumerate(DRAWS):
        problem, row = problems.problem(int(index)), rows[draw]
        assert (row["index"], row["reward_model"]["ground_truth"]) == (draw, problem.id)
        assert row["extra_info"]["prompt_ids"] == problem.prompt_ids
        offset = TEXT.encode().find(problem.completion)
        assert TEXT.encode()[:offset].decode(errors="replace") in row["raw_prompt"][0]["content"]


def test_a_row_holds_all_that_a_reward_needs(problems, rows):
    for draw, index in enumerate(DRAWS):
        made = problem_of(rows[draw]["reward_model"]["ground_truth"], rows[draw]["extra_info"])
        problem = problems.problem(int(index))
        for name in ("id", "document", "position", "prompt_ids", "completion", "boundaries", "next_token_id"):
            assert getattr(made, name) == getattr(problem, name)


def test_verl_collates_a_batch_of_draws(rows):
    from verl.utils.dataset.rl_dataset import collate_fn

    batch = collate_fn([rows[draw] for draw in range(3)])
    assert list(batch["index"]) == [0, 1, 2]
    assert [info["index"] for info in batch["extra_info"]] == [3, 0, 3]


def test_verl_gives_our_reward_to_each_prefix_of_the_completion(problems, path, rows, score):
    write_dataset(path, problems, np.arange(len(problems)), load_template("v0"))
    rows.__init__([str(path)])
    for index in range(len(problems)):
        problem = problems.problem(index)
        for length in range(1, len(problem.completion) + 1):
            prediction = problem.completion[:length]
            if prediction.count(b"{") != prediction.count(b"}"):
                continue
            result = score(rows[index], b"because</think>\\boxed{" + prediction + b"}")
            assert result["score"] == float(length in problem.boundaries), (index, prediction)
            assert result["predicted_bytes"] == length


def test_a_prediction_may_end_inside_a_character(rows, score):
    row = dict(rows[0])
    row["extra_info"] = {**row["extra_info"], "completion_hex": "😀".encode().hex(), "boundaries": [2, 4]}
    assert score(row, b"so</think>\\boxed{" + "😀".encode()[:2] + b"}")["score"] == 1


def test_a_response_that_the_limit_cut_earns_nothing(rows, score):
    right = b"because</think>\\boxed{" + bytes.fromhex(rows[0]["extra_info"]["completion_hex"]) + b"}"
    assert score(rows[0], right)["score"] == 1
    assert score(rows[0], right, finished=False) == {"score": 0.0, "reason": "no_box", "predicted_bytes": -1}


def test_verl_can_reward_the_first_token_alone(rows, score):
    info = rows[0]["extra_info"]
    first = bytes.fromhex(info["completion_hex"])[: info["boundaries"][0]]
    wrong = b"so</think>\\boxed{" + first + b" and more}"
    assert score(rows[0], wrong)["score"] == 0
    assert score(rows[0], b"so</think>\\boxed{" + first + b"}", kind="first_token")["score"] == 1


def test_verl_gives_nothing_for_a_response_without_a_box(rows, score):
    assert score(rows[0], b"because</think>3") == {"score": 0.0, "reason": "no_box", "predicted_bytes": -1}
