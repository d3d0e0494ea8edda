"""Multiple choice: what is read, how it is asked, how options are scored and answers read, what comes out."""

import json
import random
from math import sqrt

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from rpt_core.analysis.statistics import wilson_interval
from rpt_core.config import BenchmarkConfig
from rpt_core.corpus import split_of
from rpt_core.errors import UserError
from rpt_core.evaluation import multiple_choice as stage
from rpt_core.evaluation.choice_answers import Answer, read_answer, read_letter, read_text
from rpt_core.evaluation.choice_prompts import ChoicePrompts, Choices, check_template
from rpt_core.evaluation.choice_questions import TINY_HELD_OUT, TINY_PROBLEMS, ChoiceQuestion, draw, load_questions
from rpt_core.evaluation.choice_tables import ALL, MEAN, ChoiceOutcome, accuracy_rows, mean_of_shares, share
from rpt_core.events import EventLog, EventType
from rpt_core.presets import load_preset
from rpt_core.result_tables import Estimate
from rpt_core.rollouts import Rollout
from rpt_core.rollouts.option_scores import option_log_probs
from rpt_core.run_dir import RunDir
from rpt_core.shards import read_rollouts
from rpt_core.stage import StageContext, StopRequested
from rpt_core.tiny.corpus import KINDS, part_of, records
from rpt_core.tokens import encode, token_bytes
from tests.rpt_core import stages

PRO = {
    "question_id": 70,
    "question": "Which is a prime number?",
    "options": ["4", "6", "7", "9"],
    "answer": "C",
    "answer_index": 2,
    "cot_content": "",
    "category": "math",
    "src": "made up",
}
SUPER = {
    "uuid": "0c1f",
    "question": "Which gas do plants take up?",
    "options": ["Oxygen", "Nitrogen", "Carbon dioxide"],
    "answer": "Carbon dioxide",
    "answer_letter": "C",
    "discipline": "Science",
    "field": "Biology",
    "subfield": "Botany",
    "difficulty": "easy",
    "is_calculation": False,
}
QUESTION = ChoiceQuestion("q", "Which one?", ("red", "green", "blue"), 1, "colours")


def config(format_="generic", paths=("unused",), **more):
    return BenchmarkConfig(model={"path": "unused"}, format=format_, paths=paths, **more)


def read(tmp_path, format_, rows, **more):
    path = tmp_path / "questions.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return load_questions(config(format_, [str(path)], **more))


# Reading


def test_mmlu_pro_is_read_by_its_public_fields(tmp_path):
    (found,), tally = read(tmp_path, "mmlu_pro", [PRO])
    assert found == ChoiceQuestion("70", PRO["question"], ("4", "6", "7", "9"), 2, "math")
    assert (tally.records, tally.bad) == (1, 0)


def test_options_that_only_fill_a_row_up_are_left_out(tmp_path):
    (found,), _ = read(tmp_path, "mmlu_pro", [{**PRO, "options": [*PRO["options"], "N/A", "N/A"]}])
    assert found.options == ("4", "6", "7", "9")


def test_supergpqa_is_read_by_its_public_fields_from_parquet(tmp_path):
    path = tmp_path / "super.parquet"
    pq.write_table(pa.Table.from_pylist([SUPER]), path)
    (found,), _ = load_questions(config("supergpqa", [str(path)]))
    assert found == ChoiceQuestion("0c1f", SUPER["question"], tuple(SUPER["options"]), 2, "Science")


def test_a_parquet_file_without_a_field_is_refused(tmp_path):
    path = tmp_path / "super.parquet"
    pq.write_table(pa.Table.from_pylist([{k: v for k, v in SUPER.items() if k != "discipline"}]), path)
    with pytest.raises(UserError, match="no column 'discipline'"):
        load_questions(config("supergpqa", [str(path)]))


@pytest.mark.parametrize(("answer", "index"), [("b", 1), (" B ", 1), (1, 1), ("green", 1), (0, 0), ("red", 0)])
def test_a_generic_answer_is_a_letter_an_index_or_a_text(tmp_path, answer, index):
    (found,), _ = read(tmp_path, "generic", [{"question": "Q?", "options": ["red", "green"], "answer": answer}])
    assert (found.answer, found.category) == (index, "all")


