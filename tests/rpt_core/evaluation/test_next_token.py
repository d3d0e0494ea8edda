"""Next-token evaluation: who is asked what, how answers count, what is written."""

import copy
import shutil
from collections import Counter

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from rpt_core.config import EvaluationConfig, PositionSetConfig, PromptConfig, SamplingConfig
from rpt_core.errors import UserError
from rpt_core.evaluation.findings import accuracies
from rpt_core.evaluation.held_out import choose_sample
from rpt_core.evaluation.next_token import Evaluator, standard_answers
from rpt_core.evaluation.outcome_table import Answers, StandardAnswers
from rpt_core.evaluation.outcomes import read_outcomes
from rpt_core.evaluation.position_identity import stored_identity
from rpt_core.inference.backend import TransformersBackend
from rpt_core.positions.sets import PositionSample, load_set, store_sets
from rpt_core.problems.problem import ProblemSet
from rpt_core.run.context import StageContext, StopRequested
from rpt_core.run.events import EventLog, EventType
from rpt_core.run.folder import RunDir, positions_file
from rpt_core.run.rollout_files import read_rollouts
from rpt_core.statistics.intervals import wilson_interval
from rpt_core.text.names import text_digest
from rpt_core.text.tokens import token_bytes, tokenizer_hash
from tests.rpt_core import stages

LEVELS = {"easy_nats": 0.3, "medium_nats": 1.0, "hard_nats": 1.3}


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    """A folder with the taught model and the positions of a filter run over the digits corpus."""
    folder = tmp_path_factory.mktemp("ground")
    model = stages.save_taught(folder / "model")
    corpus = stages.write_corpus(folder / "digits.jsonl")
    stages.run_stage(folder / "filter", {"stage": "filter", "corpus": corpus, "proxy": model, "min_entropy_nats": 1.0})
    return folder


@pytest.fixture(scope="module")
def problems(ground):
    _, tokenizer = stages.taught()
    return ProblemSet.load(ground / "filter" / "positions", "validation", tokenizer, PromptConfig(template="plain"))


def evaluation(ground, **changes):
    return {"positions": str(ground / "filter" / "positions"), "positions_per_difficulty": 12, **LEVELS, **changes}


def evaluate(ground, **changes):
    return {
        "stage": "evaluate",
        "model": {"path": str(ground / "model"), "device": "cpu"},
        "evaluation": evaluation(ground, **changes),
        "prompt": {"template": "plain"},
        "sampling": {"max_response_tokens": 16, "batch_rows": 10},
    }


def rpt(ground, **changes):
    return {
        "stage": "rpt",
        "model": {"path": str(ground / "model"), "device": "cpu"},
        "positions": str(ground / "filter" / "positions"),
        "steps": 4,
        "batch_problems": 4,
        "group_size": 4,
        "prompt": {"template": "plain"},
        "sampling": {"max_response_tokens": 16},
        "evaluation": evaluation(ground),
        "evaluate_at_steps": [0, 2, 4],
        **changes,
    }


def test_each_difficulty_takes_the_first_of_its_level_in_one_random_order(problems):
    few = choose_sample(problems, EvaluationConfig(**evaluation_of(problems, 5)))
    many = choose_sample(problems, EvaluationConfig(**evaluation_of(problems, 10**6)))
    entropies = problems.entropies[many.indices]
    for name, nats in zip(("easy", "medium", "hard"), LEVELS.values(), strict=True):
        level = [i for i, entropy in zip(many.indices, entropies, strict=True) if entropy > nats]
        assert [many.indices[n] for n in np.flatnonzero(many.members[name])] == level
        assert [few.indices[n] for n in np.flatnonzero(few.members[name])] == level[:5]
    assert sorted(many.indices) == np.flatnonzero(problems.entropies > 0.3).tolist()
    assert many.indices != sorted(many.indices)


def evaluation_of(problems, count):
    return {"positions": "unused", "positions_per_difficulty": count, **LEVELS}


def test_the_seed_decides_the_sample(problems):
    samples = [
        choose_sample(problems, EvaluationConfig(**evaluation_of(problems, 5), seed=seed)).indices for seed in (1, 1, 2)
    ]
    assert samples[0] == samples[1] != samples[2]


def test_a_position_set_without_uncertain_positions_is_refused(problems):
    config = EvaluationConfig(positions="unused", easy_nats=50, medium_nats=50, hard_nats=50)
    with pytest.raises(UserError, match="50"):
        choose_sample(problems, config)


