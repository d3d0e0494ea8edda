"""A preset run from the shell: order, references, what is skipped, what is refused, the closing table."""

import subprocess
import sys
import time

import pytest

from rpt_core.__main__ import main as shell
from rpt_core.plans.play import asked_plan, finished, main, resolve, run_preset
from rpt_core.plans.preset import PlannedRun, Preset, load_preset
from rpt_core.plans.report import evaluations, report, scaling_points
from rpt_core.run.events import EventLog, EventType, read_events
from rpt_core.run.folder import RunDir

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


@pytest.mark.slow
def test_runs_follow_each_other_and_finished_ones_are_not_repeated(tmp_path, capsys, warm):
    preset = plan(ntp("first"), ntp("second", scratch=None, model={"path": "@first/checkpoint"}))
    assert run_preset(preset, tmp_path, seed=0) == 0
    before = [len(list(read_events(tmp_path / name / "events.jsonl"))) for name in ("first", "second")]
    assert min(before) > 0
    capsys.readouterr()
    assert run_preset(preset, tmp_path, seed=0) == 0
    assert [len(list(read_events(tmp_path / name / "events.jsonl"))) for name in ("first", "second")] == before
    assert capsys.readouterr().out.count("finished earlier") == 2


def test_a_folder_of_another_seed_is_left_alone(tmp_path, capsys):
    preset = plan(ntp("first"), ntp("second", scratch=None, model={"path": "@first/checkpoint"}))
    RunDir(tmp_path / "first").create(resolve(preset.runs[0], tmp_path, seed=0))
    assert run_preset(preset, tmp_path, seed=1) == 2
    shown = capsys.readouterr().err
    assert "failed: first: " in shown
    assert "holds a run with another config" in shown
    assert "skipped: second: it needs first" in shown
    assert not RunDir(tmp_path / "first").events.exists()


@pytest.mark.slow
def test_a_failure_stops_only_what_depends_on_it_and_repeating_runs_what_is_missing(tmp_path, capsys, warm):
    text = tmp_path / "late.txt"
    broken = ntp("broken", corpus={"source": "files", "paths": [str(text)], "validation_share": 0.0})
    after = ntp("after", scratch=None, model={"path": "@broken/checkpoint"})
    last = ntp("last", scratch=None, model={"path": "@after/checkpoint"})
    preset = plan(broken, after, last, ntp("other"))
    assert run_preset(preset, tmp_path, seed=0) == 2
    shown = capsys.readouterr().err.splitlines()
    end = shown.index("1 of 4 runs have finished.")
    assert "late.txt does not exist" in shown[end + 1]
    assert shown[end + 1].startswith("failed: broken: ")
    assert shown[end + 2 :] == [
        "skipped: after: it needs broken",
        "skipped: last: it needs after",
        "Repeat the command to run what is missing.",
    ]
    assert not (tmp_path / "after").exists()
    text.write_text("Add 4 and 7 and 2. The sum is 13. " * 30)
    assert run_preset(preset, tmp_path, seed=0, jobs=2) == 0
    shown = capsys.readouterr()
    assert "other: finished earlier" in shown.out
    assert "4 of 4 runs have finished." in shown.out
    assert all(finished(RunDir(tmp_path / name)) for name in ("broken", "after", "last", "other"))


@pytest.mark.slow
def test_two_jobs_are_two_runs_at_a_time(tmp_path, capsys, warm):
    assert run_preset(plan(*(ntp(name) for name in ("a", "b", "c"))), tmp_path, seed=0, jobs=2) == 0
    lines = capsys.readouterr().out.splitlines()
    happened = [line.split()[0] for line in lines if line.startswith("[") or ": done in" in line]
    assert happened[:2] == ["[1/3]", "[2/3]"], "the second starts before the first has ended"
    assert happened.index("[3/3]") > 2, "the third waits for an end"


