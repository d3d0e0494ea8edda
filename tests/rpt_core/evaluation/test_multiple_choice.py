"""Stage `benchmark`: a table, outcomes and responses that agree."""

import json
import random

import pyarrow.parquet as pq
import pytest
import torch

from rpt_core.analysis.comparison import comparison_tables
from rpt_core.config import BenchmarkConfig, ComparisonConfig
from rpt_core.errors import UserError
from rpt_core.evaluation import multiple_choice as stage
from rpt_core.evaluation.outcomes import read_outcomes
from rpt_core.run.context import StageContext, StopRequested
from rpt_core.run.events import EventLog, EventType
from rpt_core.run.folder import RunDir
from rpt_core.run.rollout_files import read_rollouts
from rpt_core.text.tokens import encode
from rpt_core.tiny.corpus import KINDS
from tests.rpt_core import stages


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
    assert [row["text_hash"] for row in outcomes] == [row.text_hash for row in rows]
    assert read_outcomes(RunDir(tmp_path).evaluation(0)).text_hash.tolist() == [row.text_hash for row in rows]
    for row, rollout in zip(outcomes, rows, strict=True):
        assert row["reasoning"] == bool(rollout.reward) == (rollout.reason == "match")
        assert row["tokens"] == rollout.response_tokens
        assert (rollout.position, rollout.entropy_nats, rollout.sample) == (0, None, 0)
        assert (len(rollout.text_hash), rollout.byte_offset, rollout.domain) == (16, -1, row["category"])
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
    assert "1 question with prompts of more than 40 tokens" in table["caption"]
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


def test_two_checkpoints_are_compared_question_by_question(ground, tmp_path):
    for name, more in (("a", {}), ("b", {"seed": 1})):
        run(tmp_path / name, benchmark(ground, **more))
    paths = [RunDir(tmp_path / name).evaluation(0) for name in "ab"]
    config = ComparisonConfig(name="digits", a=str(paths[0]), b=str(paths[1]))
    (differences, changed), left_out = comparison_tables(config, seed=0, resamples=100)
    rights = [
        dict(zip(t["question"].to_pylist(), t["reasoning"].to_pylist(), strict=True)) for t in map(pq.read_table, paths)
    ]
    gained = sorted(question for question, right in rights[1].items() if right and not rights[0][question])
    (row,) = differences.rows
    assert (row["difficulty"], row["a"].n, left_out) == ("all", 24, 0)
    assert (row["a"].value, row["b"].value) == tuple(sum(right.values()) / 24 for right in rights)
    assert 0 < row["gained"] == len(gained)
    assert sorted(r["document"] for r in changed.rows if r["change"] == "gained") == gained
    assert {r["truth"] for r in changed.rows} <= {'"A"', '"B"', '"C"', '"D"'}
    assert {r["entropy"] for r in changed.rows} == {None}
    with pytest.raises(UserError, match="no outcomes of the mode 'greedy'"):
        comparison_tables(config.model_copy(update={"mode_a": "greedy"}), 0, 10)


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