@pytest.mark.parametrize(
    ("format_", "record", "problem"),
    [
        ("mmlu_pro", {**PRO, "answer_index": 1}, "`answer` and `answer_index` disagree"),
        ("mmlu_pro", {**PRO, "answer": "E"}, "field `answer` is none of the letters A, B, C, D"),
        ("mmlu_pro", {**PRO, "answer": "AB"}, "field `answer` is none of the letters"),
        ("mmlu_pro", {**PRO, "options": ["4"]}, "field `options` is not a list of 2 to 26 options"),
        ("mmlu_pro", {**PRO, "options": ["4", " "]}, "field `options` is empty"),
        ("mmlu_pro", {**PRO, "options": [4, 6, 7]}, "field `options` is not text"),
        ("mmlu_pro", {k: v for k, v in PRO.items() if k != "question"}, "no field `question`"),
        ("supergpqa", {**SUPER, "answer": "Oxygen"}, "`answer` is not the text of the option"),
        ("generic", {"question": "Q?", "options": ["A", "B"], "answer": 2}, "is 2, but there are 2 options"),
        ("generic", {"question": "Q?", "options": ["x", "y"], "answer": "z"}, "is no letter and no text"),
        ("generic", {"question": "Q?", "options": ["B", "A"], "answer": "A"}, "an option and another one's letter"),
        ("generic", {"question": "Q?", "options": ["x", "y"], "answer": True}, "field `answer` is not text"),
    ],
)
def test_a_bad_record_is_named_with_its_line_and_counted(tmp_path, format_, record, problem):
    good = {"mmlu_pro": PRO, "supergpqa": SUPER, "generic": {"question": "Q?", "options": ["x", "y"], "answer": 0}}
    found, tally = read(tmp_path, format_, [good[format_], record], max_bad_share=0.5)
    assert (len(found), tally.bad, tally.bad_records[0].line) == (1, 1, 2)
    assert problem in tally.bad_records[0].problem
    with pytest.raises(UserError, match="1 of 2 records are unusable"):
        read(tmp_path, format_, [good[format_], record], max_bad_share=0.4)


def test_a_question_read_twice_counts_once(tmp_path):
    found, tally = read(tmp_path, "mmlu_pro", [PRO, PRO, {**PRO, "question_id": 71}])
    assert ([question.id for question in found], tally.duplicates) == (["70", "71"], 1)


def test_no_question_at_all_is_refused(tmp_path):
    with pytest.raises(UserError, match="no question"):
        read(tmp_path, "mmlu_pro", [{**PRO, "answer": "E"}], max_bad_share=1)


def test_each_category_gives_its_share_whatever_the_order_of_the_file():
    questions = [ChoiceQuestion(str(n), "Q?", ("x", "y"), 0, "ab"[n % 2]) for n in range(20)]
    shuffled = random.Random(0).sample(questions, 20)
    drawn = draw(questions, 4, seed=1)
    assert [question.category for question in drawn] == ["a"] * 4 + ["b"] * 4
    assert draw(shuffled, 4, seed=1) == drawn
    assert set(draw(questions, 2, seed=1)) < set(drawn)
    assert draw(questions, 4, seed=2) != drawn
    assert set(draw(questions, None, seed=1)) == set(draw(questions, 99, seed=1)) == set(questions)


# The built-in corpus


def test_tiny_questions_are_held_out_problems_with_all_results_as_options():
    questions, _ = load_questions(config("tiny", (), seed=3))
    by_id = {record["id"]: record for record in records("problems", TINY_PROBLEMS, 3)}
    assert len(questions) > 1000
    assert {question.category for question in questions} == {kind.domain for kind in KINDS}
    for question in questions:
        record = by_id[question.id]
        assert split_of(question.id, TINY_HELD_OUT) == "validation"
        assert part_of(question.id) == "problems"
        assert question.options[question.answer] == record["answer"]
        assert len(question.options) == {"sum": 10, "mod7": 7, "mod3": 3}[question.id.partition("-")[0]]
        assert question.question.startswith(f"Problem: {record['problem']}\nSolution: Done in the head: The ")


