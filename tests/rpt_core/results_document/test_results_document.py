"""The document of a suite's results: numbers of several seeds as one, tables from what runs have stored."""

import math
import re

import pytest

from rpt_core.config import EvaluateConfig
from rpt_core.results_document import document, main
from rpt_core.results_document.markdown import number, percent, points, table
from rpt_core.results_document.sections import average_accuracy, next_token_accuracy, patterns, pooled, scaling
from rpt_core.results_document.stored import Suite
from rpt_core.run.events import EventLog, EventType
from rpt_core.run.folder import RunDir
from rpt_core.run.tables import Column, Estimate, ResultTable, emit_table
from rpt_core.statistics.seeds import DIFFERENCES, SHARES, across_seeds

LEVELS = ("easy", "medium", "hard")


def cell(value, n=100):
    return {"correct": round(value * n), "n": n, "value": value, "low": value - 0.1, "high": value + 0.1}


def write_run(folder, name, evaluations=(), tables=(), finished=True, no_box=None):
    """A run with evaluations {step: {mode: accuracy}}, the same at all difficulties."""
    run = RunDir(folder / name)
    run.create(EvaluateConfig(model={"path": "m"}, evaluation={"positions": "p"}))
    with EventLog(run.events) as log:
        log.emit(EventType.STARTED, start_step=0, total_steps=None)
        for step, modes in dict(evaluations).items():
            results = {m: {level: cell(v) | {"no_box": no_box} for level in LEVELS} for m, v in modes.items()}
            log.emit(EventType.EVALUATION, step=step, flops=1e9, outcomes="x", results=results)
        for stored in tables:
            emit_table(run, log, stored)
        if finished:
            log.emit(EventType.FINISHED, result={"flops": 2e12})


@pytest.fixture
def suite(tmp_path):
    for seed, after in ((0, 0.8), (1, 0.9), (2, 1.0)):
        write_run(tmp_path, f"s{seed}-rpt", {0: {"standard": 0.1, "sampled": 0.2}, 80: {"sampled": after}})
    return Suite(tmp_path)


def test_the_interval_over_seeds_is_student_s():
    # Mean 0.9, standard deviation 0.1, t(0.975, 2) = 4.3027, half width 4.3027 * 0.1 / sqrt(3) = 0.2484.
    found = across_seeds([0.8, 0.9, 1.0])
    assert (found.value, found.n) == (pytest.approx(0.9), 3)
    assert found.low == pytest.approx(0.9 - 4.30265 * 0.1 / math.sqrt(3), abs=1e-4)
    assert found.high == pytest.approx(1.1484, abs=1e-4)
    assert across_seeds([0.8, 0.9, 1.0], SHARES).high == 1.0


@pytest.mark.parametrize("values", [[0.5, 0.5], [0.0, 0.0, 0.0], [0.3 - 0.1, 0.2], [1.0] * 26])
def test_seeds_that_are_alike_have_no_interval(values):
    found = across_seeds(values, SHARES)
    assert (found.value, found.low, found.high, found.n) == (pytest.approx(values[0]), None, None, len(values))


def test_an_interval_ends_where_differences_end():
    found = across_seeds([-0.1, 0.1], DIFFERENCES)
    assert (found.value, found.low, found.high) == (0.0, -1.0, 1.0)


def test_one_seed_has_no_interval_and_none_has_no_number():
    assert across_seeds([0.5, None]) == Estimate(0.5, None, None, 1)
    assert across_seeds([None, float("nan")]) is None


def test_numbers_are_written_for_people():
    assert percent(Estimate(0.5, 0.4, 0.625, 9)) == "50.0 [40.0, 62.5]"
    assert percent({"value": 0.5, "low": None, "high": None}) == "50.0"
    assert percent(None) == "–"
    assert points(0.125) == "+12.5"
    assert number(1234.5) == "1.23e+03"
    assert table(["a", "b"], [["x", "1"]]) == "| a | b |\n| --- | ---: |\n| x | 1 |"


def test_table_1_has_the_evaluations_that_are_there(suite):
    text = next_token_accuracy(suite)
    assert "| before RPT, standard (argmax) | 10.0 | 10.0 | 10.0 |" in text
    assert "| **after RPT, reasoning** | 90.0 [65.2, 100.0] |" in text
    assert "greedy" not in text, "that was not measured"
    assert "more NTP" not in text, "that run is not there"
    assert "n = 100 held-out positions" in text


def test_table_1_says_in_how_many_seeds_a_model_has_lost_its_format(tmp_path):
    for seed, no_box in ((0, 0.98), (1, 0.5), (2, 0.7)):
        write_run(tmp_path, f"s{seed}-ntp-eval", {80: {"sampled": 0.01}}, no_box=no_box)
    text = next_token_accuracy(Suite(tmp_path))
    assert "more NTP, same FLOPs, reasoning: in 2 of 3 seeds most responses on hard positions have no box." in text


