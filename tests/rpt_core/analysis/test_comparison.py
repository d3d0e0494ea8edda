"""Two evaluations side by side, and stage `analyse`."""

import json

import pytest

from rpt_core.analysis import stage
from rpt_core.analysis.comparison import comparison_tables
from rpt_core.analysis.frontier_tables import frontier_tables
from rpt_core.analysis.names import slug
from rpt_core.config import AnalyseConfig, ComparisonConfig, FrontierConfig
from rpt_core.errors import UserError
from rpt_core.run.context import StageContext, StopRequested
from rpt_core.run.events import EventLog, EventType, read_events
from rpt_core.run.folder import RunDir
from tests.rpt_core.evaluation.outcome_files import row, write_outcomes


def files(folder, a, b):
    """Two files of standard and greedy answers: {place: right}, at byte offsets of one document each."""
    paths = []
    for name, answers in (("a", a), ("b", b)):
        rows = [
            row(f"doc{place}", place, greedy=right, greedy_tokens=10, standard=not right, standard_entropy_nats=place)
            for place, right in answers.items()
        ]
        paths.append(write_outcomes(folder / f"{name}.parquet", rows))
    return paths


def config(paths, **changes):
    return ComparisonConfig(
        **{"name": "A and B", "a": paths[0], "b": paths[1], "mode_a": "greedy", "mode_b": "greedy", **changes}
    )


def test_a_comparison_counts_the_same_positions(tmp_path):
    paths = files(tmp_path, {1: True, 2: False, 3: False, 4: True}, {4: True, 3: True, 2: True, 1: False})
    (differences, changed), left_out = comparison_tables(config(paths), seed=0, resamples=200)
    easy = differences.rows[0]
    assert left_out == 0
    assert (easy["a"].value, easy["b"].value, easy["difference"].value) == (0.5, 0.75, 0.25)
    assert easy["a"].n == easy["difference"].n == easy["by_document"].n == 4
    assert (easy["gained"], easy["forgotten"], easy["p"], easy["test"]) == (2, 1, 1.0, "McNemar")
    assert [(r["change"], r["position"]) for r in changed.rows] == [("gained", 2), ("gained", 3), ("forgotten", 1)]
    assert changed.rows[0]["truth"] == '"x"'
    assert changed.rows[0]["a"] is None


def test_two_modes_of_one_model_can_be_compared(tmp_path):
    paths = files(tmp_path, {1: True, 2: False, 3: True}, {})
    (differences, _), _ = comparison_tables(config([paths[0], paths[0]], mode_a="standard"), 0, 100)
    assert differences.rows[0]["difference"].value == pytest.approx(1 / 3)


def test_positions_of_one_file_alone_are_left_out_and_counted(tmp_path):
    paths = files(tmp_path, {1: True, 2: False, 3: False}, {2: True, 3: False, 7: True, 8: True})
    (differences, _), left_out = comparison_tables(config(paths), 0, 100)
    assert left_out == 3
    assert differences.rows[0]["difference"].n == 2
    assert "Left out: 3 positions that only one of the two has." in differences.caption


def test_evaluations_without_a_common_position_are_refused(tmp_path):
    with pytest.raises(UserError, match="no position in common"):
        comparison_tables(config(files(tmp_path, {1: True}, {2: True})), 0, 100)


def test_positions_of_different_texts_are_refused(tmp_path):
    a = write_outcomes(tmp_path / "a.parquet", [row("1", 5, greedy=True, next_token=b" cat")])
    b = write_outcomes(tmp_path / "b.parquet", [row("1", 5, greedy=True, next_token=b" dog")])
    with pytest.raises(UserError, match="different corpora"):
        comparison_tables(config([a, b]), 0, 100)


def test_another_text_with_the_same_next_token_is_refused_by_its_hash(tmp_path):
    a, b = (
        write_outcomes(tmp_path / f"{name}.parquet", [row("1", 5, greedy=True, text_hash=16 * name.encode())])
        for name in "ab"
    )
    with pytest.raises(UserError, match="different corpora"):
        comparison_tables(config([a, b]), 0, 100)


def test_only_positions_in_both_samples_of_a_difficulty_count_for_it(tmp_path):
    a = write_outcomes(tmp_path / "a.parquet", [row("d", n, greedy=True, hard=n < 3) for n in range(5)])
    b = write_outcomes(tmp_path / "b.parquet", [row("d", n, greedy=True, hard=n > 1) for n in range(5)])
    (differences, _), _ = comparison_tables(config([a, b]), 0, 100)
    assert {r["difficulty"]: r["a"].n for r in differences.rows} == {"easy": 5, "medium": 5, "hard": 1}


def test_means_of_several_responses_are_tested_by_sign_flips(tmp_path):
    a = write_outcomes(
        tmp_path / "a.parquet", [row("d", n, sampled=0.25, samples=4, majority=False, tokens=3) for n in range(6)]
    )
    b = write_outcomes(
        tmp_path / "b.parquet", [row("d", n, sampled=0.75, samples=4, majority=n > 1, tokens=3) for n in range(6)]
    )
    found = config([a, b], mode_a="sampled", mode_b="sampled")
    (differences, _), _ = comparison_tables(found, seed=0, resamples=20_000)
    easy = differences.rows[0]
    assert easy["test"] == "sign flips"
    assert easy["p"] == pytest.approx(2 / 64, abs=0.01)
    assert (easy["difference"].value, easy["difference"].low) == (0.5, None)  # all alike: no interval
    assert (easy["gained"], easy["forgotten"]) == (4, 0)


