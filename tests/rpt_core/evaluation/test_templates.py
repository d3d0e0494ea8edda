"""Stage `templates`: the same positions and contexts for all, what is written, how templates are compared."""

import base64
import json
import subprocess
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest

from rpt_core.config import TemplatesConfig
from rpt_core.errors import UserError
from rpt_core.evaluation.equal_prompts import equal_prompts, load_templates
from rpt_core.evaluation.outcomes import read_outcomes
from rpt_core.evaluation.template_tables import TemplateResult, template_tables
from rpt_core.evaluation.templates import run
from rpt_core.problems.problem import prompt_frame
from rpt_core.run.context import StageContext, StopRequested
from rpt_core.run.events import EventLog, EventType
from rpt_core.run.folder import RunDir
from rpt_core.run.rollout_files import read_rollouts
from rpt_core.statistics.intervals import mean_interval, wilson_interval
from rpt_core.statistics.paired import two_by_two
from tests.rpt_core import stages

TEMPLATES = ["plain", "plain_fenced", "plain_instructed"]


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    """A folder with the taught model and the positions of a filter run over the digits corpus."""
    folder = tmp_path_factory.mktemp("ground")
    model = stages.save_taught(folder / "model")
    corpus = stages.write_corpus(folder / "digits.jsonl")
    stages.run_stage(folder / "filter", {"stage": "filter", "corpus": corpus, "proxy": model, "min_entropy_nats": 1.0})
    return folder


def config(ground, **changes):
    held_out = {"positions": str(ground / "filter" / "positions"), "positions_per_difficulty": 12}
    return {
        "stage": "templates",
        "model": {"path": str(ground / "model"), "device": "cpu"},
        "held_out": {**held_out, "easy_nats": 0.3, "medium_nats": 1.0, "hard_nats": 1.3},
        "templates": TEMPLATES,
        "samples": 4,
        "max_prompt_tokens": 64,
        "sampling": {"max_response_tokens": 12, "batch_rows": 40},
        **changes,
    }


@pytest.fixture(scope="module")
def finished(ground):
    """A finished run's folder and its result."""
    folder = ground / "templates"
    return folder, stages.run_stage(folder, config(ground))


def table(folder, name):
    (found,) = [data for data in stages.events(folder, EventType.TABLE) if data["name"] == name]
    return found["rows"]


def test_a_prompt_is_shown_in_tokens_by_a_process_without_torch(finished):
    folder, _ = finished
    row = next(iter(read_rollouts(RunDir(folder).rollout_shard("sampled", 2))))
    words = ["prompt", str(folder), "templates", "sampled", "2", "0"]
    command = [sys.executable, "-X", "importtime", "-m", "rpt_core", *words]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded = [line.rpartition("|")[2].strip() for line in result.stderr.splitlines() if line.startswith("import time")]
    assert "transformers" in loaded
    assert not [name for name in loaded if name == "torch" or name.startswith("torch.")]
    shown = json.loads(result.stdout)
    assert (base64.b64decode(shown["data"]).decode(), len(shown["ids"])) == (row.prompt, row.prompt_tokens)


def test_each_template_leaves_its_responses_and_outcomes_under_its_number(finished):
    folder, _ = finished
    run_dir = RunDir(folder)
    found = [(data["step"], data["kind"], data["shard"]) for data in stages.events(folder, EventType.ROLLOUTS)]
    assert found == [(number, "sampled", f"rollouts/sampled-00000{number}.parquet") for number in (1, 2, 3)]
    places = [read_outcomes(run_dir.evaluation(number)).places() for number in (1, 2, 3)]
    assert places[0] == places[1] == places[2]
    shards = [list(read_rollouts(run_dir.rollout_shard("sampled", number))) for number in (1, 2, 3)]
    assert {len(rows) for rows in shards} == {4 * len(places[0])}
    plain, fenced, instructed = (rows[0].prompt for rows in shards)
    assert plain.endswith("<think>")
    context = plain.removesuffix("<think>")
    assert fenced == f"```\n{context}\n```<think>"
    assert instructed == f"Predict the next token of this text.\n{context}<think>"