def test_standard_is_the_argmax_of_a_plain_pass_over_the_context(problems):
    model, tokenizer = stages.taught()
    chosen = [problems.problem(i) for i in range(len(problems))]
    expected = []
    for problem in chosen:
        with torch.inference_mode():
            logits = model(input_ids=torch.tensor([problem.context_ids])).logits[0, -1]
        expected.append(int(logits.argmax()) == problem.next_token_id)
    assert standard_answers(TransformersBackend(model, tokenizer), chosen, []).correct == expected
    assert len(set(expected)) == 2


def test_standard_sees_what_is_put_before_every_text(problems):
    model, tokenizer = stages.taught()
    problem = problems.problem(3)
    ids = [tokenizer.eos_token_id, *problem.context_ids]
    with torch.inference_mode():
        best = int(model(input_ids=torch.tensor([ids])).logits[0, -1].argmax())
    found = standard_answers(TransformersBackend(model, tokenizer), [problem], [tokenizer.eos_token_id])
    assert found.correct == [best == problem.next_token_id]
    assert found.predictions == token_bytes(tokenizer, [best])


def test_standard_reads_contexts_that_were_cut_as_they_were_cut(ground):
    model, tokenizer = stages.taught()
    prompt = PromptConfig(template="plain", max_prompt_tokens=5)
    cut = ProblemSet.load(ground / "filter" / "positions", "validation", tokenizer, prompt)
    chosen = [cut.problem(i) for i in range(len(cut))]
    assert max(len(problem.context_ids) for problem in chosen) == 4
    with torch.inference_mode():
        best = [int(model(input_ids=torch.tensor([p.context_ids])).logits[0, -1].argmax()) for p in chosen]
    expected = [found == problem.next_token_id for found, problem in zip(best, chosen, strict=True)]
    assert standard_answers(TransformersBackend(model, tokenizer), chosen, []).correct == expected


def test_shares_come_with_counts_and_a_wilson_interval():
    flags = {
        "easy": np.array([True, True, True, False]),
        "hard": np.array([False, False, True, True]),
        "medium": np.zeros(4, bool),
    }
    answers = Answers(standard=StandardAnswers([True, False, True, True], [0.0] * 4, [b""] * 4))
    found = accuracies(answers, PositionSample([0, 1, 2, 3], flags, {"easy": 0.5, "medium": 1, "hard": 2}))["standard"]
    low, high = wilson_interval(2, 3)
    assert found["easy"] == {
        "correct": 2,
        "n": 3,
        "value": 2 / 3,
        "low": low,
        "high": high,
        "no_box": None,
        "above_nats": 0.5,
    }
    assert found["hard"]["correct"] == found["hard"]["n"] == 2
    assert (found["medium"]["n"], found["medium"]["value"], found["medium"]["above_nats"]) == (0, None, 1)


def test_a_stage_writes_results_outcomes_and_responses_that_agree(ground, tmp_path):
    result = stages.run_stage(tmp_path, evaluate(ground))
    run = RunDir(tmp_path)
    (event,) = stages.events(tmp_path, EventType.EVALUATION)
    assert (event["step"], event["flops"], event["outcomes"]) == (0, 0, "evaluations/step-000000.parquet")
    outcomes = pq.read_table(run.evaluation(0)).to_pylist()
    assert {row["position"] for row in outcomes}
    for mode in ("standard", "sampled", "greedy"):
        for difficulty in ("easy", "medium", "hard"):
            level = [row for row in outcomes if row[difficulty]]
            share = event["results"][mode][difficulty]
            assert share["n"] == len(level) <= 12
            assert share["correct"] == sum(row[mode] for row in level)
            assert result[f"{mode}_{difficulty}"] == share["value"]
    for mode in ("sampled", "greedy"):
        rows = list(read_rollouts(run.rollout_shard(mode, 0)))
        assert [(row.document, row.position, row.reward) for row in rows] == [
            (row["document"], row["position"], row[mode]) for row in outcomes
        ]
        scored = pq.read_table(
            positions_file(ground / "filter" / "positions", "validation"), columns=["document", "text"]
        )
        texts = dict(zip(*scored.to_pydict().values(), strict=True))
        for row, outcome in zip(rows, outcomes, strict=True):
            text = texts[row.document].encode()
            assert (row.text_hash, row.byte_offset) == (text_digest(text), outcome["byte_offset"])
            assert text[row.byte_offset :].startswith(row.completion)
        easy = {(row["document"], row["position"]) for row in outcomes if row["easy"]}
        unboxed = [row.prediction is None for row in rows if (row.document, row.position) in easy]
        assert event["results"][mode]["easy"]["no_box"] == pytest.approx(sum(unboxed) / len(unboxed))
    assert [row["tokens"] for row in outcomes] == [
        r.response_tokens for r in read_rollouts(run.rollout_shard("sampled", 0))
    ]
    kinds = [event["kind"] for event in stages.events(tmp_path, EventType.ROLLOUTS)]
    assert kinds == ["sampled", "greedy"]


