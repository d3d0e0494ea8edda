"""Pre-flight: what would go wrong is found before a model is loaded; sizes and volumes are those of the real thing."""

import json
import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from statistics import mean

import pytest

from rpt_core.checkpoints import load_model, new_model
from rpt_core.config import STAGES, ModelConfig, ScratchConfig
from rpt_core.errors import UserError
from rpt_core.flops import matrix_parameters, sizes
from rpt_core.preflight import check, check_values, hardware, work
from rpt_core.preflight.__main__ import main
from rpt_core.preflight.checks import refuse_if_failing
from rpt_core.preflight.data import Data
from rpt_core.preflight.model_shape import shape_of, shape_of_scratch
from rpt_core.preflight.work import work_of
from rpt_core.run_dir import RunDir
from rpt_core.shards import read_rollouts
from rpt_core.stage import EXIT_FAILED, run_stage
from tests.rpt_core import stages

CPU = hardware("cpu-2")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return stages.save_taught(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def filtered(tmp_path_factory, model):
    folder = tmp_path_factory.mktemp("filter")
    corpus = stages.write_corpus(folder / "corpus.jsonl")
    config = {"stage": "filter", "corpus": corpus, "proxy": model, "min_entropy_nats": 0.0}
    stages.run_stage(folder / "run", config)
    return str(folder / "run" / "positions")


def rpt(model, positions, **more):
    config = {
        "stage": "rpt",
        "model": model,
        "positions": positions,
        "steps": 4,
        "batch_problems": 2,
        "group_size": 3,
        "prompt": {"template": "plain", "max_prompt_tokens": 60},
        "sampling": {"max_response_tokens": 20},
        **more,
    }
    return STAGES["rpt"].model_validate(config)


def fields(report, level="error"):
    return [problem.field for problem in report.problems if problem.level == level]


def test_a_checkpoint_is_counted_as_its_loaded_model_is(model):
    loaded, _ = load_model(ModelConfig(**model))
    shape = shape_of(ModelConfig(**model))
    assert shape.parameters == sum(parameter.numel() for parameter in loaded.parameters())
    assert shape.matrix_parameters == matrix_parameters(loaded)
    assert (shape.layers, shape.hidden, shape.kv_width) == (1, 32, 32)


def test_a_model_is_computed_from_its_config_where_there_are_no_weights(tmp_path):
    # Llama 3.2 1B, whose published size is 1,235,814,400 parameters.
    sizes = {
        "hidden_size": 2048,
        "num_hidden_layers": 16,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 64,
        "intermediate_size": 8192,
        "vocab_size": 128256,
        "tie_word_embeddings": True,
        "max_position_embeddings": 131072,
    }
    (tmp_path / "config.json").write_text(json.dumps(sizes))
    shape = shape_of(ModelConfig(path=str(tmp_path)))
    assert shape.parameters == 1_235_814_400
    assert shape.kv_width == 512


def test_the_new_model_of_the_tiny_preset_has_the_size_that_its_docs_say():
    shape = shape_of_scratch(ScratchConfig())
    assert (shape.matrix_parameters, shape.parameters) == (185_344, 186_368)


@pytest.mark.parametrize("architecture", ["qwen2", "llama"])
def test_a_new_model_is_counted_as_it_is_made(architecture):
    tokenizer = stages.taught()[1]
    scratch = ScratchConfig(architecture=architecture).model_copy(update={"vocab_size": len(tokenizer)})
    shape = shape_of_scratch(scratch)
    assert sizes(new_model(scratch, tokenizer, seed=0)) == {
        "parameters": shape.parameters,
        "matrix_parameters": shape.matrix_parameters,
    }


def test_a_run_s_result_tells_the_sizes_that_its_pre_flight_told(model, tmp_path):
    values = {"stage": "ntp", "model": model, "corpus": stages.write_corpus(tmp_path / "corpus.jsonl")}
    config = STAGES["ntp"].model_validate(values | {"budget": {"steps": 1}})
    result = stages.run_stage(tmp_path / "run", config.model_dump(mode="json"))
    told = check(config, CPU).model
    assert (result["parameters"], result["matrix_parameters"]) == (told.parameters, told.matrix_parameters)
    assert result["parameters"] > result["matrix_parameters"]


def test_a_stage_is_refused_with_all_that_is_missing(tmp_path):
    config = rpt({"path": str(tmp_path / "no model")}, str(tmp_path / "no positions"))
    with pytest.raises(UserError, match=r"no model holds no config\.json.*`positions`: .*no positions does not exist"):
        refuse_if_failing(config)


@pytest.mark.parametrize("size", [0, 100, -100])
def test_half_a_file_of_weights_is_explained(model, tmp_path, size):
    folder = tmp_path / "half"
    shutil.copytree(model["path"], folder)
    file = folder / "model.safetensors"
    os.truncate(file, size % file.stat().st_size)
    with pytest.raises(UserError, match=r"half/model\.safetensors is damaged"):
        shape_of(ModelConfig(path=str(folder)))
    with pytest.raises(UserError, match=r"cannot be loaded.*deserializing"):
        load_model(ModelConfig(path=str(folder)))


def test_a_folder_without_a_model_is_explained(tmp_path):
    with pytest.raises(UserError, match=r"holds no config\.json"):
        shape_of(ModelConfig(path=str(tmp_path)))


def test_the_work_of_rpt_is_what_its_numbers_multiply_to(model, filtered):
    config = rpt(model, filtered)
    report = check(config, CPU)
    assert report.problems == []
    prompt = report.most.tokens  # read + generated + trained
    steps, problems, rows, response = 4, 2, 6, 20
    mean = (prompt - steps * rows * response * 2) / (steps * (problems + rows))
    assert 5 < mean < 40, "prompts of a short row of digits"
    expected = 2 * steps * (problems * mean + rows * response) + 6 * steps * rows * (mean + response)
    assert report.most.flops == pytest.approx(expected * report.model.matrix_parameters)
    assert report.most.rollouts == steps * rows
    assert report.typical.flops < report.most.flops


def test_the_first_prompt_is_the_one_that_the_policy_gets(model, filtered):
    first = check(rpt(model, filtered), CPU).first_prompt
    assert first.text.startswith("Digits")
    assert first.text.endswith("<think>")
    assert first.tokens >= 2


def test_a_prompt_and_a_response_that_do_not_fit_the_model_are_found(model, filtered):
    report = check(rpt(model, filtered, sampling={"max_response_tokens": 5000}), CPU)
    assert fields(report) == ["sampling.max_response_tokens"]
    assert "a response of 5000 tokens are 5060, but the model takes 1024" in report.problems[0].message


def test_missing_files_and_templates_are_found_by_field(model, tmp_path):
    config = rpt(model, str(tmp_path / "nowhere"), prompt={"template": "none", "max_prompt_tokens": 60})
    assert fields(check(config, CPU)) == ["positions", "prompt.template"]
    filter_ = {"stage": "filter", "corpus": {"paths": ["a.jsonl"]}, "proxy": {"path": str(tmp_path / "m")}}
    assert fields(check(STAGES["filter"].model_validate(filter_), CPU)) == ["proxy.path", "corpus.paths"]


def test_wrong_fields_and_missing_files_are_found_together(tmp_path):
    values = {
        "model": {"path": str(tmp_path / "m"), "dtype": "float8"},
        "corpus": {"paths": ["a.jsonl"], "mapping": "x"},
        "scratch": {"heads": 3},
        "budget": {},
    }
    report = check_values("ntp", values, CPU)
    wrong = ["model.dtype", "corpus.mapping", "scratch.heads", "budget", ""]  # both a model and a new one
    assert sorted(fields(report)) == sorted([*wrong, "model.path", "corpus.paths"])
    assert report.notes == [
        "Checks that need what is wrong follow once it is mended, and so do memory, time and the first prompt."
    ]


def test_a_field_that_is_wrong_or_missing_is_named_once(tmp_path):
    values = {"model": {"path": 3}, "evaluation": {}, "prompt": {"template": "none"}, "stepz": 1}
    report = check_values("rpt", values, CPU)
    assert fields(report) == ["model.path", "positions", "evaluation.positions", "stepz", "prompt.template"]


def test_values_that_are_a_config_are_checked_as_one(model, filtered):
    config = rpt(model, filtered)
    assert check_values("rpt", config.model_dump(mode="json"), CPU) == check(config, CPU)


def test_what_an_earlier_run_will_make_is_left_alone():
    report = check(rpt({"path": "@cold/checkpoint"}, "@filter/positions"), CPU)
    assert report.problems == []
    assert report.pending
    assert report.most is None


def test_limits_stand_for_positions_that_are_not_there_yet(model):
    report = check(rpt(model, "@filter/positions"), CPU)
    assert report.pending
    assert report.most.tokens == 4 * (2 * 60 + 6 * 20 + 6 * 80)


def test_the_estimate_of_verl_says_that_it_is_the_plain_loops(model, filtered):
    plain, verl = (check(rpt(model, filtered, engine=engine), CPU) for engine in ("torch", "verl"))
    assert verl.most == plain.most
    [more] = set(verl.notes) - set(plain.notes)
    assert more.startswith("All of it is the plain loop's. verl needs more: minutes to start")


@pytest.mark.skipif(find_spec("verl") is not None, reason="verl is installed here")
def test_engines_that_are_not_here_are_worth_a_warning(model, filtered):
    report = check(rpt(model, filtered, engine="verl", rollout_backend="vllm"), CPU)
    assert fields(report, "warning") == ["engine", "rollout_backend"]
    assert "verl is not installed in the environment that checks this" in report.problems[0].message


def test_wrong_fields_broken_rules_lengths_and_data_are_told_together(model, tmp_path):
    (tmp_path / "bad.jsonl").write_text("no JSON\n")
    values = {
        "model": model,
        "questions": {"paths": [str(tmp_path / "bad.jsonl")]},
        "group_size": "many",
        "grpo": {"minibatch_groups": 5},
        "sampling": {"max_response_tokens": 5000},
        "test_sampling": {"max_response_tokens": 2},
    }
    report = check_values("rlvr", values, CPU)
    assert fields(report) == [
        "group_size",
        "grpo.minibatch_groups",
        "",  # the file
        "sampling.max_response_tokens",
        "test_sampling.max_response_tokens",
        "test_sampling.max_response_tokens",
    ]
    assert "bad.jsonl" in report.problems[2].message


def test_each_thing_that_verl_lacks_is_a_problem_by_itself(model, filtered):
    values = rpt(model, filtered).model_dump(mode="json")
    more = {"engine": "verl", "grpo": {"overlong": "mask"}, "verl": {"nodes": 4}, "steps": "x"}
    assert fields(check_values("rpt", values | more, CPU)) == ["steps", "grpo.overlong", "verl"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"evaluation": True}, "evaluate_at_steps"),
        ({"dynamic_sampling": {"from_step": 5}}, "dynamic_sampling.from_step"),
        ({"optimiser": {"warmup_steps": 5}}, "optimiser.warmup_steps"),
        ({"sampling": {"max_response_tokens": 20, "temperature": 3}}, "sampling.temperature"),
        ({"prompt": {"template": "plain", "max_prompt_tokens": 10}}, "prompt.max_prompt_tokens"),
    ],
)
def test_values_of_little_use_are_worth_a_warning(model, filtered, changes, field):
    if changes.get("evaluation"):
        changes = {"evaluation": {"positions": filtered}}
    report = check(rpt(model, filtered, **changes), CPU)
    assert (fields(report), fields(report, "warning")) == ([], [field])


