"""Multiple-choice questions: what is read, which are drawn."""

import json
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rpt_core.config import BenchmarkConfig
from rpt_core.errors import UserError
from rpt_core.evaluation.choice_questions import TINY_HELD_OUT, TINY_PROBLEMS, ChoiceQuestion, draw, load_questions
from rpt_core.plans.preset import load_preset
from rpt_core.text.corpus import split_of
from rpt_core.tiny.corpus import KINDS, part_of, records

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
        ("generic", {"question": "Q?", "options": ["x", "y"], "answer": "z"}, "is neither a letter nor the text"),
        ("generic", {"question": "Q?", "options": ["B", "A"], "answer": "A"}, "an option and another one's letter"),
        ("generic", {"question": "Q?", "options": ["x", "y"], "answer": True}, "field `answer` is not text"),
    ],
)
def test_a_bad_record_is_named_with_its_line_and_counted(tmp_path, format_, record, problem):
    good = {"mmlu_pro": PRO, "supergpqa": SUPER, "generic": {"question": "Q?", "options": ["x", "y"], "answer": 0}}
    found, tally = read(tmp_path, format_, [good[format_], record], max_bad_share=0.5)
    assert (len(found), tally.bad, tally.bad_records[0].line) == (1, 1, 2)
    assert problem in tally.bad_records[0].problem
    with pytest.raises(UserError, match="Unusable: 1 of 2 records, more than"):
        read(tmp_path, format_, [good[format_], record], max_bad_share=0.4)


def test_a_question_read_twice_counts_once(tmp_path):
    found, tally = read(tmp_path, "mmlu_pro", [PRO, PRO, {**PRO, "question_id": 71}])
    assert ([question.id for question in found], tally.duplicates) == (["70", "71"], 1)


def test_two_questions_with_one_id_are_both_asked(tmp_path):
    found, tally = read(tmp_path, "mmlu_pro", [PRO, {**PRO, "question": "Something else?"}])
    assert len({question.id for question in found}) == 2
    assert tally.duplicates == 0
    assert "1 record had an id that another text already had" in tally.notes()[0]


def test_the_number_of_an_option_may_be_written_with_a_fraction(tmp_path):
    records = [{"question": "Q?", "options": ["x", "y"], "answer": 1.0}]
    assert read(tmp_path, "generic", records)[0][0].answer == 1
    with pytest.raises(UserError, match="field `answer` is not text"):
        read(tmp_path, "generic", [{**records[0], "answer": float("nan")}])


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
