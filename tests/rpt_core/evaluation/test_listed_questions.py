"""Questions that a config lists: asked alone, by id or hash, several times each; refused in words."""

import json
import random

import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from rpt_core.config import BenchmarkConfig, QuestionsConfig, RlvrConfig
from rpt_core.config.messages import field_messages
from rpt_core.errors import UserError
from rpt_core.preflight.cost import trains
from rpt_core.preflight.question_sample import sample_choices, sample_questions
from rpt_core.problems.questions import Question, listed, load_questions
from rpt_core.run.events import EventType
from rpt_core.run.folder import RunDir
from rpt_core.run.rollout_files import read_rollouts
from tests.rpt_core import stages


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    """The taught model, and questions in the form that it knows."""
    folder = tmp_path_factory.mktemp("ground")
    stages.save_taught(folder / "model")
    rng = random.Random(1)
    rows = [{"id": f"q{n}", "question": f"Digits: {n % 4} {n // 4}", "options": ["0", "1", "2", "3"],
             "answer": str(rng.randrange(4))} for n in range(16)]  # fmt: skip
    (folder / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def benchmark(ground, **more):
    return {
        "stage": "benchmark",
        "model": {"path": str(ground / "model"), "device": "cpu"},
        "paths": [str(ground / "questions.jsonl")],
        "answer_as": "text",
        "template": "question_plain",
        "modes": ["reasoning"],
        "sampling": {"temperature": 0.8, "max_response_tokens": 16, "batch_rows": 7},
        **more,
    }


def rlvr(ground, **more):
    questions = {"paths": [str(ground / "questions.jsonl")], "train_questions": 4, "test_questions": 4}
    questions["mapping"] = {"id": "id"}
    return {
        "stage": "rlvr",
        "model": {"path": str(ground / "model"), "device": "cpu"},
        "questions": questions | more.pop("questions", {}),
        "template": "question_plain",
        "answer_by": "exact",
        "batch_questions": 2,
        "test_sampling": {"max_response_tokens": 16, "temperature": 0.6},
        **more,
    }


def rows_of(folder):
    return list(read_rollouts(RunDir(folder).rollout_shard("sampled", 0)))


def test_a_benchmark_asks_the_listed_questions_several_times_and_counts_the_first_response(ground, tmp_path):
    names = ["q5", "q2"]
    result = stages.run_stage(tmp_path / "a", benchmark(ground, listed_questions=names, samples=5))
    rows = rows_of(tmp_path / "a")
    assert [(row.document, row.sample) for row in rows] == [(name, k) for name in names for k in range(5)]
    assert [row.group for row in rows] == [0] * 5 + [1] * 5
    assert len({row.response for row in rows}) > 1
    outcomes = pq.read_table(RunDir(tmp_path / "a").evaluation(0)).to_pylist()
    assert [row["reasoning"] for row in outcomes] == [bool(rows[0].reward), bool(rows[5].reward)]
    assert result["n"] == 2
    (table,) = stages.events(tmp_path / "a", EventType.TABLE)
    assert table["caption"].startswith("n: listed questions, seed 0; ")
    assert "5 responses, of which the first counts, at temperature 0.8" in table["caption"]
    by_hash = [row.text_hash.hex() for row in rows[::5]]
    stages.run_stage(tmp_path / "b", benchmark(ground, listed_questions=by_hash, samples=5))
    assert rows_of(tmp_path / "b") == rows
    stages.run_stage(tmp_path / "c", benchmark(ground, listed_questions=names, samples=5, sampling_seed=9))
    others = rows_of(tmp_path / "c")
    assert [row.prompt for row in others] == [row.prompt for row in rows]
    assert [row.response for row in others] != [row.response for row in rows]


def test_rlvr_asks_the_listed_questions_of_either_side_and_trains_nothing(ground, tmp_path):
    drawn = load_questions(RlvrConfig.model_validate(rlvr(ground)).questions)
    trained, tested = drawn.train[1], drawn.test[2]
    names = [trained.text_hash.hex(), tested.id]
    config = rlvr(ground, questions={"listed_questions": names}, test_samples=3)
    result = stages.run_stage(tmp_path, config)
    rows = rows_of(tmp_path)
    assert [(row.document, row.sample) for row in rows] == [(q.id, k) for q in (trained, tested) for k in range(3)]
    assert {row.byte_offset for row in rows} == {-1}
    assert (result["listed"], result["listed_n"]) == (pytest.approx(sum(row.reward for row in rows) / 6), 2)
    assert stages.events(tmp_path, EventType.CHECKPOINT) == []
    (table,) = stages.events(tmp_path, EventType.TABLE)
    assert table["caption"].startswith("n = 2 listed questions of those drawn with seed 0, 3 responses to each")
    assert [row["change"] for row in table["rows"]] == [None]


def test_preflight_counts_the_listed_questions_and_no_training(ground):
    choices = BenchmarkConfig.model_validate(benchmark(ground, listed_questions=["q5"], samples=2))
    asked = sample_choices(choices)
    assert (asked.texts, asked.number) == (["Digits: 1 1"], 1)
    drawn = load_questions(RlvrConfig.model_validate(rlvr(ground)).questions)
    one = RlvrConfig.model_validate(rlvr(ground, questions={"listed_questions": [drawn.test[0].id]}))
    asked = sample_questions(one.questions)
    assert (asked.texts, asked.number) == ([drawn.test[0].text], 1)
    assert not trains(one)
    assert trains(RlvrConfig.model_validate(rlvr(ground)))
    with pytest.raises(UserError, match="`listed_questions`: none of the questions has the id or the hash 'q99'"):
        sample_choices(BenchmarkConfig.model_validate(benchmark(ground, listed_questions=["q99"])))


def test_a_name_that_is_not_there_names_its_field():
    with pytest.raises(UserError, match=r"`questions\.listed_questions`: none of the questions has .* 'b'\."):
        listed([Question("a", "A?", ("1",))], ["a", "b"], "questions.listed_questions")


@pytest.mark.parametrize(
    ("values", "field", "words"),
    [
        ({"listed_questions": ["a"], "per_category": 3}, "listed_questions", "Give these or `per_category`, not both."),
        ({"listed_questions": ["a", "a"]}, "listed_questions", "'a' stands here twice."),
        ({"samples": 2}, "samples", "Name some in `listed_questions`, or give 1."),
        ({"samples": 2, "listed_questions": ["a"], "modes": ["standard"]}, "samples", "Only the mode `reasoning`"),
        ({"samples": 2, "listed_questions": ["a"], "sampling": {"temperature": 0}}, "sampling.temperature", "At 0 all"),
    ],
)
def test_a_list_that_cannot_be_right_is_refused(values, field, words):
    with pytest.raises(ValidationError) as error:
        BenchmarkConfig.model_validate({"model": {"path": "m"}, "format": "tiny", **values})
    (found,) = field_messages(error.value).items()
    assert found[0] == field
    assert words in found[1]


def test_questions_of_rlvr_are_listed_once():
    with pytest.raises(ValidationError, match="'a' stands here twice"):
        QuestionsConfig(source="tiny", listed_questions=("a", "a"))