def test_a_prompt_that_holds_nothing_but_its_template_is_an_error(model, filtered):
    report = check(rpt(model, filtered, prompt={"template": "plain", "max_prompt_tokens": 1}), CPU)
    assert "Raise `max_prompt_tokens` or take a shorter template." in report.errors[0].message
    assert report.notes == [
        "Checks that need what is wrong follow once it is mended, and so do memory, time and the first prompt."
    ]


def test_a_response_too_short_for_any_answer_is_an_error(model, filtered):
    report = check(rpt(model, filtered, sampling={"max_response_tokens": 2}), CPU)
    assert fields(report) == ["sampling.max_response_tokens"]
    assert r"Even the shortest answer, \boxed{1}, takes " in report.errors[0].message


def test_evaluation_costs_time_but_is_no_training_compute(model, filtered):
    plain = check(rpt(model, filtered), CPU)
    with_evaluation = check(rpt(model, filtered, evaluation={"positions": filtered}, evaluate_at_steps=[0, 4]), CPU)
    assert with_evaluation.most.flops == pytest.approx(plain.most.flops)
    assert with_evaluation.most.seconds > plain.most.seconds


def test_a_bench_of_templates_reads_a_prompt_once_for_its_samples(model, filtered):
    values = {
        "stage": "templates",
        "model": model,
        "held_out": {"positions": filtered, "easy_nats": 0.0, "positions_per_difficulty": 10},
        "templates": ["plain", "plain_fenced"],
        "samples": 4,
        "max_prompt_tokens": 100,
        "sampling": {"max_response_tokens": 20},
    }
    report = check(STAGES["templates"].model_validate(values), CPU)
    positions = report.most.rollouts / 8
    assert 10 <= positions <= 30
    prompts = report.most.tokens - positions * 8 * 20
    assert 2 <= prompts / (positions * 2) <= 40, "prompts of a few digits, not of the limit"