def test_a_tiny_question_is_a_terse_document_up_to_its_result():
    questions, _ = load_questions(config("tiny", (), seed=0))
    terse = {r["id"]: r for r in records("problems", TINY_PROBLEMS, 0) if r["solution"].startswith("Done in the head:")}
    seen = [question for question in questions if question.id in terse]
    assert len(seen) > 800
    for question in seen:
        record = terse[question.id]
        whole = f"Problem: {record['problem']}\nSolution: {record['solution']}"
        assert whole.startswith(f"{question.question}{record['answer']}.")


def test_what_is_held_out_here_is_what_the_presets_hold_out():
    configs = [run.config for name in ("tiny", "tiny-paper") for run in load_preset(name).runs]
    corpora = [c["corpus"] for c in configs if c.get("corpus", {}).get("tiny_part") == "problems"]
    assert corpora
    for corpus in corpora:
        assert (corpus["tiny_documents"], corpus["validation_share"]) == (TINY_PROBLEMS, TINY_HELD_OUT)


# Answers


@pytest.mark.parametrize(
    "box",
    ["B", "b", " B ", "(B)", "[b]", "{B}", "B.", "B)", "(B).", "B:", r"\text{B}", r"\text{ (b) }", r"(\text{B})", "$B$",
     r"\mathrm{B}", r"\textbf{B.}", "B. green", "(B) green", "B: \\text{green}"],
)  # fmt: skip
def test_a_letter_is_read_through_what_people_put_around_it(box):
    assert read_letter(box, QUESTION.options) == 1


@pytest.mark.parametrize(
    "box", ["", " ", "D", "AB", "green", "B or C", "B. blue", "1", "Bgreen", "\\text{}", "()", "Ü"]
)
def test_what_is_no_letter_of_an_option_is_not_read_as_one(box):
    assert read_letter(box, QUESTION.options) is None


@pytest.mark.parametrize(
    ("box", "choice"), [("green", 1), (" green\n", 1), (r"\text{blue}", 2), ("Green", None), ("B", None)]
)
def test_a_text_is_read_as_it_stands(box, choice):
    assert read_text(box, QUESTION.options) == choice


def test_a_formula_is_read_with_dollar_signs_or_without():
    assert read_text("x^2", ("$x$", "$x^2$")) == read_text("$x^2$", ("x", "x^2")) == 1


@pytest.mark.parametrize(
    ("response", "finish", "choice", "problem"),
    [
        ("hm \\boxed{A}</think>So \\boxed{C}, no: \\boxed{B}.", "stop", 1, None),
        ("hm</think>\\boxed{\\text{(b)}}", "stop", 1, None),
        ("hm</think>\\boxed{B}", "length", None, "cut"),
        ("hm \\boxed{B}", "stop", None, "no_box"),
        ("hm</think>B", "stop", None, "no_box"),
        ("hm</think>\\boxed{E}", "stop", None, "unreadable"),
        ("hm</think>\\boxed{}", "stop", None, "unreadable"),
    ],
)
def test_the_last_box_after_the_thought_counts(response, finish, choice, problem):
    answer = read_answer(Rollout([1], response.encode(), [0.0], finish), QUESTION.options, by_letter=True)
    assert (answer.choice, answer.problem) == (choice, problem)


# Prompts


def text_of_ids(tokenizer, ids):
    return b"".join(token_bytes(tokenizer, ids)).decode()


def both_texts(prompts, tokenizer, question=QUESTION):
    """The standard prompt continued by each option, as text."""
    choices = prompts.standard(question)
    return [text_of_ids(tokenizer, [*choices.prompt_ids, *option]) for option in choices.options]


