"""How many questions there are, from the first ones; and what pre-flight says of their files."""

import json
import re

import pytest

from rpt_core.config import STAGES
from rpt_core.errors import UserError
from rpt_core.preflight import check
from rpt_core.preflight.data import read_data
from rpt_core.preflight.question_sample import sample_choices, sample_questions
from rpt_core.text import readers
from tests.rpt_core.preflight.preflight_runs import CPU

ASKED = [{"question": f"What is {n} + 1, {'please ' * 20}?", "answer": n + 1} for n in range(20000)]
CHOSEN = [
    {"question": f"{n}, {'please ' * 20}?", "options": ["a", "b"], "answer": 0, "category": f"of {n % 4}"}
    for n in range(20000)
]
SHORT = {"template": "question_plain", "sampling": {"max_response_tokens": 20}, "max_prompt_tokens": 60}


def put(path, records):
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return [str(path)]


def rlvr(model, paths, train=800, test=200):
    questions = {"paths": paths, "train_questions": train, "test_questions": test}
    values = {"model": model, "questions": questions, "batch_questions": 4, "group_size": 2, "budget": {"epochs": 1}}
    return STAGES["rlvr"].model_validate(values | SHORT | {"test_sampling": SHORT["sampling"]})


def benchmark(model, paths, **options):
    return STAGES["benchmark"].model_validate({"model": model, "paths": paths, **SHORT, **options})


@pytest.fixture
def read(monkeypatch):
    """Numbers of the records that were read, in order."""
    numbers, jsonl = [], readers._READERS["jsonl"]

    def counting(*arguments):
        for number, record in jsonl(*arguments):
            numbers.append(number)
            yield number, record

    monkeypatch.setitem(readers._READERS, "jsonl", counting)
    return numbers


def test_of_many_training_questions_only_the_first_are_read(model, tmp_path, small_sample, read):
    found = sample_questions(rlvr(model, put(tmp_path / "a.jsonl", ASKED)).questions)
    assert found.number == 800, "so many are trained on"
    assert found.texts == [record["question"] for record in ASKED[:300]]
    assert found.notes == ()
    assert len(read) < 2500


def test_of_a_large_benchmark_only_the_first_questions_are_read(model, tmp_path, small_sample, read):
    paths = put(tmp_path / "a.jsonl", CHOSEN)
    assert sample_choices(benchmark(model, paths)).number == pytest.approx(20000, rel=0.02)
    assert sample_choices(benchmark(model, paths, per_category=200)).number == 800
    assert sample_choices(benchmark(model, paths, per_category=10000)).number == pytest.approx(20000, rel=0.02)
    assert len(read) < 3 * 2500


def test_the_report_has_the_first_prompt_and_the_number(model, tmp_path, small_sample):
    for config in (
        rlvr(model, put(tmp_path / "asked" / "a.jsonl", ASKED)),
        benchmark(model, put(tmp_path / "chosen" / "a.jsonl", CHOSEN), per_category=200),
    ):
        report = check(config, CPU)
        assert report.errors == []
        assert "please please" in report.first_prompt.text
        assert read_data(config, None).sequences == 800


def test_small_files_are_read_whole_and_drawn(model, tmp_path):
    questions = sample_questions(rlvr(model, put(tmp_path / "a.jsonl", ASKED[:2000])).questions)
    assert (questions.number, len(questions.texts)) == (800, 800)
    assert questions.texts != [record["question"] for record in ASKED[:800]]
    choices = sample_choices(benchmark(model, put(tmp_path / "b.jsonl", CHOSEN[:100]), per_category=10))
    assert (choices.number, len(choices.texts)) == (40, 40)


def test_too_few_questions_are_refused_where_all_are_read_and_warned_of_otherwise(model, tmp_path, small_sample):
    with pytest.raises(UserError, match="900 questions to train on"):
        sample_questions(rlvr(model, put(tmp_path / "a.jsonl", ASKED[:500]), train=900).questions)
    (note,) = sample_questions(rlvr(model, put(tmp_path / "b.jsonl", ASKED), train=30000).questions).notes
    assert re.fullmatch(
        r"The files hold about (19|20),\d\d\d questions by their size, and 30,200 are asked for\.", note
    )


def test_files_without_a_usable_question_are_refused(model, tmp_path, small_sample):
    paths = put(tmp_path / "a.jsonl", [record | {"answer": ""} for record in ASKED])
    with pytest.raises(UserError):
        sample_questions(rlvr(model, paths).questions)
    paths = put(tmp_path / "b.jsonl", [record | {"answer": 7} for record in CHOSEN])
    with pytest.raises(UserError):
        sample_choices(benchmark(model, paths))


def test_preflight_warns_of_questions_that_are_not_read(model, tmp_path):
    asked, chosen = tmp_path / "asked", tmp_path / "chosen"
    put(asked / "a.jsonl", ASKED[:50])
    put(chosen / "a.jsonl", CHOSEN[:5])
    for folder in (asked, chosen):
        (folder / "more.zip").write_bytes(b"PK")
    for config in (rlvr(model, [str(asked)], train=8, test=4), benchmark(model, [str(chosen)])):
        report = check(config, CPU)
        assert any("more.zip" in problem.message for problem in report.problems), [*map(str, report.problems)]
