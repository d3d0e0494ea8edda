"""A prompt template for chat models, given to a model without a chat template: every stage says so, once."""

import json

import pytest

from rpt_core.problems.plain_text import plain_text_problem
from rpt_core.problems.prompts import load_template
from rpt_core.run.events import EventType
from tests.rpt_core import stages


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    folder = stages.make_ground(tmp_path_factory.mktemp("ground"))
    (folder / "mine.txt").write_text("Go on: {context}")
    questions = [{"question": f"{n}?", "answer": str(n % 4)} for n in range(40)]
    choices = [{"question": f"{n}?", "options": ["1", "2"], "answer": 0} for n in range(4)]
    for name, records in (("questions", questions), ("choices", choices)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    return folder


def values(ground, stage, template):
    common = {"stage": stage, "model": {"path": str(ground / "model"), "device": "cpu"}}
    common["sampling"] = {"max_response_tokens": 12}
    asked = {"template": template, "max_prompt_tokens": 64}
    questions = {"paths": [str(ground / "questions.jsonl")], "train_questions": 4, "test_questions": 2}
    own = {
        "rpt": stages.rpt(ground, steps=1, prompt=asked),
        "expert_iteration": stages.expert_iteration(ground, budget={"steps": 1}, prompt=asked),
        "evaluate": {
            "prompt": asked,
            "evaluation": {"positions": str(ground / "filter" / "positions"), "positions_per_difficulty": 2},
        },
        "rlvr": {
            **asked,
            "questions": questions,
            "batch_questions": 2,
            "group_size": 2,
            "budget": {"steps": 1},
            "test_sampling": common["sampling"],
        },
        "benchmark": {**asked, "paths": [str(ground / "choices.jsonl")], "modes": ["standard", "reasoning"]},
    }
    return common | own[stage]


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["rpt", "expert_iteration", "evaluate", "rlvr", "benchmark"])
def test_each_stage_that_renders_prompts_warns_once_by_name(ground, tmp_path, stage):
    stages.run_stage(tmp_path, values(ground, stage, str(ground / "mine.txt")))
    logged = [event["message"] for event in stages.events(tmp_path, EventType.LOG)]
    (message,) = [words for words in logged if "no chat template" in words]
    assert f"The model '{ground / 'model'}'" in message
    assert "mine is given to it as plain text" in message


def test_the_words_name_what_to_take_and_what_to_add():
    _, tokenizer = stages.taught()
    message = plain_text_problem([load_template("v0"), load_template("plain")], tokenizer)
    assert "so v0 is given" in message
    assert "`plain`, `plain_fenced`, `plain_instructed`, `question_plain`" in message
    assert "chat_template.jinja" in message
    assert plain_text_problem([load_template("plain")], tokenizer) is None
