"""A preset run from the shell: order, references, what is skipped, what is refused, the closing table."""

import pytest

from rpt_core.errors import UserError
from rpt_core.events import EventLog, EventType, read_events
from rpt_core.pipeline import main, product, resolve, run_preset
from rpt_core.pipeline_report import evaluations, report, scaling_points
from rpt_core.presets import PlannedRun, Preset, load_preset, preset_names
from rpt_core.run_dir import RunDir
from rpt_core.shards import read_rollouts

NTP = {
    "corpus": {"source": "tiny", "tiny_part": "pretrain", "tiny_documents": 40},
    "scratch": {"hidden_size": 16, "layers": 1, "intermediate_size": 16, "vocab_size": 270},
    "budget": {"steps": 2},
    "seed": "@seed",
}


def ntp(name, **config):
    return PlannedRun(name=name, stage="ntp", title="train", config={**NTP, **config})


def plan(*runs):
    return Preset(name="p", description="", runs=runs)


def share(value, n=10):
    return {"correct": round(value * n), "n": n, "value": value, "low": value - 0.1, "high": value + 0.1}


def write_events(run, *events):
    run.path.mkdir(parents=True)
    with EventLog(run.events) as log:
        log.emit(EventType.STARTED, start_step=0, total_steps=2)
        for kind, data in events:
            log.emit(kind, **data)


def evaluation(step, flops, value):
    results = {"sampled": {"easy": share(value), "medium": share(value), "hard": share(value)}}
    return EventType.EVALUATION, {"step": step, "flops": flops, "outcomes": "x", "results": results}


def test_references_become_what_earlier_runs_produced(tmp_path):
    run = RunDir(tmp_path / "a")
    run.checkpoint(2).mkdir(parents=True)
    run.checkpoint(10).mkdir()
    with EventLog(run.events) as log:
        log.emit(EventType.METRICS, step=1, values={}, flops=3.0)
        log.emit(EventType.CHECKPOINT, step=10, path="x", bytes=1, flops=5.0)
    later = ntp("b", scratch=None, model={"path": "@a/checkpoint"}, budget={"flops": "@a/flops"})
    config = resolve(later, tmp_path, seed=7)
    assert config.model.path == str(run.checkpoint(10))
    assert config.budget.flops == 5.0
    assert config.seed == 7


def test_a_run_without_a_checkpoint_cannot_be_referred_to(tmp_path):
    with pytest.raises(UserError, match="has no checkpoint"):
        product(RunDir(tmp_path / "a"), "checkpoint")


def test_a_plan_can_refer_to_three_things(tmp_path):
    with pytest.raises(UserError, match="checkpoint, positions or flops"):
        product(RunDir(tmp_path), "colour")


def test_runs_follow_each_other_and_finished_ones_are_not_repeated(tmp_path, capsys):
    preset = plan(ntp("first"), ntp("second", scratch=None, model={"path": "@first/checkpoint"}))
    assert run_preset(preset, tmp_path, seed=0) == 0
    before = [len(list(read_events(tmp_path / name / "events.jsonl"))) for name in ("first", "second")]
    assert min(before) > 0
    capsys.readouterr()
    assert run_preset(preset, tmp_path, seed=0) == 0
    assert [len(list(read_events(tmp_path / name / "events.jsonl"))) for name in ("first", "second")] == before
    assert capsys.readouterr().out.count("finished earlier") == 2


def test_a_folder_of_another_seed_is_left_alone(tmp_path):
    preset = plan(ntp("first"))
    RunDir(tmp_path / "first").create(resolve(preset.runs[0], tmp_path, seed=0))
    with pytest.raises(UserError, match="another config"):
        run_preset(preset, tmp_path, seed=1)


def test_the_first_failure_ends_the_preset_and_shows_why(tmp_path, capsys):
    broken = ntp("first", corpus={"source": "files", "paths": [str(tmp_path / "missing.txt")]})
    assert run_preset(plan(broken, ntp("second")), tmp_path, seed=0) == 2
    assert "missing.txt does not exist" in capsys.readouterr().err
    assert not (tmp_path / "second").exists()


def test_the_table_shows_the_first_and_the_last_evaluation_with_n_and_interval(tmp_path):
    write_events(RunDir(tmp_path / "first"), evaluation(0, 0.0, 0.2), evaluation(5, 1.0, 0.4), evaluation(9, 2.0, 0.8))
    lines = report(plan(ntp("first")), tmp_path).splitlines()
    assert (
        next(line for line in lines if line.startswith("first, step 0: reasoning, sampled")).count(
            "20.0 [10.0, 30.0] n=10"
        )
        == 3
    )
    assert any(line.startswith("first, step 9") and "80.0 [70.0, 90.0] n=10" in line for line in lines)
    assert not any(line.startswith("first, step 5") for line in lines)


def test_of_two_evaluations_of_a_step_the_newer_counts(tmp_path):
    run = RunDir(tmp_path / "first")
    write_events(run, evaluation(0, 0.0, 0.2), evaluation(5, 1.0, 0.4), evaluation(5, 1.0, 0.6))
    events = list(read_events(run.events))
    assert [event.data["step"] for event in evaluations(events)] == [0, 5]
    assert scaling_points(events, "sampled", "hard") == ([1.0], [0.6])


def test_a_curve_is_fitted_to_the_points_after_the_start(tmp_path):
    curve = [evaluation(step, float(step), 0.9 - 0.5 / step) for step in (1, 2, 4, 8, 16)]
    write_events(RunDir(tmp_path / "first"), evaluation(0, 0.0, 0.1), *curve)
    line = next(line for line in report(plan(ntp("first")), tmp_path).splitlines() if line.startswith("first, hard: P"))
    assert "= -0.5 / C^1 + 0.9, R2 1.000 on 5 points" in line


def test_an_unknown_preset_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["none", str(tmp_path)])
    assert "tiny" in capsys.readouterr().err


@pytest.mark.parametrize("name", preset_names())
def test_shipped_presets_refer_to_earlier_runs_and_validate(name):
    preset, known = load_preset(name), set()
    for run in preset.runs:
        assert run.needs() <= known
        config = run.resolve(3, lambda run, what: 1e9 if what == "flops" else f"/runs/{run}/{what}")
        assert config.stage == run.stage
        assert config.seed == 3
        known.add(run.name)


def test_the_paper_preset_has_the_published_numbers():
    run = load_preset("paper").run("rpt")
    config = run.resolve(0, lambda name, what: f"/runs/{name}/{what}")
    assert (config.steps, config.batch_problems, config.group_size) == (1000, 256, 8)
    assert (config.optimiser.learning_rate, config.optimiser.betas) == (1e-6, (0.9, 0.999))
    assert (config.optimiser.weight_decay, config.optimiser.max_grad_norm) == (0.01, 0.2)
    assert (config.sampling.temperature, config.sampling.max_response_tokens) == (0.8, 8192)
    assert config.prompt.max_prompt_tokens == 4096


@pytest.mark.slow
def test_the_smoke_preset_runs_every_stage_and_earns_rewards(tmp_path, capsys):
    assert main(["smoke", str(tmp_path), "--seed", "0"]) == 0
    rewards = [row.reward for path in (tmp_path / "rpt" / "rollouts").glob("train-*") for row in read_rollouts(path)]
    assert len(rewards) == 6 * 8 * 8
    assert 0 < sum(rewards) < len(rewards)
    out = capsys.readouterr().out
    assert "probe_step" in out
    assert "rpt, hard: P(C) =" in out
    for name in ("rpt, step 0", "rpt-eval", "ntp-eval", "sft-eval"):
        assert f"\n{name}: standard (argmax)" in out
