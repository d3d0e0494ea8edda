"""Our Parquet data and our reward, read by verl's own code (run by `make test-verl`)."""

import numpy as np
import pytest

from rpt_core.config import PromptConfig
from rpt_core.corpus import Document
from rpt_core.positions import ScoredDocument, positions_writer, to_table
from rpt_core.problems import ProblemSet
from rpt_core.prompts import load_template
from rpt_core.tokenizer_training import train_tokenizer
from rpt_core.tokens import tokenise, tokenizer_hash
from rpt_core.verl_backend import reward
from rpt_core.verl_backend.dataset import write_dataset

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


@pytest.fixture
def rows(problems, tmp_path):
    """The rows as verl's dataset hands them on."""
    from omegaconf import OmegaConf
    from verl.utils.dataset.rl_dataset import RLHFDataset

    path = tmp_path / "verl.parquet"
    assert write_dataset(path, problems, range(len(problems)), load_template("v0")) == len(problems)
    config = OmegaConf.create({"filter_overlong_prompts": False, "cache_dir": str(tmp_path / "cache")})
    return RLHFDataset(str(path), tokenizer=None, config=config)


@pytest.fixture
def score():
    """Our reward, loaded by verl from the file's path."""
    from omegaconf import OmegaConf
    from verl.trainer.ppo.reward import get_custom_reward_fn

    config = {"reward": {"custom_reward_function": {"path": reward.__file__, "name": "compute_score"}}}
    return get_custom_reward_fn(OmegaConf.create(config))


def test_verl_reads_every_problem_with_its_context_in_the_message(problems, rows):
    assert len(rows) == len(problems)
    for index in range(len(problems)):
        content = rows[index]["raw_prompt"][0]["content"]
        offset = TEXT.encode().find(problems.problem(index).completion)
        assert TEXT.encode()[:offset].decode(errors="replace") in content
        assert rows[index]["index"] == index


def test_verl_gives_our_reward_to_each_prefix_of_the_completion(problems, rows, score):
    for index in range(len(problems)):
        row, problem = rows[index], problems.problem(index)
        for length in range(1, len(problem.completion) + 1):
            try:
                prediction = problem.completion[:length].decode()
            except UnicodeDecodeError:
                continue
            if prediction.count("{") != prediction.count("}"):
                continue
            response = f"because</think>\\boxed{{{prediction}}}"
            result = score(row["data_source"], response, row["reward_model"]["ground_truth"], row["extra_info"])
            assert result["score"] == float(length in problem.boundaries), (index, prediction)
            assert result["predicted_bytes"] == length


def test_verl_gives_nothing_for_a_response_without_a_box(rows, score):
    row = rows[0]
    result = score(row["data_source"], "because</think>3", "", row["extra_info"])
    assert result == {"score": 0.0, "reason": "no_box", "predicted_bytes": -1}