def test_without_a_chat_template_the_prompt_has_the_form_of_mmlu(byte_level):
    prompts = ChoicePrompts(config(), byte_level)
    form = "Which one?\nA. red\nB. green\nC. blue\nAnswer:"
    assert both_texts(prompts, byte_level) == [f"{form} A", f"{form} B", f"{form} C"]
    assert prompts.thinking(QUESTION).text.endswith(f"\n\n{form.removesuffix('Answer:').strip()}")
    assert r"\boxed{C}" in prompts.thinking(QUESTION).text
    assert prompts.standard(QUESTION).option_bytes == [1, 1, 1]


def test_every_family_of_tokenizers_gets_the_text_that_was_meant(metaspace):
    prompts = ChoicePrompts(config(), metaspace)
    form = "Which one?\nA. red\nB. green\nC. blue\nAnswer:"
    texts = [text.removeprefix("<s>") for text in both_texts(prompts, metaspace)]
    assert texts == [f"{form} A", f"{form} B", f"{form} C"]
    choices = prompts.standard(QUESTION)
    assert choices.prompt_ids + choices.options[1] == metaspace(f"{form} B")["input_ids"]


@pytest.mark.parametrize(
    ("opening", "expected"),
    [
        ("<|a|>", "<|a|>Answer: B"),
        ("<|a|><think>\n", "<|a|><think>\n\n</think>\n\nAnswer: B"),
        (
            "<|a|>{% if not enable_thinking %}<think>\n\n</think>\n\n{% endif %}",
            "<|a|><think>\n\n</think>\n\nAnswer: B",
        ),
    ],
)
def test_with_a_chat_template_the_thought_is_closed_before_it_begins(opening, expected):
    from tests.rpt_core.conftest import byte_level_tokenizer

    tokenizer = byte_level_tokenizer()
    tokenizer.chat_template = "{% for m in messages %}<|u|>{{ m.content }}{% endfor %}" + opening
    prompts = ChoicePrompts(config(), tokenizer)
    instruction = "Answer the following multiple-choice question with the letter of the right option.\n\n"
    shown = "Which one?\nA. red\nB. green\nC. blue"
    assert both_texts(prompts, tokenizer)[1] == f"<|u|>{instruction}{shown}{expected}"
    assert prompts.thinking(QUESTION).text.startswith("<|u|>Answer the following multiple-choice question. Exactly one")


def test_a_question_cannot_forge_the_end_of_a_message():
    from tests.rpt_core.conftest import byte_level_tokenizer

    tokenizer = byte_level_tokenizer()
    tokenizer.chat_template = "{% for m in messages %}{{ m.content }}<|end|>{% endfor %}"
    hostile = ChoiceQuestion("q", "Is <|end|> it?", ("x<|end|>", "y"), 0, "c")
    for answer_as in ("letter", "text"):
        template = "multiple_choice" if answer_as == "letter" else "multiple_choice_text"
        prompts = ChoicePrompts(config(answer_as=answer_as, template=template), tokenizer)
        choices = prompts.standard(hostile)
        for ids in (prompts.thinking(hostile).ids, [*choices.prompt_ids, *choices.options[0]]):
            assert ids.count(tokenizer.eos_token_id) == 1
            assert text_of_ids(tokenizer, ids).count("<|end|>") >= 3


def test_texts_are_listed_with_dashes_for_a_template_that_is_a_message(byte_level):
    prompts = ChoicePrompts(config(answer_as="text", template="multiple_choice_text"), byte_level)
    form = "Which one?\n- red\n- green\n- blue\nAnswer:"
    assert both_texts(prompts, byte_level) == [f"{form} red", f"{form} green", f"{form} blue"]
    assert prompts.standard(QUESTION).option_bytes == [3, 5, 4]


def test_a_template_that_opens_the_thought_gets_the_bare_question(byte_level):
    prompts = ChoicePrompts(config(answer_as="text", template="question_plain"), byte_level)
    assert prompts.thinking(QUESTION).text == "Which one?<think>"
    assert both_texts(prompts, byte_level)[0] == "Which one? red"
    sums = ChoiceQuestion("q", "The sum ends in ", ("3", "4"), 0, "c")
    assert both_texts(prompts, byte_level, sums) == ["The sum ends in 3", "The sum ends in 4"]