def test_the_table_is_what_the_rollouts_say(finished):
    folder, result = finished
    run_dir = RunDir(folder)
    for number, row in enumerate(table(folder, "templates"), 1):
        outcomes = read_outcomes(run_dir.evaluation(number))
        easy = set(np.flatnonzero(outcomes.members["easy"]).tolist())
        rows = [r for r in read_rollouts(run_dir.rollout_shard("sampled", number)) if r.group in easy]
        right = [sum(r.reward for r in rows if r.group == group) for group in sorted(easy)]
        assert row["template"] == TEMPLATES[number - 1]
        assert row["random_at_1"]["value"] == pytest.approx(sum(right) / len(rows))
        low, high = mean_interval([count / 4 for count in right], 4)
        assert (row["random_at_1"]["low"], row["random_at_1"]["high"]) == pytest.approx((low, high))
        passed = sum(count > 0 for count in right)
        assert row["pass_at_k"]["value"] == passed / len(easy)
        assert (row["pass_at_k"]["low"], row["pass_at_k"]["high"]) == wilson_interval(passed, len(easy))
        answers = np.exp(outcomes.entropy_nats[sorted(easy)])  # all above 0.3 nats, so that there is more than one
        assert row["by_chance"] == pytest.approx(np.mean(1 - (1 - 1 / answers) ** 4))
        assert row["by_chance_different"] == pytest.approx(np.mean(np.minimum(1, 4 / answers)))
        assert row["no_box"]["value"] == pytest.approx(sum(r.prediction is None for r in rows) / len(rows))
        assert row["cut"]["value"] == pytest.approx(sum(r.finish_reason == "length" for r in rows) / len(rows))
        for key in ("response_tokens", "prompt_tokens"):
            assert row[key]["value"] == pytest.approx(sum(getattr(r, key) for r in rows) / len(rows))
        assert {row[key]["n"] for key in ("random_at_1", "pass_at_k", "no_box", "prompt_tokens")} == {len(easy)}
        assert result[f"random_at_1_{row['template']}"] == row["random_at_1"]["value"]
        assert result[f"pass_at_k_{row['template']}"] == row["pass_at_k"]["value"]


def test_the_model_knows_the_template_that_it_was_taught(finished):
    plain, fenced, _ = table(finished[0], "templates")
    assert plain["random_at_1"]["value"] > fenced["random_at_1"]["value"]
    assert plain["no_box"]["value"] < 0.2


def test_templates_are_compared_with_the_first_position_by_position(finished):
    folder, _ = finished
    first, *others = table(folder, "templates")
    assert [first[key] for key in ("random_difference", "random_p", "pass_difference", "pass_p")] == [None] * 4
    outcomes = [read_outcomes(RunDir(folder).evaluation(number)) for number in (1, 2, 3)]
    easy = outcomes[0].members["easy"]
    for row, other in zip(others, outcomes[1:], strict=True):
        before, after = outcomes[0].sampled[easy], other.sampled[easy]
        assert row["random_difference"]["value"] == pytest.approx((after - before).mean())
        assert row["random_difference"]["low"] <= row["random_difference"]["value"] <= row["random_difference"]["high"]
        assert 0 < row["random_p"] <= 1
        assert row["pass_difference"]["value"] == pytest.approx((after > 0).mean() - (before > 0).mean())
        assert row["pass_p"] == two_by_two(before > 0, after > 0).p


def test_difficulties_have_rows_of_their_own(finished):
    folder, _ = finished
    rows = table(folder, "templates_by_difficulty")
    assert [(row["template"], row["difficulty"]) for row in rows[:3]] == [
        ("plain", "easy"), ("plain", "medium"), ("plain", "hard"),
    ]  # fmt: skip
    outcomes = read_outcomes(RunDir(folder).evaluation(2))
    hard = outcomes.members["hard"]
    assert rows[5]["random_at_1"]["value"] == pytest.approx(outcomes.sampled[hard].mean())
    assert rows[5]["random_at_1"]["n"] == hard.sum()
    assert rows[5]["by_chance"] < rows[3]["by_chance"], "harder positions have more answers to guess among"