def test_tokens_of_a_corpus_are_counted_with_the_model_s_tokenizer(model, tmp_path):
    corpus = stages.write_corpus(tmp_path / "corpus.jsonl")
    config = STAGES["ntp"].model_validate(
        {"stage": "ntp", "model": model, "corpus": corpus, "budget": {"epochs": 2}, "batch_documents": 4}
    )
    result = stages.run_stage(tmp_path / "run", config.model_dump(mode="json"))
    estimate = check(config, CPU).most
    # The hash split gives about 60 % to training, and each document an end token more.
    assert estimate.flops == pytest.approx(result["flops"], rel=0.25)


def test_a_budget_in_compute_is_the_compute(model, tmp_path):
    corpus = stages.write_corpus(tmp_path / "corpus.jsonl")
    config = STAGES["ntp"].model_validate(
        {"stage": "ntp", "model": model, "corpus": corpus, "budget": {"flops": 3.5e9}}
    )
    assert check(config, CPU).most.flops == pytest.approx(3.5e9)


def test_dynamic_sampling_may_add_batches(model, filtered):
    shape = shape_of(ModelConfig(**model))
    data = Data(prompt_tokens=10)
    plain = work_of(rpt(model, filtered), shape, data, typical=False)
    dynamic = rpt(model, filtered, dynamic_sampling={"from_step": 3, "max_extra_batches": 5})
    most, typical = (work_of(dynamic, shape, data, typical=flag) for flag in (False, True))
    assert most.rollouts == plain.rollouts * (4 + 2 * 5) / 4
    assert most.trained_tokens == plain.trained_tokens, "a step learns from one batch, however many it samples"
    # Half of the groups teach something, so typically a second batch fills the first.
    assert typical.rollouts == plain.rollouts * (4 + 2) / 4
    assert (
        typical.trained_tokens == work_of(rpt(model, filtered), shape, data, typical=True).trained_tokens * (4 + 2) / 4
    )