def test_best_of_eight_stands_beside_its_chance_level_and_expert_iteration_beside_rpt(tmp_path):
    columns = [Column("difficulty", "Difficulty"), Column("k", "k", "count")]
    columns += [Column(key, key, "share") for key in ("accuracy", "by_chance", "by_chance_different")]
    accuracy = Estimate(0.86, 0.8, 0.9, 70)
    for seed in (0, 1):
        chance = {"by_chance": 0.6 + seed / 10, "by_chance_different": 0.9}
        rows = [{"difficulty": level, "k": k, "accuracy": accuracy, **chance} for level in LEVELS for k in (4, 8)]
        table_of = ResultTable("pass_at_k", "t", "c", columns, rows)
        write_run(tmp_path, f"s{seed}-cold-eval", {0: {"sampled": 0.2, "pass@8": 0.86}}, [table_of])
        write_run(tmp_path, f"s{seed}-expert-responses-eval", {0: {"sampled": 0.9, "greedy": 0.95}})
        write_run(tmp_path, f"s{seed}-expert-flops-eval", {0: {"sampled": 0.92}})
    text = next_token_accuracy(Suite(tmp_path))
    assert "| before RPT, best of 8 | 86.0 | 86.0 | 86.0 |" in text
    assert "| by chance, best of 8 guesses | 65.0 [1.5, 100.0] |" in text
    assert "| by chance, best of 8 different guesses | 90.0 | 90.0 | 90.0 |" in text
    assert "| expert iteration, same number of responses, reasoning | 90.0 |" in text
    assert "| expert iteration, same number of responses, greedy | 95.0 |" in text
    assert "| expert iteration, same FLOPs, reasoning | 92.0 |" in text


def test_a_suite_whose_runs_do_not_tell_the_chance_level_leaves_it_out(tmp_path):
    columns = [Column("difficulty", "Difficulty"), Column("k", "k", "count"), Column("accuracy", "pass@k", "share")]
    rows = [{"difficulty": "hard", "k": 8, "accuracy": Estimate(0.86, 0.8, 0.9, 70)}]
    tables = [ResultTable("pass_at_k", "t", "c", columns, rows)]
    write_run(tmp_path, "s0-cold-eval", {0: {"pass@8": 0.86}}, tables)
    assert "by chance" not in next_token_accuracy(Suite(tmp_path))


def test_what_has_no_row_is_left_out(suite):
    titles = [line[3:] for line in document(suite.folder).splitlines() if line.startswith("## ")]
    assert titles == [
        "Next-token accuracy: a small twin of Table 1",
        "Average accuracy: a small twin of Figure 4",
        "Each seed",
        "What it cost",
    ]


def test_tables_2_and_3_can_do_without_the_runs_before_rpt(tmp_path):
    share = Estimate(0.5, 0.4, 0.6, 90)
    tests = [{"epoch": epoch, "accuracy": share} for epoch in (0, 1)]
    columns = [Column("epoch", "Epoch", "count"), Column("accuracy", "Accuracy", "share")]
    write_run(tmp_path, "s0-rlvr-rpt", tables=[ResultTable("rlvr_test", "t", "c", columns, tests)])
    names = ("category", "n", "chance", "standard", "reasoning")
    columns = [Column(name, name, "text" if name == "category" else "number") for name in names]
    rows = [dict(zip(names, ("All", 90, 0.1, share, share), strict=True))]
    write_run(tmp_path, "s0-choice-rpt", tables=[ResultTable("benchmark", "t", "c", columns, rows)])
    text = document(tmp_path)
    assert "| + RPT | 50.0 | 50.0 |\n\nn = 90 test questions" in text
    assert "| accuracy in % | questions | by chance | standard, after RPT | reasoning, after RPT |" in text
    assert "| All | 90 | 10.0 | 50.0 | 50.0 |" in text
    assert "twin of Table 1" not in text
    assert "from 2 stored runs, seed 0;" in text


def test_figure_4_shows_each_seed(suite):
    assert "| **after RPT, reasoning** | 90.0 [65.2, 100.0] | 80.0, 90.0, 100.0 |" in average_accuracy(suite)


def test_stored_tables_are_averaged_row_by_row(tmp_path):
    columns = [Column("template", "Template"), Column("share", "Share", "share")]
    for seed, value in ((0, 0.2), (1, 0.4)):
        rows = [{"template": "v0", "share": Estimate(value, 0.1, 0.5, 10)}, {"template": "v1", "share": None}]
        write_run(tmp_path, f"s{seed}-templates", tables=[ResultTable("templates", "t", "c", columns, rows)])
    text = pooled(Suite(tmp_path)["templates"], "templates", ["template"], {"share": ("share, %", percent)})
    assert text.splitlines()[2].startswith("| v0 | 30.0 [")
    assert text.splitlines()[3] == "| v1 | – |"


FIT = {"difficulty": "easy", "points": 6, "positions": 9, "alpha": 1.0, "p_star": 0.9, "r2": 0.99, "error": 0.01}
"""Of a scaling curve that its points determine."""