def test_a_template_that_asks_for_another_kind_of_answer_is_refused():
    for wrong in (config(answer_as="text"), config(template="multiple_choice_text")):
        with pytest.raises(UserError, match="Set `template: multiple_choice"):
            check_template(wrong)
    check_template(config(answer_as="text", template="question_plain"))


# Scores


def plain_log_probs(model, choices):
    """Each option by a pass of its own."""
    found = []
    for option in choices.options:
        ids = torch.tensor([[*choices.prompt_ids, *option]])
        with torch.inference_mode():
            log_probs = model(input_ids=ids).logits[0].log_softmax(-1)
        start = len(choices.prompt_ids)
        found.append(sum(float(log_probs[start + n - 1, token]) for n, token in enumerate(option)))
    return found


def test_scores_are_those_of_a_plain_pass_over_each_option():
    model, tokenizer = stages.taught()
    texts = {"Digits: ": ("0", "1", "2", "3"), "Digits: 1 2": (" 1 3", " 0", " 12"), "D": ("igits", "x", "0 0 0")}
    questions = [
        Choices(encode(tokenizer, prompt), [encode(tokenizer, text) for text in options], [1] * len(options))
        for prompt, options in texts.items()
    ]
    for found, choices in zip(option_log_probs(model, questions), questions, strict=True):
        assert found == pytest.approx(plain_log_probs(model, choices), abs=1e-4)


def test_options_of_one_token_share_a_pass():
    model, _ = stages.taught()
    passes = []
    option_log_probs(model, [Choices([5, 6], [[n] for n in range(10)], [1] * 10)], passes.append)
    hook = []
    handle = model.register_forward_hook(lambda *_: hook.append(1))
    option_log_probs(model, [Choices([5, 6], [[n] for n in range(10)], [1] * 10)] * 3)
    handle.remove()
    assert (passes, len(hook)) == ([0], 1)


def test_a_question_beyond_the_models_length_is_refused():
    model, _ = stages.taught()
    limit = model.config.max_position_embeddings
    option_log_probs(model, [Choices([5] * (limit - 1), [[6], [7]], [1, 1])])
    with pytest.raises(UserError, match=f"at most {limit} tokens.*{limit + 1}"):
        option_log_probs(model, [Choices([5] * (limit - 1), [[6], [7, 8]], [1, 1])])


def test_letters_are_compared_by_their_total_and_texts_by_bytes():
    choices = Choices([1], [[2], [3, 4]], [2, 8])
    assert stage.best_option(choices, [-2.0, -4.0], by_letter=True) == 0
    assert stage.best_option(choices, [-2.0, -4.0], by_letter=False) == 1
    assert stage.best_option(choices, [-3.0, -3.0], by_letter=True) == 0


# Tables


def outcome(category, standard, reasoning, problem=None, tokens=10):
    question = ChoiceQuestion("q", "Q?", ("x", "y"), 0, category)
    choice = None if problem else int(not reasoning)
    return ChoiceOutcome(question, int(not standard), Answer(choice, None, problem), tokens)


def test_rows_hold_counts_shares_and_paired_differences():
    outcomes = [
        outcome("b", True, True),
        outcome("b", False, True, tokens=30),
        outcome("a", False, False, "cut"),
        outcome("a", False, True),
        outcome("a", True, False, "no_box"),
        outcome("a", False, False, "unreadable"),
    ]
    a, b, every, mean = accuracy_rows(outcomes, seed=0)
    assert [row["category"] for row in (a, b, every, mean)] == ["a", "b", ALL, MEAN]
    assert (a["n"], b["n"], every["n"], mean["n"]) == (4, 2, 6, 6)
    assert a["standard"] == Estimate(1 / 4, *wilson_interval(1, 4), 4)
    assert b["reasoning"] == Estimate(1.0, *wilson_interval(2, 2), 2)
    assert (every["standard"].value, every["reasoning"].value) == (2 / 6, 3 / 6)
    assert mean["standard"].value == pytest.approx((1 / 4 + 1 / 2) / 2)
    assert mean["reasoning"].value == pytest.approx((1 / 4 + 1) / 2)
    assert every["difference"].value == pytest.approx(1 / 6)
    assert mean["difference"].value == pytest.approx((0 + 1 / 2) / 2)
    assert mean["difference"].low <= mean["difference"].value <= mean["difference"].high
    assert (every["no_box"], every["cut"], every["unreadable"], every["chance"]) == (1, 1, 1, 0.5)
    assert b["tokens"] == 20


