"""The standard mode of multiple choice against lm-evaluation-harness: its prompt for MMLU, and its scores of options.

Runs where lm-evaluation-harness is installed (`pip install --group bench`).
"""

from importlib import resources

import pytest
import yaml

from rpt_core.config import BenchmarkConfig
from rpt_core.evaluation.choice_prompts import ChoicePrompts
from rpt_core.evaluation.choice_questions import ChoiceQuestion
from rpt_core.inference.option_scores import option_log_probs
from tests.rpt_core import stages

QUESTIONS = [
    ChoiceQuestion("a", "Which digit comes next? 1 2 3", ("0", "1", "2", "3"), 3, "c"),
    ChoiceQuestion("b", " Digits: 3 2\nDigits: 1", ("12", "3 1", "2", "1 1 1"), 0, "c"),
    ChoiceQuestion("c", "Digits:", ("x = 1", "Digits: 0", "0 1 2 3", "1"), 1, "c"),
]


@pytest.fixture(scope="module")
def lm_eval():
    return pytest.importorskip("lm_eval")


def prompts(answer_as, template):
    _, tokenizer = stages.taught()
    config = BenchmarkConfig(model={"path": "unused"}, paths=["unused"], answer_as=answer_as, template=template)
    return ChoicePrompts(config, tokenizer)


def text(made, question):
    """The standard prompt as text, without an option."""
    return f"{made.shown(question)}\nAnswer:" if made.lists_options else question.question


def test_the_prompt_is_the_one_of_mmlu(lm_eval):
    from jinja2 import Template

    file = resources.files(lm_eval).joinpath("tasks/mmlu/default/_default_template_yaml")
    task = yaml.safe_load(file.read_text())
    made = prompts("letter", "multiple_choice")
    assert made.answer_texts(QUESTIONS[0]) == task["doc_to_choice"]
    for question in QUESTIONS:
        expected = Template(task["doc_to_text"]).render(question=question.question, choices=question.options)
        assert text(made, question) == expected


@pytest.mark.parametrize(("answer_as", "template"), [("letter", "multiple_choice"), ("text", "question_plain")])
def test_the_scores_of_options_are_its_log_likelihoods(lm_eval, answer_as, template):
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    model, tokenizer = stages.taught()
    theirs = HFLM(pretrained=model, tokenizer=tokenizer, device="cpu", batch_size=1)
    made = prompts(answer_as, template)
    found = option_log_probs(model, [made.standard(question) for question in QUESTIONS])
    for question, log_probs in zip(QUESTIONS, found, strict=True):
        requests = [
            Instance("loglikelihood", {}, (text(made, question), f" {option}"), n)
            for n, option in enumerate(made.answer_texts(question))
        ]
        expected = [log_likelihood for log_likelihood, _ in theirs.loglikelihood(requests, disable_tqdm=True)]
        assert log_probs == pytest.approx(expected, abs=1e-4)