@pytest.mark.parametrize(
    ("changes", "remark"),
    [
        ({}, ""),
        ({"at_bound": 0.001}, "under 1 % of the resamplings at a bound"),
        ({"at_bound": 0.04}, "4 % of the resamplings at a bound"),
        ({"error": None}, "not determined without the last point"),
        ({"error": None, "ahead": None}, "not determined, no extrapolation"),
    ],
)
def test_a_curve_is_told_how_far_its_points_determine_it(tmp_path, changes, remark):
    row = {**FIT, "ahead": 0.95, "at_bound": 0.0, **changes}
    columns = [Column(key, key, "number" if key != "difficulty" else "text") for key in row]
    write_run(tmp_path, "s0-analysis", tables=[ResultTable("scaling_x", "t", "c", columns, [row])])
    assert scaling(Suite(tmp_path)).endswith(f"| {remark} |")


@pytest.mark.parametrize(
    ("scatter", "high", "remark"),
    [(0.0, 0.93, ""), (0.01, 0.93, "not determined: P* from "), (0.0, 0.99, "not determined: P* from 88 to 99 %")],
)
def test_a_curve_whose_limit_is_left_open_is_said_to_be(tmp_path, scatter, high, remark):
    row = {**FIT, "p_star": Estimate(0.9, 0.88, high, 700), "ahead": 0.95, "at_bound": 0.0}
    columns = [Column(key, key, "number" if key != "difficulty" else "text") for key in row]
    shares = [0.9 - 0.5 * 2 ** (-0.5 * n) + scatter * (-1) ** n for n in range(6)]
    points = [
        {"difficulty": "easy", "cost": 2.0**n, "accuracy": Estimate(share, share, share, 700)}
        for n, share in enumerate(shares)
    ]
    measured = [Column("difficulty", "d"), Column("cost", "c", "number"), Column("accuracy", "a", "share")]
    fits = ResultTable("scaling_x", "t", "c", columns, [row])
    write_run(tmp_path, "s0-analysis", tables=[fits, ResultTable("scaling_points_x", "t", "c", measured, points)])
    found = scaling(Suite(tmp_path)).removesuffix(" |").rpartition("|")[2].strip()
    assert found.startswith(remark)
    assert bool(found) == bool(remark)


def test_a_relative_change_can_rise_without_bound_and_falls_to_nothing_at_most(tmp_path):
    columns = [Column("pattern", "Pattern"), Column("model_2", "after", "share")]
    for seed, fall, rise in ((0, -0.99, 1.0), (1, -0.99, 3.0), (2, -0.9, 5.0)):
        rows = [{"pattern": "guess", "model_2": fall}, {"pattern": "work", "model_2": rise}]
        write_run(tmp_path, f"s{seed}-analysis", tables=[ResultTable("pattern_changes", "t", "c", columns, rows)])
    guess, work = patterns(Suite(tmp_path)).splitlines()[2:]
    # Mean -0.96, standard deviation 0.05196, half width 4.30265 * 0.05196 / sqrt(3) = 0.1291.
    assert guess == "| guess | -96.0 [-100.0, -83.1] |"
    assert work == "| work | +300.0 [-100.0, +796.8] |"


def test_runs_that_have_not_finished_do_not_count(tmp_path):
    write_run(tmp_path, "s0-rpt", {0: {"sampled": 0.5}})
    write_run(tmp_path, "s1-rpt", {0: {"sampled": 0.9}}, finished=False)
    suite = Suite(tmp_path)
    assert suite.seeds == [0]
    assert suite["rpt"][0].flops == 2e12


def test_the_command_writes_the_reading_in_front(tmp_path, suite):
    reading, out = tmp_path / "reading.md", tmp_path / "results.md"
    reading.write_text("## What this says\n\nNot much.\n")
    assert main([str(tmp_path), "--reading", str(reading), "--out", str(out)]) == 0
    text = out.read_text()
    assert text.index("Not much.") < text.index("a small twin of Table 1")
    assert "3 stored runs, seeds 0, 1, 2" in text


def test_a_folder_without_runs_is_explained(tmp_path, capsys):
    assert main([str(tmp_path)]) == 2
    assert "holds no runs. Needed is a folder whose runs are named by seed and name" in capsys.readouterr().err
    assert main([str(tmp_path / "nowhere")]) == 2
    assert "is not a folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "finished", "words"),
    [
        ("12", True, "holds runs by their numbers on the platform"),
        ("rpt", True, "bear no seeds: rpt."),
        ("s0-rpt", False, "has finished. Repeat the command"),
    ],
)
def test_a_folder_with_other_runs_is_explained(tmp_path, capsys, name, finished, words):
    write_run(tmp_path, name, {0: {"sampled": 0.5}}, finished=finished)
    assert main([str(tmp_path)]) == 2
    assert words in capsys.readouterr().err


def test_runs_of_the_platform_can_be_linked_by_their_names(tmp_path, capsys):
    write_run(tmp_path / "runs", "12", {80: {"sampled": 0.5}})
    assert main([str(tmp_path / "runs")]) == 2
    asked = re.search(r"ln -s (\S+) FOLDER/(\S+)", capsys.readouterr().err)
    (tmp_path / "suite").mkdir()
    (tmp_path / "suite" / asked[2]).symlink_to(asked[1])
    assert main([str(tmp_path / "suite")]) == 0
    assert "| **after RPT, reasoning** | 50.0" in capsys.readouterr().out