def test_modes_can_be_left_out(ground, tmp_path):
    stages.run_stage(tmp_path, evaluate(ground, modes=["standard"]))
    (event,) = stages.events(tmp_path, EventType.EVALUATION)
    assert list(event["results"]) == ["standard"]
    outcomes = pq.read_table(RunDir(tmp_path).evaluation(0)).to_pylist()
    assert {row["sampled"] for row in outcomes} == {row["greedy"] for row in outcomes} == {None}
    assert {row["tokens"] for row in outcomes} == {None}


def test_the_same_evaluation_gives_the_same_outcomes(ground, tmp_path):
    for name in ("a", "b"):
        stages.run_stage(tmp_path / name, evaluate(ground))
    a, b = (pq.read_table(RunDir(tmp_path / name).evaluation(0)) for name in ("a", "b"))
    assert a == b


def test_rpt_evaluates_on_the_way_as_the_stage_does_on_its_checkpoint(ground, tmp_path):
    stages.run_stage(tmp_path / "rpt", rpt(ground))
    found = {event["step"]: event for event in stages.events(tmp_path / "rpt", EventType.EVALUATION)}
    assert list(found) == [0, 2, 4]
    assert found[0]["flops"] == 0 < found[2]["flops"] < found[4]["flops"]
    config = evaluate(ground)
    config["sampling"] = rpt(ground)["sampling"]
    config["model"]["path"] = str(RunDir(tmp_path / "rpt").newest_checkpoint())
    stages.run_stage(tmp_path / "evaluate", config)
    (event,) = stages.events(tmp_path / "evaluate", EventType.EVALUATION)
    assert event == found[4]
    above_nats = {name: cell["above_nats"] for name, cell in event["results"]["standard"].items()}
    stored = stored_identity(RunDir(tmp_path / "rpt").evaluation(0), above_nats)
    assert event["position_set"] == found[0]["position_set"] == stored.as_json()
    assert event["tokenizer"] == tokenizer_hash(stages.taught()[1])


class StopInEvaluation(EventLog):
    """Asks for a stop as soon as an evaluation of a step begins."""

    def emit(self, type_, **data):
        super().emit(type_, **data)
        if type_ == EventType.PROGRESS and data["step"] == self.step:
            self.context.request_stop()


@pytest.mark.parametrize("step", [0, 2])
def test_an_evaluation_cut_short_by_a_stop_is_done_after_the_resume(ground, tmp_path, step):
    from rpt_core.config import RptConfig
    from rpt_core.train import rpt as stage

    config = RptConfig.model_validate(rpt(ground))
    stages.run_stage(tmp_path / "whole", rpt(ground))
    run = RunDir(tmp_path / "broken")
    run.create(config)
    with StopInEvaluation(run.events) as log:
        log.context, log.step = StageContext(run, log), step
        with pytest.raises(StopRequested):
            stage.run(config, log.context)
    assert run.checkpoint_steps() == [step]
    stages.run_stage(tmp_path / "broken", rpt(ground))
    whole, broken = (stages.events(tmp_path / name, EventType.EVALUATION) for name in ("whole", "broken"))
    assert whole == broken
    assert stages.weights(tmp_path / "whole") == stages.weights(tmp_path / "broken")