@pytest.mark.parametrize(
    "grpo",
    [
        {},
        {"kl_coefficient": 0.01},
        {"entropy_coefficient": 0.01},
        {"kl_coefficient": 0.01, "minibatch_groups": 2},
    ],
    ids=lambda grpo: "-".join(grpo) or "plain",
)
def test_the_compute_of_an_update_is_that_of_a_real_run(model, filtered, tmp_path, monkeypatch, grpo):
    config = rpt(
        model,
        filtered,
        steps=6,
        batch_problems=8,
        group_size=4,
        sampling={"max_response_tokens": 12},
        grpo=grpo,
        optimiser={"learning_rate": 1e-6},
    )
    result = stages.run_stage(tmp_path / "run", config.model_dump(mode="json"))
    rows = [row for step in range(1, 7) for row in read_rollouts(RunDir(tmp_path / "run").rollout_shard("train", step))]
    # How long responses are and how many groups are live is a matter of the policy: here they are the run's own.
    monkeypatch.setattr(work, "TYPICAL_LENGTH", mean(row.response_tokens for row in rows) / 12)
    monkeypatch.setattr(work, "TYPICAL_LIVE", mean(row.advantage != 0 for row in rows))
    assert check(config, CPU).typical.flops == pytest.approx(result["flops"], rel=0.1)


def test_dynamic_sampling_with_a_kl_term_learns_from_the_live_groups_alone(model, filtered, monkeypatch):
    monkeypatch.setattr(work, "TYPICAL_LIVE", 0.2)
    kl = {"kl_coefficient": 0.01}
    dynamic = rpt(model, filtered, grpo=kl, dynamic_sampling={"from_step": 1, "max_extra_batches": 1})
    shape, data = shape_of(ModelConfig(**model)), Data(prompt_tokens=10)
    some, every = (work_of(config, shape, data, typical=True) for config in (dynamic, rpt(model, filtered, grpo=kl)))
    assert some.trained_tokens == pytest.approx(0.4 * every.trained_tokens), "two batches with a fifth each"