def test_long_lists_of_changed_positions_are_cut_and_say_so(tmp_path):
    a = {n: n >= 300 for n in range(450)}
    paths = files(tmp_path, a, {n: not right for n, right in a.items()})
    (_, changed), _ = comparison_tables(config(paths), 0, 10)
    kinds = [r["change"] for r in changed.rows]
    assert (kinds.count("gained"), kinds.count("forgotten")) == (100, 100)
    assert "300 positions gained and 150 forgotten" in changed.caption
    assert "shown: 200 of 450," in changed.caption


def test_predictions_show_their_blanks_and_broken_bytes(tmp_path):
    answers = {"greedy": True, "next_token": b" \n", "greedy_prediction": b"\xf0\x9f"}
    a = write_outcomes(tmp_path / "a.parquet", [row("d", 1, **answers)])
    b = write_outcomes(tmp_path / "b.parquet", [row("d", 1, **{**answers, "greedy": False})])
    (_, changed), _ = comparison_tables(config([a, b]), 0, 10)
    assert (changed.rows[0]["truth"], changed.rows[0]["a"]) == ('" \\n"', '"\\\\xf0\\\\x9f"')


def test_the_frontier_tables_hold_both_ends_and_the_gain(tmp_path):
    path = files(tmp_path, {n: n > 150 for n in range(300)}, {})[0]
    settings = FrontierConfig(name="Hybrid: test", outcomes=path, mode="greedy")
    curve, summary = frontier_tables(settings, seed=0, resamples=200)
    assert (curve.name, summary.name) == ("frontier_hybrid_test", "hybrid_hybrid_test")
    easy = [r for r in curve.rows if r["difficulty"] == "easy"]
    assert 60 < len(easy) <= 66
    assert (easy[0]["tau"], easy[0]["share"], easy[0]["tokens"]) == (None, 0, 1)
    assert (easy[-1]["tau"], easy[-1]["share"], easy[-1]["tokens"]) == (None, 1, 10)
    assert [r["tokens"] for r in easy] == sorted(r["tokens"] for r in easy)
    best = max(easy, key=lambda r: r["accuracy"].value)
    assert (best["accuracy"].value, best["tau"]) == (1.0, 150.5)
    assert best["at_random"] == pytest.approx(151 / 300 + (149 - 151) / 300 * 149 / 300)
    found = summary.rows[0]
    assert (found["never"].value, found["always"].value) == (151 / 300, 149 / 300)
    assert (found["best"].value, found["best_tau"]) == (1.0, 150.5)
    assert found["best_tokens"] == pytest.approx((151 + 1490) / 300)
    assert found["held_out"].value > 0.97
    assert found["over_never"].low > 0.4


def test_a_frontier_needs_the_standard_mode(tmp_path):
    path = write_outcomes(tmp_path / "a.parquet", [row("d", 1, greedy=True, greedy_tokens=3)])
    with pytest.raises(UserError, match="no standard mode"):
        frontier_tables(FrontierConfig(name="x", outcomes=path, mode="greedy"), 0, 10)


@pytest.mark.parametrize(
    ("heading", "name"), [("RPT, after 80 steps", "rpt_after_80_steps"), ("Größe", "groe"), ("漢字", "unnamed")]
)
def test_headings_become_names(heading, name):
    assert slug(heading) == name


def analyse(folder, **parts):
    run = RunDir(folder)
    settings = AnalyseConfig(bootstrap=100, **parts)
    run.create(settings)
    with EventLog(run.events) as log:
        return stage.run(settings, StageContext(run, log))


def events(folder, type_):
    return [event.data for event in read_events(RunDir(folder).events) if event.type == type_]


def test_the_stage_emits_every_table_once(tmp_path):
    paths = files(tmp_path, {n: n % 2 == 0 for n in range(40)}, {n: n % 3 == 0 for n in range(50)})
    frontiers = [FrontierConfig(name="h", outcomes=paths[0], mode="greedy")]
    assert analyse(tmp_path / "run", comparisons=[config(paths)], frontiers=frontiers) == {"tables": 4}
    tables = events(tmp_path / "run", EventType.TABLE)
    assert [table["name"] for table in tables] == ["comparison_a_and_b", "changed_a_and_b", "frontier_h", "hybrid_h"]
    for table in tables:
        stored = json.loads((tmp_path / "run" / table["path"]).read_bytes())
        assert stored["rows"] == table["rows"]
    (warning,) = events(tmp_path / "run", EventType.LOG)
    assert "10 positions" in warning["message"]
    assert [event["what"] for event in events(tmp_path / "run", EventType.PROGRESS)] == [
        "comparing: A and B",
        "hybrid thinking: h",
    ]


def test_two_results_of_one_name_are_refused(tmp_path):
    paths = files(tmp_path, {1: True}, {1: False})
    with pytest.raises(UserError, match="comparison_a_and_b"):
        analyse(tmp_path / "run", comparisons=[config(paths), config(paths, name="A and  b")])


def test_a_stop_ends_the_stage_before_the_next_result(tmp_path):
    paths = files(tmp_path, {1: True}, {1: False})
    settings = AnalyseConfig(comparisons=[config(paths)])
    run = RunDir(tmp_path / "run")
    run.create(settings)
    with EventLog(run.events) as log:
        context = StageContext(run, log)
        context.request_stop()
        with pytest.raises(StopRequested):
            stage.run(settings, context)
    assert events(tmp_path / "run", EventType.TABLE) == []