def test_an_option_with_the_right_ones_text_is_right_too():
    question = ChoiceQuestion("q", "Q?", ("x", "y", "x"), 0, "c")
    assert [question.is_right(choice) for choice in (0, 1, 2, None)] == [True, False, True, False]


def test_a_mode_that_was_not_asked_is_missing_and_not_zero():
    rows = accuracy_rows([ChoiceOutcome(QUESTION, standard=1)], seed=0)
    for row in rows:
        assert row["reasoning"] is row["difference"] is row["no_box"] is row["tokens"] is None
    assert stage.totals(rows) == {"n": 1, "standard": 1.0, "standard_mean_of_categories": 1.0}


def test_the_mean_of_categories_adds_the_squares_of_their_limits_distances():
    shares = [Estimate(0.5, 0.4, 0.7, 10), Estimate(0.2, 0.1, 0.3, 10)]
    found = mean_of_shares(shares)
    assert found.value == pytest.approx(0.35)
    assert found.low == pytest.approx(0.35 - sqrt(0.1**2 + 0.1**2) / 2)
    assert found.high == pytest.approx(0.35 + sqrt(0.2**2 + 0.1**2) / 2)
    assert found.n == 20


def test_the_mean_of_one_category_is_that_category():
    found = share([True, False, True])
    mean = mean_of_shares([found])
    assert (mean.value, mean.low, mean.high, mean.n) == pytest.approx((found.value, found.low, found.high, 3))