@pytest.mark.slow
def test_a_term_stops_every_stage_cleanly_and_the_command_can_be_repeated(tmp_path):
    text = (
        "description: d\nruns:\n"
        "  - {name: a, stage: ntp, title: A, config: {corpus: {source: tiny, tiny_documents: 200}, "
        "scratch: {}, budget: {steps: 100000}}}\n"
        "  - {name: b, stage: ntp, title: B, config: {corpus: {source: tiny}, model: {path: '@a/checkpoint'}}}\n"
    )
    (tmp_path / "mine.yaml").write_text(text)
    command = [sys.executable, "-m", "rpt_core", "preset", str(tmp_path / "mine.yaml"), str(tmp_path / "runs")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    run = RunDir(tmp_path / "runs" / "a")
    while not any(event.type == EventType.METRICS for event in read_events(run.events)):
        assert process.poll() is None
        time.sleep(0.1)
    process.terminate()
    shown, _ = process.communicate(timeout=60)
    assert process.returncode == 3
    assert "a: stopped; repeat the command to continue" in shown
    assert "0 of 2 runs have finished." in shown
    assert [event.type for event in read_events(run.events)][-1] == EventType.STOPPED
    assert run.newest_checkpoint() is not None
    assert not (tmp_path / "runs" / "b").exists()


def test_seeds_become_copies_of_the_plan(tmp_path):
    smoke = load_preset("smoke")
    assert [run.name for run in asked_plan("smoke", [3, 4]).runs][:: smoke.run_count] == ["s3-base", "s4-base"]
    assert asked_plan("smoke", None) == smoke
    file = tmp_path / "mine.yaml"
    file.write_text(
        "description: d\nseeds: [5, 6]\nruns:\n"
        "  - {name: a, stage: ntp, title: A, config: {corpus: {source: tiny}, scratch: {}}}\n"
    )
    assert [run.name for run in asked_plan(str(file), None).runs] == ["s5-a", "s6-a"]
    assert [run.name for run in asked_plan(str(file), [7]).runs] == ["s7-a"]
    assert [run.name for run in asked_plan(str(file), []).runs] == ["a"]


def test_a_plan_that_needs_what_is_not_here_does_not_start_unless_asked(tmp_path, capsys):
    file = tmp_path / "mine.yaml"
    corpus = "{source: files, paths: [/no/such/file.txt]}"
    file.write_text(
        "description: d\nrequires: {paths: [/no/such/file.txt]}\nruns:\n"
        f"  - {{name: a, stage: ntp, title: A, config: {{corpus: {corpus}, scratch: {{}}}}}}\n"
    )
    assert main([str(file), str(tmp_path / "runs")]) == 2
    assert "'mine' cannot run here. It needs /no/such/file.txt, which does not exist" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()
    assert main([str(file), str(tmp_path / "runs"), "--anyway"]) == 2
    assert "failed: a: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--seeds", "0,x"], "'0,x' are not seeds; give whole numbers such as 0,1,2"),
        (["--seeds", "1", "--seed", "2"], "not allowed with argument"),
        (["--jobs", "0"], "'0' is not a number of jobs; give 1 or more"),
    ],
)
def test_wrong_options_are_explained(tmp_path, capsys, words, message):
    with pytest.raises(SystemExit):
        main(["smoke", str(tmp_path), *words])
    assert message in capsys.readouterr().err


def test_a_seed_given_twice_is_refused(tmp_path, capsys):
    assert main(["smoke", str(tmp_path), "--seeds", "1,1"]) == 2
    assert "Give at least one, each once" in capsys.readouterr().err


def test_the_report_names_the_files_of_tables_once(tmp_path):
    table = {"path": "tables/patterns.json", "title": "Patterns", "name": "patterns", "step": 0}
    write_events(RunDir(tmp_path / "a"), (EventType.TABLE, table), (EventType.TABLE, table))
    lines = report(plan(ntp("a")), tmp_path).splitlines()
    assert lines.count(f"a: Patterns: {tmp_path}/a/tables/patterns.json") == 1


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
    assert scaling_points(events, "sampled", "hard") == ([1.0], [0.6], 10)


def test_a_curve_is_fitted_to_the_points_after_the_start(tmp_path):
    curve = [evaluation(step, float(step), 0.9 - 0.5 / step) for step in (1, 2, 4, 8, 16)]
    write_events(RunDir(tmp_path / "first"), evaluation(0, 0.0, 0.1), *curve)
    line = next(line for line in report(plan(ntp("first")), tmp_path).splitlines() if line.startswith("first, hard: P"))
    assert "= -0.5 / C^1 + 0.9, R2 1.000 on 5 points; the points do not determine this curve: P* from " in line


def test_an_unknown_preset_is_refused(tmp_path, capsys):
    assert main(["none", str(tmp_path)]) == 2
    assert "There is no preset 'none'. The presets are: paper," in capsys.readouterr().err


def test_the_paper_preset_has_the_published_numbers():
    run = load_preset("paper").run("rpt")
    config = run.resolve(0, lambda name, what: f"/runs/{name}/{what}")
    assert (config.steps, config.batch_problems, config.group_size) == (1000, 256, 8)
    assert (config.optimiser.learning_rate, config.optimiser.betas) == (1e-6, (0.9, 0.999))
    assert (config.optimiser.weight_decay, config.optimiser.max_grad_norm) == (0.01, 0.2)
    assert (config.sampling.temperature, config.sampling.max_response_tokens) == (0.8, 8192)
    assert config.prompt.max_prompt_tokens == 4096


def test_a_folder_in_the_place_of_a_plan_and_a_file_in_that_of_a_folder_are_said_to_be_such(tmp_path, capsys):
    assert main([str(tmp_path), str(tmp_path / "runs")]) == 2
    assert f"{tmp_path} is a folder. Name a preset (paper, small, " in capsys.readouterr().err
    file = tmp_path / "config.json"
    file.touch()
    with pytest.raises(SystemExit) as ended:
        shell(["rpt", str(file)])
    assert ended.value.code == 2
    assert f"{file} is a file. Name the run's folder" in capsys.readouterr().err


def test_an_accuracy_of_responses_without_boxes_is_marked(tmp_path):
    found = evaluation(0, 0.0, 0.2)
    found[1]["results"]["sampled"]["hard"]["no_box"] = 0.9
    found[1]["results"]["sampled"]["easy"]["no_box"] = 0.5
    write_events(RunDir(tmp_path / "first"), found)
    lines = report(plan(ntp("first")), tmp_path).splitlines()
    (line,) = [line for line in lines if line.startswith("first: reasoning, sampled")]
    assert line.count("20.0* [10.0, 30.0] n=10") == 1
    assert any(line.startswith("* Most of these responses have no box: the format is lost") for line in lines)