def test_a_reference_takes_memory_and_time(model, filtered):
    plain, with_kl = (check(rpt(model, filtered, grpo={"kl_coefficient": kl}), CPU) for kl in (0, 0.01))
    assert with_kl.memory.references == 4 * with_kl.model.parameters
    assert with_kl.memory.total > plain.memory.total
    assert with_kl.typical.seconds > plain.typical.seconds
    narrow = check(rpt({**model, "dtype": "bfloat16"}, filtered, grpo={"kl_coefficient": 0.01}), CPU)
    assert narrow.memory.references == 2 * narrow.model.parameters, "it is loaded in the format of the computation"


def test_checkpoints_follow_steps_whatever_the_number_of_mini_batches(model, filtered):
    one, two = (check(rpt(model, filtered, grpo={"minibatch_groups": n}), CPU) for n in (None, 1))
    assert one.most.disk_bytes == two.most.disk_bytes


def test_a_budget_in_tokens_counts_the_responses_that_teach_nothing(model, tmp_path):
    config = STAGES["rlvr"].model_validate(
        {
            "model": model,
            "questions": {"source": "tiny", "train_questions": 16, "test_questions": 4},
            "template": "plain",
            "batch_questions": 4,
            "group_size": 2,
            "sampling": {"max_response_tokens": 20},
            "budget": {"tokens": 4000},
        }
    )
    shape, data = shape_of(ModelConfig(**model)), Data(prompt_tokens=12)
    typical = work_of(config, shape, data, typical=True)
    assert typical.steps == 4000 / (8 * (12 + 8))


@pytest.fixture
def paper_sized(tmp_path):
    """The shape of DeepSeek-R1-Distill-Qwen-14B, whose published size is 14.8 billion, without its weights."""
    sizes = {
        "hidden_size": 5120,
        "num_hidden_layers": 48,
        "num_attention_heads": 40,
        "num_key_value_heads": 8,
        "intermediate_size": 13824,
        "vocab_size": 152064,
        "tie_word_embeddings": False,
        "max_position_embeddings": 131072,
    }
    (tmp_path / "config.json").write_text(json.dumps(sizes))
    stages.taught()[1].save_pretrained(tmp_path)
    return {"path": str(tmp_path), "dtype": "bfloat16"}


def test_a_paper_sized_model_does_not_fit_one_gpu(paper_sized):
    config = STAGES["rpt"].model_validate({"model": paper_sized, "positions": "@filter/positions"})
    report = check(config, hardware("h100"))
    assert report.model.parameters == pytest.approx(14.8e9, rel=0.01)
    assert report.memory.optimiser == 12 * report.model.parameters
    assert [p.message for p in report.problems if "of memory are needed" in p.message]
    assert report.most.rollouts == 2_048_000


def test_checkpoints_that_the_disk_does_not_hold_are_worth_a_warning(paper_sized, tmp_path, capsys):
    config = rpt(paper_sized, "@filter/positions", steps=100_000, checkpoint_every_steps=1)
    place = tmp_path / "not" / "yet"  # 17,700 TB
    assert fields(check(config, CPU, place), "warning") == ["", "checkpoint_every_steps"]
    words = check(config, CPU, place).problems[-1].message
    assert re.fullmatch(
        rf"The run writes up to 17,\d{{3}},\d{{3}} GB, and {place} has [\d.,]+ GB free here\. "
        r"Raise this, limit `keep_checkpoints`, or free some space\.",
        words,
    )
    assert fields(check(config, CPU), "warning") == [""], "nobody has said where the run would be"
    (tmp_path / "run.json").write_text(config.model_dump_json())
    main(["rpt", str(tmp_path / "run.json"), "--folder", str(place)])
    assert words in capsys.readouterr().out