def test_one_sample_is_tested_by_mcnemar(ground, tmp_path):
    stages.run_stage(tmp_path, config(ground, samples=1, templates=["plain_fenced", "plain"]))
    row = table(tmp_path, "templates")[1]
    assert row["random_p"] == row["pass_p"]
    assert row["random_at_1"] == row["pass_at_k"]


def test_the_first_template_is_asked_as_an_evaluation_asks(finished, ground, tmp_path):
    asked = config(ground)
    held_out = {**asked["held_out"], "modes": ["sampled"], "samples": 4}
    evaluate = {"stage": "evaluate", "model": asked["model"], "evaluation": held_out, "sampling": asked["sampling"]}
    stages.run_stage(tmp_path, {**evaluate, "prompt": {"template": "plain", "max_prompt_tokens": 64}})
    ours, theirs = (pq.read_table(RunDir(f).evaluation(n)) for f, n in ((finished[0], 1), (tmp_path, 0)))
    assert ours.equals(theirs)


class StopInTemplate(EventLog):
    """Asks for a stop when a template's turn comes."""

    number = None
    context = None

    def emit(self, type_, **data):
        super().emit(type_, **data)
        if type_ == EventType.PROGRESS and data["step"] == self.number - 1:
            self.context.request_stop()


def test_a_stopped_run_goes_on_with_the_template_that_was_cut_short(finished, ground, tmp_path):
    validated = TemplatesConfig.model_validate(config(ground))
    run_dir = RunDir(tmp_path)
    run_dir.create(validated)
    with StopInTemplate(run_dir.events) as log:
        log.context, log.number = StageContext(run_dir, log), 2
        with pytest.raises(StopRequested) as stop:
            run(validated, log.context)
    assert stop.value.step == 1
    assert not stages.events(tmp_path, EventType.TABLE)
    stages.run_stage(tmp_path, config(ground))
    assert [data["start_step"] for data in stages.events(tmp_path, EventType.STARTED)] == [0, 1]
    assert [data["step"] for data in stages.events(tmp_path, EventType.ROLLOUTS)] == [1, 2, 3]
    for name in ("templates", "templates_by_difficulty"):
        assert table(tmp_path, name) == table(finished[0], name)


def test_all_templates_leave_the_same_room_for_the_context(ground):
    _, tokenizer = stages.taught()
    validated = TemplatesConfig.model_validate(config(ground, max_prompt_tokens=60))
    templates = load_templates(validated.templates)
    prompts = equal_prompts(validated, templates, tokenizer)
    frames = [
        prompt_frame(template, tokenizer, prompt.max_prompt_tokens)
        for template, prompt in zip(templates, prompts, strict=True)
    ]
    rooms = {frame.max_context_tokens for frame in frames}
    assert len(rooms) == 1
    assert max(prompt.max_prompt_tokens for prompt in prompts) == 60
    with pytest.raises(UserError, match="'plain_instructed' alone takes"):
        equal_prompts(validated.model_copy(update={"max_prompt_tokens": 20}), templates, tokenizer)


def test_templates_must_be_there_and_differ(tmp_path):
    with pytest.raises(UserError, match="empty"):
        load_templates(())
    (tmp_path / "plain.txt").write_text("{context}")
    with pytest.raises(UserError, match="called plain"):
        load_templates(("plain", str(tmp_path / "plain.txt")))


def test_a_message_to_a_model_without_a_chat_template_is_warned_of(ground, tmp_path):
    (tmp_path / "mine.txt").write_text("Go on: {context}")
    stages.run_stage(tmp_path / "run", config(ground, samples=1, templates=["plain", str(tmp_path / "mine.txt")]))
    (warning,) = stages.events(tmp_path / "run", EventType.LOG)
    assert "no chat template, so mine is given to it as plain text" in warning["message"]


def test_templates_asked_at_different_positions_are_not_compared(finished, ground):
    run_dir = RunDir(finished[0])
    outcomes = read_outcomes(run_dir.evaluation(1))
    whole = TemplateResult.read("a", outcomes, run_dir.rollout_shard("sampled", 1))
    turned = TemplateResult.read("b", outcomes.at(np.arange(len(outcomes))[::-1]), run_dir.rollout_shard("sampled", 1))
    with pytest.raises(UserError, match="different positions"):
        template_tables([whole, turned], TemplatesConfig.model_validate(config(ground)))
