"""The tokens of a prompt, made once more from a run's folder: those that the model got, or a word of what changed."""

import base64
import json

import pytest

from rpt_core.__main__ import main
from rpt_core.config import PromptConfig
from rpt_core.errors import UserError
from rpt_core.evaluation.shown_prompt import shown_prompt
from rpt_core.problems.problem import ProblemSet
from rpt_core.problems.questions import Question, pose
from rpt_core.run.folder import RunDir
from rpt_core.run.rollout_files import RolloutRow, write_rollouts
from rpt_core.text.tokens import control_ids
from tests.rpt_core import stages


@pytest.fixture(scope="module")
def run(tmp_path_factory, filtered, model):
    """An evaluation at two positions, one of a training document."""
    problems = [
        ProblemSet.load(filtered, split, stages.taught()[1], PromptConfig(template="plain")).problem(7)
        for split in ("train", "validation")
    ]
    config = {
        "stage": "evaluate",
        "model": model,
        "evaluation": {
            "positions": filtered,
            "listed_positions": [f"{problem.document}:{problem.byte_offset}" for problem in problems],
            "modes": ["sampled"],
        },
        "prompt": {"template": "plain"},
        "sampling": {"max_response_tokens": 4},
    }
    folder = tmp_path_factory.mktemp("shown")
    stages.run_stage(folder, config)
    return folder, problems


def test_the_prompt_has_the_ids_that_the_model_was_given_and_control_tokens_are_told(run):
    folder, problems = run
    control = control_ids(stages.taught()[1])
    for row, problem in enumerate(problems):
        found = shown_prompt(RunDir(folder), "evaluate", "sampled", 0, row)
        assert found.ids == problem.prompt_ids
        assert b"".join(found.pieces) == problem.prompt.encode()
        assert [found.ids[n] in control for n in found.control] == [True] * len(found.control)
        assert [found.pieces[n] for n in found.control] == [b"<think>"]


def test_a_shell_gets_json(run, capsys):
    folder, problems = run
    assert main(["prompt", str(folder), "evaluate", "sampled", "0", "1"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["ids"] == problems[1].prompt_ids
    assert base64.b64decode(printed["data"]).decode() == problems[1].prompt
    assert printed["ends"][-1] == len(problems[1].prompt.encode())
    assert main(["prompt", str(folder), "evaluate", "sampled", "3", "1"]) == 2
    assert "Without it nothing is known of the prompt." in capsys.readouterr().err


def test_a_template_that_has_changed_since_is_told(run, tmp_path):
    folder, _ = run
    config = json.loads((folder / "config.json").read_text())
    config["prompt"]["template"] = "v0"
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "rollouts").symlink_to(folder / "rollouts")
    with pytest.raises(UserError, match=r"by now it has \d+ tokens, and the model was given \d+"):
        shown_prompt(RunDir(tmp_path), "evaluate", "sampled", 0, 0)


def test_a_question_is_put_into_its_template_once_more(model, tmp_path):
    tokenizer = stages.taught()[1]
    (posed,), _ = pose([Question("q", "3 0 <think> 2", ("1",))], "question_plain", tokenizer, 200)
    config = {
        "stage": "rlvr",
        "model": model,
        "questions": {"source": "tiny"},
        "template": "question_plain",
        "budget": {"steps": 1},
    }
    folder = RunDir(tmp_path)
    folder.config.write_text(json.dumps(config))
    start, end = posed.context_span
    row = RolloutRow(
        1, 0, 0, "q", 0, None, posed.prompt, "3", None, b"1", [1], 0.0, "no_box", None, "stop",
        len(posed.prompt_ids), 1, None, None, context_start=start, context_end=end, byte_offset=-1,
    )  # fmt: skip
    write_rollouts(folder.rollout_shard("train", 1), [row])
    found = shown_prompt(folder, "rlvr", "train", 1, 0)
    assert found.ids == posed.prompt_ids
    assert [found.pieces[n] for n in found.control].count(b"<think>") == posed.prompt.count("<think>") - 1