def test_several_samples_give_means_pass_at_n_and_a_majority_that_agree_with_the_rollouts(ground, tmp_path):
    result = stages.run_stage(tmp_path, evaluate(ground, samples=4, modes=["standard", "sampled"]))
    run = RunDir(tmp_path)
    outcomes = read_outcomes(run.evaluation(0))
    rows = list(read_rollouts(run.rollout_shard("sampled", 0)))
    assert [(row.group, row.sample) for row in rows] == [(g, s) for g in range(len(outcomes)) for s in range(4)]
    groups = [rows[start : start + 4] for start in range(0, len(rows), 4)]
    assert [(group[0].document, group[0].position) for group in groups] == list(
        zip(outcomes.document, outcomes.position, strict=True)
    )
    assert outcomes.samples == 4
    assert outcomes.sampled_right.tolist() == [sum(row.reward for row in group) for group in groups]
    assert outcomes.sampled.tolist() == [sum(row.reward for row in group) / 4 for group in groups]
    assert outcomes.tokens.tolist() == [sum(row.response_tokens for row in group) / 4 for group in groups]
    predictions = [Counter(row.prediction for row in group).most_common(1)[0][0] for group in groups]
    assert outcomes.predictions["sampled"].tolist() == predictions
    assert outcomes.text_hash.tolist() == [group[0].text_hash for group in groups]
    (event,) = stages.events(tmp_path, EventType.EVALUATION)
    assert list(event["results"]) == ["standard", "sampled", "pass@4", "majority"]
    easy = outcomes.members["easy"]
    assert event["results"]["pass@4"]["easy"]["correct"] == (outcomes.sampled_right[easy] > 0).sum()
    assert event["results"]["majority"]["easy"]["correct"] == outcomes.majority[easy].sum()
    assert result["sampled_easy"] == pytest.approx(outcomes.sampled[easy].mean())
    tables = {table["name"]: table for table in stages.events(tmp_path, EventType.TABLE)}
    assert list(tables) == ["two_by_two", "pass_at_k"]  # the corpus has no domains
    assert {row["mode"] for row in tables["two_by_two"]["rows"]} == {"majority"}
    means = {row["difficulty"]: row["accuracy"]["value"] for row in tables["pass_at_k"]["rows"] if row["k"] == 1}
    assert means == {name: cell["value"] for name, cell in event["results"]["sampled"].items()}


def test_the_standard_entropy_is_that_of_the_policys_own_distribution(ground, tmp_path):
    stages.run_stage(tmp_path, evaluate(ground, modes=["standard"]))
    outcomes = read_outcomes(RunDir(tmp_path).evaluation(0))
    model, tokenizer = stages.taught()
    held_out = ProblemSet.load(ground / "filter" / "positions", "validation", tokenizer, PromptConfig(template="plain"))
    by_place = {(p.document, p.byte_offset): p for p in map(held_out.problem, range(len(held_out)))}
    for n, place in enumerate(outcomes.places()):
        problem = by_place[place]
        with torch.inference_mode():
            logits = model(input_ids=torch.tensor([problem.context_ids])).logits[0, -1]
        shares = logits.topk(16).values.softmax(-1)
        assert outcomes.standard_entropy_nats[n] == pytest.approx(float(-(shares * shares.log()).sum()), abs=1e-4)
        assert outcomes.predictions["standard"][n] == token_bytes(tokenizer, [int(logits.argmax())])[0]
        assert outcomes.next_token[n] == problem.completion[: problem.boundaries[0]]


def test_an_evaluation_on_a_stored_set_asks_at_its_positions(ground, tmp_path):
    folder = tmp_path / "positions"
    shutil.copytree(ground / "filter" / "positions", folder)
    levels = {"positions_per_difficulty": 5, **LEVELS}
    store_sets(folder, [PositionSetConfig(name="test", **levels, seed=8)])
    stages.run_stage(tmp_path / "named", evaluate(ground, positions=str(folder), position_set="test"))
    stages.run_stage(tmp_path / "drawn", evaluate(ground, **levels, seed=8))
    named, drawn = (read_outcomes(RunDir(tmp_path / name).evaluation(0)) for name in ("named", "drawn"))
    assert named.places() == drawn.places()
    assert named.standard.tolist() == drawn.standard.tolist()
    assert named.greedy.tolist() == drawn.greedy.tolist()
    assert stages.events(tmp_path / "named", EventType.LOG) == []


def test_positions_of_a_set_that_are_missing_are_told_once(ground, problems, tmp_path):
    model, tokenizer = stages.taught()
    store_sets(ground / "filter" / "positions", [PositionSetConfig(name="some", **LEVELS)])
    fewer = copy.copy(problems)
    fewer.filter_index = np.where(np.arange(len(problems)) % 2, problems.filter_index, 10**6)
    run = RunDir(tmp_path)
    config = EvaluationConfig(**evaluation(ground, position_set="some", modes=["standard"]))
    with EventLog(run.path / "events.jsonl") as log:
        backend = TransformersBackend(model, tokenizer)
        evaluator = Evaluator(StageContext(run, log), backend, fewer, config, SamplingConfig())
        for step in (0, 1):
            evaluator.run(step, 0.0)
    (warning,) = stages.events(tmp_path, EventType.LOG)
    total = len(load_set(ground / "filter" / "positions", "some").places)
    missing = total - len(evaluator.sample.indices)
    assert 0 < missing < total
    assert f"{missing} of {total} positions of the set 'some' left out" in warning["message"]