def test_an_analysis_says_of_its_files_what_the_stage_would(tmp_path):
    (tmp_path / "text").write_text("no Parquet")
    values = {
        "stage": "analyse",
        "comparisons": [
            {"name": "x", "a": "@rpt/outcomes", "b": str(tmp_path / "b.parquet")},
            {"name": "y", "a": str(tmp_path), "b": str(tmp_path / "text")},
        ],
        "frontiers": [{"name": "z", "outcomes": str(tmp_path)}],
        "patterns": {"responses": [{"model": "m", "shards": [str(tmp_path)]}]},
        "scaling": [{"name": "s", "run": str(tmp_path / "nowhere")}],
    }
    config = STAGES["analyse"].model_validate(values)
    found = {problem.field: problem.message for problem in check(config, CPU).problems}
    assert sorted(found) == [
        "comparisons.0.b",
        "comparisons.1.a",
        "comparisons.1.b",
        "frontiers.0.outcomes",
        "patterns.responses.0",
        "scaling.0.run",
    ]
    assert found["comparisons.0.b"].endswith(
        "b.parquet does not exist. Name a Parquet file in the `evaluations` folder of a run."
    )
    assert "is a folder" in found["comparisons.1.a"]
    assert "is no Parquet file" in found["comparisons.1.b"]
    run = RunDir(tmp_path / "run")
    run.create(config)
    assert run_stage("analyse", run) == EXIT_FAILED
    [failed] = stages.events(run.path, "failed")
    assert failed["message"] == " ".join(f"`{field}`: {message}" for field, message in found.items())


def test_unknown_hardware_is_explained():
    with pytest.raises(UserError, match="Known: cpu-2, rtx-4090"):
        hardware("abacus")


def test_the_command_says_which_hardware_it_knows(tmp_path, capsys):
    file = tmp_path / "config.json"
    file.write_text('{"stage": "analyse"}')
    assert main(["analyse", str(file), "--hardware", "abacus"]) == 2
    assert capsys.readouterr().err == (
        "error: There is no hardware 'abacus' in the list. "
        "Known: cpu-2, rtx-4090, a100-80, h100, h200, 8xh100, 8xh200.\n"
    )


def test_the_command_prints_json_and_fails_on_errors(tmp_path, model, filtered, capsys):
    file = tmp_path / "config.json"
    file.write_text(rpt(model, filtered).model_dump_json())
    assert main(["rpt", str(file), "--json", "--hardware", "h100"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["first_prompt"]["tokens"] >= 2
    assert report["memory"]["total"] > 0
    file.write_text(rpt(model, str(tmp_path / "nowhere")).model_dump_json())
    assert main(["rpt", str(file)]) == 2
    assert "error: positions: " in capsys.readouterr().out


def test_the_command_says_what_the_time_assumes(tmp_path, model, filtered, capsys):
    file = tmp_path / "config.json"
    file.write_text(rpt(model, filtered).model_dump_json())
    assert main(["rpt", str(file)]) == 0
    assert "The time is that of a machine which does nothing else.\nfirst prompt" in capsys.readouterr().out
    assert main(["rpt", str(file), "--json", "--hardware", "h100"]) == 0
    assert len(json.loads(capsys.readouterr().out)["notes"]) == 2, "nobody has measured an H100"


def test_a_config_of_another_stage_is_said_to_be_one(tmp_path, model, filtered, capsys):
    file = tmp_path / "config.json"
    file.write_text(rpt(model, filtered).model_dump_json())
    assert main(["ntp", str(file)]) == 2
    assert capsys.readouterr().err == (
        f"error: {file} looks like a config of stage rpt, not of ntp. Name that stage, or another file.\n"
    )


def test_the_command_needs_no_torch(tmp_path, model, filtered):
    file = tmp_path / "config.json"
    file.write_text(rpt({"path": "@cold/checkpoint"}, "@filter/positions").model_dump_json())
    code = f"""import sys
from rpt_core.preflight import work
from rpt_core.preflight.__main__ import main
from rpt_core.preflight.checks import refuse_if_failing
from rpt_core.preflight.data import Data
main(["rpt", {str(file)!r}])
print("torch" in sys.modules)"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "False"


def test_every_planned_run_of_a_preset_passes_before_anything_has_run():
    from rpt_core.preflight.checks import problems_of
    from rpt_core.presets import load_preset

    for planned in load_preset("tiny").runs:
        config = planned.resolve(0, lambda name, what: 1e12 if what == "flops" else f"@{name}/{what}")
        assert problems_of(config, None) == []


def test_a_run_in_a_folder_can_be_checked_by_its_own_config(tmp_path, model, filtered):
    run = RunDir(tmp_path / "run")
    run.create(rpt(model, filtered))
    assert main(["rpt", str(run.config)]) == 0
    assert main(["rpt", str(run.path)]) == 0


def test_a_folder_without_a_config_is_said_to_be_a_folder(tmp_path, capsys):
    assert main(["rpt", str(tmp_path)]) == 2
    assert capsys.readouterr().err == (
        f"error: {tmp_path} is a folder, and holds no config.json. Name the file with the config, or a run's folder.\n"
    )