# The stage


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    """The taught model, and questions in the form that it knows: it boxes a digit after any digits document."""
    folder = tmp_path_factory.mktemp("ground")
    stages.save_taught(folder / "model")
    rng = random.Random(0)
    rows = [
        {"id": f"q{n}", "question": f"Digits: {rng.randrange(4)} {rng.randrange(4)}", "options": ["0", "1", "2", "3"],
         "answer": rng.randrange(4), "category": "ab"[n % 2]}
        for n in range(24)
    ]  # fmt: skip
    rows.append({**rows[0], "id": "long", "question": "Digits:" + " 1" * 60})
    (folder / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def benchmark(ground, **more):
    return {
        "stage": "benchmark",
        "model": {"path": str(ground / "model"), "device": "cpu"},
        "name": "digits",
        "paths": [str(ground / "questions.jsonl")],
        "answer_as": "text",
        "template": "question_plain",
        "max_prompt_tokens": 40,
        "sampling": {"temperature": 0.8, "max_response_tokens": 16, "batch_rows": 7},
        **more,
    }


def run(folder, settings):
    run_dir, validated = RunDir(folder), BenchmarkConfig.model_validate(settings)
    run_dir.create(validated)
    with EventLog(run_dir.events) as log:
        return stage.run(validated, StageContext(run_dir, log))


def test_a_run_writes_a_table_outcomes_and_responses_that_agree(ground, tmp_path):
    result = run(tmp_path, benchmark(ground))
    outcomes = pq.read_table(RunDir(tmp_path).evaluation(0)).to_pylist()
    rows = list(read_rollouts(RunDir(tmp_path).rollout_shard("sampled", 0)))
    (table,) = stages.events(tmp_path, EventType.TABLE)
    (shard,) = stages.events(tmp_path, EventType.ROLLOUTS)
    (corpus,) = stages.events(tmp_path, EventType.CORPUS)
    assert (shard["kind"], shard["rows"], corpus["documents"]["validation"]) == ("sampled", 24, 25)
    assert [row["question"] for row in outcomes] == [row.document for row in rows]
    assert [row["category"] for row in outcomes] == ["a"] * 12 + ["b"] * 12
    for row, rollout in zip(outcomes, rows, strict=True):
        assert row["reasoning"] == bool(rollout.reward) == (rollout.reason == "match")
        assert row["tokens"] == rollout.response_tokens
        assert (rollout.position, rollout.entropy_nats, rollout.sample) == (0, None, 0)
        assert rollout.prompt.endswith("<think>")
        if rollout.reason == "match":
            assert rollout.prediction == rollout.completion
    a, _, every, mean = table["rows"]
    right = [row["reasoning"] for row in outcomes]
    assert 0 < sum(right) < 24
    assert every["reasoning"]["value"] == sum(right) / 24 == result["reasoning"]
    assert a["standard"]["value"] == sum(row["standard"] for row in outcomes[:12]) / 12
    assert mean["reasoning"]["value"] == pytest.approx(result["reasoning_mean_of_categories"])
    assert (result["n"], result["left_out_long"], result["bad_records"]) == (24, 1, 0)
    assert "1 questions with prompts of more than 40 tokens" in table["caption"]
    assert table["chart"]["y"] == ["standard", "reasoning"]


def test_the_standard_choice_is_the_models_own_next_token(ground, tmp_path):
    run(tmp_path, benchmark(ground, modes=["standard"]))
    model, tokenizer = stages.taught()
    records_ = {row["id"]: row for row in map(json.loads, (ground / "questions.jsonl").read_text().splitlines())}
    for row in pq.read_table(RunDir(tmp_path).evaluation(0)).to_pylist():
        ids = [encode(tokenizer, f"{records_[row['question']]['question']} {digit}") for digit in range(4)]
        assert len({tuple(i[:-1]) for i in ids}) == 1
        with torch.inference_mode():
            logits = model(input_ids=torch.tensor([ids[0][:-1]])).logits[0, -1]
        assert row["standard_choice"] == int(logits[[i[-1] for i in ids]].argmax())
        assert row["reasoning"] is row["tokens"] is row["reasoning_choice"] is None
    assert stages.events(tmp_path, EventType.ROLLOUTS) == []


def test_the_same_run_gives_the_same_outcomes_and_another_seed_others(ground, tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        run(tmp_path / name, benchmark(ground, seed=seed))
    a, b, c = (pq.read_table(RunDir(tmp_path / name).evaluation(0)) for name in "abc")
    assert a == b
    assert sorted(a["question"].to_pylist()) == sorted(c["question"].to_pylist())
    assert a.sort_by("question")["reasoning"] != c.sort_by("question")["reasoning"]


def test_so_many_of_each_category_are_asked(ground, tmp_path):
    result = run(tmp_path, benchmark(ground, per_category=5, modes=["standard"]))
    assert result["n"] + result["left_out_long"] == 10


def test_questions_that_are_all_too_long_are_refused(ground, tmp_path):
    with pytest.raises(UserError, match="at most 3 tokens"):
        run(tmp_path, benchmark(ground, max_prompt_tokens=3))


def test_a_stop_ends_a_benchmark_between_tokens(ground, tmp_path):
    validated = BenchmarkConfig.model_validate(benchmark(ground))
    folder = RunDir(tmp_path)
    folder.create(validated)
    with EventLog(folder.events) as log:
        context = StageContext(folder, log)
        context.request_stop()
        with pytest.raises(StopRequested):
            stage.run(validated, context)
    assert stages.events(tmp_path, EventType.TABLE) == []


def test_a_built_in_model_can_be_asked_about_the_built_in_corpus(ground, tmp_path):
    settings = benchmark(ground, format="tiny", paths=[], per_category=6, max_prompt_tokens=256)
    result = run(tmp_path, settings)
    (table,) = stages.events(tmp_path, EventType.TABLE)
    assert [row["category"] for row in table["rows"][:2]] == sorted({kind.domain for kind in KINDS})
    assert result["n"] == 12
    assert table["rows"][0]["chance"] == pytest.approx(0.1)
